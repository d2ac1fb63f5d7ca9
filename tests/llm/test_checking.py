import pytest

from hybrid_mcp.errors import AnswerUnusable
from hybrid_mcp.llm.checking import read_json


def test_json_is_read() -> None:
    assert read_json('{"a": [1.5, "\\ud83d\\ude00"]}', "a model") == {"a": [1.5, "\U0001f600"]}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 200_000 + "]" * 200_000, id="deeper than Python reads"),
        pytest.param('"\\ud800"', id="half a character"),
        pytest.param('{"\\ud800": 1}', id="half a character in a name"),
        "NaN",
        '{"a": [-Infinity]}',
        "1e999999",
        "no JSON",
    ],
)
def test_what_cannot_be_written_again_is_no_json(text: str) -> None:
    with pytest.raises(AnswerUnusable, match="a model did not answer with the JSON"):
        read_json(text, "a model")

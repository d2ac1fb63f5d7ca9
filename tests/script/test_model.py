import sys
import unicodedata

import pytest
from pydantic import TypeAdapter, ValidationError

from hybrid_mcp.script.model import CleanText

CLEAN = TypeAdapter[str](CleanText)


def accepted(text: str) -> bool:
    try:
        CLEAN.validate_python(text)
    except ValidationError:
        return False
    return True


def test_what_is_refused_is_control_characters_and_half_surrogates() -> None:
    refused = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cs")}
    every = "".join(chr(code) for code in range(sys.maxunicode + 1) if chr(code) not in refused)
    assert accepted(every)
    assert {char for char in refused if accepted(f"a{char}b")} == set("\n\r\t\f\v")


def test_form_feeds_become_line_breaks() -> None:
    assert CLEAN.validate_python("a\fb\vc") == "a\nb\nc"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("眠り\x00", "control character U+0000 at character 2; remove it"),
        ("a\x85", "control character U+0085 at character 1; remove it"),
    ],
)
def test_a_control_character_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("+", r"\+")):
        CLEAN.validate_python(text)

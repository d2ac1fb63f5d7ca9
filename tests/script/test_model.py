import sys
import unicodedata

import pytest
from pydantic import TypeAdapter, ValidationError

from hybrid_mcp.script.model import CleanText, Line, Paper, Role
from hybrid_mcp.script.retold import check
from hybrid_mcp.script.source import source_of_text

CLEAN = TypeAdapter[str](CleanText)


def accepted(text: str) -> bool:
    try:
        CLEAN.validate_python(text)
    except ValidationError:
        return False
    return True


def test_what_is_refused_is_control_characters_and_half_surrogates() -> None:
    refused = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cc", "Cs")}
    every = "a".join(chr(code) for code in range(sys.maxunicode + 1) if chr(code) not in refused)
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


def test_a_name_is_the_same_however_its_accents_are_stored() -> None:
    stored = unicodedata.normalize("NFD", "ガイド")
    assert Role(name=stored).name == "ガイド"
    assert Paper(title=stored, abstract="眠る。", authors=[stored]).title == "ガイド"


def test_marks_piled_up_without_end_are_refused_and_accents_are_not() -> None:
    assert accepted(unicodedata.normalize("NFD", "がぎぐげご" * 100) + "ệ" * 100)
    assert accepted("a" + "\u0315" * 30)
    with pytest.raises(ValidationError, match="combining marks in a row at character 1"):
        Paper(title="a" + "\u0315\u0300" * 500_000, abstract="眠る。")


def test_marks_piled_up_are_found_wherever_they_begin() -> None:
    for before in range(62):
        assert accepted("あ" * before + "\u0315" * 30 + "あ" * 40)
        assert not accepted("あ" * before + "\u0315" * 31 + "あ" * 40)


def test_a_line_shares_its_words_with_a_span_however_the_span_is_stored() -> None:
    said = "ガラスのビーズでグラフェンのバンドギャップが広がるデータです。"
    span = unicodedata.normalize("NFD", said)
    line = Line(id="l-1", speaker="n", text=said, spoken=said, evidence=(2,), spans=(span,))
    assert list(check(line, "ja", source_of_text("題", said))) == []

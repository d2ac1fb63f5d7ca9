from decimal import Decimal

import pytest

from hybrid_mcp.script.evidence import Numeral, check, grounded_share, numerals, terms
from hybrid_mcp.script.model import Line, SourceSentence


def line(text: str, *spans: str) -> Line:
    return Line(
        id="l-1", speaker="n", text=text, spoken=text, evidence=tuple(range(1, len(spans) + 1)), spans=tuple(spans)
    )


def source(*texts: str) -> dict[int, SourceSentence]:
    return {n: SourceSentence(number=n, text=text, origin="abstract") for n, text in enumerate(texts, 1)}


def rules(text: str, *spans: str, language: str = "ja") -> list[str]:
    found = check(line(text, *spans), range(1, len(spans) + 1), source(*(spans or ("何もない。",))), language)  # type: ignore[arg-type]
    return [complaint.rule for complaint in found]


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        ("72.4%", "72.4", True),
        ("７２．４％", "72.4", True),
        ("72.4パーセント", "72.4", True),
        ("72.4 percent", "72.4", True),
        ("四割", "40", True),
        ("3割", "30", True),
        ("1,234人", "1234", False),
        ("二十四名", "24", False),
        ("二〇二一年", "2021", False),
        ("百二十件", "120", False),
        ("3万5千人", "35000", False),
        ("1.2億年", "120000000", False),
        ("十二万三千", "123000", False),
        ("約3.5 million people", "3500000", False),
        ("twenty-four participants", "24", False),
        ("two hundred and", "200", False),
        ("三倍", "3", False),
    ],
)
def test_a_number_is_read_whatever_it_is_written_in(text: str, value: str, percent: bool) -> None:
    assert numerals(text) == {Numeral(Decimal(value), percent)}


@pytest.mark.parametrize(
    "text", ["一方で、一般に", "十分な検討", "一つの鍵", "割合が高い", "万一のとき", "one of them"]
)
def test_idioms_with_kanji_digits_are_no_numbers(text: str) -> None:
    assert numerals(text) == set()


def test_the_same_number_in_another_notation_is_accepted() -> None:
    assert (
        rules("被験者は24名で、正答率は72.4パーセントでした。", "被験者は二十四名、正答率は７２．４％であった。") == []
    )
    assert rules("There were 24 of 1200.", "Twenty-four of 1,200 took part.", language="en") == []


def test_an_invented_number_is_named_with_the_sentence_that_has_it() -> None:
    sentences = source("精度は高い。", "精度は81.3%である。")
    [complaint] = check(line("精度は81.3%でした。", "精度は高い。"), [1], sentences, "ja")
    assert complaint.rule == "numeral-not-in-evidence"
    assert "[2]" in complaint.ja
    assert "81.3%" in complaint.en


def test_a_number_that_stands_nowhere_is_said_to_stand_nowhere() -> None:
    [complaint] = check(line("精度は99%でした。", "精度は高い。"), [1], source("精度は高い。"), "ja")
    assert "nowhere" in complaint.en


def test_percent_and_plain_number_are_different_claims() -> None:
    assert rules("37人でした。", "37%であった。") == ["percent-differs"]


def test_a_latin_term_must_stand_in_the_evidence() -> None:
    assert rules("BERTは有効です。", "GPTは有効である。") == ["term-not-in-evidence"]
    assert rules("LLMは有効です。", "LLMsは有効である。") == []
    assert rules("ＢＥＲＴは有効です。", "bertは有効である。") == []


def test_in_english_only_names_are_terms() -> None:
    assert terms("However, AlphaFold reads mRNA in Tokyo.", "en") == {"AlphaFold", "mRNA", "Tokyo"}
    assert rules("They use ResNet.", "The authors use AlexNet.", language="en") == ["term-not-in-evidence"]


def test_framing_with_a_figure_is_complained_about() -> None:
    assert rules("3つのポイントを見ましょう。") == ["numeral-without-evidence"]
    assert rules("では、結果です。") == []


def test_evidence_that_does_not_exist_is_named() -> None:
    bad = Line(id="l-1", speaker="n", text="はい。", spoken="はい。")
    [complaint] = check(bad, [9], source("ある。"), "ja")
    assert complaint.rule == "no-such-evidence"
    assert "1" in complaint.en


def test_the_grounded_share_counts_characters() -> None:
    assert grounded_share([line("あああ", "根拠"), line("い")]) == 0.75
    assert grounded_share([]) == 0.0

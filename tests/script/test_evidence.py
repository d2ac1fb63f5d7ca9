from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal

import pytest

from hybrid_mcp.languages import Bilingual
from hybrid_mcp.script.evidence import Concordance, Numeral, check, figures, grounded_share, numerals, terms
from hybrid_mcp.script.model import Line, SourceSentence


def line(text: str, *spans: str) -> Line:
    return Line(
        id="l-1", speaker="n", text=text, spoken=text, evidence=tuple(range(1, len(spans) + 1)), spans=tuple(spans)
    )


def numbered(*texts: str) -> dict[int, SourceSentence]:
    return {n: SourceSentence(number=n, text=text, origin="abstract") for n, text in enumerate(texts, 1)}


def source(*texts: str) -> Concordance:
    return Concordance(numbered(*texts))


def rules(text: str, *spans: str, language: str = "ja") -> list[str]:
    found = check(line(text, *spans), range(1, len(spans) + 1), source(*(spans or ("何もない。",))), language)  # type: ignore[arg-type]
    return [complaint.rule for complaint in found]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("72.4%", "72.4", "%"),
        ("７２．４％", "72.4", "%"),
        ("72.4パーセント", "72.4", "%"),
        ("72.4 percent", "72.4", "%"),
        ("四割", "40", "%"),
        ("3割", "30", "%"),
        ("1,234人", "1234", ""),
        ("二十四名", "24", ""),
        ("二〇二一年", "2021", ""),
        ("百二十件", "120", ""),
        ("3万5千人", "35000", ""),
        ("1.2億年", "120000000", ""),
        ("十二万三千", "123000", ""),
        ("約3.5 million people", "3500000", ""),
        ("twenty-four participants", "24", ""),
        ("two hundred and", "200", ""),
        ("三倍", "3", ""),
        ("3ポイント低下", "3", "pt"),
        ("3パーセントポイント上昇", "3", "pt"),
        ("3 percentage points", "3", "pt"),
        ("3ポイントを述べる", "3", ""),
    ],
)
def test_a_number_is_read_whatever_it_is_written_in(text: str, value: str, unit: Literal["", "%", "pt"]) -> None:
    assert numerals(text) == {Numeral(Decimal(value), unit)}


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
    assert rules("37人でした。", "37%であった。") == ["unit-differs"]


def test_percent_and_percentage_points_are_different_claims() -> None:
    assert rules("3%低下しました。", "3ポイント低下した。") == ["unit-differs"]
    assert rules("3ポイント低下しました。", "3%低下した。") == ["unit-differs"]
    assert rules("3ポイント低下しました。", "3ポイント低下した。") == []


def test_powers_and_uncertainties_are_read_as_they_are_meant() -> None:
    assert {str(numeral) for numeral in numerals("10⁹個")} == {"10", "9"}
    assert rules("10の9乗です。", "10⁹である。") == []
    assert rules("3.028%です。", "3.028(23)%である。") == []


def test_the_same_number_of_something_else_is_no_remedy() -> None:
    sentences = source("薬は効く。", "2型糖尿病の患者を調べた。")
    [complaint] = check(line("約2年間でした。", "薬は効く。"), [1], sentences, "ja")
    assert "[2]" not in complaint.en
    assert "nowhere" in complaint.en


def test_titles_and_hooks_may_hold_only_figures_of_the_source() -> None:
    sentences = source("死亡は12%減った。")
    hook = Bilingual(ja="つかみ", en="hook")
    assert figures("12%減った薬", sentences, hook) == []
    [complaint] = figures("死亡が50%減る薬", sentences, hook)
    assert "50%" in complaint.en
    assert "hook" in complaint.en


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


class Watched(Mapping[int, SourceSentence]):
    """A source that counts how often somebody goes through it."""

    def __init__(self, *texts: str) -> None:
        self._sentences = numbered(*texts)
        self.passes = 0

    def __getitem__(self, number: int) -> SourceSentence:
        return self._sentences[number]

    def __contains__(self, number: object) -> bool:
        return number in self._sentences

    def __iter__(self) -> Iterator[int]:
        self.passes += 1
        return iter(self._sentences)

    def __len__(self) -> int:
        return len(self._sentences)


def test_a_source_is_searched_once_for_all_terms_and_once_for_all_numbers() -> None:
    watched = Watched("精度は高い。", "GPTの精度は81.3%である。")
    searched = Concordance(watched)
    for _ in range(3):
        found = check(line("GPT、BERT、CNNは81.3%、77%、55%でした。", "精度は高い。"), [1], searched, "ja")
        assert [complaint.rule for complaint in found] == ["numeral-not-in-evidence"] * 3 + ["term-not-in-evidence"] * 3
        assert [complaint.en for complaint in found if "[2]" in complaint.en] == [
            "The number 81.3% is not in its evidence [1]. It stands in [2]: add that to evidence.",
            "'GPT' is not in its evidence [1]. It stands in [2]: add that to evidence.",
        ]
        assert figures("99%の話", searched, Bilingual(ja="題名", en="title"))
    assert watched.passes == 2


def test_a_line_that_keeps_to_its_evidence_needs_no_search() -> None:
    watched = Watched("精度は高い。", "GPTの精度は81.3%である。")
    assert check(line("GPTは81.3%。", "GPTの精度は81.3%である。"), [2], Concordance(watched), "ja") == []
    assert watched.passes == 0


def test_the_first_three_sentences_that_have_it_are_named() -> None:
    several = source("なし。", *["GPTは81人、81台。"] * 5)
    found = check(line("GPTは81台、81人。", "なし。"), [1], several, "ja")
    assert [complaint.en.partition("It stands")[2] for complaint in found] == [
        " in [2][3][4]: add that to evidence."
    ] * 2

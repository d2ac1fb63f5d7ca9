import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.script.sentences import sentences


@pytest.mark.parametrize(
    "cut",
    [
        ["差はなかった。", "eGFRの変化は小さい。"],
        ["被覆率は99.4%である。", "25サイクルで測った。"],
        ["(3) 誤差は減った。", "(4)は増えた。"],
        ["La₀.₈Sr₀.₂MnO₃を用いた。", "電流は増えた。"],
        ["寿命は３．５倍になった。", "T. Tanakaが示した。"],
        ["図1.に示す。", "次に進む。"],
        ["「本当？」と彼は言った。", "「知らない。」と答えた。"],
        ["睡眠を調べた．", "記憶は，3．5倍保たれた．", "eGFRは変わらない．"],
        ["なぜ眠るのか？", "理由は分からない！", "だが眠る。"],
        ["測定した（詳細は省く。付録にある）。", "終わる。"],
        ["睡眠は大切である.", "記憶を固める."],
        ["閉じない「括弧がある。", "それでも切れる。"],
    ],
)
def test_japanese_is_cut_where_its_sentences_end(cut: list[str]) -> None:
    assert sentences("".join(cut), "ja") == cut


def test_english_is_cut_as_before() -> None:
    text = "We tested 12 mice (Fig. 2). It fell by 3.5 %, cf. Smith et al. 2020. Then it rose."
    assert sentences(text, "en") == [
        "We tested 12 mice (Fig. 2).",
        "It fell by 3.5 %, cf. Smith et al. 2020.",
        "Then it rose.",
    ]


@pytest.mark.parametrize("mark", ["・", "- ", "(1)", "1. ", "１．", "①", "• "])
def test_items_of_lists_are_sentences_and_what_follows_is_not_theirs(mark: str) -> None:
    text = f"次の二つを調べた。\n{mark}睡眠の長さ\n{mark}記憶の強さ\n以下に結果を示す。"
    assert sentences(text, "ja") == [
        "次の二つを調べた。",
        f"{mark}睡眠の長さ",
        f"{mark}記憶の強さ",
        "以下に結果を示す。",
    ]


def test_an_item_that_goes_on_keeps_its_next_line() -> None:
    assert sentences("- 睡眠の長さと、\n記憶の強さ\n- 年齢", "ja") == ["- 睡眠の長さと、記憶の強さ", "- 年齢"]
    assert sentences("- the length of\nsleep\n- age", "en") == ["- the length of sleep", "- age"]


def test_a_break_inside_a_japanese_sentence_adds_no_space() -> None:
    assert sentences("線維芽\n細胞をiPS\n細胞に\n12 回変えた。", "ja") == ["線維芽細胞をiPS細胞に12 回変えた。"]
    assert sentences("寿命は\n1.5倍になった。", "ja") == ["寿命は1.5倍になった。"]


def test_a_heading_is_not_glued_to_its_text() -> None:
    assert sentences("1. はじめに\n近年、睡眠は短い。\n結果\n短くなった。", "ja") == [
        "1. はじめに",
        "近年、睡眠は短い。",
        "結果",
        "短くなった。",
    ]


@given(st.text(alphabet="ab1あ漢。．.!?！？、「」（）() \n・-\u3000", max_size=60), st.sampled_from(["ja", "en"]))
def test_nothing_is_lost(text: str, language: str) -> None:
    assert re.sub(r"\s", "", "".join(sentences(text, language))) == re.sub(r"\s", "", text)

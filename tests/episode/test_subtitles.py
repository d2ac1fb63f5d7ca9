import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.episode.subtitles import Timed, cues, srt, vtt
from hybrid_mcp.script.breaks import LINE_WIDTH, SCREEN_LINES, phrases, width, wrap

CLOSING = "、。，．！？」』）】・ー々っゃゅょッャュョ"
JAPANESE = st.text(
    alphabet="あいうえおかがきぎ海馬記憶学習睡眠は、が。をに「」（）アルファーABC123 %っゃョ", min_size=1, max_size=120
)


def test_width_counts_full_width_characters_twice() -> None:
    assert width("海馬AI") == 6


@pytest.mark.parametrize("language", ["ja", "en"])
@given(text=JAPANESE)
def test_wrapping_loses_nothing_but_spaces(language: str, text: str) -> None:
    assert re.sub(r"\s", "", "".join(wrap(text, language))) == re.sub(r"\s", "", text)


@given(text=JAPANESE)
def test_no_line_is_wider_than_the_screen_but_for_closing_marks(text: str) -> None:
    for line in wrap(text, "ja"):
        assert width(line.rstrip(CLOSING + " %")) <= LINE_WIDTH


@given(text=JAPANESE)
def test_no_line_starts_with_a_closing_mark_or_small_kana(text: str) -> None:
    assert not [line for line in wrap(text, "ja")[1:] if line[0] in CLOSING]


def test_no_line_starts_with_a_particle() -> None:
    text = "候補遺伝子をレトロウイルスでマウスの線維芽細胞に導入し、ES細胞に似た細胞だけが生き残る仕組みを用いて調べました。"
    for line in wrap(text, "ja"):
        assert line[0] not in "はがをにへとでのもや"


def test_names_and_compounds_are_not_broken() -> None:
    assert wrap("高橋和利さんと山中伸弥さんによる研究です。", "ja") == [
        "高橋和利さんと",
        "山中伸弥さんによる研究です。",
    ]


def test_english_breaks_at_spaces() -> None:
    lines = wrap("Predicting the shape from the sequence alone has been an open problem.", "en")
    assert lines == ["Predicting the shape from the sequence", "alone has been an open problem."]
    assert "".join(phrases("two words", "en")) == "two words"


@given(st.lists(JAPANESE, min_size=1, max_size=8))
def test_cues_fit_the_screen_in_order_and_without_overlap(texts: list[str]) -> None:
    pieces = [Timed(text, float(n), n + 0.9, break_after=n % 3 == 2) for n, text in enumerate(texts)]
    made = cues(pieces, "ja")
    for cue in made:
        assert cue.text
        assert cue.text.count("\n") < SCREEN_LINES
        assert cue.start < cue.end
    assert all(before.end <= after.start + 1e-9 for before, after in itertools.pairwise(made))
    shown = re.sub(r"\s", "", "".join(cue.text for cue in made))
    assert shown == re.sub(r"\s", "", "".join(texts))


def test_a_cue_ends_with_a_sentence_and_at_a_long_silence() -> None:
    pieces = [Timed("はい。", 0, 1, break_after=True), Timed("では、", 1, 2), Timed("次です。", 4, 5)]
    assert [cue.text for cue in cues(pieces, "ja")] == ["はい。", "では、", "次です。"]


def test_a_cue_ends_at_a_comma_rather_than_with_a_word_left_over() -> None:
    pieces = [
        Timed("得られた細胞は、", 0.0, 1.0),
        Timed("ES細胞に似た形と増え方を示し、", 1.3, 4.0),
        Timed("ES細胞の目印となる遺伝子を", 4.4, 6.5),
        Timed("発現していました。", 6.5, 7.7, break_after=True),
    ]
    assert [cue.text.replace("\n", "") for cue in cues(pieces, "ja")] == [
        "得られた細胞は、ES細胞に似た形と増え方を示し、",
        "ES細胞の目印となる遺伝子を発現していました。",
    ]


def test_a_short_cue_stays_into_the_silence_but_not_into_the_next() -> None:
    alone, close, last = cues(
        [
            Timed("はい。", 0.0, 0.3, break_after=True),
            Timed("では。", 2.0, 2.3, break_after=True),
            Timed("次。", 2.5, 4.0, break_after=True),
        ],
        "ja",
    )
    assert (alone.end, close.end, last.end) == (1.0, 2.5, 4.0)


@pytest.mark.parametrize(("length", "shown"), [(1.005, "01,005"), (1.0057, "01,005"), (2.0, "01,053")])
def test_the_last_cue_ends_with_the_recording_at_the_latest(length: float, shown: str) -> None:
    made = cues([Timed("はい。", 0.053, 0.7, break_after=True)], "ja", length)
    assert srt(made) == f"1\n00:00:00,053 --> 00:00:{shown}\nはい。\n"


def test_what_is_heard_in_the_last_millisecond_still_ends_after_it_starts() -> None:
    first, last = cues([Timed("はい。", 0.0, 1.2, break_after=True), Timed("え", 1.0, 1.05)], "ja", 1.0)
    assert first.end == 1.0
    assert last.end > last.start


def test_srt_and_vtt_say_the_same_in_their_own_way() -> None:
    made = cues([Timed("精度 <90% & 以上。", 3661.0005, 3662.5)], "ja")
    assert srt(made) == "1\n01:01:01,000 --> 01:01:02,500\n精度 <90% & 以上。\n"
    assert vtt(made) == "WEBVTT\n\n01:01:01.000 --> 01:01:02.500\n精度 &lt;90% &amp; 以上。\n"
    assert srt([]) == ""
    assert vtt([]) == "WEBVTT\n"

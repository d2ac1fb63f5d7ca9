import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.script import ruby
from hybrid_mcp.script.phrasing import LONGEST, reading, utterances


def shown(text: str) -> list[list[str]]:
    return [[phrase.shown for phrase in part] for part in utterances(text, "ja")]


def test_sentences_become_utterances_and_breaths_phrases() -> None:
    assert shown("はい、そうです。では、次です。") == [["はい、", "そうです。"], ["では、", "次です。"]]


@pytest.mark.parametrize("text", ["精度は3.5%です。", "1,234人が参加しました。", "円周率は3.14159です。"])
def test_marks_inside_numbers_are_no_pauses(text: str) -> None:
    assert shown(text) == [[text]]


def test_marks_without_a_sound_are_shown_with_their_neighbours() -> None:
    assert shown("……「はい」。") == [["……「はい」。"]]
    assert shown("🎉 おめでとう！") == [["🎉 おめでとう！"]]


@pytest.mark.parametrize("text", ["", "…。！？", "🎉🎉", "「」（）", "   \n"])
def test_nothing_to_hear_gives_nothing(text: str) -> None:
    assert utterances(text, "ja") == []


@pytest.mark.parametrize("text", ["カ" * 2000, "1" * 2000, "あ" + "ー" * 3000, "deep" * 500, "（" * 2000 + "あ"])
def test_a_word_without_end_is_spoken_in_parts(text: str) -> None:
    parts = utterances(text, "ja")
    assert all(sum(len(phrase.shown) for phrase in part) <= 2 * LONGEST for part in parts[:-1])
    assert "".join(phrase.shown for part in parts for phrase in part) == text


def test_brackets_are_breaths_of_their_own_but_keep_their_particle() -> None:
    assert shown("被験者（24名、平均22歳）は海馬（脳の一部）活動を示した。") == [
        ["被験者", "（24名、", "平均22歳）は海馬", "（脳の一部）", "活動を示した。"]
    ]


def test_a_long_breath_is_cut_where_a_line_may_end() -> None:
    [pieces] = shown("ES細胞に似た細胞だけが生き残る仕組みを用いて調べました。")
    assert pieces == ["ES細胞に似た細胞だけが生き残る仕組みを", "用いて調べました。"]


def test_what_is_read_is_words_and_what_is_shown_is_the_text() -> None:
    [[first, second]] = utterances("体重5–10 kgのBERT、AIです。", "ja")
    assert (first.shown, second.shown) == ("体重5–10 kgのBERT、", "AIです。")
    assert first.spoken == "体重5から10キログラムのBERT"
    assert second.spoken == "AIです"


def test_the_reading_of_a_line_is_what_its_phrases_are_read_as() -> None:
    assert reading("「体重」は5–10 kgです（n=24）。本当？はい。", "ja") in (
        "体重は5から10キログラムです、nは24。本当？はい。",
        "体重は5から10キログラムです、nイコール24。本当？はい。",
    )
    assert reading("🎉", "ja") == ""


def test_a_sentence_without_end_is_spoken_in_parts() -> None:
    parts = utterances("記憶と学習と睡眠と" * 200, "ja")
    assert len(parts) > 1
    assert all(sum(len(phrase.spoken) for phrase in part) <= LONGEST + 60 for part in parts)


@given(st.text(alphabet="あ海馬の記憶は、「」（）()35%AI ・", max_size=80))
def test_nothing_of_a_sentence_is_lost_or_doubled(text: str) -> None:
    sentence = f"あ{text}"
    pieces = [piece for part in shown(sentence) for piece in part]
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", sentence)


def spoken(text: str) -> list[list[tuple[str, str]]]:
    return [[(phrase.shown, phrase.spoken) for phrase in part] for part in utterances(text, "ja")]


def test_a_reading_is_spoken_and_its_word_is_shown() -> None:
    assert spoken("東京都《とうきょうと》の箸、お母さんと行《おこな》った？") == [
        [("東京都の箸、", "とうきょうとの箸"), ("お母さんと行った？", "お母さんとおこなった？")]
    ]


def test_a_reading_with_accents_stays_marked_in_what_is_spoken() -> None:
    assert spoken("5–10 kgの箸《ハ'シ/ト'、ハシ'》と3《さん》だ。") == [
        [("5–10 kgの箸と3だ。", "5から10キログラムの《ハ'シ/ト'、ハシ'》とさんだ")]
    ]


def test_a_quotation_is_spoken_as_before() -> None:
    assert spoken("彼は《戦争と平和》を読む。") == [[("彼は《戦争と平和》を読む。", "彼は、戦争と平和を読む")]]


def test_a_word_that_is_read_as_a_whole_is_not_cut() -> None:
    long = "候補遺伝子をレトロウイルスでマウスの線維芽細胞に導入し"
    [[first, *others]] = spoken(f"｜{long}《ヨ'ミ》て調べた。")
    assert first[0].startswith(long)
    assert first[1].startswith("《ヨ'ミ》")
    assert "".join(shown for shown, _ in [first, *others]) == f"{long}て調べた。"


def test_a_reading_knows_its_word_behind_line_breaks_and_in_later_sentences() -> None:
    assert spoken("一つ目。\n\n  海馬《カ'イバ》と\n海馬《かいば》だ。") == [
        [("一つ目。", "一つ目")],
        [("海馬と海馬だ。", "《カ'イバ》とかいばだ")],
    ]


def test_what_is_read_for_people_has_no_accents() -> None:
    assert reading("箸《ハ'シ》と橋《ハシ'》。本当《ホント'？》？", "ja") == "ハシとハシ。ホント？"


def test_a_character_that_stands_for_readings_inside_is_no_reading() -> None:
    assert spoken("\U000f0000箸《ハ'シ》\U000f0000だ。") == [[("\U000f0000箸\U000f0000だ。", "《ハ'シ》だ")]]


@given(st.text(alphabet="あ海馬カA3の記憶は、「」（）《》｜'/ ", max_size=80))
def test_all_that_is_shown_is_the_text_without_its_readings(text: str) -> None:
    sentence = f"あ{text}"
    pieces = [piece for part in shown(sentence) for piece in part]
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", ruby.shown(sentence))

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.script import ruby


def read(text: str) -> list[tuple[str, str]]:
    """Each word with its reading, as it stands in what is spoken."""
    plain, readings = ruby.annotated(text)
    letters = [char for char in plain if not char.isspace()]
    return [("".join(letters[reading.start : reading.end]), reading.spoken) for reading in readings]


@pytest.mark.parametrize(
    ("text", "word", "reading"),
    [
        ("この海馬《かいば》は", "海馬", "かいば"),
        ("人々《ひとびと》", "人々", "ひとびと"),
        ("一ヶ月《いっかげつ》", "一ヶ月", "いっかげつ"),
        ("〆切《しめきり》", "〆切", "しめきり"),
        ("その行《おこな》い", "行", "おこな"),
        ("新しいワクチン《ヴァクチン》", "ワクチン", "ヴァクチン"),
        ("このGPT-4《ジーピーティーフォー》は", "GPT-4", "ジーピーティーフォー"),
        ("値は3.5《さんてんご》だ", "3.5", "さんてんご"),
        ("ワクチン接種《せっしゅ》", "接種", "せっしゅ"),
        ("｜お母さん《おかあさん》と", "お母さん", "おかあさん"),
        ("｜New York《ニューヨーク》で", "NewYork", "ニューヨーク"),
        ("赤い｜箸《ハシ》", "箸", "ハシ"),
        ("名前《なか・ぐろ》", "名前", "なか・ぐろ"),
    ],
)
def test_a_reading_belongs_to_the_word_before_it(text: str, word: str, reading: str) -> None:
    assert read(text) == [(word, reading)]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("ハ'シ", "ハ'シ"),
        ("は'し", "ハ'シ"),
        ("ハ’シ", "ハ'シ"),
        ("ト'ーキョー", "ト'オキョオ"),
        ("シ'ンソー/ガク_シュ'ー", "シ'ンソオ/ガク_シュ'ウ"),
        ("ハ'シ、トル'？", "ハ'シ、トル'？"),
        ("ハ'シ／ヲ'", "ハ'シ/ヲ'"),
    ],
)
def test_accents_are_told_in_the_engines_notation(written: str, told: str) -> None:
    assert read(f"箸《{written}》") == [("箸", f"《{told}》")]


@pytest.mark.parametrize("malformed", ["ハ'シ'", "'ハシ", "ハ'シ/ト", "ハ'シ//ト'", "ハ''シ", "ハ'ッ_'"])
def test_malformed_accents_are_dropped_and_the_kana_stay(malformed: str) -> None:
    [(word, reading)] = read(f"箸《{malformed}》")
    assert word == "箸"
    assert reading.startswith("ハ")
    assert not set(reading) & set("'_/《》")


@pytest.mark.parametrize(
    "text",
    [
        "小説《戦争と平和》を読む",
        "《ぐりとぐら》という絵本",
        "という《ゲド》",
        "漢字《》",
        "漢字《kanji》",
        "漢字《 》",
        "漢字《'》",
        "漢字《・》",
        "閉じない漢字《かんじ",
        "｜だけの行",
        "｜長い。文《ぶん》を除いて｜",
        "",
    ],
)
def test_quotations_are_left_alone(text: str) -> None:
    plain, readings = ruby.annotated(text)
    if "文《ぶん》" in text:
        assert [reading.kana for reading in readings] == ["ぶん"]
        assert plain == "｜長い。文を除いて｜"
    else:
        assert (plain, readings) == (text, ())


def test_what_is_shown_has_no_readings() -> None:
    assert ruby.shown("｜お母さん《おかあさん》の箸《ハ'シ》、《戦争と平和》") == "お母さんの箸、《戦争と平和》"


def test_engines_without_accents_get_kana() -> None:
    assert ruby.plain("赤い《ハ'シ/トハ_シ'》を《題名》で") == "赤いハシトハシを《題名》で"
    assert ruby.runs("赤い《ハ'シ》を") == [("赤い", False), ("ハ'シ", True), ("を", False)]
    assert ruby.runs("") == []


@given(st.text(alphabet="漢字かなカーA1.'_/、？《》｜ 。\n", max_size=60))
def test_places_are_inside_the_shown_text_in_order_and_nothing_else_is_lost(text: str) -> None:
    plain, readings = ruby.annotated(text)
    place = 0
    for reading in readings:
        assert place <= reading.start < reading.end <= ruby.count_letters(plain)
        assert reading.kana
        if reading.accented:
            assert ruby.runs(reading.spoken) == [(reading.kana, True)]
        place = reading.end
    if not readings:
        assert plain == text


@pytest.mark.parametrize(
    ("text", "word"),
    [("1,000,000", "1,000,000"), ("a-a-a", "a-a-a"), ("--a", "-a"), ("1.a", "a"), ("1.-a", "-a"), ("a--a", "-a")],
)
def test_a_latin_word_begins_at_its_first_letter(text: str, word: str) -> None:
    assert read(f"{text}《よみ》") == [(word, "よみ")]


@pytest.mark.parametrize("run", ["1,000,", "a-", "’a", "1.5，", "-", "字ヶ", "アヶ"])
def test_a_long_run_before_a_bracket_is_tried_once(run: str) -> None:
    endless = run * (600_000 // len(run)) + "…《よみ》"
    assert ruby.annotated(endless) == (endless, ())

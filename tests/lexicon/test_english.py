from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pyopenjtalk
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.lexicon import version
from hybrid_mcp.lexicon.english import kana
from hybrid_mcp.lexicon.kanji import KANJI
from hybrid_mcp.lexicon.version import readings_version
from hybrid_mcp.lexicon.words import NAMES, WORDS
from hybrid_mcp.script.symbols import SYMBOLS
from hybrid_mcp.script.units import UNITS

ACRONYMS = [
    ("AI", "エーアイ"),
    ("DNA", "ディーエヌエー"),
    ("MRI", "エムアールアイ"),
    ("fMRI", "エフエムアールアイ"),
    ("mRNA", "エムアールエヌエー"),
    ("siRNA", "エスアイアールエヌエー"),
    ("iPS細胞", "アイピーエス細胞"),
    ("ADHD", "エーディーエイチディー"),
    ("NMDA受容体", "エヌエムディーエー受容体"),
    ("HIV", "エイチアイブイ"),
    ("pH", "ピーエイチ"),
    ("LLMs", "エルエルエムズ"),
    ("U.S.では", "ユーエスでは"),
    ("CAR-T細胞", "カーティー細胞"),
    ("NASA", "ナサ"),
    ("BERT", "バート"),
    ("GANs", "ガンズ"),
    ("PET", "ペット"),
    ("IEEE", "アイトリプルイー"),
]

WORDS_IN_TEXT = [
    ("CRISPR", "クリスパー"),
    ("Python", "パイソン"),
    ("PyTorch", "パイトーチ"),
    ("ChatGPT", "チャットジーピーティー"),
    ("AlphaFold", "アルファフォールド"),
    ("ResNet", "レズネット"),
    ("ImageNet", "イメージネット"),
    ("DeepMind", "ディープマインド"),
    ("OpenAI", "オープンエーアイ"),
    ("YouTube", "ユーチューブ"),
    ("GitHub", "ギットハブ"),
    ("Claude", "クロード"),
    ("iPhone", "アイフォン"),
    ("Nature", "ネイチャー"),
    ("transformer", "トランスフォーマー"),
    ("Transformerと深層学習", "トランスフォーマーと深層学習"),
    ("deep learning", "ディープ ラーニング"),
    ("in vivo", "イン ビボ"),
    ("Homo sapiens", "ホモ サピエンス"),
    ("E. coliの増殖", "イー コリの増殖"),
    ("climate", "クライメート"),
    ("Wi-Fi", "ワイファイ"),
    ("e-mail", "イーメール"),
    ("state-of-the-art", "ステートオブザアート"),
    ("naïve", "ナイーブ"),
    ("Müller", "ミュラー"),
    ("Schrödinger方程式", "シュレーディンガー方程式"),
    ("Parkinson's病", "パーキンソンズ病"),
    ("McDonald", "マクドナルド"),
    ("Ｐｙｔｈｏｎ", "パイソン"),
]

DIGITS = [
    ("GPT-4", "ジーピーティー4"),
    ("GPT-3.5", "ジーピーティー3.5"),
    ("COVID-19", "コビッド19"),
    ("IL-6", "アイエル6"),
    ("SARS-CoV-2", "サーズコブツー"),
    ("PM2.5", "ピーエム2.5"),
    ("TP53", "ティーピー53"),
    ("CO2とH2O", "シーオーツーとエイチツーオー"),
    ("NaClとTiO2", "エヌエーシーエルとティーアイオーツー"),
    ("H5N1", "エイチファイブエヌワン"),
    ("CRISPR-Cas9", "クリスパーキャスナイン"),
    ("F1スコア", "エフワンスコア"),
    ("3Dプリンタ", "スリーディープリンタ"),
    ("ResNet-50", "レズネット50"),
    ("2021年", "2021年"),
]

LETTERS = [
    ("A群", "エー群"),
    ("p値", "ピー値"),
    ("X線", "エックス線"),
    ("T細胞", "ティー細胞"),
    ("II型糖尿病", "2型糖尿病"),
    ("第III相試験", "第3相試験"),
    ("X染色体", "エックス染色体"),
    ("V字回復", "ブイ字回復"),
]


@pytest.mark.parametrize(("shown", "spoken"), [*ACRONYMS, *WORDS_IN_TEXT, *DIGITS, *LETTERS])
def test_latin_words_get_their_reading(shown: str, spoken: str) -> None:
    assert kana(shown) == spoken


@pytest.mark.parametrize("text", ["", "温度は3.5度、「海」！\n", "α・β 5−3", "Приветと한국어", "1,234", "５×３÷２"])
def test_everything_else_is_verbatim(text: str) -> None:
    assert kana(text) == text


@given(st.text(max_size=30))
def test_no_latin_letter_is_left(text: str) -> None:
    assert not re.search("[A-Za-zé]", kana(text))


@given(st.text("ABCDENXaeinorst012.-' 'の線型、éＡ", max_size=20))
def test_twice_is_once(text: str) -> None:
    assert kana(kana(text)) == kana(text)


@given(st.text("あ漢字カナ、。「」！０１23.,-〜 \n", max_size=20))
def test_text_without_latin_letters_is_untouched(text: str) -> None:
    assert kana(text) == text


def test_a_sequence_is_spelt_however_long() -> None:
    assert kana("ACGT" * 500) == "エーシージーティー" * 500


@pytest.mark.parametrize("reading", [*NAMES.values(), *WORDS.values()])
def test_our_own_readings_are_katakana(reading: str) -> None:
    assert re.fullmatch("[ァ-ヶー]+", reading)


def test_threads_may_share_it() -> None:
    words = ["quantum", "DNA", "Python", "benchmark"] * 50
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(kana, words)) == [kana(word) for word in words]


@pytest.mark.parametrize("piece", ["a", "A", "a-", "aA", "1a", "a'", "I"])
@pytest.mark.timeout(10)
def test_a_word_without_end_is_no_burden(piece: str) -> None:
    kana(piece * 10_000)


def _heard(text: str) -> str:
    return str(pyopenjtalk.g2p(text, kana=True))


@pytest.mark.slow
@pytest.mark.parametrize(("word", "reading"), KANJI.items())
def test_a_word_in_kanji_was_misread_and_is_no_longer(word: str, reading: str) -> None:
    shown = "3" * ("月齢" in word) + word.strip("<>")
    spoken = "3" * ("月齢" in word) + reading
    assert _heard(shown) != _heard(kana(spoken))
    assert _heard(kana(f"{shown}は高い。")) == _heard(kana(spoken)) + "ワタカイ。"
    if re.fullmatch("[ァ-ヶー]+", reading):
        assert _heard(kana(shown)) == reading


@pytest.mark.parametrize(
    ("shown", "spoken"),
    [
        ("位相図と相図", "位相図とソーズ"),
        ("除外群と外群", "除外群とガイグン"),
        ("位相転移", "位相転移"),
        ("反強磁性と強磁性", "ハンキョージセーとキョージセー"),
        ("V1野とMT野", "ブイワンヤとエムティーヤ"),
        ("2003年の野生個体、分野、平野", "2003年の野生個体、分野、平野"),
        ("8週齢", "8週レー"),
        ("紫外線と紫外光", "紫外線とシガイコー"),
    ],
)
def test_kanji_are_reread_where_they_are_a_word_of_their_own(shown: str, spoken: str) -> None:
    assert kana(shown) == spoken


def test_the_version_of_the_readings_changes_with_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch("[0-9a-f]{12}", readings_version())
    before = version._digest(version.CODE, version._tables())
    assert before == readings_version()
    assert version._digest(version.CODE + 1, version._tables()) != before
    for table in (WORDS, NAMES, KANJI, UNITS, SYMBOLS["ja"]):
        with monkeypatch.context() as patched:
            patched.setitem(table, "新語", "シンゴ")
            assert version._digest(version.CODE, version._tables()) != before


def test_the_version_is_the_same_in_every_process_and_loads_no_model() -> None:
    script = (
        "import sys; from hybrid_mcp.lexicon.version import readings_version as v; print(v(), *sorted(sys.modules))"
    )
    for seed in ("1", "2"):
        ran = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        value, *modules = ran.stdout.split()
        assert value == readings_version()
        assert not {"e2k", "numpy", "pyopenjtalk"} & set(modules)

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp.lexicon.english import kana
from hybrid_mcp.lexicon.words import NAMES, WORDS

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

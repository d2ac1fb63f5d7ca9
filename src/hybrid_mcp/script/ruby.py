"""Readings written beside words: `漢字《かんじ》`, `｜any words《よみ》`, and with accents `箸《ハ'シ》`.

The notation is Aozora Bunko's (注記一覧, ルビ: https://www.aozora.gr.jp/annotation/): a reading belongs to the run of
kanji before it (々〆ヶ count as kanji), or of katakana, or to the Latin word or number; `｜` marks where it begins if it
is more. Accents are written as VOICEVOX reads them (AquesTalk-like): `'` behind the last high mora, exactly one in each
accent phrase, `/` between accent phrases, `、` between them with a pause, `_` before a mora whose vowel is whispered,
`？` behind a question. Hiragana and `ー` are rewritten as it wants them.

What holds more than kana (《戦争と平和》), or stands behind nothing it could belong to, is a quotation and left alone.
Accents that are malformed (two in a phrase, or none) are dropped and the kana stay: reading the base as well would be
worse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_KANJI: Final = "一-鿿㐀-䶿豈-﫿\U00020000-\U0003ffff々〆〇ヶ"
_KATAKANA: Final = "ァ-ヵヷ-ヺー"
_LATIN: Final = "A-Za-zÀ-ÖØ-öø-ɏＡ-Ｚａ-ｚ0-9０-９"
_WORD: Final = rf"(?:[{_LATIN}]|(?<=[0-9０-９])[.,．，](?=[0-9０-９])|['’\-](?=[{_LATIN}]))"
# Not inside a word: behind its hyphen, or the comma of its number.
_WORD_START: Final = rf"(?<![{_LATIN}])(?!(?<=['’\-])[{_LATIN}]|(?<=[0-9０-９][.,．，])[0-9０-９])"
# Every run is tried once, from its start: a text of one endless run must not take quadratic time.
_ANNOTATION: Final = re.compile(
    rf"(?:｜(?P<marked>[^｜《》、。！？!?…\n]{{1,40}})"
    rf"|(?P<base>(?<![{_KANJI}])[{_KANJI}]++|(?<![{_KATAKANA}ヶ])[{_KATAKANA}ヶ]++|{_WORD_START}{_WORD}++))"
    r"《(?P<reading>[^《》\n]{1,80})》"
)
_KANA: Final = re.compile(r"[ 　・]*[ぁ-ゖァ-ヺー][ぁ-ゖァ-ヺー 　・]*")
_WITH_MARKS: Final = re.compile(r"[ぁ-ゖァ-ヺー'_/、？]*'[ぁ-ゖァ-ヺー'_/、？]*")
_ACCENT_PHRASE: Final = r"(?:_?[ァ-ヺ])+'(?:_?[ァ-ヺ])*？?"
_ACCENTED: Final = re.compile(rf"{_ACCENT_PHRASE}(?:[/、]{_ACCENT_PHRASE})*")
_IN_SPOKEN: Final = re.compile(rf"《({_ACCENTED.pattern})》")
_ACCENT_MARKS: Final = re.compile("['_/]")
_PLAIN_MARKS: Final = str.maketrans("’＇／＿?", "''/_？")
_TO_KATAKANA: Final = {code: code + 0x60 for code in range(ord("ぁ"), ord("ゖ") + 1)}
_VOWELS: Final = {
    kana: row[0]
    for row in (
        "アァカガサザタダナハバパマヤャラワヮヵ",
        "イィキギシジチヂニヒビピミリヰ",
        "ウゥクグスズツヅヌフブプムユュルヴ",
        "エェケゲセゼテデネヘベペメレヱヶ",
        "オォコゴソゾトドノホボポモヨョロヲ",
    )
    for kana in row
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A reading and the word it belongs to."""

    start: int
    """Characters of the shown text before the word; white space is not counted, as sentences fold it."""
    end: int
    kana: str
    """What is read for the word, as written; with accents in VOICEVOX's notation if `accented`."""
    accented: bool

    @property
    def spoken(self) -> str:
        """How it stands in `Phrase.spoken`: plain kana as they are, accents in 《》."""
        return f"《{self.kana}》" if self.accented else self.kana


def shown(text: str) -> str:
    """`text` without its readings."""
    return annotated(text)[0]


def annotated(text: str) -> tuple[str, tuple[Reading, ...]]:
    """`text` without its readings, and the readings in order."""
    if "《" not in text:
        return text, ()
    plain = ""
    letters = last = 0
    readings: list[Reading] = []
    for match in _ANNOTATION.finditer(text):
        read = _read(match["reading"])
        if read is None:
            continue
        before, base = text[last : match.start()], match["marked"] or match["base"]
        start = letters + count_letters(before)
        letters = start + count_letters(base)
        last = match.end()
        plain += before + base
        if letters > start:
            readings.append(Reading(start, letters, *read))
    return plain + text[last:], tuple(readings)


def plain(spoken: str) -> str:
    """`spoken` for an engine that cannot be told accents: 《ハ'シ》 is ハシ."""
    return "".join(_ACCENT_MARKS.sub("", run) if accented else run for run, accented in runs(spoken))


def runs(spoken: str) -> list[tuple[str, bool]]:
    """`spoken` in order as text (False) and kana with accents in VOICEVOX's notation (True)."""
    pieces = _IN_SPOKEN.split(spoken)
    return [(piece, index % 2 == 1) for index, piece in enumerate(pieces) if piece]


def count_letters(text: str) -> int:
    """Characters of `text` that are no white space."""
    return sum(not char.isspace() for char in text)


def _read(inside: str) -> tuple[str, bool] | None:
    """The reading 《inside》 is, and whether it has accents; None for a quotation."""
    if _KANA.fullmatch(inside):
        return inside, False
    marked = inside.translate(_PLAIN_MARKS)
    if not _WITH_MARKS.fullmatch(marked):
        return None
    kana = _long_vowels(marked.translate(_TO_KATAKANA))
    if _ACCENTED.fullmatch(kana):
        return kana, True
    bare = re.sub("['_/？]", "", marked)
    return (bare, False) if _KANA.search(bare) else None


def _long_vowels(kana: str) -> str:
    """ー as the vowel it lengthens: the notation has no ー."""
    written = ""
    vowel = "ー"
    for char in kana:
        written += vowel if char == "ー" else char
        vowel = _VOWELS.get(char, vowel)
    return written

"""The two languages of the interface, and telling what language a text is written in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Language = Literal["ja", "en"]


@dataclass(frozen=True, slots=True)
class Bilingual:
    """A sentence for people, in both languages of the interface."""

    ja: str
    en: str

    def in_(self, language: Language) -> str:
        """The sentence in `language`."""
        return self.ja if language == "ja" else self.en


_LATIN_WORD = re.compile(r"[A-Za-zÀ-ɏ]+")


def detect(text: str) -> str:
    """The language of `text` as a lower-case code: `ja`, `en`, `zh`, `ko`, or `und` when no letter tells.

    Decided by script alone, because scripts are what our engines differ in: kana means Japanese;
    Latin letters count as English; Han characters without kana are Japanese when JIS X 0208/0213
    encodes them all (simplified Chinese is not in it). Other scripts are named by Unicode
    (`cyrillic`, `arabic`, …). A few foreign words in a Japanese text do not change the answer.
    """
    kana = han = 0
    others: dict[str, int] = {}
    for char in unicodedata.normalize("NFKC", text):
        if not char.isalpha():
            continue
        script = unicodedata.name(char, "").split(" ", 1)[0].split("-", 1)[0].lower()
        if script in ("hiragana", "katakana"):
            kana += 1
        elif script == "cjk":
            han += 1
        elif script not in ("latin", "greek", "modifier"):
            others[script] = others.get(script, 0) + 1
    words = len(_LATIN_WORD.findall(text))
    if others and max(others.values()) > max(kana + han, words):
        script = max(others, key=lambda name: others[name])
        return "ko" if script == "hangul" else script
    if kana + han == 0:
        if "、" in text or "。" in text:  # nobody else writes these
            return "ja"
        return "en" if words else "und"
    if words > 2 * (kana + han):
        return "en"
    if kana:
        return "ja"
    try:
        text.encode("shift_jisx0213")
    except UnicodeEncodeError:
        return "zh"
    return "ja"

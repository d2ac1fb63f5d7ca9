"""How far what was heard is from what was said."""

from __future__ import annotations

import unicodedata


def character_error_rate(said: str, heard: str) -> float:
    """Characters that must be changed, added or removed to make `heard` into `said`, per character said.

    Compared after NFKC and casefold, without spaces, punctuation and symbols; so Japanese readings
    differ from their kanji. 0 is the same; it exceeds 1 when much was heard that was not said. When
    nothing was said it is 0 for nothing heard and 1 for anything else.
    """
    return _rate(_letters(said), _letters(heard))


def word_error_rate(said: str, heard: str) -> float:
    """The same by words, for languages that write spaces. Apostrophes within a word do not count."""
    return _rate(_words(said), _words(heard))


def _rate(said: str | list[str], heard: str | list[str]) -> float:
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415  (12 ms that only a comparison should cost)

    if not said:
        return 1.0 if heard else 0.0
    return Levenshtein.distance(said, heard) / len(said)


def _words(text: str) -> list[str]:
    # A hyphen joins two words, an apostrophe stands within one.
    return [word for word in map(_letters, text.replace("-", " ").split()) if word]


def _letters(text: str) -> str:
    """Letters and digits, with the marks that belong to them (the long-vowel sign is a letter)."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char for char in folded if unicodedata.category(char)[0] in "LMN")

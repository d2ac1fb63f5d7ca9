"""A name for the readings: what was spoken with other tables may have to be spoken again."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from hybrid_mcp.lexicon import words
from hybrid_mcp.lexicon.kanji import KANJI
from hybrid_mcp.script import symbols, units

CODE: Final = 2
"""Raise it when code changes what is heard: rules in `script.readings`, `script.speakable`, `lexicon.english`."""


def _tables() -> tuple[object, ...]:
    return (
        *(words.WORDS, words.NAMES, words.LETTERS, words.DIGITS, words.ROMAN),
        *(sorted(words.ELEMENTS), sorted(words.LONE_ELEMENTS)),
        KANJI,
        *(units.UNITS, units.PER_TIME, units.POWERS),
        *(symbols.SYMBOLS, symbols.GREEK, symbols.SUNS, symbols.MONEY, symbols.ABBREVIATIONS),
    )


@cache
def readings_version() -> str:
    """Twelve hexadecimal digits that change whenever a table of readings does; they load no model."""
    return _digest(CODE, _tables())


def _digest(code: int, tables: tuple[object, ...]) -> str:
    # All are dicts, tuples and strings in a fixed order, whose repr is the same in every process.
    return hashlib.sha256(repr((code, tables)).encode()).hexdigest()[:12]

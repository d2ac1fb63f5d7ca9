"""Latin words inside Japanese, as katakana: Open JTalk would spell most of them letter by letter.

So are the words in kanji that it misreads (`lexicon.kanji`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Final, Protocol

from hybrid_mcp.lexicon.kanji import reread
from hybrid_mcp.lexicon.words import DIGITS, ELEMENTS, LETTERS, LONE_ELEMENTS, NAMES, ROMAN, WORDS

_LETTER: Final = "A-Za-zÀ-ÖØ-öø-ɏＡ-Ｚａ-ｚ"
# A word with what is glued to it: GPT-4, SARS-CoV-2, Parkinson's, H2O, 3D.
_TOKEN: Final = re.compile(
    rf"(?:(?<![0-9.,])[1-5](?=[DGK](?![{_LETTER}0-9]))|(?<=[0-9])-)?"
    rf"[{_LETTER}](?:[{_LETTER}0-9]|['’\-‐‑](?=[{_LETTER}0-9])|[-‐‑](?=[ァ-ヶ一-龥]))*"
)
# U.S. and E. coli, whose full stops would be pauses.
_INITIALS: Final = re.compile(r"(?<![A-Za-z])(?:(?:[A-Z]\.){2,}|[A-Z]\.(?= ?[A-Z]?[a-z]{2}))")
# I型, 第II相, type III: V and X are left alone where they may be letters (V字, X線).
_ROMAN: Final = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:(?<=第)|(?<=タイプ)|(?<=グレード)|(?<=ステージ)|(?<=フェーズ)|(?<=クラス)|(?<=[Tt]ype )|(?<=[Pp]hase )|(?<=[Ss]tage )|(?<=[Gg]rade ))"
    r"(?P<behind>I{1,3}|I?V|VI{1,3}|IX|XII?)(?![A-Za-z0-9])"
    r"|(?P<before>I{1,3}|IV|VI{1,3}|IX|XII?)(?=[ab]?[型期相度群類世章])|(?P<five>V)(?=[期相度類])"
    r")"
)
# ChatGPT, AlphaFold, fMRI, GPTs, GPTModel
_CASE: Final = re.compile(r"[A-Z]+s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_FORMULA: Final = re.compile(r"(?:[A-Z][a-z]?[0-9]*)+")
_SPELT: Final = 30
"""Letters from which a word is a sequence (ATCG…), not a word."""
_LONGEST: Final = 120
"""Letters of a token with all that is glued to it, from which it is no text at all, and only spelt."""
_STROKES: Final = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "þ": "th", "ı": "i"})  # fmt: skip


class _Guess(Protocol):
    def __call__(self, word: str, /) -> str: ...


class _Judge(Protocol):
    def __call__(self, word: str, /) -> bool: ...


def kana(text: str) -> str:
    """`text` with its Latin words in katakana, and the kanji of `lexicon.kanji`; all else verbatim, but for hyphens.

    Words are spoken as words, capitals of up to three letters and what nobody could pronounce as
    letters (AI, DNA, ADHD; but NASA). Digits stay digits, except one that is glued to a letter
    (CO2 シーオーツー) and Roman ones where they count (II型 → 2型). Readings are guesses for words
    that are not in `lexicon.words`; names from languages other than English suffer most.
    """
    text = _INITIALS.sub(lambda match: match.group().replace(".", ""), reread(text))
    text = _ROMAN.sub(lambda match: ROMAN[match["behind"] or match["before"] or match["five"]], text)
    return _TOKEN.sub(_token, text)


@cache
def _models() -> tuple[_Guess, _Judge]:
    """Who guesses a reading, and who judges whether there can be one (20 ms to load)."""
    # Imported here because only who speaks Japanese should pay for it.
    from e2k import C2K, NGram  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415

    guess: _Guess = C2K(max_len=32)
    judge: _Judge = NGram()
    return guess, judge


def _folded(token: str) -> str:
    """`token` in ASCII: ü → u, ß → ss, Ａ → A."""
    plain = unicodedata.normalize("NFKD", token.translate(_STROKES)).replace("’", "'")
    return re.sub("[‐‑]", "-", "".join(char for char in plain if not unicodedata.combining(char)))


def _token(match: re.Match[str]) -> str:
    shown = match.group()
    token = _folded(shown).strip("-")
    if (known := _known(token)) is not None:
        return known
    if len(token) > _LONGEST:
        return "".join(LETTERS.get(char.lower(), char if char.isdigit() else "") for char in token) or shown
    # The digits of PM2.5 and GPT-3.5 belong to a number that goes on.
    digits = re.search(r"[0-9]+$", token) if re.match(r"\.[0-9]", match.string[match.end() :]) else None
    if digits:
        token = token[: digits.start()].rstrip("-")
    return _hyphened(token) + (digits.group() if digits else "") or shown


def _hyphened(token: str) -> str:
    """Parts are read one by one; a number behind a hyphen (GPT-4) is read in Japanese."""
    first, *others = token.split("-")
    reading = _part(first)
    for other in others:
        number = re.match("[0-9]*", other)
        count = number.group() if number else ""
        reading += count + _part(other[len(count) :])
    return reading


def _known(token: str) -> str | None:
    """A reading of our own. Capitals of up to three letters are an abbreviation, whatever word they spell."""
    if token in NAMES:
        return NAMES[token]
    if token.isupper() and len(token) <= 3:
        return None
    return WORDS.get(token.lower())


def _part(part: str) -> str:
    """What stands between hyphens."""
    if (known := _known(part)) is not None:
        return known
    if "'" in part:
        base, _, rest = part.rpartition("'")
        if rest != "s":
            return "".join(map(_part, part.split("'")))
        # the s is voiceless behind p, t, k, f: スミスズ, but チップス
        return "".join(map(_part, base.split("'"))) + ("ス" if base[-1:].lower() in "ptkf" else "ズ")
    formula = _FORMULA.fullmatch(part) is not None and not part.isupper()
    if formula and set(symbols := re.findall(r"[A-Z][a-z]?", part)) <= ELEMENTS and len(symbols) > 1:
        return "".join(_digits(run) if run.isdigit() else _spelt(run) for run in re.findall(r"[0-9]+|[A-Za-z]+", part))
    return "".join(_digits(run) if run[0].isdigit() else _mixed(run) for run in re.findall(r"[0-9]+|[^0-9]+", part))


def _digits(run: str) -> str:
    return DIGITS.get(run, run)


def _mixed(word: str) -> str:
    """Letters only, in any mixture of cases."""
    if (known := _known(word)) is not None:
        return known
    if word.isupper():
        return _capitals(word)
    if word in LONE_ELEMENTS:
        return _spelt(word)
    pieces = _CASE.findall(word)
    if len(pieces) < 2:
        return _abbreviation(word) or _word(word)
    return "".join(
        # siRNA: one or two small letters before capitals are letters too; but iPhone
        _spelt(piece) if len(piece) <= 2 and piece.islower() and following.isupper() else _piece(piece)
        for piece, following in zip(pieces, [*pieces[1:], ""], strict=True)
    )


def _abbreviation(word: str) -> str:
    """Capitals with the s of a plural (LLMs); nothing for other words."""
    if len(word) < 3 or word[-1] != "s" or not word[:-1].isupper():
        return ""
    return (_known(word[:-1]) or _capitals(word[:-1])) + "ズ"


def _piece(piece: str) -> str:
    known = _known(piece) or _abbreviation(piece)
    return known or (_capitals(piece) if piece.isupper() else _word(piece))


def _capitals(word: str) -> str:
    if len(word) <= 3 or not _models()[1](word.lower()):
        return _spelt(word)
    return _word(word)


@lru_cache(maxsize=4096)  # a guess takes 2 ms, and a paper has few words
def _word(word: str) -> str:
    plain = word.lower()
    # Short words fail the judge too (of, seq); a word without a vowel is what nobody can say.
    if len(plain) == 1 or len(plain) > _SPELT or not re.search("[aeiouy]", plain):
        return _spelt(plain)
    return _models()[0](plain) or _spelt(plain)


def _spelt(word: str) -> str:
    return "".join(LETTERS.get(char, "") for char in word.lower())

"""Where written lines may end.

At most two lines of about twenty full-width characters (the width Japanese broadcasters and the
video sites settle on), broken at phrase ends found by budoux, with the line-start rules of
JIS X 4051 (no closing mark or small kana at a line's start) and no particle there either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budoux import Parser

LINE_WIDTH = 40
"""Widest line in half-width columns: twenty full-width characters, forty Latin ones."""
SCREEN_LINES = 2
_NEVER_FIRST = frozenset(
    "、。，．,.!?！？:;：；・…‥ー〜～」』）〕］｝〉》】”’)]}%％ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々ゝゞ"
)
_PARTICLES = frozenset("から まで より ので のに けど でも は が を に へ と で の も や".split())
# The second halves of による, について, として …
_COMPOUND_PARTICLES = ("よる", "よって", "より", "ついて", "おける", "おいて", "とって", "対し", "対す", "関す", "して")


def width(text: str) -> int:
    """Columns of `text`: two for full-width characters, one for others (Unicode TR 11)."""
    return sum(2 if unicodedata.east_asian_width(char) in "WFA" else 1 for char in text)


def phrases(text: str, language: str) -> list[str]:
    """`text` cut where a line may end: at Japanese phrase ends, or at spaces. Joined they are `text`."""
    if language != "ja":
        words = text.split(" ")
        return [word + " " for word in words[:-1]] + words[-1:]
    cut: list[str] = []
    for piece in _budoux().parse(text):
        if cut and (
            piece[0] in _NEVER_FIRST
            or piece.rstrip("、。 ") in _PARTICLES
            or (cut[-1][-1] in "にと" and piece.startswith(_COMPOUND_PARTICLES))
            or _one_word(cut[-1][-1], piece[0])
        ):
            cut[-1] += piece
        else:
            cut.append(piece)
    return cut


def wrap(text: str, language: str, line_width: int = LINE_WIDTH) -> list[str]:
    """Break `text` into lines no wider than `line_width`, two of them as even as their phrases allow."""
    pieces = [part for phrase in phrases(text, language) for part in fit(phrase, line_width)]
    lines = _fill(pieces, line_width)
    if len(lines) == SCREEN_LINES:
        # The narrowest width that still needs only two lines balances them.
        for narrower in range(max(width(piece.rstrip()) for piece in pieces), line_width):
            balanced = _fill(pieces, narrower)
            if len(balanced) == SCREEN_LINES:
                return balanced
    return lines


@cache
def _budoux() -> Parser:
    from budoux import load_default_japanese_parser  # noqa: PLC0415  (only Japanese needs the model)

    return load_default_japanese_parser()


def _one_word(last: str, first: str) -> bool:
    """Whether a name or compound goes on: kanji after kanji, katakana after katakana, 5 mg, GPT-4."""
    if last.isascii() and first.isascii():
        return True
    names = (unicodedata.name(last, ""), unicodedata.name(first, ""))
    return any(all(name.startswith(script) for name in names) for script in ("CJK", "KATAKANA"))


def _fill(pieces: Sequence[str], line_width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and width((lines[-1] + piece).rstrip()) > line_width:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines if line.strip()]


def fit(phrase: str, line_width: int) -> list[str]:
    """Cut a phrase wider than a line: where a line may legally start, or at twice the width anywhere."""
    parts: list[str] = []
    start = columns = 0
    for index, char in enumerate(phrase):
        own = width(char)
        legal = char not in _NEVER_FIRST and not char.isspace()
        if columns + own > (line_width if legal else 2 * line_width):
            parts.append(phrase[start:index])
            start, columns = index, 0
        columns += own
    return [*parts, phrase[start:]]

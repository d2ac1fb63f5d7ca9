"""Subtitles from timed text: where to break lines and cues, and the two file formats.

At most two lines of about twenty full-width characters (the width Japanese broadcasters and the
video sites settle on), broken at phrase ends found by budoux, with the line-start rules of
JIS X 4051 (no closing mark or small kana at a line's start) and no particle there either.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from budoux import Parser

LINE_WIDTH = 40
"""Widest line in half-width columns: twenty full-width characters, forty Latin ones."""
CUE_LINES = 2
_GAP = 1.0
"""Seconds of silence that end a cue even in the middle of a sentence."""
_SHORTEST, _LONGEST = 1.5, 7.0
"""Seconds a cue should stay: shorter cannot be read, longer is read twice (Netflix asks for 5/6 s and 7 s)."""
_STOPS = "、。，．,.!?！？；;：:…」』）)"

_NEVER_FIRST = frozenset(
    "、。，．,.!?！？:;：；・…‥ー〜～」』）〕］｝〉》】”’)]}%％ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々ゝゞ"
)
_PARTICLES = frozenset("から まで より ので のに けど でも は が を に へ と で の も や".split())
# The second halves of による, について, として …
_COMPOUND_PARTICLES = ("よる", "よって", "より", "ついて", "おける", "おいて", "とって", "対し", "対す", "関す", "して")


@dataclass(frozen=True, slots=True)
class Timed:
    """A piece of text, and its place in seconds."""

    text: str
    start: float
    end: float
    break_after: bool = False
    """Whether a cue must end here: a sentence, a segment or a speaker ends."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What stands on screen from `start` to `end`, in seconds; lines are separated by line feeds."""

    start: float
    end: float
    text: str


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
    pieces = [part for phrase in phrases(text, language) for part in _fit(phrase, line_width)]
    lines = _fill(pieces, line_width)
    if len(lines) == CUE_LINES:
        # The narrowest width that still needs only two lines balances them.
        for narrower in range(max(width(piece.rstrip()) for piece in pieces), line_width):
            balanced = _fill(pieces, narrower)
            if len(balanced) == CUE_LINES:
                return balanced
    return lines


def cues(pieces: Sequence[Timed], language: str) -> list[Cue]:
    """Gather timed pieces into cues that fit the screen, in order, without overlap.

    A piece that is too long for one cue is cut at phrase ends, its time shared by width.
    """
    cut = [part for piece in pieces for part in _divide(piece, language)]
    made: list[Cue] = []
    start = 0
    for end, piece in enumerate(cut, 1):
        if end == len(cut) or piece.break_after or cut[end].start - piece.end > _GAP:
            made += [
                Cue(group[0].start, group[-1].end, "\n".join(wrap(text, language)))
                for group in _grouped(cut[start:end], language)
                if (text := _joined(group))
            ]
            start = end
    return made


def srt(subtitles: Sequence[Cue]) -> str:
    """SubRip text of the cues."""
    blocks = [
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n{cue.text}\n"
        for number, cue in enumerate(subtitles, 1)
    ]
    return "\n".join(blocks)


def vtt(subtitles: Sequence[Cue]) -> str:
    """WebVTT text of the cues."""
    blocks = ["WEBVTT\n"]
    for cue in subtitles:
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n{text}\n")
    return "\n".join(blocks)


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


def _fit(phrase: str, line_width: int) -> list[str]:
    """Cut a phrase wider than a line, anywhere a line may legally start."""
    parts = [""]
    for char in phrase:
        if width(parts[-1] + char) > line_width and char not in _NEVER_FIRST and not char.isspace():
            parts.append("")
        parts[-1] += char
    return parts


def _grouped(pieces: Sequence[Timed], language: str) -> list[Sequence[Timed]]:
    """The pieces of a sentence in the groups that read best: the cheapest way to cut them (dynamic programming)."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(pieces) + 1):
        choices: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            group = pieces[start:end]
            if choices and len(wrap(_joined(group), language)) > CUE_LINES:
                break  # one piece always fits: it was divided before
            choices.append((best[start][0] + _cost(group), start))
        best.append(min(choices))
    groups: list[Sequence[Timed]] = []
    end = len(pieces)
    while end:
        start = best[end][1]
        groups.append(pieces[start:end])
        end = start
    return groups[::-1]


def _cost(group: Sequence[Timed]) -> float:
    """How much a cue is worse than none: 1, and more when it flashes by, stays, or ends inside a phrase."""
    seconds = group[-1].end - group[0].start
    cost = 1.0 + 2.0 * max(0.0, _SHORTEST - seconds) + max(0.0, seconds - _LONGEST)
    text = group[-1].text.rstrip()
    return cost if text and text[-1] in _STOPS else cost + 1.5


def _divide(piece: Timed, language: str) -> list[Timed]:
    if len(wrap(piece.text, language)) <= CUE_LINES:
        return [piece]
    groups: list[str] = [""]
    for part in (part for phrase in phrases(piece.text, language) for part in _fit(phrase, LINE_WIDTH)):
        if groups[-1] and len(wrap(groups[-1] + part, language)) > CUE_LINES:
            groups.append("")
        groups[-1] += part
    total = sum(width(group) for group in groups)
    parts: list[Timed] = []
    done = 0
    for group in groups:
        start = piece.start + (piece.end - piece.start) * done / total
        done += width(group)
        end = piece.start + (piece.end - piece.start) * done / total
        parts.append(Timed(group, start, end, break_after=piece.break_after and group is groups[-1]))
    return parts


def _joined(group: Sequence[Timed]) -> str:
    return "".join(piece.text for piece in group).strip()


def _stamp(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}"
        f":{milliseconds // 1000 % 60:02}{point}{milliseconds % 1000:03}"
    )

"""Subtitles from timed text: which phrases share the screen, and the two file formats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hybrid_mcp.script.breaks import LINE_WIDTH, SCREEN_LINES, fit, phrases, width, wrap

_GAP = 1.0
"""Seconds of silence that end a cue even in the middle of a sentence."""
_SHORTEST, _LONGEST = 1.5, 7.0
"""Seconds a cue should stay: shorter cannot be read, longer is read twice (Netflix asks for 5/6 s and 7 s)."""
_READABLE = 1.0
"""Seconds that even one word needs to be read."""
_MILLISECOND = 0.001
_STOPS = "、。，．,.!?！？；;：:…」』）)"


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


def cues(pieces: Sequence[Timed], language: str, length: float = math.inf) -> list[Cue]:
    """Gather timed pieces into cues that fit the screen, in order, without overlap.

    A piece that is too long for one cue is cut at phrase ends, its time shared by width. `length` is that of the
    recording in seconds: no cue that begins before its end stays longer.
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
    # A short cue stays into the silence behind it, as far as the next one allows.
    following = itertools.chain((cue.start for cue in made[1:]), (math.inf,))
    return [
        _within(replace(cue, end=max(cue.end, min(cue.start + _READABLE, after))), length)
        for cue, after in zip(made, following, strict=False)
    ]


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


def _within(cue: Cue, length: float) -> Cue:
    """The cue, ending with the recording; down to whole milliseconds, because files round to them."""
    if cue.end <= length - _MILLISECOND:
        return cue
    last = math.floor(length / _MILLISECOND + 1e-6) * _MILLISECOND
    # What begins with the last millisecond has nowhere to stay, and every cue must end after it starts.
    return replace(cue, end=min(cue.end, last)) if cue.start <= last - _MILLISECOND else cue


def _grouped(pieces: Sequence[Timed], language: str) -> list[Sequence[Timed]]:
    """The pieces of a sentence in the groups that read best: the cheapest way to cut them (dynamic programming)."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(pieces) + 1):
        choices: list[tuple[float, int]] = []
        for start in range(end - 1, -1, -1):
            group = pieces[start:end]
            if choices and len(wrap(_joined(group), language)) > SCREEN_LINES:
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
    if len(wrap(piece.text, language)) <= SCREEN_LINES:
        return [piece]
    groups: list[str] = [""]
    for part in (part for phrase in phrases(piece.text, language) for part in fit(phrase, LINE_WIDTH)):
        if groups[-1] and len(wrap(groups[-1] + part, language)) > SCREEN_LINES:
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

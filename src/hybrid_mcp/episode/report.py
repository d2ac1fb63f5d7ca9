"""One page to check an episode with before it is published: sound, lines, and what they rest on."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files as resources
from itertools import groupby, islice, pairwise
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined

from hybrid_mcp.episode.timeline import Timeline
from hybrid_mcp.languages import Bilingual, Language, detect
from hybrid_mcp.script.model import Complaint, Line, Script
from hybrid_mcp.tts.interface import LineCue

_NUMERAL = re.compile(r"(\d+(?:[.,．，]\d+)*)")
_ADDRESS = re.compile(r"(https?://[\w\-.~:/?#@!$&()*+,;=%\[\]]*[\w/#=&%\-])", re.ASCII)
_PARTS = {"title": "about", "authors": "about", "publication_year": "about"}
_BARS = 260  # as many as can be told apart on a laptop


@dataclass(frozen=True, slots=True)
class AudioEmbed:
    """The sound the page plays: `data` of type `mime` inside the page, or `href`, a file beside it."""

    data: bytes = b""
    mime: str = ""
    href: str = ""

    def __post_init__(self) -> None:
        if bool(self.href) == bool(self.data and self.mime):
            raise ValueError("give either data with its mime type, or href")

    @property
    def src(self) -> str:
        """What the audio element loads."""
        return quote(self.href) or f"data:{self.mime};base64,{b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the page, numbered because equal lines have equal ids."""

    number: int
    speaker: str
    text: str
    cue: LineCue | None
    """None when the line makes no sound."""
    line: Line | None = None
    complaints: tuple[Complaint, ...] = ()

    @property
    def spans(self) -> list[tuple[int, list[tuple[str, bool]]]]:
        """Number and verbatim text of the evidence, cut where a numeral of the line begins or ends."""
        if self.line is None:
            return []
        said = {_value(numeral) for numeral in _NUMERAL.findall(self.text)}
        return [
            (number, [(piece, at % 2 == 1 and _value(piece) in said) for at, piece in enumerate(_NUMERAL.split(span))])
            for number, span in zip(self.line.evidence, self.line.spans, strict=True)
        ]


def report(
    *,
    script: Script | None,
    timeline: Timeline,
    peaks: Sequence[float],
    audio: AudioEmbed,
    credits: Sequence[str],  # noqa: A002 - the word of the product
    voices: Sequence[str],
    engine: str,
    files: Sequence[str],
    language: Language,
) -> str:
    """One HTML page, complete in itself; the same arguments give the same bytes.

    `script` is None when plain text was spoken. `peaks` are 0 to 1, evenly spaced over the master.
    `engine` is the one that spoke. `files` stand in the page's own folder.
    """
    rows = _rows(script, timeline)
    used: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        for number in dict.fromkeys(row.line.evidence if row.line else ()):
            used[number].append(row)
    unread = iter(rows)
    sections = [(part.title, list(islice(unread, len(part.lines)))) for part in script.sections] if script else []
    source = script.source if script else ()
    ends = [*(chapter.start for chapter in timeline.chapters), timeline.length]
    lengths = [timeline.seconds(end - start) for start, end in pairwise(ends)]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"sha256": _sha256, "href": quote, "linked": _ADDRESS.split}
    template = resources("hybrid_mcp.episode").joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        t=lambda ja, en: Bilingual(ja=ja, en=en).in_(language),
        clock=lambda sample, tenths=False: _clock(sample, timeline.sample_rate, tenths=tenths),
        percent=lambda samples: f"{100 * samples / max(1, timeline.length):.3f}%",
        language=language,
        script=script,
        timeline=timeline,
        rows=rows,
        speakers=list(dict.fromkeys(row.speaker for row in rows)),
        sections=sections or [("", rows)],
        chapters=[
            (chapter, end, next((row for row in rows if row.cue and row.cue.start >= chapter.start), None))
            for chapter, end in zip(timeline.chapters, ends[1:], strict=True)
        ],
        # YouTube ignores shorter lists, and lists with shorter chapters in them (its help on video chapters).
        on_youtube=len(lengths) >= 3 and min(lengths) >= 10,
        # A complaint about a line that is not here must not get lost.
        complaints=[c for c in script.complaints if c.line not in {line.id for line in script.lines}] if script else [],
        source=[
            (part, list(sentences))
            for part, sentences in groupby(source, lambda each: _PARTS.get(each.origin, each.origin))
        ],
        source_language=detect(" ".join(sentence.text for sentence in source[:50])),
        used=used,
        bars=_bars(peaks),
        cues=[{"row": row.number, **asdict(row.cue)} for row in rows if row.cue],
        audio=audio,
        credits=credits,
        voices=voices,
        engine=engine,
        files=files,
    )


def _rows(script: Script | None, timeline: Timeline) -> list[_Row]:
    if script is None:
        return [_Row(number, cue.speaker, cue.text, cue) for number, cue in enumerate(timeline.lines, 1)]
    cues: dict[str, deque[LineCue]] = defaultdict(deque)
    for cue in timeline.lines:
        cues[cue.id].append(cue)
    rows = []
    for number, line in enumerate(script.lines, 1):
        cue_of_line = cues[line.id].popleft() if cues[line.id] else None
        about = tuple(complaint for complaint in script.complaints if complaint.line == line.id)
        rows.append(_Row(number, line.speaker, line.shown, cue_of_line, line, about))
    return rows


def _clock(sample: int, rate: int, *, tenths: bool) -> str:
    """m:ss, m:ss.s or h:mm:ss, rounded down so that nobody arrives after the first sound."""
    seconds, tenth = divmod(sample * 10 // rate, 10)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}:{minutes:02}" if hours else f"{minutes}") + f":{seconds:02}" + (f".{tenth}" if tenths else "")


def _bars(peaks: Sequence[float]) -> str:
    """The loudness as a path of bars in a box 1000 wide and 100 high."""
    count = min(_BARS, len(peaks))
    path = ""
    for bar in range(count):
        loudest = max(peaks[bar * len(peaks) // count : (bar + 1) * len(peaks) // count])
        height = 100 * min(1.0, max(0.02, float(loudest)))
        path += f"M{1000 * bar / count:.1f} {50 - height / 2:.1f}h{620 / count:.1f}v{height:.1f}h-{620 / count:.1f}z"
    return path


def _value(numeral: str) -> str:
    return unicodedata.normalize("NFKC", numeral).replace(",", "")


def _sha256(text: str) -> str:
    """How a Content-Security-Policy names what it allows."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()

"""From written lines to a Script: ids, spans, readings, times, description, and the check of the evidence.

Everybody who writes a script ends here: the composer, and whoever hands in a draft.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hybrid_mcp.artifacts import artifact_id
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script import evidence, retold, ruby, untrusted
from hybrid_mcp.script.model import (
    PAUSE_AFTER_LINE,
    PAUSE_AFTER_SECTION,
    Cast,
    Chapter,
    Complaint,
    Line,
    Script,
    Section,
    Style,
)
from hybrid_mcp.script.phrasing import reading
from hybrid_mcp.script.source import Source

_WORD = re.compile(r"[A-Za-z']+")
_BREATH = re.compile(r"[、，,;；:：]")


@dataclass(frozen=True, slots=True)
class Written:
    """A line as its writer gave it."""

    speaker: str
    text: str
    evidence: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenSection:
    """Lines under one heading, as their writer gave them."""

    title: str
    lines: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Manuscript:
    """A script as its writer gave it."""

    title: str
    hook: str
    language: Language
    style: Style
    engine: str
    target_minutes: float | None
    sections: tuple[WrittenSection, ...]
    to_lengthen: Bilingual
    """What would make it longer, said when it is shorter than asked."""
    description: str = ""
    tags: tuple[str, ...] = ()
    cast: Cast = ()
    """Who may speak; empty means anybody."""
    retold: bool = False
    """Whether the words are its writer's own rather than the source's."""


def assemble(manuscript: Manuscript, source: Source) -> Script:
    """Check a manuscript against its source and make the Script of it.

    What is wrong with its evidence or length becomes complaints of the script; nothing is refused.
    """
    manuscript = _without_readings(manuscript)
    by_number = {sentence.number: sentence for sentence in source.sentences}
    seen: Counter[tuple[str, str]] = Counter()
    sections: list[Section] = []
    concordance = evidence.Concordance(by_number)
    suspects = frozenset(untrusted.suspects(source))
    given = untrusted.Addresses(source, suspects)
    found = _around(manuscript, concordance, given)
    found += untrusted.warning(suspects)
    for section in manuscript.sections:
        lines: list[Line] = []
        for written in section.lines:
            key = (written.speaker, written.text)
            known = tuple(number for number in written.evidence if number in by_number)
            line = Line(
                id=_line_id(*key, seen[key]),
                speaker=written.speaker,
                text=written.text,
                spoken=reading(written.text, manuscript.language),
                evidence=known,
                spans=tuple(by_number[number].text for number in known),
            )
            found += evidence.check(line, written.evidence, concordance, manuscript.language)
            found += untrusted.check(line, suspects, given)
            found += _uncast(line, manuscript.cast)
            if manuscript.retold:
                found += retold.check(line, manuscript.language, source)
            lines.append(line)
            seen[key] += 1
        sections.append(Section(title=section.title, lines=tuple(lines)))
    share = evidence.grounded_share(line for section in sections for line in section.lines)
    if manuscript.retold:
        found += retold.mostly(share, seen.total())
    chapters, seconds = planned(sections, manuscript.language)
    citation = source.citation()
    script = Script(
        id="",
        title=manuscript.title,
        hook=manuscript.hook,
        language=manuscript.language,
        style=manuscript.style,
        engine=manuscript.engine,
        target_minutes=manuscript.target_minutes,
        planned_seconds=seconds,
        sections=tuple(sections),
        chapters=tuple(chapters),
        sources=(citation,),
        description=manuscript.description or _description(manuscript, citation, chapters),
        tags=manuscript.tags,
        grounded_share=share,
        complaints=(*_length(manuscript, seconds), *found),
        source=source.sentences,
        source_id=source.id,
        cast=manuscript.cast,
    )
    return identified(script)


def identified(script: Script) -> Script:
    """The script with the id that its content has."""
    # Without a cast the id is what it was before there were casts.
    bare = script.model_copy(update={"id": ""})
    content = bare.model_dump(mode="json", exclude=None if script.cast else {"cast"})
    return script.model_copy(update={"id": artifact_id("script", content)})


def _without_readings(manuscript: Manuscript) -> Manuscript:
    """Readings beside words are for the voice; what stands around the lines is only shown."""
    return replace(
        manuscript,
        title=ruby.shown(manuscript.title),
        hook=ruby.shown(manuscript.hook),
        description=ruby.shown(manuscript.description),
        sections=tuple(replace(section, title=ruby.shown(section.title)) for section in manuscript.sections),
    )


def _around(manuscript: Manuscript, source: evidence.Concordance, given: untrusted.Addresses) -> list[Complaint]:
    """What is wrong with the words around the lines."""
    title, hook = Bilingual(ja="題名", en="title"), Bilingual(ja="つかみ", en="hook")
    description = Bilingual(ja="説明", en="description")
    headings = "\n".join((*manuscript.tags, *(section.title for section in manuscript.sections)))
    found: list[Complaint] = []
    for text, where in ((manuscript.title, title), (manuscript.hook, hook), (manuscript.description, description)):
        found += evidence.figures(text, source, where)
        found += untrusted.foreign(text, given, where)
        if manuscript.retold:
            found += retold.recited(text, where)
    return [*found, *untrusted.foreign(headings, given, Bilingual(ja="見出しやタグ", en="headings or tags"))]


def _uncast(line: Line, cast: Cast) -> list[Complaint]:
    """Whether somebody speaks who is not in the cast."""
    names = [role.name for role in cast]
    if not names or line.speaker in names:
        return []
    return [
        Complaint(
            line=line.id,
            rule="unknown-speaker",
            ja=f"話者「{line.speaker}」は配役にいません。{'・'.join(names)} のどれかにしてください。",
            en=f"The speaker {line.speaker!r} is not in the cast. Use one of: {', '.join(names)}.",
        )
    ]


def _length(manuscript: Manuscript, seconds: float) -> list[Complaint]:
    """Whether it is as long as was asked, within a tenth, said plainly."""
    target, minutes = manuscript.target_minutes, seconds / 60
    if target is None or 0.9 * target <= minutes <= 1.1 * target:
        return []
    if minutes < target:
        return [
            Complaint(
                line=None,
                rule="shorter-than-asked",
                ja=f"目標 {target:g} 分に対して約 {minutes:.1f} 分です。{manuscript.to_lengthen.ja}",
                en=f"{target:g} minutes were asked for; this is about {minutes:.1f}. {manuscript.to_lengthen.en}",
            )
        ]
    return [
        Complaint(
            line=None,
            rule="longer-than-asked",
            ja=f"目標 {target:g} 分に対して約 {minutes:.1f} 分です。短くするには、大事でない行を減らしてください。",
            en=f"{target:g} minutes were asked for; this is about {minutes:.1f}. Leave out what matters least.",
        )
    ]


def seconds_of(spoken: str, language: Language) -> float:
    """How long a voice will take for a line, in seconds, before anything is spoken.

    Japanese is fitted to Open JTalk's mei at speed 1 (benchmarks/planned_length.py compares); English takes
    the 156 words a minute of audio books.
    """
    if language == "en":
        return len(_WORD.findall(spoken)) / 2.6 + 0.25 * len(_BREATH.findall(spoken)) + 0.3
    han = sum("CJK" in unicodedata.name(char, "") for char in spoken)
    letters = sum(char.isascii() and char.isalnum() for char in spoken)
    kana = sum(char.isalpha() for char in spoken) - han - sum(char.isascii() and char.isalpha() for char in spoken)
    return 0.125 * kana + 0.235 * han + 0.30 * letters + 0.40 * len(_BREATH.findall(spoken)) + 0.5


def planned(sections: Sequence[Section], language: Language) -> tuple[list[Chapter], float]:
    """When each section will start, and how long the whole will be, in seconds."""
    clock = 0.0
    chapters: list[Chapter] = []
    for section in sections:
        chapters.append(Chapter(title=section.title, start=round(clock, 1)))
        clock += sum(seconds_of(line.spoken, language) + PAUSE_AFTER_LINE for line in section.lines)
        clock += PAUSE_AFTER_SECTION - PAUSE_AFTER_LINE
    return chapters, round(clock, 1)


def timestamp(seconds: float) -> str:
    """`m:ss` or `h:mm:ss`, as video sites read chapters."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _line_id(speaker: str, text: str, repetition: int) -> str:
    key = "\0".join((speaker, text, str(repetition)))
    return f"l-{hashlib.sha256(key.encode()).hexdigest()[:10]}"


def _description(manuscript: Manuscript, citation: str, chapters: Sequence[Chapter]) -> str:
    ja = manuscript.language == "ja"
    times = [f"{timestamp(chapter.start)} {chapter.title}" for chapter in chapters]
    tags = " ".join("#" + re.sub(r"\W", "", tag) for tag in manuscript.tags)
    parts = [
        manuscript.hook,
        ("【目次】" if ja else "Chapters") + "\n" + "\n".join(times),
        ("【出典】" if ja else "Source") + f"\n{citation}",
        tags,
    ]
    return "\n\n".join(part for part in parts if part)

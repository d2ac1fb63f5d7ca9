"""The composer: an outline of a source, and a script made of the source's own sentences.

It selects, orders, shortens and frames; it never writes a claim of its own, never translates and
never pads. The same source and wishes always give the same script. Sentences that read like instructions to a
language model are not told while there are others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, groupby

from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script import untrusted
from hybrid_mcp.script.assemble import Manuscript, Written, WrittenSection, assemble, seconds_of
from hybrid_mcp.script.frames import FRAMES, Frame
from hybrid_mcp.script.keywords import content_words, keywords
from hybrid_mcp.script.model import PAUSE_AFTER_LINE, Cast, Script, SourceSentence, Style
from hybrid_mcp.script.roles import Role, centrality, label, roles, unlabelled
from hybrid_mcp.script.source import Source
from hybrid_mcp.script.speakable import speakable
from hybrid_mcp.script.telling import asks, points_back, sums_up, told, uncited

ENGINE = "extractive/2"
"""Raised when the composer writes differently, so that scripts of an older one are not taken for its."""
LONGEST_MINUTES = 15.0
"""Length of a script from a long text when no length is asked for."""

_REACHES_BACK = 2
"""Sentences a pointing sentence brings along at most; a text that always says "this" would bring itself whole."""
_ROLE_WEIGHT: dict[Role, float] = {"background": 0.5, "aim": 0.9, "method": 0.55, "result": 1.0, "conclusion": 0.9}
# What listeners want to hear, and authors mark as such.
_NOTABLE = re.compile(r"意外|初めて|ただし|一方で|surprising|first time", re.IGNORECASE)
_LATIN_NAME = re.compile(r"[^ぁ-ヿ一-鿿々]*")
_NAME_TITLE = re.compile(r"(?:[JS]r|I{2,3}|IV|Ph\.?\s?D|M\.?D|MSc|BSc|FRS)\.?", re.IGNORECASE)

_MORE_TEXT = Bilingual(
    ja="水増しはしません。full_text に本文を渡すと長くできます。",
    en="Nothing is padded. Pass the body as full_text for more.",
)
_OTHER_WRITER = Bilingual(
    ja="水増しはしません。プロンプト write_script でモデルに書かせると長くできます。",
    en="Nothing is padded. For more, let a model write with the prompt write_script.",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One section of an outline."""

    title: str
    lead: str
    sentences: tuple[int, ...]
    """Numbers of the source sentences it must cover, in the order they are told."""
    share: float
    """Share of the whole time, 0–1."""


@dataclass(frozen=True, slots=True)
class Outline:
    """The plan of a script."""

    sections: tuple[Planned, ...]
    keywords: tuple[str, ...]


def outline(source: Source, style: Style, language: Language, target_minutes: float | None = None) -> Outline:
    """Choose which sentences to tell, and in which section and order."""
    frame = FRAMES[language][style]
    body, told_as = _story(source, language)
    chosen = _choose(source, body, told_as, frame, style, language, target_minutes)
    place = {role: index for index, part in enumerate(frame.parts) for role in part.roles}
    section_of: dict[int, int] = {}
    for index in chosen:
        section_of[index] = place[told_as[index]]
        text = body[index].text
        if index - 1 in section_of and points_back(text, language) and label(text) is None:
            # "This …" stays with what it points at; what sums up may open a section, but never an earlier one.
            before = section_of[index - 1]
            section_of[index] = max(section_of[index], before) if sums_up(text, language) else before
    lengths = {index: seconds_of(body[index].text, language) for index in chosen}
    whole = sum(lengths.values()) or 1.0
    planned = [
        Planned(
            part.title,
            part.lead,
            tuple(body[index].number for index in chosen if section_of[index] == number),
            round(sum(lengths[index] for index in chosen if section_of[index] == number) / whole, 3),
        )
        for number, part in enumerate(frame.parts)
    ]
    words = keywords([uncited(body[index].text) for index in chosen], source.title, language, 8)
    return Outline(tuple(part for part in planned if part.sentences), tuple(words))


def compose(
    source: Source, style: Style, language: Language, target_minutes: float | None = None, *, cast: Cast = ()
) -> Script:
    """Make a script out of the source's own sentences, as long as asked for if the source carries it.

    The first of the cast explains; the others take turns in what stands around it.
    """
    frame = FRAMES[language][style]
    reader = cast[0].name if cast else frame.reader
    guides = cycle([role.name for role in cast[1:] or cast] or [frame.guide])
    plan = outline(source, style, language, target_minutes)
    by_number = {sentence.number: sentence for sentence in source.sentences}
    suspects = untrusted.suspects(source)
    opening, hook = _opening(source, frame, plan.keywords, language, reader, guides, suspects)
    sections = [WrittenSection(frame.opening, opening)]
    before = 0
    for part in plan.sections:
        lines = [Written(next(guides), part.lead)]
        for number in part.sentences:
            # What is left out as an instruction stood between nothing.
            follows = before < number and all(between in suspects for between in range(before + 1, number))
            text = told(by_number[number].text, style, language, follows=follows, source=source)
            lines.append(Written(reader, text, (number,)))
            before = number
        sections.append(WrittenSection(part.title, tuple(lines)))
    last = sections[-1]
    sections[-1] = WrittenSection(last.title, (*last.lines, Written(next(guides), frame.farewell)))
    manuscript = Manuscript(
        title=frame.title.format(title=source.title),
        hook=hook,
        language=language,
        style=style,
        engine=ENGINE,
        target_minutes=target_minutes,
        sections=tuple(sections),
        to_lengthen=_MORE_TEXT if source.paper is not None and source.paper.full_text is None else _OTHER_WRITER,
        tags=plan.keywords,
        cast=cast,
    )
    return assemble(manuscript, source)


def _story(source: Source, language: Language) -> tuple[list[SourceSentence], list[Role]]:
    """The sentences that can be told, and what each tells: all but headings, which only say that."""
    suspects = untrusted.suspects(source)
    honest = [sentence for sentence in source.body if sentence.number not in suspects]
    body: list[SourceSentence] = []
    told_as: list[Role] = []
    for _, group in groupby(honest or source.body, key=lambda sentence: sentence.origin):
        # An abstract runs from background to conclusion, and a full text does so again.
        part = list(group)
        for sentence, role in zip(part, roles([sentence.text for sentence in part], language), strict=True):
            if unlabelled(sentence.text):
                body.append(sentence)
                told_as.append(role)
    return body, told_as


def _choose(
    source: Source,
    body: Sequence[SourceSentence],
    told_as: Sequence[Role],
    frame: Frame,
    style: Style,
    language: Language,
    target_minutes: float | None,
) -> list[int]:
    """Places in `body` of the sentences to tell, in source order: the best that fit the time."""
    bags = [set(content_words(sentence.text, language)) for sentence in body]
    scores = [
        _ROLE_WEIGHT[role]
        + central
        + (0.6 if sentence.origin != "full_text" else 0.0)
        + (0.2 if _NOTABLE.search(sentence.text) else 0.0)
        - (0.8 if asks(sentence.text) else 0.0)
        for sentence, role, central in zip(body, told_as, centrality(bags), strict=True)
    ]
    cost = [
        seconds_of(speakable(told(sentence.text, style, language, follows=True, source=source), language), language)
        + PAUSE_AFTER_LINE
        for sentence in body
    ]
    frames = [frame.greeting, frame.hook, frame.paper, frame.authors, frame.farewell, *(p.lead for p in frame.parts)]
    framing = sum(seconds_of(text, language) + PAUSE_AFTER_LINE for text in frames)
    if target_minutes is None:
        budget = min(frame.share * sum(cost), LONGEST_MINUTES * 60 - framing)
    else:
        budget = target_minutes * 60 - framing
    chosen: set[int] = set()
    for index in sorted(range(len(body)), key=lambda place: (-scores[place], place)):
        first = index
        while first > max(0, index - _REACHES_BACK) and points_back(body[first].text, language):
            first -= 1
        answer = index + 1 if asks(body[index].text) and index + 1 < len(body) else index
        needed = set(range(first, answer + 1))
        price = sum(cost[place] for place in needed - chosen)
        if price <= budget + 1e-6 or not chosen:  # sums of floats differ in their last bits
            chosen |= needed
            budget -= price
    return sorted(chosen)


def _opening(
    source: Source,
    frame: Frame,
    words: Sequence[str],
    language: Language,
    reader: str,
    guides: Iterator[str],
    suspects: Sequence[int],
) -> tuple[tuple[Written, ...], str]:
    """The lines of the first section, and the hook among them."""
    lines = [Written(next(guides), frame.greeting)]
    hook = ""
    if len(words) >= 2:
        hook = frame.hook.format(a=words[0], b=words[1])
        honest = [sentence for sentence in source.sentences if sentence.number not in suspects]
        where = [next((s.number for s in honest if word.casefold() in s.text.casefold()), 0) for word in words[:2]]
        lines.append(Written(reader, hook, tuple(sorted({number for number in where if number}))))
    if source.paper is None:
        lines.append(Written(reader, frame.content.format(title=source.title), source.numbers("title")))
    else:
        year = source.paper.publication_year
        when = "" if year is None else frame.published.format(year=year)
        text = frame.paper.format(when=when, title=source.title)
        lines.append(
            Written(reader, text, (*source.numbers("title"), *(source.numbers("publication_year") if when else ())))
        )
        if source.paper.authors:
            lines.append(
                Written(
                    reader,
                    frame.authors.format(authors=_names(source.paper.authors, language, frame)),
                    source.numbers("authors"),
                )
            )
    return tuple(lines), hook or lines[-1].text


def _names(authors: Sequence[str], language: Language, frame: Frame) -> str:
    """Up to three authors by name; more as the first one and colleagues."""
    names = [_given_first(author) for author in authors]
    if language == "en":
        if len(names) > 3:
            return f"{names[0]} and colleagues"
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    if len(names) > 3:
        return _addressed(names[0], frame) + "ら"
    polite = [_addressed(name, frame) for name in names]
    if not frame.honorific or len(polite) < 2:
        return "、".join(polite)
    return "、".join(polite[:-1]) + "と" + polite[-1]


def _addressed(name: str, frame: Frame) -> str:
    """A name as a Japanese speaker says it: さん sounds odd behind Latin letters."""
    return name if _LATIN_NAME.fullmatch(name) else name + frame.honorific


def _given_first(author: str) -> str:
    """`Last, F.` as it is spoken; what follows a comma may also be a title (Jr., PhD), which stays."""
    family, comma, given = author.partition(",")
    if not comma or "," in given or _NAME_TITLE.fullmatch(given.strip()):
        return author
    latin = _LATIN_NAME.fullmatch(author) is not None
    return f"{given.strip()} {family.strip()}" if latin else f"{family.strip()}{given.strip()}"

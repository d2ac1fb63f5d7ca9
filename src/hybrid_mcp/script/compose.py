"""The composer: an outline of a source, and a script made of the source's own sentences.

It selects, orders, shortens and frames; it never writes a claim of its own, never translates and
never pads. The same source and wishes always give the same script.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.assemble import PAUSE_AFTER_LINE, Manuscript, Written, WrittenSection, assemble, seconds_of
from hybrid_mcp.script.frames import FRAMES, Frame
from hybrid_mcp.script.keywords import content_words, keywords
from hybrid_mcp.script.model import Script, SourceSentence, Style
from hybrid_mcp.script.polite import polite
from hybrid_mcp.script.roles import Role, centrality, roles
from hybrid_mcp.script.source import Source
from hybrid_mcp.script.speakable import speakable

ENGINE = "extractive/1"
"""Raised when the composer writes differently, so that scripts of an older one are not taken for its."""
LONGEST_MINUTES = 15.0
"""Length of a script from a long text when no length is asked for."""

# Sentences that point back in their first words need the one before them.
_POINTS_BACK = {
    "ja": re.compile(
        r".{,12}?(?:これ(?!まで|から)|それ|この(?!研究|論文)|その(?!結果|ため)|こう(?:し|い)|両者|前者|後者)|同(?:手法|様)"
    ),
    "en": re.compile(
        r"(?:This(?! (?:paper|study|work))|These|That|Those|It|Its|They|Their|Such|Both|The (?:former|latter))\b"
    ),
}
_REACHES_BACK = 2
"""Sentences a pointing sentence brings along at most; a text that always says "this" would bring itself whole."""
# Connectives that make no sense when the sentence before is another one.
_CONNECTIVE = {
    "ja": re.compile(
        r"^(?:しかし(?:ながら)?|また|さらに|加えて|一方(?:で)?|そこで|そのため|したがって|よって|ただし|なお|特に|とりわけ|"
        r"その結果|結果として|すなわち|つまり|例えば|まず|次に|最後に|ところが|だが|そして)[、，,]\s*"
    ),
    "en": re.compile(
        r"^(?:However|Moreover|Furthermore|In addition|Additionally|Also|Therefore|Thus|Hence|Consequently|As a result|"
        r"In contrast|By contrast|On the other hand|In particular|Specifically|For example|First|Second|Finally|Then|"
        r"Nevertheless|Yet|But|And),?\s+"
    ),
}
_CITATION = re.compile(
    r"\s*(?:\[\d+(?:\s*[-–,、]\s*\d+)*\]|[（(][^（）()]*(?:\b(?:et al|\d{4}[a-z]?)\b\.?,?\s*)[）)]"
    r"|[（(](?:図|表|Fig(?:ure)?s?\.?|Table|see)\s*[^（）()]*[）)])",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\s*[（(]([^（）()]*)[）)]")
_ABBREVIATION = re.compile(r"[A-Z][A-Za-z0-9-]{1,11}")
# Read by a third person, a paper's "we" are its authors.
_SELF: dict[Language, tuple[tuple[re.Pattern[str], str], ...]] = {
    "ja": (
        (re.compile(r"本研究"), "この研究"),
        (re.compile(r"本(?:論文|稿|報告)"), "この論文"),
        (re.compile(r"(?:我々|われわれ|私たち|筆者ら|著者ら)"), "研究チーム"),
    ),
    "en": (
        (re.compile(r"^We\b"), "The authors"),
        (re.compile(r"\b(?:Here|In this (?:paper|work|study|article)),? we\b"), "In this paper, the authors"),
        (re.compile(r"\bwe\b"), "they"),
        (re.compile(r"^Our\b"), "The authors'"),
        (re.compile(r"\bour\b"), "their"),
    ),
}
_ROLE_WEIGHT: dict[Role, float] = {"background": 0.5, "aim": 0.9, "method": 0.55, "result": 1.0, "conclusion": 0.9}


_MORE_TEXT = Bilingual(
    ja="水増しはしません。full_text に本文を渡すと長くできます。", en="Nothing is padded. Pass the body as full_text for more."
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
    body = source.body
    told_as = roles([sentence.text for sentence in body], language)
    chosen = _choose(source, body, told_as, frame, style, language, target_minutes)
    place = {role: index for index, part in enumerate(frame.parts) for role in part.roles}
    section_of: dict[int, int] = {}
    for index in chosen:
        section_of[index] = place[told_as[index]]
        if index - 1 in section_of and _POINTS_BACK[language].match(body[index].text):
            # Never tell "this …" before what it points at.
            section_of[index] = max(section_of[index], section_of[index - 1])
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
    words = keywords([body[index].text for index in chosen], source.title, language, 8)
    return Outline(tuple(part for part in planned if part.sentences), tuple(words))


def compose(source: Source, style: Style, language: Language, target_minutes: float | None = None) -> Script:
    """Make a script out of the source's own sentences, as long as asked for if the source carries it."""
    frame = FRAMES[language][style]
    plan = outline(source, style, language, target_minutes)
    by_number = {sentence.number: sentence for sentence in source.sentences}
    opening, hook = _opening(source, frame, plan.keywords, language)
    sections = [WrittenSection(frame.opening, opening)]
    before = 0
    for part in plan.sections:
        lines = [Written(frame.guide, part.lead)]
        for number in part.sentences:
            text = _told(by_number[number].text, style, language, follows=number == before + 1, source=source)
            lines.append(Written(frame.reader, text, (number,)))
            before = number
        sections.append(WrittenSection(part.title, tuple(lines)))
    last = sections[-1]
    sections[-1] = WrittenSection(last.title, (*last.lines, Written(frame.guide, frame.farewell)))
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
    )
    return assemble(manuscript, source)


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
        _ROLE_WEIGHT[role] + central + (0.6 if sentence.origin != "full_text" else 0.0)
        for sentence, role, central in zip(body, told_as, centrality(bags), strict=True)
    ]
    cost = [
        seconds_of(speakable(_told(sentence.text, style, language, follows=True, source=source), language), language)
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
        while first > max(0, index - _REACHES_BACK) and _POINTS_BACK[language].match(body[first].text):
            first -= 1
        needed = set(range(first, index + 1))
        price = sum(cost[place] for place in needed - chosen)
        if price <= budget or not chosen:
            chosen |= needed
            budget -= price
    return sorted(chosen)


def _opening(source: Source, frame: Frame, words: Sequence[str], language: Language) -> tuple[tuple[Written, ...], str]:
    """The lines of the first section, and the hook among them."""
    lines = [Written(frame.guide, frame.greeting)]
    hook = ""
    if len(words) >= 2:
        hook = frame.hook.format(a=words[0], b=words[1])
        where = [
            next((s.number for s in source.sentences if word.casefold() in s.text.casefold()), 0) for word in words[:2]
        ]
        lines.append(Written(frame.reader, hook, tuple(sorted({number for number in where if number}))))
    if source.paper is None:
        lines.append(Written(frame.reader, frame.content.format(title=source.title), source.numbers("title")))
    else:
        year = source.paper.publication_year
        when = "" if year is None else (f"{year}年に発表された" if language == "ja" else f", published in {year}")
        if language == "ja" and "{when}発表" in frame.paper:
            when = "" if year is None else f"{year}年に"
        text = frame.paper.format(when=when, title=source.title)
        lines.append(
            Written(
                frame.reader, text, (*source.numbers("title"), *(source.numbers("publication_year") if when else ()))
            )
        )
        if source.paper.authors:
            lines.append(
                Written(
                    frame.reader,
                    frame.authors.format(authors=_names(source.paper.authors, language, frame)),
                    source.numbers("authors"),
                )
            )
    return tuple(lines), hook or lines[-1].text


def _names(authors: Sequence[str], language: Language, frame: Frame) -> str:
    """Up to three authors by name; more as the first one and colleagues."""
    if language == "en":
        if len(authors) > 3:
            return f"{authors[0]} and colleagues"
        return " and ".join([", ".join(authors[:-1]), authors[-1]] if len(authors) > 1 else authors)
    formal = frame is FRAMES["ja"]["academic"]
    names = list(authors) if formal else [f"{author}さん" for author in authors]
    if len(names) > 3:
        return f"{authors[0]}{'ら' if formal else 'さんら'}"
    return "、".join(names) if formal else "、".join(names[:-1]) + ("と" if len(names) > 1 else "") + names[-1]


def _told(text: str, style: Style, language: Language, *, follows: bool, source: Source) -> str:
    """A source sentence as it is told: shorter, in the narrator's voice, without dangling connectives."""
    told = _CITATION.sub("", text)
    if style == "academic":
        return told.strip()
    told = _ASIDE.sub(lambda aside: _kept(aside, source), told)
    if not follows:
        told = _CONNECTIVE[language].sub("", told)
        if language == "en":
            told = told[:1].upper() + told[1:]
    for pattern, replacement in _SELF[language]:
        told = pattern.sub(replacement, told)
    told = told.strip()
    return polite(told) if language == "ja" else told


def _kept(aside: re.Match[str], source: Source) -> str:
    """An aside is dropped, unless it introduces an abbreviation that the source goes on to use."""
    inside = aside.group(1)
    used = sum(inside in sentence.text for sentence in source.body) > 1
    return aside.group() if used and _ABBREVIATION.fullmatch(inside) else ""

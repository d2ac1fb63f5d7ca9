"""What a model is told so that the script it writes passes the checks.

Three parts that never mix: the rules, which are always the same; the task, made of what the caller wishes; and the
material, which is the source and nothing but material, whatever it says.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hybrid_mcp.languages import Language
from hybrid_mcp.script import untrusted
from hybrid_mcp.script.compose import Outline, Planned, outline
from hybrid_mcp.script.draft import ScriptDraft
from hybrid_mcp.script.frames import FRAMES
from hybrid_mcp.script.model import Cast, Complaint, Script, Style
from hybrid_mcp.script.rules import RULES
from hybrid_mcp.script.source import Source

_CHARACTERS_PER_MINUTE = 320
_WORDS_PER_MINUTE = 150
"""What `seconds_of` plans for usual text: mei reads the Japanese example at 320 characters a minute, pauses included."""

_REGISTER: dict[Language, dict[Style, str]] = {
    "ja": {
        "popular": "です・ます, warm, for curious listeners",
        "educational": "です・ます, step by step, terms explained",
        "academic": "である, exact and sober",
        "news": "です・ます, the result first, short sentences",
        "dialogue": "spoken です・ます, short turns; the one asks what a listener would ask",
        "kids": "やさしい です・ます and だよ, simple words, few kanji compounds",
    },
    "en": {
        "popular": "warm, for curious listeners",
        "educational": "step by step, terms explained",
        "academic": "exact and sober",
        "news": "the result first, short sentences",
        "dialogue": "spoken, short turns; the one asks what a listener would ask",
        "kids": "simple words, short sentences",
    },
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a script shall be like."""

    style: Style
    language: Language
    target_minutes: float | None = None
    """None means as long as its outline takes."""
    cast: Cast = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """The names that may speak, the one who explains first."""
        frame = FRAMES[self.language][self.style]
        return tuple(role.name for role in self.cast) or tuple(dict.fromkeys((frame.reader, frame.guide)))


def source_language(source: Source) -> Language:
    """The language whose cue phrases fit the source best."""
    return "ja" if source.language == "ja" else "en"


def plan(source: Source, wishes: Wishes) -> Outline:
    """The outline of a script, its headings in the script's language."""
    told_in = source_language(source)
    made = outline(source, wishes.style, told_in, wishes.target_minutes)
    titles = {
        of.title: to.title
        for of, to in zip(FRAMES[told_in][wishes.style].parts, FRAMES[wishes.language][wishes.style].parts, strict=True)
    }
    parts = (Planned(titles[part.title], part.lead, part.sentences, part.share) for part in made.sections)
    return Outline(tuple(parts), made.keywords)


def material(
    source: Source, suspects: Collection[int], numbers: Collection[int] | None = None, *, before: Iterable[str] = ()
) -> str:
    """The numbered sentences of the source (those in `numbers`), and what was said `before`, as untrusted text.

    The tag carries the source's id, which is the hash of its text, so no text can hold its own; and whatever looks
    like a tag in it is defused.
    """
    lines = [
        f"[{sentence.number}] ({sentence.origin}) "
        + ("[instruction-like, do not tell] " if sentence.number in suspects else "")
        + untrusted.defused(sentence.text)
        for sentence in source.sentences
        if numbers is None or sentence.number in numbers
    ]
    said = [untrusted.defused(text) for text in before]
    if said:
        lines += ["", "Said in the script so far:", *(f"- {text}" for text in said)]
    return "\n".join((f'<source id="{source.id}">', *lines, f'</source id="{source.id}">'))


def task(wishes: Wishes, outlined: Outline, minutes: float) -> str:
    """What is to be written, as a whole."""
    frame = FRAMES[wishes.language][wishes.style]
    parts = "\n".join(
        f"- {part.title}: about {part.share:.0%} of the time; cover {_listed(part.sentences)}"
        for part in outlined.sections
    )
    return f"""Write a narration script for a video about the source.

{_manner(wishes)}
Length: {minutes:g} minutes, that is {_size(wishes.language, minutes)} in all.

Outline (a proposal; you may merge or rename sections):
- {frame.opening}: greeting, a hook, what the paper is and who wrote it
{parts}"""


def task_of_opening(wishes: Wishes, outlined: Outline, minutes: float) -> str:
    """The title, the hook and the first section of a script that is written section by section."""
    frame = FRAMES[wishes.language][wishes.style]
    parts = ", ".join(dict.fromkeys(part.title for part in outlined.sections))
    return f"""Write the beginning of a narration script for a video about the source: its title, its hook, tags, and \
exactly one section.

{_manner(wishes)}
The section: {frame.opening}: greeting, a hook, what the paper is and who wrote it.
Length: {_size(wishes.language, minutes)}.
The sections {parts} follow later; do not write them."""


def task_of_section(wishes: Wishes, part: Planned, minutes: float, *, last: bool) -> str:
    """One section of a script that is written section by section."""
    end = "It is the last one: end with a farewell." if last else "More follows: no farewell."
    return f"""Write one section of a narration script about the source; it goes on from what was said so far.

{_manner(wishes)}
The section: {part.title}; cover {_listed(part.sentences)}. No greeting. {end}
Length: {_size(wishes.language, minutes)}."""


def correction(script: Script, complaints: Sequence[Complaint]) -> str:
    """What a model is told about its draft: the line, what is wrong with it, and the remedy."""
    places = {line.id: number for number, line in enumerate(script.lines, 1)}
    found = "\n".join(
        f"- {'the whole' if complaint.line is None else f'line {places[complaint.line]}'}: {complaint.en}"
        for complaint in complaints
    )
    return f"""Your draft was checked. Correct what is named below and give the whole draft again, in the same form. \
Leave all other lines as they are. Lines are counted from the first one of the first section.
{found}"""


def writing_prompt(source: Source, *, language: Language, style: Style, target_minutes: float, cast: Cast = ()) -> str:
    """What to tell a client's own model so that its draft passes `accept` without complaints."""
    wishes = Wishes(style, language, target_minutes, cast)
    schema = json.dumps(ScriptDraft.model_json_schema(), ensure_ascii=False)
    return f"""{RULES}

{material(source, frozenset(untrusted.suspects(source)))}

{task(wishes, plan(source, wishes), target_minutes)}

Then call the tool `save_script` with source_id="{source.id}", language="{language}", style="{style}", \
target_minutes={target_minutes:g} and `draft` of this JSON schema:
{schema}

It answers with complaints that name the line and the remedy. Correct those lines and call it again."""


def _manner(wishes: Wishes) -> str:
    name = {"ja": "Japanese", "en": "English"}[wishes.language]
    if wishes.cast:
        roles = [f"- {role.name}" + (f" ({role.notes})" if role.notes else "") for role in wishes.cast]
        speakers = "\n".join((
            "Speakers, the first of whom explains; their manner of speaking comes before the style's:", *roles,
        ))  # fmt: skip
    elif len(wishes.speakers) > 1:
        reader, guide = wishes.speakers
        speakers = f"Speakers: two speakers, {guide!r} who asks and {reader!r} who explains."
    else:
        speakers = f"Speakers: one narrator, {wishes.speakers[0]!r}."
    return f"Language: {name}. Style: {wishes.style} ({_REGISTER[wishes.language][wishes.style]}).\n{speakers}"


def size(language: Language, minutes: float) -> int:
    """Characters of Japanese, or words of English, that take so many minutes to say."""
    return round(minutes * (_CHARACTERS_PER_MINUTE if language == "ja" else _WORDS_PER_MINUTE))


def _size(language: Language, minutes: float) -> str:
    return f"about {size(language, minutes)} {'Japanese characters' if language == 'ja' else 'English words'}"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(f"[{number}]" for number in numbers)

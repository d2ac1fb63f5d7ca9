"""What a script is: papers, numbered sources, lines with evidence."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from hybrid_mcp.errors import Unfit
from hybrid_mcp.languages import Language

_MARKS = re.compile(r"[\W_]")
# Categories Cc and Cs, without line breaks and tabs; \f and \v have become line breaks before.
# Characters looked at one by one would hold up everybody else for a long text.
_UNFIT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# Normalising takes quadratic time over marks in a row; Unicode's stream-safe format allows 30 (UAX #15, 13).
_MARK = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0e38-\u0e3a\u0e48-\u0e4b\u1ab0-\u1aff"
    "\u1dc0-\u1dff\u20d0-\u20ff\u302a-\u302f\u3099\u309a\ufe20-\ufe2f]"
)
_STACKED = re.compile(_MARK.pattern + "{31}")

PAUSE_AFTER_LINE = 0.45
PAUSE_AFTER_SECTION = 1.1
"""Seconds of silence; what `synthesize_voice` uses unless told otherwise."""

Style = Literal["popular", "educational", "academic", "news", "dialogue", "kids"]
Origin = Literal["title", "authors", "publication_year", "abstract", "full_text", "content"]


def _clean(text: str) -> str:
    """Refuse what no engine can speak or store; form feeds of pasted PDFs become line breaks."""
    text = text.replace("\f", "\n").replace("\v", "\n")
    # Of 31 in a row, one stands at such a place: a thirtieth of the time for a text without.
    if _MARK.search(text[30::31]) and (stacked := _STACKED.search(text)):
        position = stacked.start()
        raise Unfit(
            en=f"more than 30 combining marks in a row at character {position}; remove them",
            ja=f"{position} 文字目に結合文字が 30 より多く続いています。取り除いてください",
        )
    found = _UNFIT.search(text)
    if found is None:
        return text
    code, position = f"U+{ord(found.group()):04X}", found.start()
    if unicodedata.category(found.group()) == "Cs":
        raise Unfit(
            en=f"half of a surrogate pair ({code}) at character {position}; send valid Unicode",
            ja=f"{position} 文字目に片割れのサロゲート ({code}) があります。正しい Unicode で送ってください",
        )
    raise Unfit(
        en=f"control character {code} at character {position}; remove it",
        ja=f"{position} 文字目に制御文字 {code} があります。取り除いてください",
    )


CleanText = Annotated[str, AfterValidator(_clean)]
"""Text without control characters (line breaks and tabs stay) and without lone surrogates."""


def _one_line(text: str) -> str:
    """Headings and names stand on one line and in NFC, whatever they were pasted from."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


OneLine = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_clean), AfterValidator(_one_line)]
Speaker = Annotated[OneLine, Field(min_length=1, max_length=40)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # most are first needed after the start


class Role(_Model):
    """Somebody who speaks in a script."""

    name: Annotated[Speaker, Field(description="Name of the speaker, as it stands in the script.")]
    notes: Annotated[OneLine, Field(max_length=300)] = Field(
        "", description="How they are and talk, for a model that writes: 好奇心旺盛。語尾は「のだ」."
    )
    voice: Annotated[OneLine, Field(max_length=100)] = Field(
        "", description="Voice that reads them; empty lets synthesize_voice choose."
    )


def _distinct(cast: tuple[Role, ...]) -> tuple[Role, ...]:
    names = [role.name for role in cast]
    for name in names:
        if names.count(name) > 1:
            raise Unfit(
                en=f"two roles are called {name}; give each a name of its own",
                ja=f"「{name}」という役が2つあります。別の名前にしてください",
            )
    return cast


Cast = Annotated[tuple[Role, ...], Field(max_length=4), AfterValidator(_distinct)]
"""Up to four speakers: the first explains, the others ask and lead on. Empty leaves it to the style."""


class Paper(_Model):
    """What is known about the source."""

    title: Annotated[OneLine, Field(min_length=1, max_length=500, description="Title of the paper.")]
    authors: Annotated[list[Annotated[OneLine, Field(min_length=1, max_length=200)]], Field(max_length=100)] = Field(
        default_factory=list, description="Names of the authors, in order."
    )
    abstract: Annotated[CleanText, Field(min_length=1, max_length=50_000, description="The abstract, verbatim.")]
    publication_year: Annotated[int, Field(ge=1500, le=2200)] | None = Field(None, description="Year of publication.")
    url: Annotated[CleanText, Field(max_length=2000)] | None = Field(None, description="Where the paper is.")
    doi: Annotated[CleanText, Field(max_length=200)] | None = Field(None, description="DOI without resolver.")
    full_text: Annotated[CleanText, Field(max_length=1_000_000)] | None = Field(
        None, description="The body, if you have it."
    )


class SourceSentence(_Model):
    """One numbered piece of the source: what evidence points at."""

    number: int
    """Counts from 1 over the whole source."""
    text: str
    """Verbatim."""
    origin: Origin


class Line(_Model):
    """One thing one speaker says."""

    id: str
    """Stable: the hash of speaker and text, so that editing another line does not change it."""
    speaker: Speaker
    text: str
    """What stands on screen, and readings beside words, as in `script.ruby`."""
    spoken: str
    """What is read for `text`: its numbers, units and symbols written out."""
    evidence: tuple[int, ...] = ()
    """Numbers of the source sentences the line rests on; none for framing."""
    spans: tuple[str, ...] = ()
    """Those sentences, verbatim. A span shows where a line comes from, not that it follows from it."""

    @property
    def shown(self) -> str:
        """`text` without the readings that stand beside its words."""
        from hybrid_mcp.script import ruby  # noqa: PLC0415  (tables: not at start-up)

        return ruby.shown(self.text)

    @property
    def reading(self) -> str | None:
        """`spoken`, where it differs from `text` by more than marks."""
        return self.spoken if _MARKS.sub("", self.spoken) != _MARKS.sub("", self.shown) else None

    @property
    def grounded(self) -> bool:
        """Whether the line rests on the source; otherwise it is framing (greeting, transition …)."""
        return bool(self.evidence)


class Section(_Model):
    """Lines under one heading; also a chapter of the video."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """A piece of a line: what is shown, what is read, and whether the voice pauses after it."""

    shown: str
    spoken: str
    pause_after: bool


class Chapter(_Model):
    """A heading and when it starts."""

    title: str
    start: float
    """Seconds, planned from the length of the text. The timeline of a narration has the real ones."""


class Complaint(_Model):
    """Something about a line, or the whole script, that its reader should know."""

    line: str | None
    """Id of the line; None for the whole script."""
    rule: str
    """Short name of the rule, e.g. `numeral-not-in-evidence`."""
    ja: str
    en: str


class Script(_Model):
    """A narration script whose every line says what it rests on."""

    id: str
    title: str
    hook: str
    language: Language
    style: Style
    engine: str
    """Who wrote it: `extractive/…`, or the name the client gave."""
    target_minutes: float | None
    planned_seconds: float
    sections: tuple[Section, ...]
    chapters: tuple[Chapter, ...]
    sources: tuple[str, ...]
    """Citations for people."""
    description: str
    """For the video's description box."""
    tags: tuple[str, ...]
    grounded_share: float
    """Share of the spoken characters, 0–1, that stands in lines with evidence."""
    complaints: tuple[Complaint, ...]
    source: tuple[SourceSentence, ...]
    source_id: str
    cast: Cast = ()
    """Who speaks, where it was asked for; a role may name its voice."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines in the order they are spoken."""
        return tuple(line for section in self.sections for line in section.lines)

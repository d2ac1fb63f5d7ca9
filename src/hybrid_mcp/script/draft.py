"""Scripts that somebody's model wrote: their form, and how they are taken in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Cast, CleanText, OneLine, Script, Speaker, Style

if TYPE_CHECKING:
    from hybrid_mcp.script.source import Source


class _Draft(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class DraftLine(_Draft):
    """One thing one speaker says."""

    text: Annotated[OneLine, Field(min_length=1, max_length=1000, description="What is said; one or two sentences.")]
    evidence: Annotated[list[int], Field(max_length=20)] = Field(
        default_factory=list, description="Numbers of the source sentences it rests on; empty for framing."
    )
    speaker: Speaker | None = Field(None, description="Who says it; needed only with several speakers.")


class DraftSection(_Draft):
    """Lines under one heading."""

    title: Annotated[OneLine, Field(min_length=1, max_length=200, description="Heading; also a chapter's name.")]
    lines: Annotated[list[DraftLine], Field(min_length=1, max_length=500, description="Lines in spoken order.")]


class ScriptDraft(_Draft):
    """A script as a model writes it."""

    title: Annotated[OneLine, Field(min_length=1, max_length=300, description="Title of the video.")]
    hook: Annotated[OneLine, Field(min_length=1, max_length=500, description="One sentence that makes people stay.")]
    sections: Annotated[list[DraftSection], Field(min_length=1, max_length=50, description="Sections in order.")]
    description: Annotated[CleanText, Field(max_length=5000, description="For the video's description box.")] = ""
    tags: Annotated[list[Annotated[CleanText, Field(min_length=1, max_length=60)]], Field(max_length=30)] = Field(
        default_factory=list, description="Key words for the video's page."
    )


def accept(
    draft: ScriptDraft,
    source: Source,
    *,
    language: Language,
    style: Style,
    target_minutes: float | None,
    written_by: str,
    cast: Cast = (),
) -> Script:
    """Make a Script of a draft; what is wrong with it becomes complaints, nothing is lost.

    A line without a speaker is the first role's, or the style's usual one.

    Raises:
        InvalidInput: no line names any evidence.
    """
    if not any(line.evidence for section in draft.sections for line in section.lines):
        raise InvalidInput(
            ja="どの行にも evidence がありません。事実を述べる行には、出典の文の番号 (例: [4, 5]) を付けてください。",
            en="No line has evidence. Give every line that states a fact the numbers of its source sentences, e.g. [4, 5].",
        )
    return scripted(
        draft,
        source,
        language=language,
        style=style,
        target_minutes=target_minutes,
        written_by=written_by,
        cast=cast,
    )


def scripted(
    draft: ScriptDraft,
    source: Source,
    *,
    language: Language,
    style: Style,
    target_minutes: float | None,
    written_by: str,
    cast: Cast = (),
) -> Script:
    """As `accept`, also where no line has evidence: the beginning of a longer script may have none."""
    # The form alone is an argument of a tool: it comes without the 0.1 s of tables that checking needs.
    from hybrid_mcp.script.assemble import Manuscript, Written, WrittenSection, assemble  # noqa: PLC0415
    from hybrid_mcp.script.frames import FRAMES  # noqa: PLC0415

    usual = cast[0].name if cast else FRAMES[language][style].reader
    manuscript = Manuscript(
        title=draft.title,
        hook=draft.hook,
        language=language,
        style=style,
        engine=written_by,
        target_minutes=target_minutes,
        sections=tuple(
            WrittenSection(
                section.title,
                tuple(
                    Written(line.speaker or usual, line.text, tuple(dict.fromkeys(line.evidence)))
                    for line in section.lines
                ),
            )
            for section in draft.sections
        ),
        to_lengthen=Bilingual(
            ja="出典の文をもっと使うか、言葉の説明を足してください。", en="Use more of the source, or explain terms."
        ),
        description=draft.description,
        tags=tuple(draft.tags),
        cast=cast,
        retold=True,
    )
    return assemble(manuscript, source)


def wire_schema(form: type[BaseModel], speakers: Sequence[str], *, without: Collection[str] = ()) -> dict[str, Any]:
    """The JSON schema of `form` in the subset that strict structured output takes everywhere.

    Nothing is optional, nothing else is allowed, and there is none of the bounds that Claude, OpenAI or llama.cpp
    refuse: those are checked afterwards. Speakers are chosen from `speakers`; properties in `without` are left out.
    """
    whole = form.model_json_schema()
    return _strict(whole, whole.get("$defs", {}), speakers, without)


def _strict(
    schema: Mapping[str, Any], named: Mapping[str, Any], speakers: Sequence[str], without: Collection[str]
) -> dict[str, Any]:
    if "$ref" in schema:
        return _strict(named[schema["$ref"].removeprefix("#/$defs/")], named, speakers, without)
    strict = {key: schema[key] for key in ("type", "description") if key in schema}
    if schema.get("type") == "array":
        strict["items"] = _strict(schema["items"], named, speakers, without)
    if schema.get("type") == "object":
        properties = {
            name: {"type": "string", "enum": list(speakers), "description": "Who says it."}
            if name == "speaker"
            else _strict(value, named, speakers, without)
            for name, value in schema["properties"].items()
            if name not in without
        }
        strict |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    return strict

"""The tool `generate_script`, and the answer it shares with `save_script`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifact
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.script.compose import compose
from hybrid_mcp.script.keep import keep, keep_source
from hybrid_mcp.script.model import Complaint, Script
from hybrid_mcp.script.source import Source, writable
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.arguments import (
    ContentArgument,
    DetailArgument,
    LanguageArgument,
    MinutesArgument,
    PaperArgument,
    StyleArgument,
    TitleArgument,
    source_of,
)
from hybrid_mcp.tools.context import LentApp


class ScriptAnswer(BaseModel):
    """A stored script."""

    script_id: str
    path: str
    """script.json"""
    markdown_path: str
    source_id: str
    title: str
    hook: str
    language: str
    style: str
    engine: str
    lines: int
    planned_minutes: float
    grounded_share: float
    """Share of the text, 0-1, that cites the source."""
    note: str
    complaints: list[str]
    script: dict[str, Any] | None = None
    """Only with detail=full."""


async def generate_script(
    app: LentApp,
    paper: PaperArgument = None,
    title: TitleArgument = "",
    content: ContentArgument = "",
    style: StyleArgument = "popular",
    language: LanguageArgument = None,
    target_minutes: MinutesArgument = None,
    engine: Annotated[
        Literal["extractive"], Field(description="`extractive` quotes the source's own sentences; no model, no cost.")
    ] = "extractive",
    detail: DetailArgument = "summary",
) -> ScriptAnswer:
    """Turn a paper (or a title with some text) into a narration script whose every line cites its source sentences.

    Use it first; then give the returned script_id to synthesize_voice. It selects, orders and shortens the
    source's own sentences and frames them for the style; it neither translates nor pads. If you want to write the
    script yourself instead, use the prompt write_script (or the source_id and script from detail=full) and save_script.
    """
    del engine  # the only one there is

    def work() -> tuple[Source, Script]:
        source = source_of(paper, title, content)
        return source, compose(source, style, writable(source, language), target_minutes)

    source, script = await in_thread(work)  # a long source takes seconds
    await keep_source(app.artifacts, source)
    return answer(app, script, await keep(app.artifacts, script), detail)


def answer(app: App, script: Script, artifact: Artifact, detail: str) -> ScriptAnswer:
    """What both script tools return."""
    language = app.settings.language
    places = {line.id: number for number, line in enumerate(script.lines, 1)}
    return ScriptAnswer(
        script_id=script.id,
        path=str(artifact.path("script.json")),
        markdown_path=str(artifact.path("script.md")),
        source_id=script.source_id,
        title=script.title,
        hook=script.hook,
        language=script.language,
        style=script.style,
        engine=script.engine,
        lines=len(places),
        planned_minutes=round(script.planned_seconds / 60, 2),
        grounded_share=script.grounded_share,
        note=_note(app, script).in_(language),
        complaints=[_complaint(complaint, places).in_(language) for complaint in script.complaints],
        script=script.model_dump(mode="json") if detail == "full" else None,
    )


def _note(app: App, script: Script) -> Bilingual:
    note = Bilingual(
        ja="根拠の文は出どころを示すもので、行の正しさを証明するものではありません。",
        en="Evidence shows where a line comes from, not that it follows from it.",
    )
    if any(voice.language == script.language for voice in ()):
        return note
    return Bilingual(
        ja=note.ja + "この言語を話す声は入っていないので、synthesize_voice では読み上げられません。",
        en=note.en + " No installed voice speaks this language, so synthesize_voice cannot read it.",
    )


def _complaint(complaint: Complaint, places: Mapping[str, int]) -> Bilingual:
    if complaint.line is None:
        return Bilingual(ja=complaint.ja, en=complaint.en)
    place = places[complaint.line]
    return Bilingual(
        ja=f"{place} 行目 ({complaint.line}): {complaint.ja}", en=f"line {place} ({complaint.line}): {complaint.en}"
    )

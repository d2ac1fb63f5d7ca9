"""The tool `save_script`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.script.draft import ScriptDraft, accept
from hybrid_mcp.script.model import CleanText, Script
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.arguments import (
    CastArgument,
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
from hybrid_mcp.tools.generate_script import ScriptAnswer, answer

if TYPE_CHECKING:
    from hybrid_mcp.script.source import Source


async def save_script(
    app: LentApp,
    draft: Annotated[ScriptDraft, Field(description="The script you wrote.")],
    source_id: Annotated[
        CleanText, Field(max_length=64, description="The source, as write_script or generate_script named it.")
    ] = "",
    paper: PaperArgument = None,
    title: TitleArgument = "",
    content: ContentArgument = "",
    style: StyleArgument = "popular",
    language: LanguageArgument = None,
    target_minutes: MinutesArgument = None,
    cast: CastArgument = (),
    written_by: Annotated[CleanText, Field(min_length=1, max_length=80, description="Your model's name.")] = "client",
    detail: DetailArgument = "summary",
) -> ScriptAnswer:
    """Check and store a script that you wrote from a numbered source, so that synthesize_voice can speak it.

    Every figure and Latin-letter term of a line must stand in the source sentences it cites. What does not comes
    back as complaints that name the line and the remedy: correct those lines and call again. It is stored either way.
    """
    from hybrid_mcp.script.keep import keep, keep_source, kept_source
    from hybrid_mcp.script.prompting import source_language

    if source_id and (paper is not None or title or content):
        raise InvalidInput(
            ja="source_id と paper・title・content は同時に使えません。どちらか一方にしてください。",
            en="Give either source_id, or the source itself, not both.",
        )

    def work() -> tuple[Source, Script]:
        source = kept_source(app.artifacts, source_id) if source_id else source_of(paper, title, content)
        return source, accept(
            draft,
            source,
            language=language or source_language(source),
            style=style,
            target_minutes=target_minutes,
            written_by=written_by,
            cast=cast,
        )

    source, script = await in_thread(work)
    if not source_id:
        await keep_source(app.artifacts, source)
    return await answer(app, script, await keep(app.artifacts, script), detail)

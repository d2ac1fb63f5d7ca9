"""Arguments that several tools share, and the source they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Cast, CleanText, OneLine, Paper, Style

if TYPE_CHECKING:
    from hybrid_mcp.script.source import Source

PaperArgument = Annotated[Paper | None, Field(description="The paper. Give this, or title and content.")]
TitleArgument = Annotated[OneLine, Field(max_length=500, description="Title, when there is no paper.")]
ContentArgument = Annotated[CleanText, Field(max_length=1_000_000, description="Text to tell, when there is no paper.")]
StyleArgument = Annotated[Style, Field(description="How it is told.")]
LanguageArgument = Annotated[Language | None, Field(description="Language of the script; default: that of the source.")]
MinutesArgument = Annotated[float | None, Field(gt=0, le=180, description="Length asked for, in minutes.")]
CastArgument = Annotated[Cast, Field(description="Who speaks, at most four; the first explains. Default: by style.")]
DetailArgument = Annotated[
    Literal["summary", "full"],
    Field(description="`full` also returns the whole script; else read its file or resource."),
]


def source_of(paper: Paper | None, title: str, content: str) -> Source:
    """The source that the arguments describe.

    Raises:
        InvalidInput: both or neither way was used.
    """
    from hybrid_mcp.script.source import source_of_paper, source_of_text

    if paper is not None and (title or content):
        raise InvalidInput(
            ja="paper と title/content は同時に使えません。どちらか一方にしてください。",
            en="Give either paper, or title and content, not both.",
        )
    if paper is not None:
        return source_of_paper(paper)
    if not title.strip() or not content.strip():
        raise InvalidInput(
            ja="出典がありません。paper {title, abstract, …} か、title と content の両方を渡してください。",
            en="There is no source. Give paper {title, abstract, …}, or both title and content.",
        )
    return source_of_text(title.strip(), content)

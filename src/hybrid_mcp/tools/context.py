"""What MCP lends a tool: the App, progress, and the one edge where errors become words for a model."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Resolve
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.types import MISSING_REQUIRED_CLIENT_CAPABILITY, CallToolResult, ContentBlock, ToolAnnotations
from pydantic import Field, ValidationError

from hybrid_mcp.app import App
from hybrid_mcp.errors import HybridError, InvalidInput
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.tools import schemas
from hybrid_mcp.tools.explaining import explained, refuse_crowds

_BETWEEN_REPORTS = 0.2
"""Seconds between two progress messages: enough for a bar, few enough for a log."""


async def _lend(ctx: Context[App]) -> App:  # not async, it would run in a thread
    return ctx.request_context.lifespan_context


Beside = Callable[[Mapping[str, Any], str], Sequence[ContentBlock]]
"""Blocks to follow the text of an answer, which is given as JSON, for the client of a name."""
LentApp = Annotated[App, Resolve(_lend)]
"""A tool's parameter that is filled with the App and hidden from the model."""


_NO_ANSWER = Bilingual(
    ja="質問への答えが、選べるもののどれでもありません。何も行っていません。もう一度呼んで、答えを選び直してください。",
    en="The answer to the question is none of those that can be chosen. Nothing was done. Call again and choose anew.",
)

_NOT_ASKED = Bilingual(
    ja="質問しなければなりませんでしたが、クライアントが質問できませんでした。何も行っていません。声は list_voices の id で、"
    "費用は安い engine か短い target_minutes で、質問のいらない形にして呼んでください。",
    en="A question had to be put, and the client failed to. Nothing was done. Call so that none is needed: name voices "
    "by their ids from list_voices; choose a cheaper engine, or a shorter target_minutes.",
)


class HybridTool(Tool):
    """A tool that refuses unknown arguments and explains every error in the interface's language."""

    language: Language = "en"
    beside: Beside | None = Field(None, exclude=True)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """See `Tool.run`. What we can explain reaches the model as a sentence; a crash stays hidden."""
        try:
            refuse_crowds(arguments)
            result = await super().run(arguments, context, convert_result)
        except InvalidInput as error:
            raise ToolError(error.text(self.language)) from error
        except UnexpectedToolError as error:
            if isinstance(error.__cause__, HybridError):
                # Names of files may hold bytes that are no text.
                text = error.__cause__.text(self.language).encode("utf-8", "replace").decode()
                raise ToolError(text) from error.__cause__
            raise
        except MCPError as error:
            if error.code == MISSING_REQUIRED_CLIENT_CAPABILITY:
                raise  # the protocol has a code and an HTTP status for it
            # Tools of ours raise none: the client failed at the question it was to put.
            raise ToolError(_NOT_ASKED.in_(self.language)) from error
        except ToolError as error:
            if isinstance(error.__cause__, ValidationError):  # of the arguments; those of the body are unexpected
                raise ToolError(explained(error.__cause__, self.parameters, self.language)) from error.__cause__
            # Ours raise HybridErrors. The SDK raises this one for answers of clients that fit no question.
            raise ToolError(_NO_ANSWER.in_(self.language)) from error
        if self.beside is not None and isinstance(result, CallToolResult) and result.structured_content:
            client = context.session.client_params
            name = client.client_info.name if client is not None else ""
            result.content.extend(self.beside(result.structured_content, name))
        return result


def tool(
    fn: Callable[..., Awaitable[Any]], title: Bilingual, language: Language, annotations: ToolAnnotations
) -> HybridTool:
    """Make a tool of a function, with a title in the interface's language."""
    made = HybridTool.from_function(
        fn, title=title.in_(language), description=inspect.getdoc(fn), annotations=annotations
    )
    assert isinstance(made, HybridTool)  # noqa: S101  (the SDK annotates the base class)
    made.language = language
    # In place: another model made of this one would be built and described anew, at every start.
    arguments = made.fn_metadata.arg_model
    arguments.model_config["extra"] = "forbid"
    arguments.model_rebuild(force=True)
    made.parameters = schemas.for_arguments({**made.parameters, "additionalProperties": False})
    if made.fn_metadata.output_schema is not None:
        made.fn_metadata.output_schema = schemas.for_answers(made.fn_metadata.output_schema)
    return made


class Progress:
    """Progress towards the client, not more often than anybody can read; it never goes back, as the protocol asks."""

    def __init__(self, ctx: Context[App], told: Bilingual) -> None:
        """`told` is said with each report, `{done}` and `{total}` being its numbers."""
        self._ctx = ctx
        self._told = told.in_(ctx.request_context.lifespan_context.settings.language)
        self._last = -_BETWEEN_REPORTS
        self._reached = 0.0

    async def __call__(self, done: float, total: float) -> None:
        """Report; the last step always, others as time allows."""
        now = time.monotonic()
        if done > self._reached and (now - self._last >= _BETWEEN_REPORTS or done >= total):
            self._last, self._reached = now, done
            await self._ctx.report_progress(done, total, self._told.format(done=f"{done:,.0f}", total=f"{total:,.0f}"))

"""Every request of MCP, counted on its way through the SDK."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import UnexpectedResourceError
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR
from pydantic import ValidationError

from hybrid_mcp.telemetry import Entry, Metrics, Outcome, engine_of

_COUNTED = frozenset({"tools/call", "resources/read", "prompts/get", "completion/complete"})
_CLIENT_WROTE = "save_script"
"""A tool whose answer names as engine what the client said."""
_MESSAGES = "/messages"
"""Where clients of HTTP with SSE send to: the SDK's usual path."""


class Counting:
    """A `ServerMiddleware`: seconds and outcome of all that asks the program to do something."""

    def __init__(self, metrics: Metrics, tools: Collection[str], engines: Collection[str]) -> None:
        """Tools and engines of other names are counted as `unknown` and `other`."""
        self._metrics = metrics
        self._tools = frozenset(tools)
        self._engines = frozenset(engines)

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass it on, and count it when it is over."""
        if ctx.method not in _COUNTED:
            return await call_next(ctx)
        began = time.perf_counter()
        tool, engine = self._tool(ctx), "none"
        outcome: Outcome = "crash"
        try:
            result = await call_next(ctx)
            outcome = _outcome(result, tool)
            if isinstance(result, dict) and tool != _CLIENT_WROTE:
                engine = engine_of(result.get("structuredContent") or {}, self._engines)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        except (MCPError, ValidationError) as error:
            outcome = _refusal(error)
            raise
        else:
            return result
        finally:
            self._metrics.request(_entry(ctx.request), tool, engine, outcome, time.perf_counter() - began)

    def _tool(self, ctx: ServerRequestContext[Any, Any]) -> str:
        """The tool that is called, or else the method."""
        if ctx.method != "tools/call":
            return ctx.method
        name = (ctx.params or {}).get("name")
        return name if isinstance(name, str) and name in self._tools else "unknown"


def _entry(request: Any) -> Entry:
    """How it came. What has no HTTP request came over stdio, or from a client in this process."""
    if request is None:
        return "stdio"
    return "sse" if request.scope["path"].startswith(_MESSAGES) else "http"


def _outcome(result: HandlerResult, tool: str) -> Outcome:
    """What the answer tells, in the form in which it goes onto the wire."""
    match result:
        case {"isError": True, "content": [{"text": str(text)}]} if text == f"Error executing tool {tool}":
            return "crash"  # the SDK tells no more of what we did not expect
        case {"isError": True}:
            return "tool_error"
        case _:
            return "ok"


def _refusal(error: MCPError | ValidationError) -> Outcome:
    """Whether the request was none, or what it asked for failed."""
    if isinstance(error.__context__, UnexpectedResourceError):
        return "crash"
    if isinstance(error, MCPError) and error.error.code == INTERNAL_ERROR:
        return "tool_error"
    return "rejected"

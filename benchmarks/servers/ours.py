"""hybrid-mcp as `hybrid-mcp serve` runs it, with one trivial tool more.

Run: python benchmarks/servers/ours.py [PORT]
"""

from __future__ import annotations

import sys

from mcp.types import ToolAnnotations

from hybrid_mcp import server
from hybrid_mcp.__main__ import main
from hybrid_mcp.app import App
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.tools.context import HybridTool, tool

tools = server._tools  # noqa: SLF001  (everything else is the server as it is)


async def echo(message: str) -> str:
    """Give the message back."""
    return message


def with_echo(app: App) -> tuple[HybridTool, ...]:
    """Every tool there is, and one that costs nothing."""
    return (*tools(app), tool(echo, Bilingual(ja="こだま", en="Echo"), app.settings.language, ToolAnnotations()))


server._tools = with_echo  # noqa: SLF001
sys.exit(main(["serve", *(("--transport", "http", "--port", sys.argv[1]) if len(sys.argv) > 1 else ())]))

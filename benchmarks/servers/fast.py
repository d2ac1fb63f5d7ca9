"""A server of FastMCP with one trivial tool, as its documentation writes it.

Run: benchmarks/.venv/bin/python benchmarks/servers/fast.py [PORT]
"""

from __future__ import annotations

import sys

from fastmcp import FastMCP

server = FastMCP("fast")


@server.tool
async def echo(message: str) -> str:
    """Give the message back."""
    return message


if len(sys.argv) > 1:
    server.run("http", port=int(sys.argv[1]), log_level="WARNING", show_banner=False)
else:
    server.run("stdio", log_level="WARNING", show_banner=False)

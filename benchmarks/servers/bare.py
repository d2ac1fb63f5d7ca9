"""A server of the official SDK with one trivial tool, as its documentation writes it.

Run: python benchmarks/servers/bare.py [PORT]
"""

from __future__ import annotations

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("bare", log_level="WARNING")


@server.tool()
async def echo(message: str) -> str:
    """Give the message back."""
    return message


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run("stdio")

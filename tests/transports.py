"""The official client, connected to a real server over each transport and in each era of the protocol."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from mcp import Client, StdioServerParameters
from mcp.client import Transport
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest
from serving import SERVE, started

from hybrid_mcp.config import Settings
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

Way = Literal[
    "memory 2025-11-25",
    "memory 2026-07-28",
    "stdio 2025-11-25",
    "stdio 2026-07-28",
    "http 2025-06-18",
    "http 2025-11-25",
    "http 2026-07-28",
    "sse 2024-11-05",
]
"""A transport and a version of the protocol that are spoken together in the world."""
WAYS: tuple[Way, ...] = get_args(Way)
MODERN = "2026-07-28"
"""The era without `initialize`: from this version on."""
_LIFE = 600
"""Seconds a server is there for all tests of one way, on a machine that is busy with others."""


@asynccontextmanager
async def reached(way: Way, data_dir: Path, **options: Any) -> AsyncIterator[Client]:
    """A client of a server of its own that speaks English; `options` are the client's."""
    transport, version = way.split()
    options["mode"] = "legacy" if version < MODERN else "auto"
    match transport:
        case "memory":
            async with (
                open_app(Settings(language="en", data_dir=data_dir)) as app,
                Client(build_server(app), **options) as client,
            ):
                yield client
        case "stdio":
            environment = os.environ | {"HYBRID_MCP_DATA_DIR": str(data_dir), "HYBRID_MCP_LANGUAGE": "en"}
            server = StdioServerParameters(
                command=sys.executable, args=["-m", "hybrid_mcp", "serve"], env=dict(environment)
            )
            async with Client(_aged(stdio_client(server), version), **options) as client:
                yield client
        case "http":
            async with (
                started(SERVE, data_dir, within=_LIFE) as served,
                Client(_aged(streamable_http_client(served.url), version), **options) as client,
            ):
                yield client
        case _:
            async with (
                started((*SERVE, "--with-sse"), data_dir, within=_LIFE) as served,
                Client(_aged(sse_client(f"{served.base}/sse"), version), **options) as client,
            ):
                yield client


@asynccontextmanager
async def _aged(transport: Transport, version: str) -> AsyncIterator[tuple[Any, Any]]:
    """A transport of a client that knows no newer version; the official one always asks for the newest."""
    async with transport as (reading, writing):
        yield reading, _Aged(writing, version)


@dataclass(frozen=True)
class _Aged:
    writing: Any
    version: str

    async def send(self, item: SessionMessage) -> None:
        message = item.message
        if isinstance(message, JSONRPCRequest) and message.method == "initialize":
            assert message.params is not None
            message.params["protocolVersion"] = self.version
        await self.writing.send(item)

    async def aclose(self) -> None:
        await self.writing.aclose()

    async def __aenter__(self) -> Self:
        await self.writing.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.writing.__aexit__(kind, error, trace)

"""The program over HTTP, as a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

SERVE = ("-m", "hybrid_mcp", "serve", "--transport", "http", "--port", "0")


@dataclass(frozen=True)
class Served:
    """A server that listens."""

    process: asyncio.subprocess.Process
    url: str
    """Of MCP."""
    base: str
    sidecar: str
    """Base address; empty when there is none."""
    sse: str
    """Of MCP for old clients; empty when it is not served."""


@asynccontextmanager
async def serving(data_dir: Path, *arguments: str, **environment: str) -> AsyncIterator[Served]:
    """Serve on free ports until the block ends; arguments come after `serve --transport http`."""
    async with started((*SERVE, *arguments), data_dir, environment) as served:
        yield served


@asynccontextmanager
async def started(
    program: Sequence[str], data_dir: Path, environment: Mapping[str, str] | None = None, *, within: float = 240
) -> AsyncIterator[Served]:
    """Run a program that says its address on stderr as `serve` does, until the block ends, for so many seconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(data_dir), "HYBRID_MCP_LANGUAGE": "en"} | dict(environment or {}),
    )
    assert process.stderr is not None
    said = b""
    while not said.startswith(b"http://"):  # warnings may stand before it
        said = await process.stderr.readline()
        assert said, "the server did not start"
    drained = asyncio.create_task(process.stderr.read())
    url, *beside = said.decode().split()
    base = url.removesuffix("/mcp")
    sidecar = next((one.removesuffix("/health") for one in beside if one.endswith("/health")), "")
    sse = next((one for one in beside if one.endswith("/sse")), "")
    try:
        async with asyncio.timeout(within):
            yield Served(process, url, base, sidecar, sse)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await drained

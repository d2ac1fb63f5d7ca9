"""llama.cpp's own HTTP server: a real peer for clients of OpenAI's and Anthropic's APIs.

Run as a program, `python llama.py MODEL.gguf ALIAS`, it serves until its stdin ends and prints its address.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

CONTEXT = 2048
"""Tokens a conversation with the server may have."""


@asynccontextmanager
async def llama_server(models_dir: Path, alias: str = "smollm2") -> AsyncIterator[str]:
    """The base address of a server with SmolLM2-135M, in a process of its own; `/v1` is below it."""
    weights = models_dir / "smollm2-135m-instruct" / "smollm2-135m-instruct-q4_1.gguf"
    async with serving(sys.executable, __file__, str(weights), alias) as url:
        await _answers(f"{url}/health")
        yield url


@asynccontextmanager
async def serving(*command: str, **environment: str) -> AsyncIterator[str]:
    """Run a server that prints its address as its first line; ended and reaped afterwards."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,  # ends with us, however we end
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        if process.stdout is None:
            raise AssertionError
        async with asyncio.timeout(60):
            url = (await process.stdout.readline()).decode().strip()
        assert url, f"{command} ended without an address"
        yield url
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _answers(url: str) -> None:
    """See that it is ready: it prints its address once the model is loaded."""
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        assert (await client.get(url)).status_code == httpx2.codes.OK


def _serve(weights: str, alias: str) -> None:
    import xllamacpp  # noqa: PLC0415  (loads llama.cpp, in the subprocess only)

    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.model_alias = {alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_batch = params.n_ubatch = 128  # how soon a cancelled prompt is left
    params.n_parallel = 1
    # Threads of llama.cpp wait for each other by spinning: where others work too, several are 20 times slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = params.fit_params = params.ui = False
    params.cache_ram_mib = 0
    params.offline = True
    params.endpoint_slots = True  # says whether it is at work
    params.verbosity = -1  # stdout is for the address
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201
    sys.stdin.read()
    os._exit(0)  # llama.cpp's threads would be waited for


if __name__ == "__main__":
    _serve(*sys.argv[1:])

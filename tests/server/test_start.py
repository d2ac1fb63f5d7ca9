"""What the server loads before it answers."""

import asyncio
import json
import os
import sys
from importlib.metadata import packages_distributions

import pytest

from hybrid_mcp import __version__

# Packages that `initialize` needs: those of the SDK, and ours. Whatever else is loaded, each start waits for.
MAY_BE_LOADED = {
    "_cffi_backend", "annotated_types", "anyio", "click", "cryptography", "httpx2", "idna", "mcp", "mcp_types",
    "opentelemetry", "pydantic", "pydantic_core", "python_multipart", "rich", "sniffio", "sse_starlette", "starlette",
    "typing_extensions", "typing_inspection", "uvicorn", "watchfiles",
    "attr", "pygments",  # rich loads them where they are
    "_distutils_hack",  # setuptools, at every start of Python
    "dotenv", "hybrid_mcp", "platformdirs", "pydantic_settings", "stamina", "tenacity",
}  # fmt: skip
# Verbs and tables of ours that only calls need.
NEEDED_BY_CALLS = {
    "hybrid_mcp.api", "hybrid_mcp.episode.build", "hybrid_mcp.lexicon.english", "hybrid_mcp.script.assemble",
    "hybrid_mcp.script.authors", "hybrid_mcp.script.readings", "hybrid_mcp.script.ruby", "hybrid_mcp.script.untrusted",
    "hybrid_mcp.stt.transcribe",
}  # fmt: skip


async def test_only_what_it_needs_is_loaded_when_the_server_answers_initialize() -> None:
    # Without the sidecar: it is loaded behind the answer, perhaps before we look.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-X", "importtime", "-m", "hybrid_mcp", "serve", "--no-sidecar",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    out, err = await process.communicate(json.dumps(request).encode() + b"\n")
    assert "result" in json.loads(out)
    loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines() if line.startswith("import time:")}
    assert "mcp" in loaded
    assert not loaded & NEEDED_BY_CALLS
    # Packages that were looked for in vain are told too.
    assert {name.partition(".")[0] for name in loaded} & set(packages_distributions()) <= MAY_BE_LOADED


async def test_the_command_line_says_its_version_and_help_without_loading_the_server() -> None:
    for arguments, says in ((["--version"], __version__), (["--help"], "serve")):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-X", "importtime", "-m", "hybrid_mcp", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0
        assert says in out.decode()
        assert "mcp.server" not in err.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HYBRID_MCP_TTS__WORKERS", "many"),
        ("HYBRID_MCP_TTS__WORKRS", "1"),
        ("HYBRID_MCP_TTS", "no json"),
        ("HYBRID_MCP_LOG_LEVEL", "LOUD"),
    ],
)
async def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hybrid_mcp", "serve",
        stderr=asyncio.subprocess.PIPE, env=os.environ | {name: value},
    )  # fmt: skip
    _, err = await process.communicate()
    assert process.returncode == 2
    assert name.removeprefix("HYBRID_MCP_").lower() in err.decode().lower()
    assert "Traceback" not in err.decode()

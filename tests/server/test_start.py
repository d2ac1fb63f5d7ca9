"""What the server loads before it answers."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from hybrid_mcp import __version__

HEAVY = {
    "anthropic", "av", "budoux", "ctranslate2", "e2k", "fastapi", "faster_whisper", "huggingface_hub", "jinja2",
    "numpy", "onnxruntime", "pyopenjtalk", "rich.progress", "sentencex", "sudachipy", "tokenizers", "torch", "xllamacpp",
}  # fmt: skip


async def test_nothing_heavy_is_loaded_before_the_server_answers(tmp_path: Path) -> None:
    code = (
        "import asyncio, json, sys\n"
        "from hybrid_mcp.config import Settings\n"
        "from hybrid_mcp.opening import open_app\n"
        "from hybrid_mcp.server import build_server\n"
        "import hybrid_mcp.stdio\n"
        "from mcp import Client\n"
        "async def main():\n"
        "    async with open_app(Settings()) as app, Client(build_server(app)) as client:\n"
        "        await client.list_tools()\n"
        "        print(json.dumps(sorted(sys.modules)))\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path)},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert HEAVY.intersection(json.loads(out)) == set()


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

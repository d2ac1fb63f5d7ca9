"""Whatever is asked of the sidecar, its answer is one that its own document describes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from serving import serving


@pytest.mark.slow
async def test_no_request_breaks_the_sidecar(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", "--sidecar-port", "0", HYBRID_MCP_SERVE__SIDECAR="true") as served:
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{served.sidecar}/openapi.json"),
            *("--checks", "all", "--max-examples", "30", "--seed", "4", "--generation-database", "none", "--no-color"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()[-8000:]
        assert served.process.returncode is None

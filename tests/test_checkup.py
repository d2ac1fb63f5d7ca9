"""The command `check`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_no_line_is_cut_to_a_width_or_filled_up_to_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_mcp", "check"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.defpath, "COLUMNS": "30", "HYBRID_MCP_LANGUAGE": "en"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert "    There is no key for Claude. Set CLAUDE_API_KEY in the environment or in .env.hybrid." in lines
    assert f"{tmp_path}/.config/hybrid-mcp/.env.hybrid" in done.stdout
    assert not [line for line in lines if line != line.rstrip()]

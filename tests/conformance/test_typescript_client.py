"""The official TypeScript client goes the main path."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from conformance.node import MAIN_PATH, Node
from serving import serving

pytestmark = [pytest.mark.usefixtures("models_dir"), pytest.mark.parametrize("era", ["legacy", "modern"])]


async def test_the_main_path_over_streamable_http(
    node: Node, era: str, example: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    async with serving(tmp_path / "data") as served:
        finished = await node.run(MAIN_PATH, json.dumps({"era": era, "paper": example["en"], "url": served.url}))
        assert finished.status == 0, finished.err
        while list(tmp_path.rglob(".making-*")):  # noqa: ASYNC110  (another process removes it)
            await asyncio.sleep(0.05)
        # The cancelled call did not go on in silence.
        assert len(list((tmp_path / "data" / "artifacts").glob("audio-*"))) == 1


async def test_the_main_path_over_stdio(
    node: Node, era: str, example: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "hybrid_mcp", "serve"]
    asked = {"era": era, "paper": example["en"], "command": command, "env": dict(os.environ)}
    finished = await node.run(MAIN_PATH, json.dumps(asked))
    assert finished.status == 0, finished.err
    assert len(list((tmp_path / "data" / "artifacts").glob("audio-*"))) == 1

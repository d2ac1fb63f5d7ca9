"""Node, and the programs of others that package.json names: the official suite, the Inspector, the TypeScript client."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from conftest import missing

_HERE = Path(__file__).parent
_INSTALLED = _HERE / "node_modules"
_OLDEST = (22, 19)
"""Of node, which the Inspector needs."""

SUITE = _INSTALLED / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
INSPECTOR = _INSTALLED / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
MAIN_PATH = _HERE / "main_path.mjs"


@dataclass(frozen=True)
class Finished:
    """A program that has ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Node:
    """A node that is new enough."""

    path: str

    async def run(self, script: Path, *arguments: str) -> Finished:
        """Run a script to its end; it is killed when nobody waits for it any more."""
        process = await asyncio.create_subprocess_exec(
            *(self.path, str(script), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=_HERE,
        )
        try:
            out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), err.decode())


def find_node() -> Node:
    """The node of package.json where there is one for the platform, else the person's own."""
    if not SUITE.is_file():
        missing("npm's packages are not in tests/conformance/node_modules: `make check` installs them, and needs npm")
    path = shutil.which("node", path=str(_INSTALLED / ".bin")) or shutil.which("node")
    if path is None:
        missing("node is not here")
    said = subprocess.run([str(path), "--version"], check=True, capture_output=True, text=True).stdout
    version = tuple(int(number) for number in re.findall(r"\d+", said)[:2])
    if version < _OLDEST:
        missing(f"node {said.strip()} is too old: {'.'.join(map(str, _OLDEST))} or newer is needed")
    return Node(str(path))

"""The official conformance suite against the real server, with the fixtures it asks for beside what we offer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conformance.node import SUITE, Node
from serving import started

FIXTURES = Path(__file__).with_name("fixtures.py")
SCORED = {"2025-11-25": 30, "2026-07-28": 37}
"""Scenarios that a revision requires."""


@pytest.mark.parametrize("revision", SCORED)
async def test_a_revision_is_met_in_full(node: Node, revision: str, tmp_path: Path) -> None:
    async with started([str(FIXTURES)], tmp_path / "data") as served:
        asked = ("--requirements", revision, "--output-dir", str(tmp_path / "results"))
        finished = await node.run(SUITE, "server", "--url", served.url, *asked)
    summary = finished.out.partition("=== SUMMARY ===")[2]
    outcomes = dict(re.findall(r"^[✓✗] (\S+): (.*)", summary, re.MULTILINE))
    failed = set(re.findall(r"^✗ (\S+):", summary, re.MULTILINE))
    unscored = set(re.findall(r"^  [✓✗] (\S+) \(", summary, re.MULTILINE))
    assert finished.status == 0, summary or finished.err
    assert len(outcomes.keys() - unscored) == SCORED[revision]
    # Of what is not scored only the extension that we do not offer fails.
    assert {name for name in failed if not name.startswith("tasks-")} == set(), summary

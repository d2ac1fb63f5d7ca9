"""The figures as a page: ratios first."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PAGE = """\
# Benchmarks

`make bench` measures hybrid-mcp beside a bare server of the same SDK (`servers/bare.py`: one tool, nothing else) and
beside FastMCP, alternately in the same run, and writes this page and `results/protocol.json`. Ours is the server as
`hybrid-mcp serve` runs it, with its tools, checks, metrics and sidecar.

**How.** Every round measures one after the other, so that what else the machine does falls on all alike; a ratio is
the median of the rounds' ratios, a figure the median of the rounds. Servers run on one core, the client on another
(`clients.py`, which does next to nothing). A call is `echo`, whose answer is its argument. *Legacy* is protocol
2025-11-25 with sessions, *modern* 2026-07-28 without. Over HTTP there are as many connections as calls in flight.
Over stdio the servers are measured on any core too, as people run them: the SDK's own transport hands every message
from thread to thread, which is dearer between cores.

**Where.** {cores} cores, {system}, Python {python}, mcp {mcp}, {fastmcp}. Load average while measuring: {load}.
{rounds} rounds; each stretch of calls lasts {seconds:g} s.

## Ratios

{ratios}

`ours : bare`; for *FastMCP*, `ours : FastMCP`. Ratios of calls a second are better when larger, all others when smaller.

## Figures

{figures}

MB are resident memory. *Settled* is after a list of tools and, for ours, with the sidecar serving its metrics.

## Calls

{calls}

Calls a second; milliseconds of the 99th in a hundred; processor time of the server for a call, which tells most where
the machine was busy with other things.

## Verbs

{verbs}
"""
_NAMES = {"bare": "bare", "fastmcp": "FastMCP", "ours": "ours"}


def write(found: Mapping[str, Any], folder: Path) -> str:
    """Write the figures and the page that shows them; the page."""
    (folder / "results").mkdir(parents=True, exist_ok=True)
    (folder / "results" / "protocol.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    machine = found["machine"]
    fastmcp = f"FastMCP {machine['fastmcp']}" if machine["fastmcp"] else "no FastMCP: it could not be installed"
    page = _PAGE.format(
        **{**machine, "fastmcp": fastmcp},
        rounds=found["rounds"],
        seconds=found["seconds"],
        ratios=_ratios(found),
        figures=_figures(found["start"]),
        calls=_calls(found["calls"]),
        verbs=_verbs(found),
    )
    (folder / "README.md").write_text(page, encoding="utf-8")
    return page


def _ratios(found: Mapping[str, Any]) -> str:
    start, calls = found["start"], found["calls"]
    rows = [
        ("start → `initialize`", _ratio(start["start_ms"]), "≤ 1.3"),
        ("memory at `initialize`", _ratio(start["initialized_mb"]), "≤ 1.25"),
        ("memory, settled with the sidecar", _ratio(start["settled_mb"]), "≤ 1.6"),
        ("stdio, calls/s, 16 in flight, legacy", _ratio(calls["stdio legacy 16"], "per_second"), "≥ 2.5"),
        ("stdio, calls/s, 16 in flight, modern", _ratio(calls["stdio modern 16"], "per_second"), "≥ 2.5"),
        ("stdio, server on any core, legacy", _ratio(calls["stdio, any core legacy 16"], "per_second"), "≥ 2.5"),
        ("stdio, server on any core, modern", _ratio(calls["stdio, any core modern 16"], "per_second"), "≥ 2.5"),
        ("HTTP, p99, 16 in flight, legacy", _ratio(calls["http legacy 16"], "p99_ms"), "≤ 0.5"),
        ("HTTP, p99, 16 in flight, modern", _ratio(calls["http modern 16"], "p99_ms"), "≤ 0.5"),
    ]
    rows += [
        (f"processor time of a call, {setting} in flight", _ratio(rounds, "processor_us"), "")
        for setting, rounds in calls.items()
        if setting.endswith("16")
    ]
    if "fastmcp" in start["start_ms"]:
        rows.append(("start → `initialize`, FastMCP", _ratio(start["start_ms"], than="fastmcp"), "< 1"))
    if found["hearing_s"]:
        rows.append(
            (
                "`transcribe` : faster-whisper called directly",
                _ratio(found["hearing_s"], than="faster-whisper"),
                "≤ 1.05",
            )
        )
    return _table(("what", "ratio", "promised"), [(what, f"**{ratio:.2f}**", goal) for what, ratio, goal in rows])


def _figures(start: Mapping[str, Any]) -> str:
    what = {
        "start_ms": "start → `initialize`, ms",
        "initialized_mb": "memory at `initialize`, MB",
        "settled_mb": "memory, settled, MB",
    }
    names = list(start["start_ms"])
    rows = [
        (title, *(f"{statistics.median(start[figure][name]):.0f}" for name in names)) for figure, title in what.items()
    ]
    return _table(("", *(_NAMES[name] for name in names)), rows)


def _calls(calls: Mapping[str, Any]) -> str:
    names = list(next(iter(calls.values())))

    def shown(stretches: Sequence[Mapping[str, float]]) -> str:
        rate, p99, spent = (
            statistics.median(each[figure] for each in stretches) for figure in ("per_second", "p99_ms", "processor_us")
        )
        return f"{rate:.0f}, {p99:.1f} ms, {spent:.0f} µs"

    rows = [(f"{setting} in flight", *(shown(found[name]) for name in names)) for setting, found in calls.items()]
    return _table(("", *(_NAMES[name] for name in names)), rows)


def _verbs(found: Mapping[str, Any]) -> str:
    rows = [
        (f"`{tool}`, asked again", f"{statistics.median(times):.1f} ms", "< 5 ms")
        for tool, times in found["repeated_ms"].items()
    ]
    if found["hearing_s"]:
        direct, ours = (statistics.median(found["hearing_s"][name]) for name in ("faster-whisper", "ours"))
        rows.append(("six recordings heard by faster-whisper called directly", f"{direct:.2f} s", ""))
        rows.append(("by `transcribe` over stdio, files written", f"{ours:.2f} s", f"{direct * 1.05:.2f} s"))
    else:
        rows.append(("`transcribe`", "not measured: no recordings beside the checkout", ""))
    return _table(("what", "median", "promised"), rows)


def _ratio(rounds: Mapping[str, Sequence[Any]], figure: str | None = None, *, than: str = "bare") -> float:
    """The median of the rounds' ratios of ours to another."""
    value: Callable[[Any], float] = (lambda one: one) if figure is None else (lambda one: one[figure])
    return statistics.median(
        value(ours) / value(other) for ours, other in zip(rounds["ours"], rounds[than], strict=True)
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

"""What is counted, of requests and of engines' calls, and that no caller chooses a label."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.client import ConnectMode
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPError
from prometheus_client import generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.samples import Sample
from serving import serving

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Settings
from hybrid_mcp.errors import (
    AnswerRefused,
    AnswerUnusable,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyMissing,
    KeyRefused,
    ModelMissing,
    NotFound,
)
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server
from hybrid_mcp.telemetry import Metrics, Served, engine_of

TOOLS = {
    "generate_script", "save_script", "synthesize_voice", "list_voices", "transcribe", "local_llm", "doctor", "unknown",
    "resources/read", "prompts/get", "completion/complete",
}  # fmt: skip
PAPER = {"title": "Memory", "abstract": "The hippocampus binds memories. Sleep makes them last.", "authors": ["A. Doe"]}


def samples(metrics: Metrics, name: str) -> list[Sample]:
    families = read_text(generate_latest(metrics.registry).decode())
    return [sample for family in families for sample in family.samples if sample.name == name]


def counted(metrics: Metrics) -> dict[tuple[str, str, str], int]:
    """Requests by tool, engine and outcome; the errors must be those that are not ok."""
    requests = samples(metrics, "ai_systems_requests_total")
    errors = samples(metrics, "ai_systems_errors_total")
    assert [(one.labels, one.value) for one in errors] == [
        (one.labels, one.value) for one in requests if one.labels["outcome"] != "ok"
    ]
    timed = samples(metrics, "ai_systems_response_time_seconds_count")
    assert [(one.labels, one.value) for one in timed] == [(one.labels, one.value) for one in requests]
    assert {one.labels["entry"] for one in requests} <= {"stdio"}
    found: Counter[tuple[str, str, str]] = Counter()
    for one in requests:
        found[one.labels["tool"], one.labels["engine"], one.labels["outcome"]] += int(one.value)
    return dict(found)


def crash(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_counts_equal_the_calls_of_the_official_client(
    settings: Settings, mode: ConnectMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(settings) as app, Client(build_server(app), mode=mode) as client:
        await client.list_tools()  # asks for nothing to be done
        for _ in range(3):
            assert not (await client.call_tool("list_voices", {})).is_error
        assert not (await client.call_tool("synthesize_voice", {"text": "はい。"})).is_error
        assert not (await client.call_tool("synthesize_voice", {"text": "はい。"})).is_error  # from what was made
        assert not (await client.call_tool("generate_script", {"paper": PAPER})).is_error
        assert (await client.call_tool("generate_script", {"paper": "none"})).is_error
        assert (await client.call_tool("synthesize_voice", {"script_id": "script-0"})).is_error
        await client.get_prompt("write_script", {"title": PAPER["title"], "abstract": PAPER["abstract"]})  # type: ignore[dict-item]
        for refused in (
            client.call_tool("no such tool", {}),
            client.get_prompt("no such prompt"),
            client.get_prompt("write_script", {"no such argument": "1"}),
            client.read_resource("script://script-0"),
            client.read_resource("nothing://"),
        ):
            with pytest.raises(MCPError):
                await refused
        await client.read_resource("voices://")
        monkeypatch.setattr(type(app.studio), "roll", crash)
        assert (await client.call_tool("list_voices", {})).is_error
        with pytest.raises(MCPError):
            await client.read_resource("voices://mei")
    assert counted(app.metrics) == {
        ("list_voices", "none", "ok"): 3,
        ("list_voices", "none", "crash"): 1,
        ("synthesize_voice", "openjtalk", "ok"): 2,
        ("synthesize_voice", "none", "tool_error"): 1,
        ("generate_script", "extractive", "ok"): 1,
        ("generate_script", "none", "tool_error"): 1,
        ("unknown", "none", "rejected"): 1,
        ("prompts/get", "none", "ok"): 1,
        ("prompts/get", "none", "rejected"): 2,
        ("resources/read", "none", "ok"): 1,
        ("resources/read", "none", "rejected"): 2,
        ("resources/read", "none", "crash"): 1,
    }
    [spoken] = samples(app.metrics, "ai_systems_engine_calls_total")
    assert (spoken.labels, spoken.value) == ({"engine": "openjtalk", "operation": "speak", "outcome": "ok"}, 1)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_cancelled_call_is_counted_as_cancelled(settings: Settings, mode: ConnectMode) -> None:
    async with open_app(settings) as app, Client(build_server(app), mode=mode) as client:
        began = asyncio.Event()

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            began.set()

        text = "海馬は記憶に関わります。" * 100
        call = asyncio.create_task(client.call_tool("synthesize_voice", {"text": text}, progress_callback=progress))
        await began.wait()
        assert app.metrics.running["openjtalk"] > 0
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        async with asyncio.timeout(30):
            while not app.metrics.served() or app.metrics.running["openjtalk"]:
                await client.list_tools()
    assert counted(app.metrics) == {("synthesize_voice", "none", "cancelled"): 1}
    outcomes = {one.labels["outcome"] for one in samples(app.metrics, "ai_systems_engine_calls_total")}
    assert "cancelled" in outcomes
    assert outcomes <= {"ok", "cancelled"}


async def test_labels_stay_bounded_whatever_callers_say(settings: Settings) -> None:
    dice = random.Random(4)  # noqa: S311  (examples, no secrets)
    async with open_app(settings) as app, Client(build_server(app), mode="legacy") as client:
        for _ in range(300):
            name = "".join(
                chr(dice.choice((dice.randrange(1, 0x250), dice.randrange(0x3040, 0x30FF)))) for _ in range(9)
            )
            with pytest.raises(MCPError):
                await client.call_tool(f'{name}",tool="doctor', {})
            with pytest.raises(MCPError):
                await client.read_resource(f"nothing://{dice.random()}")
        draft = {
            "title": "T",
            "hook": "H",
            "sections": [{"heading": "A", "lines": [{"text": "Sleep helps.", "evidence": [1]}]}],
        }
        for who in ("claude", "a/b", 'x"} 1\n'):
            await client.call_tool("save_script", {"source_id": "source-0", "draft": draft, "written_by": who})
    found = samples(app.metrics, "ai_systems_requests_total")
    assert {one.labels["tool"] for one in found} == {"unknown", "resources/read", "save_script"}
    assert {one.labels["engine"] for one in found} == {"none"}
    text = generate_latest(app.metrics.registry).decode()
    assert len(text.splitlines()) < 250
    assert settings.data_dir.name not in text.replace("metadata", "")


def test_the_engine_of_an_answer_is_one_that_is_configured() -> None:
    known = {"openjtalk", "voicevox", "claude", "whisper", "extractive"}
    said: list[tuple[dict[str, Any], str]] = [
        ({"engine": "claude/claude-sonnet-5-5"}, "claude"),
        ({"engine": "extractive/2"}, "extractive"),
        ({"engine": "faster-whisper 1.2.1 base"}, "whisper"),
        ({"engine": "Open JTalk (x)", "voices": ["mei", "voicevox:a/b"]}, "openjtalk"),
        ({"engine": "VOICEVOX Engine 0.25", "voices": ["voicevox:a/b"]}, "voicevox"),
        ({"engine": "x", "voices": ["gone:a/b"]}, "other"),
        ({"engine": "somebody's model"}, "other"),
        ({"engine": 3}, "none"),
        ({"voices": []}, "none"),
        ({}, "none"),
    ]
    assert [engine_of(answer, known) for answer, _ in said] == [engine for _, engine in said]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EngineUnavailable, "unavailable"),
        (DeadlineExceeded, "deadline"),
        (KeyMissing, "key"),
        (KeyRefused, "key"),
        (ModelMissing, "model_missing"),
        (AnswerRefused, "unusable"),
        (AnswerUnusable, "unusable"),
        (EngineError, "failed"),
        (InvalidInput, "refused"),
        (NotFound, "refused"),
    ],
)
async def test_a_call_that_fails_is_counted_by_what_went_wrong(error: type[HybridError], outcome: str) -> None:
    metrics = Metrics()
    backend = Backend("claude", parallel=1, deadline=60, measured=metrics.engine("claude"))
    with pytest.raises(error):
        async with backend.call("chat"):
            raise error(ja="だめ。", en="No.")
    [call] = samples(metrics, "ai_systems_engine_calls_total")
    assert call.labels == {"engine": "claude", "operation": "chat", "outcome": outcome}
    [timed] = samples(metrics, "ai_systems_engine_call_seconds_count")
    assert timed.value == 1


async def test_an_engine_that_is_left_alone_waits_and_works_is_seen() -> None:
    metrics = Metrics()
    backend = Backend("voicevox", parallel=1, deadline=0.01, failures=1, rest=60, measured=metrics.engine("voicevox"))
    metrics.guards.append(backend)
    go = asyncio.Event()

    async def call() -> None:
        async with backend.call("synthesis", deadline=60):
            await go.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(call())
        while backend.waiting < 2:  # noqa: ASYNC110  (a number only)
            await asyncio.sleep(0)
        assert _gauges(metrics) == {"calls_in_flight": 1, "calls_waiting": 2, "breaker_open": 0}
        go.set()
    assert _gauges(metrics) == {"calls_in_flight": 0, "calls_waiting": 0, "breaker_open": 0}
    assert _breaker(backend) == "closed"
    with pytest.raises(DeadlineExceeded):
        async with backend.call("synthesis"):
            await asyncio.Event().wait()
    assert _gauges(metrics) == {"calls_in_flight": 0, "calls_waiting": 0, "breaker_open": 1}
    assert _breaker(backend) == "open"
    with pytest.raises(EngineUnavailable):
        async with backend.call("synthesis"):
            raise AssertionError
    calls = {one.labels["outcome"]: one.value for one in samples(metrics, "ai_systems_engine_calls_total")}
    assert calls == {"ok": 3, "deadline": 1}  # what was refused here never left


def _breaker(backend: Backend) -> str:
    return backend.breaker


def _gauges(metrics: Metrics) -> dict[str, float]:
    return {
        name: samples(metrics, f"ai_systems_engine_{name}")[0].value
        for name in ("calls_in_flight", "calls_waiting", "breaker_open")
    }


async def test_a_rested_engine_is_tried_once() -> None:
    now = [0.0]
    backend = Backend("voicevox", parallel=1, deadline=60, failures=1, rest=5, clock=lambda: now[0])
    with pytest.raises(EngineUnavailable):
        async with backend.call("synthesis"):
            raise EngineUnavailable(ja="いません。", en="Nobody is there.")
    now[0] = 5.0
    assert _breaker(backend) == "half-open"
    async with backend.call("synthesis"):
        pass
    assert _breaker(backend) == "closed"


def test_both_formats_are_what_their_parsers_read() -> None:
    metrics = Metrics()
    metrics.request("stdio", "doctor", "none", "ok", 0.2)
    metrics.request("http", "doctor", "none", "crash", 700.0)
    with metrics.engine("whisper")("recognize"):
        pass
    text = {family.name: family for family in read_text(generate_latest(metrics.registry).decode())}
    encode, _ = choose_encoder("application/openmetrics-text")
    opened = {family.name: family for family in read_openmetrics(encode(metrics.registry).decode())}  # type: ignore[no-untyped-call]
    for families in (text, opened):
        assert {
            "ai_systems_requests", "ai_systems_errors", "ai_systems_response_time_seconds",
            "ai_systems_cpu_usage_percent", "ai_systems_memory_usage_percent", "ai_systems_engine_calls",
            "ai_systems_engine_call_seconds", "ai_systems_engine_calls_in_flight",
        } <= set(families)  # fmt: skip
        buckets = {
            sample.labels["le"]: sample.value
            for sample in families["ai_systems_response_time_seconds"].samples
            if sample.name.endswith("_bucket") and sample.labels["outcome"] == "crash"
        }
        assert buckets["600.0"] == 0  # longer than any of ours
        assert buckets["+Inf"] == 1
    assert metrics.served() == [
        Served("stdio", "doctor", "none", "ok", 1),
        Served("http", "doctor", "none", "crash", 1),
    ]


def test_the_process_is_measured_in_percent_of_the_machine() -> None:
    metrics = Metrics()
    for _ in range(2):
        usage = metrics.usage()
        assert 0 < usage.cpu_percent <= 100
        assert 0 < usage.memory_percent < 100
        assert usage.rss_bytes > 10 * 2**20
        assert usage.threads >= 1
        assert usage.open_files > 0
    [cpu] = samples(metrics, "ai_systems_cpu_usage_percent")
    [memory] = samples(metrics, "ai_systems_memory_usage_percent")
    assert 0 < cpu.value <= 100
    assert 0 < memory.value < 100


def test_two_apps_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.request("stdio", "doctor", "none", "ok", 0.1)
    assert one.served()
    assert not other.served()


@pytest.mark.slow
async def test_the_way_in_is_told_apart(tmp_path: Path) -> None:
    arguments = ("--with-sse", "--sidecar-port", "0")
    async with serving(tmp_path / "data", *arguments, HYBRID_MCP_SERVE__SIDECAR="true") as served:
        for where, mode in ((served.url, "auto"), (served.url, "legacy"), (sse_client(f"{served.base}/sse"), "legacy")):
            async with Client(where, mode=mode) as client:
                assert not (await client.call_tool("list_voices", {})).is_error
        async with httpx2.AsyncClient() as http:
            text = (await http.get(f"{served.sidecar}/metrics")).text
    entries = {
        sample.labels["entry"]: sample.value
        for family in read_text(text)
        for sample in family.samples
        if sample.name == "ai_systems_requests_total"
    }
    assert entries == {"http": 2, "sse": 1}

"""The sidecar of a real App, asked over a real socket."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from conftest import held
from mcp import Client
from peers.voicevox import ScriptedEngine, voicevox_engine
from peers.web import Connections
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from hybrid_mcp import __version__, readiness
from hybrid_mcp.api import build_api
from hybrid_mcp.app import App
from hybrid_mcp.config import ClaudeServer, LanguageModels, Serving, Settings, TextToSpeech, Watching
from hybrid_mcp.http import listen, serving_beside, url_of
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

PATHS = ("/", "/health", "/ready", "/system/status", "/metrics", "/openapi.json")


@asynccontextmanager
async def sidecar(settings: Settings) -> AsyncIterator[tuple[App, httpx2.AsyncClient]]:
    """An App, and a client of its sidecar. Each request has far more time than it may take."""
    async with open_app(settings) as app:
        with listen("127.0.0.1", 0) as listener:
            async with (
                serving_beside(build_api(app), listener),
                httpx2.AsyncClient(base_url=url_of(listener), timeout=30) as http,
            ):
                yield app, http


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with held(sidecar(settings)) as (_, client):
        yield client


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with held(voicevox_engine()) as one:
        yield one


@pytest.fixture
async def silence() -> AsyncIterator[int]:
    """The port of somebody who takes every connection and never says a word."""
    connections = Connections()

    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with held(connections.listening(nothing)):
        yield connections.port


def speaking(settings: Settings, *order: str, voicevox: str) -> Settings:
    tts = TextToSpeech(order=order, engines={"voicevox": voicevox}, patience=0)
    return settings.model_copy(update={"tts": tts, "watching": Watching(remember=0, rest=0)})


def by_job(answer: httpx2.Response) -> dict[str, Any]:
    return {one["job"]: one for one in answer.json()["capabilities"]}


async def ready(http: httpx2.AsyncClient, **states: str) -> httpx2.Response:
    """What `/ready` says as soon as these jobs are in these states: an engine may be slow to answer on a busy machine."""
    async with asyncio.timeout(60):
        while True:
            answer = await http.get("/ready")
            jobs = by_job(answer)
            if all(jobs[job.replace("_", " ")]["state"] == state for job, state in states.items()):
                return answer


async def test_it_says_that_it_is_alive(http: httpx2.AsyncClient) -> None:
    said = (await http.get("/health")).json()
    assert said["status"] == "ok"
    assert said["version"] == __version__
    assert said["uptime_seconds"] >= 0
    assert (await http.get("/")).json()["paths"]
    await ready(http, hear="ready", local="ready", speak_ja="ready", keep="ready")
    for path in (await http.get("/")).json()["paths"]:
        assert (await http.get(path)).status_code == 200
        assert (await http.head(path)).status_code == 200
        assert not (await http.head(path)).content


async def test_with_what_is_in_the_box_it_is_ready(http: httpx2.AsyncClient) -> None:
    answer = await ready(http, hear="ready", local="ready", speak_ja="ready", keep="ready")
    assert answer.status_code == 200
    assert answer.json()["ready"]
    uses = {job: (one["state"], one["uses"]) for job, one in by_job(answer).items()}
    assert uses == {
        "write": ("ready", "extractive"),
        "local": ("ready", "embedded"),
        "speak ja": ("ready", "mei"),
        "speak en": ("not", None),
        "hear": ("ready", "whisper"),
        "keep": ("ready", "disk"),
    }
    assert not by_job(answer)["speak en"]["needed"]


async def test_an_engine_that_is_killed_degrades_its_job_and_says_what_to_do(
    settings: Settings, engine: ScriptedEngine
) -> None:
    async with sidecar(speaking(settings, "voicevox", "openjtalk", voicevox=engine.url)) as (_, http):
        speaks = by_job(await ready(http, speak_ja="ready"))["speak ja"]
        assert speaks["uses"] == "voicevox:朝霧ソラ/ノーマル"
        await engine.die()
        answer = await ready(http, speak_ja="degraded")
        assert answer.status_code == 200
        speaks = by_job(answer)["speak ja"]
        assert (speaks["state"], speaks["uses"]) == ("degraded", "mei")
        [passed] = speaks["passed_over"]
        assert passed["engine"] == "voicevox"
        assert "HYBRID_MCP_TTS__ENGINES" in passed["why"]
        states = {one["engine"]: one["state"] for one in (await http.get("/system/status")).json()["engines"]}
        assert states["voicevox"] == "away"
        await engine.start()
        await ready(http, speak_ja="ready")


async def test_without_an_engine_for_a_needed_job_it_is_not_ready(settings: Settings, engine: ScriptedEngine) -> None:
    async with sidecar(speaking(settings, "voicevox", voicevox=engine.url)) as (_, http):
        answer = await ready(http, speak_ja="ready", hear="ready", local="ready", keep="ready")
        assert answer.status_code == 200
        await engine.die()
        answer = await ready(http, speak_ja="not")
        assert answer.status_code == 503
        assert not answer.json()["ready"]
        assert (await http.get("/health")).status_code == 200


async def test_why_is_told_in_the_interfaces_language(settings: Settings, engine: ScriptedEngine) -> None:
    await engine.die()
    japanese = speaking(settings, "voicevox", "openjtalk", voicevox=engine.url).model_copy(update={"language": "ja"})
    async with sidecar(japanese) as (app, http):
        await http.get("/ready")
        await app.readiness.look()
        [passed] = by_job(await http.get("/ready"))["speak ja"]["passed_over"]
    assert "確かめてください" in passed["why"]


@pytest.mark.slow
async def test_an_engine_that_never_answers_holds_nothing_up(settings: Settings, silence: int) -> None:
    held_up = speaking(settings, "voicevox", "openjtalk", voicevox=f"http://127.0.0.1:{silence}").model_copy(
        update={
            "ollama": settings.ollama.model_copy(update={"url": f"http://127.0.0.1:{silence}"}),
            "llm": LanguageModels(writers=("ollama", "extractive"), local=("ollama", "embedded")),
        }
    )
    async with sidecar(held_up) as (_, http):
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(http.get("/ready") for _ in range(8)), http.get("/system/status"))
        assert {answer.status_code for answer in answers} <= {200, 503}
        answer = await ready(http, speak_ja="degraded", write="degraded", local="degraded", hear="ready", keep="ready")
        assert answer.status_code == 200
        uses = {job: one["uses"] for job, one in by_job(answer).items()}
        assert (uses["speak ja"], uses["write"], uses["local"]) == ("mei", "extractive", "embedded")
        states = {one["engine"]: one["state"] for one in answers[-1].json()["engines"]}
        assert states["voicevox"] in ("unknown", "away")


@pytest.mark.slow
async def test_who_has_not_answered_yet_is_unknown_and_known_later(settings: Settings, silence: int) -> None:
    changed = speaking(settings, "voicevox", "openjtalk", voicevox=f"http://127.0.0.1:{silence}")
    async with open_app(changed) as app:
        first = await app.readiness.look(0.05)
        assert ("speak", "voicevox") in first.unanswered
        [speaks] = [use for use in first.uses if use.job == "speak ja"]
        assert [one.engine for one in speaks.passed] == ["voicevox"]
        assert "not answered yet" in speaks.passed[0].why.en
        later = await app.readiness.look()
        assert not later.unanswered
        [found] = [one for one in later.findings if one.subject == "voicevox"]
        assert found.state == "away"


async def test_a_slow_engine_is_asked_once_by_all_and_known_although_nobody_waited(settings: Settings) -> None:
    go = asyncio.Event()
    asked = 0

    async with open_app(settings) as app:
        health = await app.recognizer.check()

        async def check() -> Any:
            nonlocal asked
            asked += 1
            await go.wait()
            return health

        slow = SimpleNamespace(check=check)
        ready = readiness.Readiness(settings, app.studio, slow, app.writers, app.local_models)
        for _ in range(3):
            assert ("hear", "whisper") in (await ready.look(0)).unanswered
        assert asked == 1
        go.set()
        while ("hear", "whisper") in (seen := await ready.look(0)).unanswered:
            pass
        assert [use.engine for use in seen.uses if use.job == "hear"] == ["whisper"]
        go.clear()
        assert ("hear", "whisper") not in (await ready.look(0)).unanswered  # what it said a moment ago counts
        await ready.close()


async def test_a_fault_of_ours_is_not_taken_for_silence(settings: Settings) -> None:
    async def check() -> Any:
        raise ZeroDivisionError

    async with open_app(settings) as app:
        broken = SimpleNamespace(check=check)
        ready = readiness.Readiness(settings, app.studio, broken, app.writers, app.local_models)
        with pytest.raises(ZeroDivisionError):
            await ready.look()
        await ready.close()


def test_servers_that_look_at_one_folder_at_once_do_not_report_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as servers:
        looks = list(servers.map(readiness._disk, [tmp_path] * 400))
    assert all(said.writable for said in looks)
    assert not list(tmp_path.iterdir())


async def test_a_lost_folder_makes_it_not_ready_and_a_full_disk_degrades_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sidecar(settings) as (_, http):
        usage = shutil.disk_usage(settings.data_dir)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
        answer = await ready(http, keep="degraded", hear="ready", local="ready", speak_ja="ready")
        assert answer.status_code == 200
        assert "0.0 GiB" in by_job(answer)["keep"]["passed_over"][0]["why"]
        monkeypatch.undo()
        settings.data_dir.rename(settings.data_dir.with_name("elsewhere"))
        assert (await ready(http, keep="not")).status_code == 503
        assert (await http.get("/system/status")).json()["storage"]["free_bytes"] is None


@pytest.mark.slow
async def test_the_status_tells_what_was_done(settings: Settings) -> None:
    async with sidecar(settings) as (app, http), Client(build_server(app)) as client:
        for _ in range(2):
            await client.call_tool("list_voices", {})
        await client.call_tool("synthesize_voice", {"text": "はい。"})
        said = (await http.get("/system/status")).json()
    assert {(one["tool"], one["engine"], one["outcome"]): one["count"] for one in said["requests"]} == {
        ("list_voices", "none", "ok"): 2,
        ("synthesize_voice", "openjtalk", "ok"): 1,
    }
    assert said["storage"]["artifacts"]["audio"] == 1
    assert said["storage"]["free_bytes"] > 0
    assert said["process"]["rss_bytes"] > 10 * 2**20
    assert said["settings"]["speech_engines"] == ["openjtalk"]
    [engine] = [one for one in said["engines"] if one["job"] == "speak"]
    assert engine["version"].startswith("Open JTalk")
    assert engine["breaker"] is None


async def test_metrics_come_in_the_form_that_is_asked_for(settings: Settings) -> None:
    async with sidecar(settings) as (app, http), Client(build_server(app)) as client:
        await client.call_tool("list_voices", {})
        plain = await http.get("/metrics")
        opened = await http.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = list(read_text(plain.text)), list(read_openmetrics(opened.text))  # type: ignore[no-untyped-call]
    for read in families:
        [requests] = [family for family in read if family.name == "ai_systems_requests"]
        [counted] = [sample for sample in requests.samples if sample.name == "ai_systems_requests_total"]
        assert counted.value == 1
        assert {"ai_systems_cpu_usage_percent", "process_resident_memory_bytes"} <= {family.name for family in read}


@pytest.mark.slow
async def test_no_secret_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with listen("127.0.0.1", 0) as nobody:
        address = url_of(nobody).replace("//", "//me:hidden@")
    monkeypatch.setenv("CLAUDE_API_KEY", "sk-ant-hidden-0123456789")
    changed = speaking(settings, "voicevox", "openjtalk", voicevox=address).model_copy(
        update={
            "claude": ClaudeServer(url=address),
            "llm": LanguageModels(writers=("claude", "extractive"), local=("embedded",)),
        }
    )
    async with sidecar(changed) as (app, http), Client(build_server(app)) as client:
        await client.call_tool("synthesize_voice", {"text": "内緒のはなし。", "voice": "hidden"})
        await app.readiness.look()  # until what is wrong is known
        for path in PATHS:
            answer = await http.get(path)
            assert answer.status_code == 200
            assert "hidden" not in answer.text
            assert "内緒" not in answer.text
        assert address.rpartition("@")[2] in (await http.get("/system/status")).text
        assert str(settings.data_dir) not in (await http.get("/metrics")).text


async def test_errors_are_problem_documents(http: httpx2.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("GET", "/docs", 404),
        ("GET", "/%ff/../%00", 404),
        ("POST", "/health", 405),
        ("DELETE", "/metrics", 405),
        ("OPTIONS", "/ready", 405),
    ):
        answer = await http.request(method, path, follow_redirects=True)
        assert answer.status_code == status, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["title"]
        assert problem["detail"]
        if status == 405:
            assert answer.headers["allow"] == "GET"


async def test_a_fault_of_ours_is_a_problem_that_tells_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(settings) as app:
        transport = httpx2.ASGITransport(app=build_api(app), raise_app_exceptions=False)

        async def broken(within: float | None = None) -> Any:
            raise ZeroDivisionError("hidden")

        monkeypatch.setattr(readiness.Readiness, "look", broken)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
            answer = await http.get("/ready")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hidden" not in answer.text


async def test_only_this_machines_names_are_answered(settings: Settings) -> None:
    named = settings.model_copy(update={"serve": Serving(allowed_hosts=("mcp.example.org", "other.example:*"))})
    async with sidecar(named) as (_, http):
        for host in ("127.0.0.1", "localhost:8000", "[::1]:9", "LOCALHOST", "mcp.example.org:80", "other.example:1"):
            assert (await http.get("/health", headers={"Host": host})).status_code == 200, host
        for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            for path in PATHS:
                assert (await http.get(path, headers={"Host": host})).status_code == 400, host

"""Ollama through the official client: who answers, what is fetched, what is listed, and why not the first choice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, connected, missing
from mcp import Client
from mcp.types import TextContent, TextResourceContents
from peers.ollama import MODEL, knows, ollama_server, pulls, says

from hybrid_mcp.config import LanguageModels, OllamaServer, Settings, Watching

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def document() -> Path:
    path = ROOT.parent / "shared" / "data" / "api" / "ollama_openapi.yaml"
    if not path.is_file():
        missing("no API document beside the checkout (../shared/data/api/ollama_openapi.yaml)")
    return path


@asynccontextmanager
async def asking(settings: Settings, url: str, **ollama: Any) -> AsyncIterator[Client]:
    changed = settings.model_copy(
        update={
            "ollama": OllamaServer(url=url, **ollama),
            "llm": LanguageModels(writers=("ollama", "extractive"), local=("ollama", "embedded")),
            "watching": Watching(remember=0, rest=0),
        }
    )
    async with connected(changed) as client:
        yield client


async def good(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, [block.text for block in answer.content if isinstance(block, TextContent)]
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


async def test_ollama_answers_in_any_language_and_shows_its_thoughts_and_tools(
    settings: Settings, document: Path
) -> None:
    call = {"function": {"name": "look_up", "arguments": {"word": "海馬"}}}
    replies = [says("海馬は", "記憶の要です。", thinking="ふむ。"), says(tool_calls=[call])]
    async with ollama_server(document, *replies) as server, asking(settings, server.url) as client:
        answer = await good(client, "local_llm", prompt="海馬とは？", think=True, keep_alive="10m", context_tokens=4096)
        assert (answer["engine"], answer["model"], answer["passed_over"]) == ("ollama", MODEL, [])
        assert (answer["text"], answer["thinking"]) == ("海馬は記憶の要です。", "ふむ。")
        [sent] = server.asked("/api/chat")
        assert (sent["think"], sent["keep_alive"], sent["options"]["num_ctx"]) == (True, "10m", 4096)
        tool = {
            "type": "function",
            "function": {"name": "look_up", "description": "", "parameters": {"type": "object", "properties": {}}},
        }
        answer = await good(client, "local_llm", prompt="海馬を引いて。", tools=[tool])
        assert answer["tool_calls"] == [{"name": "look_up", "arguments": {"word": "海馬"}}]


async def test_a_model_that_is_missing_is_pulled_with_progress_when_asked(settings: Settings, document: Path) -> None:
    events: list[dict[str, Any]] = [
        {"status": "pulling manifest"},
        {"status": "pulling a", "digest": "sha256:a", "total": 100_000_000, "completed": 40_000_000},
        {"status": "pulling a", "digest": "sha256:a", "total": 100_000_000, "completed": 100_000_000},
        {"status": "success"},
    ]
    seen: list[tuple[float, float | None]] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with ollama_server(document, says("はい。")) as server, asking(settings, server.url) as client:
        refused = await client.call_tool("local_llm", {"prompt": "はい？", "model": "kraken"})
        assert refused.is_error
        assert isinstance(refused.content[0], TextContent)
        assert "pull=true" in refused.content[0].text
        server.pulls.append(pulls(*events))
        answer = await client.call_tool(
            "local_llm", {"prompt": "はい？", "model": "kraken", "pull": True}, progress_callback=show
        )
        assert not answer.is_error
        assert isinstance(answer.structured_content, dict)
        assert answer.structured_content["text"] == "はい。"
        assert (100, 100) in seen  # megabytes


async def test_without_ollama_the_embedded_model_answers_and_says_why(
    settings: Settings, models_dir: Path, unused_tcp_port: int
) -> None:
    del models_dir
    async with asking(settings, f"http://127.0.0.1:{unused_tcp_port}") as client:
        answer = await good(client, "local_llm", prompt="Say hello.", max_tokens=5)
    assert answer["engine"] == "embedded"
    assert "ollama serve" in answer["passed_over"][0]


async def test_models_are_listed_with_size_and_context(settings: Settings, document: Path, models_dir: Path) -> None:
    del models_dir
    known = {MODEL: knows(40960, "completion", "tools"), "embedder:latest": knows(512, "embedding")}
    async with ollama_server(document, models=known) as server, asking(settings, server.url) as client:
        [content] = (await client.read_resource("models://")).contents
        found = await good(client, "doctor")
    assert isinstance(content, TextResourceContents)
    listed = {model["name"]: model for model in json.loads(content.text)["models"]}
    assert listed[MODEL]["context_tokens"] == 40960
    assert listed[MODEL]["size"] > 0
    assert listed["embedder:latest"]["abilities"] == ["embedding"]
    assert any(model["engine"] == "embedded" and model["size"] > 50_000_000 for model in listed.values())
    assert {job["job"]: job["uses"] for job in found["jobs"]}["write"] == "ollama"


async def test_an_ollama_without_models_is_passed_over_and_the_doctor_says_what_to_pull(
    settings: Settings, document: Path, example: dict[str, Any]
) -> None:
    async with ollama_server(document, models={}) as server, asking(settings, server.url) as client:
        made = await good(client, "generate_script", paper=example["ja"])
        found = await good(client, "doctor")
    assert made["engine"].startswith("extractive/")
    assert "ollama pull" in made["passed_over"][0]
    states = {(one["engine"], one["job"]): one["state"] for one in found["engines"]}
    assert states["ollama", "write"] == "wrong"


async def test_an_answer_that_does_not_fit_its_schema_comes_with_a_note(settings: Settings, document: Path) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer", "maximum": 120}}, "required": ["age"]}
    replies = [says('{"age": 7000}'), says('{"age": 70}')]
    async with ollama_server(document, *replies) as server, asking(settings, server.url) as client:
        unfit = await good(client, "local_llm", prompt="How old?", json_schema=schema)
        assert unfit["data"] == {"age": 7000}
        assert "data.age (maximum 120)" in unfit["notes"][0]
        assert "7000" not in unfit["notes"][0]
        fit = await good(client, "local_llm", prompt="How old?", json_schema=schema)
        assert (fit["data"], fit["notes"]) == ({"age": 70}, [])


async def test_what_is_no_schema_is_refused_before_anything_is_asked(settings: Settings, document: Path) -> None:
    async with ollama_server(document) as server, asking(settings, server.url) as client:
        refused = await client.call_tool("local_llm", {"prompt": "How old?", "json_schema": {"type": "nonsense"}})
        assert refused.is_error
        assert isinstance(refused.content[0], TextContent)
        assert "json_schema.type" in refused.content[0].text
        assert not server.asked("/api/chat")

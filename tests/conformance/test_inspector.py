"""MCP Inspector's command line lists, reads, gets and calls everything, over each transport and in each era."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance.node import INSPECTOR, Finished, Node
from serving import serving

pytestmark = pytest.mark.usefixtures("models_dir")

AT_ONCE = 2
"""Inspectors: each is a node of its own, and over stdio has a server of its own."""
TEXT = {"title": "記憶", "content": "海馬は記憶に関わる。海馬は側頭葉にある。"}


def arguments(script: str, audio: str) -> dict[str, dict[str, Any]]:
    """What each tool is called with; one that has nothing here fails the check."""
    line = {"text": "海馬は記憶に関わります。", "evidence": [1]}
    draft = {"title": "記憶", "hook": "記憶の話です。", "sections": [{"title": "海馬", "lines": [line]}]}
    return {
        "generate_script": TEXT | {"engine": "extractive"},
        "save_script": TEXT | {"draft": draft},
        "synthesize_voice": {"script_id": script},
        "list_voices": {"language": "ja"},
        "transcribe": {"source": f"audio://{audio}"},
        "local_llm": {"prompt": "Name a colour.", "max_tokens": 8},
        "doctor": {},
    }


def prompt_arguments(script: str) -> dict[str, dict[str, str]]:
    """What each prompt is got with."""
    source = {"title": TEXT["title"], "abstract": TEXT["content"]}
    return {
        "write_script": source | {"target_minutes": "1"},
        "review_script": {"script_id": script},
        "explain_like": source | {"audience": "a child"},
    }


class Inspector:
    """MCP Inspector's command line, before one server."""

    def __init__(self, node: Node, era: str, target: tuple[str, ...]) -> None:
        self._node = node
        self._era = era
        self._target = target
        self._free = asyncio.Semaphore(AT_ONCE)

    async def run(self, method: str, *options: str) -> Finished:
        """Run it once; it must be content with the answer (its exit status knows `isError` too)."""
        shown = ("--cli", "--format", "json", "--protocol-era", self._era)
        async with self._free:
            finished = await self._node.run(INSPECTOR, *shown, "--method", method, *options, *self._target)
        assert finished.status == 0, f"{method} {options}: {finished.err}{finished.out}"
        return finished

    async def ask(self, method: str, *options: str) -> dict[str, Any]:
        """The result of a method."""
        result: dict[str, Any] = json.loads((await self.run(method, *options)).out)["result"]
        return result

    async def names(self, method: str, key: str, name: str = "name") -> list[str]:
        """What a list names."""
        return [one[name] for one in (await self.ask(method))[key]]

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call a tool; text and structure of its answer say the same."""
        result = await self.ask("tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        told: dict[str, Any] = result["structuredContent"]
        assert not result.get("isError")
        assert json.loads(result["content"][0]["text"]) == told
        return told

    async def get(self, prompt: str, arguments: dict[str, str]) -> None:
        """Get a prompt."""
        pairs = [part for pair in arguments.items() for part in ("--prompt-args", "=".join(pair))]
        result = await self.ask("prompts/get", "--prompt-name", prompt, *pairs)
        assert result["messages"][0]["content"]["text"]

    async def read(self, uri: str) -> None:
        """Read a resource."""
        content = (await self.ask("resources/read", "--uri", uri))["contents"][0]
        assert content.get("text") or content.get("blob")


@asynccontextmanager
async def inspecting(node: Node, transport: str, era: str, data_dir: Path) -> AsyncIterator[Inspector]:
    if transport == "http":
        async with serving(data_dir) as served:
            yield Inspector(node, era, ("--transport", "http", served.url))
    else:
        ours = {name: value for name, value in os.environ.items() if name.startswith("HYBRID_MCP_")}
        options = [part for pair in ours.items() for part in ("-e", "=".join(pair))]
        yield Inspector(node, era, (*options, "--", sys.executable, "-m", "hybrid_mcp", "serve"))


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_inspector_is_content_with_everything(node: Node, transport: str, era: str, tmp_path: Path) -> None:
    async with inspecting(node, transport, era, tmp_path / "data") as inspector:
        strict = await inspector.run("tools/list", "--strict")
        tools = [tool["name"] for tool in json.loads(strict.out)["result"]["tools"]]
        # It warns of `type` with several values, which some models cannot take: they are told of no answer's form.
        assert "Path: inputSchema" not in strict.err

        script = (await inspector.call("generate_script", TEXT | {"engine": "extractive"}))["script_id"]
        audio = (await inspector.call("synthesize_voice", {"text": "海馬は記憶に関わります。"}))["audio_id"]
        known, known_prompts = arguments(script, audio), prompt_arguments(script)
        prompts = await inspector.names("prompts/list", "prompts")
        async with asyncio.TaskGroup() as tasks:
            for tool in tools:
                tasks.create_task(inspector.call(tool, known[tool]))
            for prompt in prompts:
                tasks.create_task(inspector.get(prompt, known_prompts[prompt]))
            templates = tasks.create_task(inspector.names("resources/templates/list", "resourceTemplates"))
        assert "audio" in templates.result()

        listed = await inspector.names("resources/list", "resources", "uri")
        assert {f"script://{script}", f"audio://{audio}"} <= {*listed}
        async with asyncio.TaskGroup() as tasks:
            for uri in listed:
                tasks.create_task(inspector.read(uri))

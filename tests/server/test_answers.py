"""What stands beside the text of an answer: links that can be followed, sound while it is small; and how far it is."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    Implementation,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from hybrid_mcp.config import Serving, Settings
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

Era = Literal["legacy", "auto"]
ERAS: tuple[Era, ...] = ("legacy", "auto")
TEXT = "海馬は記憶に関わります。"


@asynccontextmanager
async def connected(settings: Settings, era: Era = "auto", **options: Any) -> AsyncIterator[Client]:
    async with open_app(settings) as app, Client(build_server(app), mode=era, **options) as client:
        yield client


def inline(settings: Settings, most: int) -> Settings:
    return settings.model_copy(update={"serve": Serving(inline_audio_bytes=most)})


def kinds(answer: CallToolResult) -> list[str]:
    return [block.type for block in answer.content]


def told(answer: CallToolResult) -> dict[str, Any]:
    """What the answer says; its text comes first, and says the same as its structure."""
    assert not answer.is_error, answer.content
    first = answer.content[0]
    assert isinstance(first, TextContent)
    assert json.loads(first.text) == answer.structured_content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
async def test_speech_is_told_in_text_then_linked_then_given_as_sound(settings: Settings, era: Era) -> None:
    async with connected(settings, era) as client:
        answer = await client.call_tool("synthesize_voice", {"text": TEXT, "format": "mp3"})
        speech = told(answer)
        assert kinds(answer) == ["text", "resource_link", "audio"]
        _, link, sound = answer.content
        assert isinstance(link, ResourceLink)
        assert (link.uri, link.name) == (f"audio://{speech['audio_id']}/file", speech["audio_id"])
        assert (link.mime_type, link.size) == ("audio/mpeg", Path(speech["path"]).stat().st_size)
        assert link.title == TEXT
        [content] = (await client.read_resource(link.uri)).contents
        assert isinstance(content, BlobResourceContents)
        assert content.mime_type == link.mime_type
        assert base64.b64decode(content.blob) == Path(speech["path"]).read_bytes()
    assert isinstance(sound, AudioContent)
    assert sound.mime_type == "audio/mpeg"
    assert base64.b64decode(sound.data) == Path(speech["path"]).read_bytes()
    assert all(Path(value).is_absolute() for name, value in speech.items() if name.endswith("path"))


@pytest.mark.slow
async def test_sound_that_is_too_large_is_not_in_the_answer(settings: Settings) -> None:
    async with connected(settings) as client:
        size = Path(told(await client.call_tool("synthesize_voice", {"text": TEXT}))["path"]).stat().st_size
    for most, expected in ((size, ["text", "resource_link", "audio"]), (size - 1, ["text", "resource_link"])):
        async with connected(inline(settings, most)) as client:
            assert kinds(await client.call_tool("synthesize_voice", {"text": TEXT})) == expected


@pytest.mark.slow
@pytest.mark.parametrize("era", ERAS)
async def test_a_client_that_refuses_links_is_given_text_alone(settings: Settings, era: Era) -> None:
    desktop = Implementation(name="claude-ai", version="0.1.0")
    async with connected(settings, era, client_info=desktop) as client:
        answer = await client.call_tool("synthesize_voice", {"text": TEXT})
    assert kinds(answer) == ["text"]
    assert Path(told(answer)["path"]).is_file()


async def test_scripts_are_linked_whether_generated_or_saved(settings: Settings, example: dict[str, Any]) -> None:
    line = {"text": "4つの因子が選ばれました。", "evidence": [8]}
    draft = {"title": "巻き戻す", "hook": "時間を巻き戻す。", "sections": [{"title": "結果", "lines": [line]}]}
    async with connected(settings) as client:
        for answer in (
            await client.call_tool("generate_script", {"paper": example["ja"]}),
            await client.call_tool("save_script", {"paper": example["ja"], "draft": draft}),
        ):
            script = told(answer)
            assert kinds(answer) == ["text", "resource_link"]
            link = answer.content[1]
            assert isinstance(link, ResourceLink)
            assert (link.uri, link.title, link.mime_type) == (
                f"script://{script['script_id']}", script["title"], "application/json",
            )  # fmt: skip
            [content] = (await client.read_resource(link.uri)).contents
            assert isinstance(content, TextResourceContents)
            assert content.text == Path(script["path"]).read_text(encoding="utf-8")


@pytest.mark.slow
async def test_a_transcript_is_linked_and_each_step_is_told_in_words(settings: Settings) -> None:
    steps: list[tuple[float, float | None, str | None]] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total, message))

    async with connected(settings) as client:
        spoken = told(await client.call_tool("synthesize_voice", {"text": TEXT * 2}, progress_callback=show))
        assert steps[-1] == (2, 2, "2 of 2 sentences spoken")
        steps.clear()
        answer = await client.call_tool(
            "transcribe", {"source": f"audio://{spoken['audio_id']}", "format": "srt"}, progress_callback=show
        )
    heard = told(answer)
    assert kinds(answer) == ["text", "resource_link"]
    link = answer.content[1]
    assert isinstance(link, ResourceLink)
    assert link.uri == f"transcript://{heard['transcript_id']}"
    done = [step[0] for step in steps]
    assert done == sorted(set(done)), "progress never goes back, and never stands still"
    assert steps[-1][2] == f"{steps[-1][0]:,.0f} of {steps[-1][1]:,.0f} seconds heard"


async def test_answers_that_made_nothing_are_text_alone_and_errors_too(settings: Settings) -> None:
    async with connected(settings) as client:
        assert kinds(await client.call_tool("list_voices", {})) == ["text"]
        refused = await client.call_tool("synthesize_voice", {"script_id": "script-0000000000000000"})
    assert refused.is_error
    assert kinds(refused) == ["text"]

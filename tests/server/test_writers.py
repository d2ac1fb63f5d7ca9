"""Who writes a script, through the official client: the first that can, paid for once, and said openly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import stamina
from conftest import connected
from mcp import Client
from mcp.types import TextContent
from peers.messages import MessagesServer, fails, messages_server, never_ends, says

from hybrid_mcp.config import ClaudeServer, LanguageModels, Settings, Watching

pytestmark = pytest.mark.slow

GOOD = (Path(__file__).parents[1] / "script" / "good_script.ja.json").read_text(encoding="utf-8")
CLOSED = "http://127.0.0.1:9"
"""Nobody listens at port 9 (discard)."""


@asynccontextmanager
async def writing(settings: Settings, server: MessagesServer, **changes: Any) -> AsyncIterator[Client]:
    """A client of a server whose first writer is the scripted Claude, and whose last is the composer."""
    claude = ClaudeServer(url=server.url, price_input=3, price_output=15, price_cache_read=0.3, price_cache_write=3.75)
    changed = settings.model_copy(
        update={
            "claude": claude,
            "llm": LanguageModels(writers=("claude", "extractive")),
            "watching": Watching(remember=0, rest=0),
            **changes,
        }
    )
    async with connected(changed) as client:
        yield client


@pytest.fixture(autouse=True)
def _key_and_no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CLAUDE_API_KEY", "sk-test")
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


async def good(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, [block.text for block in answer.content if isinstance(block, TextContent)]
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


def pieces(text: str) -> list[str]:
    return [text[start : start + 200] for start in range(0, len(text), 200)]


async def test_claude_writes_a_good_script_with_progress_per_section_and_its_cost_is_said(
    settings: Settings, example: dict[str, Any]
) -> None:
    reports: list[tuple[float, float | None]] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total))

    async with messages_server(says(*pieces(GOOD), usage=(1000, 0, 2000, 3000))) as server:
        async with writing(settings, server) as client:
            answer = await client.call_tool(
                "generate_script", {"paper": example["ja"], "target_minutes": 3}, progress_callback=show
            )
        assert isinstance(answer.structured_content, dict)
        made = answer.structured_content
        assert (made["engine"], made["passed_over"]) == ("claude/claude-sonnet-5-5", [])
        assert made["complaints"] == []
        assert made["title"] == json.loads(GOOD)["title"]
        assert made["grounded_share"] > 0.7
        assert made["usage"] == {
            "counted_tokens": 1234,
            "input_tokens": 3000,
            "cached_tokens": 0,
            "output_tokens": 3000,
            "cost_usd": pytest.approx((1000 * 3 + 2000 * 3.75 + 3000 * 15) / 1e6),
            "reused": False,
        }
        assert reports[-1][0] == reports[-1][1]
        [request] = server.chats
        material = request.body["messages"][0]["content"][0]
        assert material["cache_control"] == {"type": "ephemeral"}
        assert "[4] (abstract)" in material["text"]


async def test_the_same_request_is_paid_for_once_and_another_take_is_another_version(
    settings: Settings, example: dict[str, Any]
) -> None:
    other = GOOD.replace("こんにちは。", "ようこそ。")
    async with messages_server(says(GOOD), says(other)) as server:
        async with writing(settings, server) as client:
            first = await good(client, "generate_script", paper=example["ja"], target_minutes=3)
            again = await good(client, "generate_script", paper=example["ja"], target_minutes=3)
            second = await good(client, "generate_script", paper=example["ja"], target_minutes=3, take=2)
            assert len(server.chats) == 2
        async with writing(settings, server) as client:  # another process, later
            later = await good(client, "generate_script", paper=example["ja"], target_minutes=3, take=2)
        assert len(server.chats) == 2
    assert again["script_id"] == first["script_id"]
    assert (first["usage"]["reused"], again["usage"]["reused"]) == (False, True)
    assert second["script_id"] != first["script_id"]
    assert later["script_id"] == second["script_id"]


@pytest.mark.parametrize(
    ("reply", "says_why"),
    [
        (fails(401, "authentication_error"), "CLAUDE_API_KEY"),
        (fails(529, "overloaded_error", headers={"retry-after": "3600"}), "Try again in 3600 seconds"),
        (
            says(stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "No."}),
            "declined",
        ),
    ],
)
async def test_when_claude_cannot_the_composer_writes_and_the_answer_says_why(
    settings: Settings, example: dict[str, Any], reply: Any, says_why: str
) -> None:
    async with messages_server(reply) as server, writing(settings, server) as client:
        made = await good(client, "generate_script", paper=example["ja"])
    assert made["engine"].startswith("extractive/")
    [why] = made["passed_over"]
    assert why.startswith("claude: ")
    assert says_why in why


async def test_without_a_key_nobody_is_asked_and_the_doctor_says_what_to_do(
    settings: Settings, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLAUDE_API_KEY")
    changes = {"claude": ClaudeServer()}  # Anthropic's own address
    async with messages_server() as server, writing(settings, server, **changes) as client:
        made = await good(client, "generate_script", paper=example["ja"])
        found = await good(client, "doctor")
    assert "Set CLAUDE_API_KEY" in made["passed_over"][0]
    [claude] = [one for one in found["engines"] if one["engine"] == "claude"]
    assert claude["state"] == "away"
    assert "CLAUDE_API_KEY" in claude["detail"]
    assert found["healthy"]


async def test_a_wrong_key_is_a_fault_the_doctor_finds_and_a_new_key_needs_no_restart(
    settings: Settings, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with messages_server(says(GOOD)) as server, writing(settings, server) as client:
        server.keys.clear()
        server.keys.add("sk-rotated")
        found = await good(client, "doctor")
        [claude] = [one for one in found["engines"] if one["engine"] == "claude"]
        assert (claude["state"], found["healthy"]) == ("wrong", False)
        assert "sk-test" not in json.dumps(found)
        monkeypatch.setenv("CLAUDE_API_KEY", "sk-rotated")
        made = await good(client, "generate_script", paper=example["ja"], target_minutes=3)
    assert made["engine"] == "claude/claude-sonnet-5-5"


async def test_an_engine_that_was_named_is_not_replaced_by_another(settings: Settings, example: dict[str, Any]) -> None:
    async with messages_server() as server, writing(settings, server, claude=ClaudeServer(url=CLOSED)) as client:
        answer = await client.call_tool("generate_script", {"paper": example["ja"], "engine": "claude"})
        assert answer.is_error
        answer = await client.call_tool("generate_script", {"paper": example["ja"], "engine": "groq"})
        assert answer.is_error
        assert isinstance(answer.content[0], TextContent)
        assert "HYBRID_MCP_LLM__WRITERS" in answer.content[0].text


async def test_what_quoting_cannot_do_a_model_does(settings: Settings, example: dict[str, Any]) -> None:
    english = {"paper": example["en"], "language": "ja", "target_minutes": 3}
    async with messages_server(says(GOOD), says(GOOD)) as server, writing(settings, server) as client:
        made = await good(client, "generate_script", **english)
        assert made["language"] == "ja"
    async with messages_server() as server, writing(settings, server, claude=ClaudeServer(url=CLOSED)) as client:
        answer = await client.call_tool("generate_script", {**english, "take": 2})
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    assert "claude: " in answer.content[0].text
    assert "extractive: " in answer.content[0].text


async def test_a_client_that_cancels_closes_claudes_stream(settings: Settings, example: dict[str, Any]) -> None:
    async with messages_server(never_ends('{"title": "')) as server, writing(settings, server) as client:
        call = asyncio.create_task(client.call_tool("generate_script", {"paper": example["ja"], "engine": "claude"}))
        async with asyncio.timeout(30):
            while not server.chats:  # noqa: ASYNC110  (the server keeps a list only)
                await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(10):
            await server.left.wait()


async def test_another_voice_for_a_role_costs_no_further_script(settings: Settings, example: dict[str, Any]) -> None:
    arguments = {"paper": example["ja"], "target_minutes": 3, "detail": "full"}
    cast = [{"name": "ナレーター", "notes": "落ち着いて", "voice": "mei"}]
    async with messages_server(says(GOOD)) as server, writing(settings, server) as client:
        first = await good(client, "generate_script", **arguments, cast=cast)
        other = await good(client, "generate_script", **arguments, cast=[{**cast[0], "voice": "mei-low"}])
        again = await good(client, "generate_script", **arguments, cast=cast)
    assert len(server.chats) == 1
    assert again["script_id"] == first["script_id"] != other["script_id"]
    assert [one["script"]["cast"][0]["voice"] for one in (first, other)] == ["mei", "mei-low"]

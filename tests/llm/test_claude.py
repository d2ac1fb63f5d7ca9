"""Claude, against a scripted Messages server, and against llama.cpp's real one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from conftest import held
from peers import scripted
from peers.llama import llama_server
from peers.messages import (
    SONNET,
    Reply,
    breaks_off,
    fails,
    messages_server,
    never_ends,
    overloaded_after,
    says,
)
from peers.scripted import Scripted, answers, serving
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import ClaudeServer, Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerRefused,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.llm.claude import Claude
from hybrid_mcp.llm.interface import ChatRequest, ToolCall, Turn, Watch
from hybrid_mcp.secrets.interface import Secret, SecretName

QUESTION = "What does the hippocampus do?"
SEARCH = {"name": "search", "description": "Look it up.", "parameters": {"type": "object", "properties": {}}}


class Keys:
    """A keeper of one key, which may be changed."""

    def __init__(self, value: str | None = "sk-test") -> None:
        self.value = value

    async def get(self, name: SecretName) -> Secret | None:
        assert name == "claude_api_key"
        return None if self.value is None else Secret(self.value, "CLAUDE_API_KEY")


@asynccontextmanager
async def claude_at(
    url: str, keys: Keys | None = None, *, deadline: float = 60, **settings: Any
) -> AsyncIterator[Claude]:
    backend = Backend("claude", parallel=2, deadline=deadline, answer_within=60)
    claude = Claude(ClaudeServer(url=url, **settings), keys or Keys(), Egress(Outgoing()), backend)
    try:
        yield claude
    finally:
        await claude.close()


def heard() -> tuple[list[str], Watch]:
    pieces: list[str] = []

    async def hear(piece: str) -> None:
        pieces.append(piece)

    return pieces, Watch(text=hear)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=100, cap=True):
        yield


# Asking and answering


async def test_an_answer_is_told_in_its_pieces_and_returned_whole_with_what_it_used() -> None:
    async with messages_server(says("It ", "forms ", "memories.")) as server, claude_at(server.url) as claude:
        pieces, watch = heard()
        answer = await claude.chat(ChatRequest(QUESTION), watch)
    assert pieces == ["It ", "forms ", "memories."]
    assert (answer.text, answer.engine, answer.model) == ("It forms memories.", "claude", SONNET)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (25, 15, 0)
    assert answer.cost is None
    assert not answer.truncated


async def test_only_what_was_asked_for_is_sent() -> None:
    async with messages_server(says("A.")) as server, claude_at(server.url) as claude:
        await claude.chat(ChatRequest(QUESTION, max_tokens=300))
    question = {"role": "user", "content": [{"type": "text", "text": QUESTION}]}
    assert server.chats[0].body == {"model": SONNET, "max_tokens": 300, "messages": [question], "stream": True}


async def test_material_comes_first_and_is_marked_for_the_cache() -> None:
    request = ChatRequest(
        "And?", system="Be brief.", material="A paper.", turns=(Turn("user", "Sum up."), Turn("assistant", "Yes."))
    )
    async with messages_server(says("A.")) as server, claude_at(server.url) as claude:
        await claude.chat(request)
    body = server.chats[0].body
    assert body["system"] == "Be brief."
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"] == [
        {"type": "text", "text": "A paper.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "Sum up."},
    ]


async def test_cached_tokens_are_among_those_read_and_have_a_price_of_their_own() -> None:
    prices: dict[str, Any] = {"price_input": 3, "price_output": 15, "price_cache_read": 0.3, "price_cache_write": 3.75}
    async with (
        messages_server(says("A.", usage=(100, 4000, 200, 50))) as server,
        claude_at(server.url, **prices) as claude,
    ):
        answer = await claude.chat(ChatRequest(QUESTION))
    assert (answer.prompt_tokens, answer.cached_tokens) == (4300, 4000)
    assert answer.cost == pytest.approx((100 * 3 + 50 * 15 + 4000 * 0.3 + 200 * 3.75) / 1e6)


async def test_a_schema_is_sent_in_the_part_that_is_enforced() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    async with messages_server(says('{"n"', ": 3}")) as server, claude_at(server.url) as claude:
        answer = await claude.chat(ChatRequest(QUESTION, json_schema=schema))
    assert json.loads(answer.text) == {"n": 3}
    sent = server.chats[0].body["output_config"]["format"]
    assert (sent["type"], sent["schema"]["additionalProperties"]) == ("json_schema", False)
    # Claude refuses a schema with `maximum`: it stays as advice.
    assert sent["schema"]["properties"]["n"] == {"type": "integer", "description": "{maximum: 9}"}


async def test_tools_are_sent_in_anthropics_form_and_come_back_as_calls() -> None:
    call = says("Let me see.", tool=("search", {"query": "海馬"}), stop_reason="tool_use")
    async with messages_server(call) as server, claude_at(server.url) as claude:
        answer = await claude.chat(ChatRequest(QUESTION, tools=({"type": "function", "function": SEARCH},)))
    assert answer.tool_calls == (ToolCall("search", {"query": "海馬"}),)
    assert server.chats[0].body["tools"] == [
        {"name": "search", "description": "Look it up.", "input_schema": SEARCH["parameters"]}
    ]


@pytest.mark.parametrize(
    ("model", "think", "thinking", "effort"),
    [
        (SONNET, True, {"type": "adaptive", "display": "summarized"}, None),
        (SONNET, "high", {"type": "adaptive", "display": "summarized"}, "high"),
        (SONNET, False, {"type": "between_tools"}, None),
        ("claude-opus-5-5", False, None, "low"),
        ("claude-haiku-4-5", "medium", {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-haiku-4-5", "low", {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-haiku-4-5", False, {"type": "disabled"}, None),
    ],
)
async def test_a_model_is_asked_to_think_in_the_way_its_card_says(
    model: str, think: Any, thinking: Any, effort: Any
) -> None:
    request = ChatRequest(QUESTION, model=model, think=think, max_tokens=4000)
    async with messages_server(says("A.", thinking="Hm."), says("B.")) as server, claude_at(server.url) as claude:
        answer = await claude.chat(request)
        await claude.chat(request)
    assert answer.thinking == "Hm."
    assert server.chats[0].body.get("thinking") == thinking
    assert server.chats[0].body.get("output_config", {}).get("effort") == effort
    assert [request.method for request in server.requests].count("GET") == 1


async def test_no_budget_of_thinking_is_asked_for_that_leaves_no_room_for_the_answer() -> None:
    request = ChatRequest(QUESTION, model="claude-haiku-4-5", think=True, max_tokens=1024)
    async with messages_server(says("A.")) as server, claude_at(server.url) as claude:
        await claude.chat(request)
    assert "thinking" not in server.chats[0].body


async def test_a_configured_temperature_is_sent_unless_the_model_thinks() -> None:
    request = ChatRequest(QUESTION, model="claude-haiku-4-5", max_tokens=4000)
    async with messages_server(says("A."), says("B.")) as server, claude_at(server.url, temperature=0.5) as claude:
        await claude.chat(request)
        await claude.chat(replace(request, think=True))
    assert [chat.body.get("temperature") for chat in server.chats] == [0.5, None]


async def test_an_answer_is_no_longer_than_configured() -> None:
    async with messages_server(says("A.")) as server, claude_at(server.url, max_tokens=500) as claude:
        await claude.chat(ChatRequest(QUESTION, max_tokens=9000))
    assert server.chats[0].body["max_tokens"] == 500


@pytest.mark.parametrize(("reason", "notes"), [("max_tokens", 0), ("model_context_window_exceeded", 1)])
async def test_an_answer_that_ran_out_of_room_says_so(reason: str, notes: int) -> None:
    async with messages_server(says("It forms", stop_reason=reason)) as server, claude_at(server.url) as claude:
        answer = await claude.chat(ChatRequest(QUESTION))
    assert answer.truncated
    assert answer.text == "It forms"
    assert len(answer.notes) == notes


@pytest.mark.parametrize("broken", [{"json_schema": {"properties": {}}}, {"tools": ({"name": "search"},)}])
async def test_what_is_no_schema_or_tool_is_the_callers_mistake(broken: dict[str, Any]) -> None:
    async with messages_server() as server, claude_at(server.url) as claude:
        with pytest.raises(InvalidInput):
            await claude.chat(ChatRequest(QUESTION, **broken))
    assert not server.requests


# Outages


@pytest.mark.parametrize(
    "outage",
    [
        fails(429, "rate_limit_error", headers={"retry-after": "1"}),
        fails(529, "overloaded_error"),
        fails(500, "api_error"),
        Reply(status=502, body="<html>"),
        breaks_off(),
        overloaded_after(),
    ],
)
async def test_what_passes_is_asked_again(outage: Reply) -> None:
    async with messages_server(outage, outage, says("A.")) as server, claude_at(server.url) as claude:
        answer = await claude.chat(ChatRequest(QUESTION))
    assert answer.text == "A."
    assert len(server.chats) == 3
    assert not answer.notes


async def test_the_server_says_how_long_it_is_left_alone() -> None:
    pauses: list[float] = []

    def note(details: RetryDetails) -> None:
        pauses.append(details.wait_for)

    set_on_retry_hooks([note])
    try:
        with stamina.set_testing(False):
            limited = fails(429, "rate_limit_error", headers={"retry-after": "0.01"})
            async with messages_server(limited, says("A.")) as server, claude_at(server.url) as claude:
                await claude.chat(ChatRequest(QUESTION))
    finally:
        set_on_retry_hooks(None)
    assert pauses == [0.01]


@pytest.mark.parametrize(("deadline", "pause"), [(600, 3600), (600, 61), (20, 30)])
async def test_a_long_pause_is_told_and_not_waited_for(deadline: float, pause: int) -> None:
    limited = fails(429, "rate_limit_error", headers={"retry-after": str(pause)})
    async with messages_server(limited) as server, claude_at(server.url, deadline=deadline) as claude:
        with pytest.raises(EngineUnavailable, match=f"again in {pause} seconds"):
            await claude.chat(ChatRequest(QUESTION))
    assert len(server.chats) == 1


async def test_an_outage_that_stays_ends_the_attempts() -> None:
    async with messages_server(*[fails(529, "overloaded_error")] * 9) as server, claude_at(server.url) as claude:
        with pytest.raises(EngineUnavailable, match=r"overloaded or failing \(529"):
            await claude.chat(ChatRequest(QUESTION))
    assert len(server.chats) > 1


@pytest.mark.parametrize(
    "broken",
    [breaks_off("It ", "forms "), overloaded_after("It ", "forms "), replace(breaks_off("It ", "forms "), end="whole")],
)
async def test_a_broken_answer_is_begun_anew_and_nothing_is_told_twice(broken: Reply) -> None:
    async with messages_server(broken, says("It form", "s memo", "ries.")) as server, claude_at(server.url) as claude:
        pieces, watch = heard()
        answer = await claude.chat(ChatRequest(QUESTION), watch)
    assert "".join(pieces) == answer.text == "It forms memories."
    assert "broke off" in answer.notes[0].en


async def test_a_second_answer_that_differs_is_returned_but_not_told_after_the_first() -> None:
    script = breaks_off("It forms "), says("The hippocampus forms memories.")
    async with messages_server(*script) as server, claude_at(server.url) as claude:
        pieces, watch = heard()
        answer = await claude.chat(ChatRequest(QUESTION), watch)
    assert pieces == ["It forms "]
    assert answer.text == "The hippocampus forms memories."


async def test_an_answer_that_breaks_twice_is_given_up() -> None:
    async with messages_server(breaks_off("It "), breaks_off("It ")) as server, claude_at(server.url) as claude:
        with pytest.raises(EngineUnavailable, match="connection was lost"):
            await claude.chat(ChatRequest(QUESTION))
    assert len(server.chats) == 2


async def test_nobody_at_the_address_is_an_outage() -> None:
    async with messages_server() as server:
        url = server.url
    async with claude_at(url) as claude:
        with pytest.raises(EngineUnavailable, match=url):
            await claude.chat(ChatRequest(QUESTION))
        with pytest.raises(EngineUnavailable, match=url):
            await claude.check()


async def test_an_answer_that_never_ends_is_given_up_at_the_deadline_and_its_stream_closed() -> None:
    async with messages_server(never_ends("It ")) as server, claude_at(server.url, deadline=0.5) as claude:
        with pytest.raises(DeadlineExceeded):
            await claude.chat(ChatRequest(QUESTION))
        async with asyncio.timeout(5):
            await server.left.wait()


async def test_cancelling_frees_the_caller_and_the_server_sees_it_go() -> None:
    async with messages_server(never_ends("It "), says("A.")) as server, claude_at(server.url) as claude:
        begun = asyncio.Event()

        async def hear(_: str) -> None:
            begun.set()

        asking = asyncio.create_task(claude.chat(ChatRequest(QUESTION), Watch(text=hear)))
        await begun.wait()
        asking.cancel()
        async with asyncio.timeout(2):
            with pytest.raises(asyncio.CancelledError):
                await asking
            await server.left.wait()
        assert (await claude.chat(ChatRequest(QUESTION))).text == "A."


# Keys, and everything else that is wrong


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (fails(401, "authentication_error"), KeyRefused, "does not accept the key in CLAUDE_API_KEY"),
        (fails(403, "permission_error"), KeyRefused, "may not use the model claude-sonnet-5-5"),
        (fails(402, "billing_error"), KeyRefused, "out of credit"),
        (fails(400, "invalid_request_error", "Your credit balance is too low"), KeyRefused, "out of credit"),
        (fails(429, "rate_limit_error", code="enforced_spend_limit_reached"), KeyRefused, "spend limit"),
        (fails(404, "not_found_error"), ModelMissing, "HYBRID_MCP_CLAUDE__MODEL"),
        (Reply(status=404, body={"detail": "Not Found"}), EngineError, "HYBRID_MCP_CLAUDE__URL"),
        (Reply(body={"detail": "Welcome"}), EngineError, "HYBRID_MCP_CLAUDE__URL"),
        (Reply(status=302, headers={"location": "/login"}, body={}), EngineError, "302"),
        (fails(413, "invalid_request_error"), InvalidInput, "too long"),
        (fails(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), InvalidInput, "too long"),
        (fails(400, "invalid_request_error", "max_tokens: 9 > 8"), EngineError, "objects to: max_tokens"),
        (says(stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"}), AnswerRefused, "bio"),
    ],
)
async def test_what_will_not_pass_is_said_at_once(reply: Reply, kind: type[HybridError], words: str) -> None:
    async with messages_server(reply) as server, claude_at(server.url) as claude:
        with pytest.raises(kind, match=words) as caught:
            await claude.chat(ChatRequest(QUESTION))
    assert len(server.chats) == 1
    for text in (caught.value.message.ja, caught.value.message.en):
        assert "sk-test" not in text
        assert QUESTION not in text


async def test_a_servers_words_are_not_repeated_since_they_may_quote_the_request() -> None:
    refusal = fails(400, "invalid_request_error", f"messages.0: input {QUESTION!r} is not valid")
    async with messages_server(refusal) as server, claude_at(server.url) as claude:
        with pytest.raises(EngineError, match=r"400.*req_scripted.*objects to: messages\.") as caught:
            await claude.chat(ChatRequest(QUESTION))
    assert QUESTION not in caught.value.message.en + caught.value.message.ja


async def test_without_a_key_anthropic_is_not_even_asked() -> None:
    async with claude_at("https://api.anthropic.com", Keys(None)) as claude:
        for ask in (claude.check(), claude.chat(ChatRequest(QUESTION)), claude.count(ChatRequest(QUESTION))):
            with pytest.raises(KeyMissing, match=r"Set CLAUDE_API_KEY in the environment or in \.env\.hybrid"):
                await ask
        assert claude._client is None


async def test_another_makers_server_may_need_no_key() -> None:
    async with messages_server(says("A."), key="none") as server, claude_at(server.url, Keys(None)) as claude:
        assert (await claude.chat(ChatRequest(QUESTION))).text == "A."
        server.keys.clear()
        with pytest.raises(KeyMissing, match="wants a key"):
            await claude.chat(ChatRequest(QUESTION))


async def test_a_rotated_key_needs_no_restart() -> None:
    keys = Keys("sk-old")
    async with messages_server(says("A."), says("B."), key="sk-old") as server, claude_at(server.url, keys) as claude:
        await claude.chat(ChatRequest(QUESTION))
        server.keys.clear()
        server.keys.add("sk-new")
        with pytest.raises(KeyRefused):
            await claude.chat(ChatRequest(QUESTION))
        keys.value = "sk-new"
        assert (await claude.chat(ChatRequest(QUESTION))).text == "B."
    assert [request.key for request in server.chats] == ["sk-old", "sk-old", "sk-new"]


async def test_a_key_with_a_line_break_is_refused_before_it_is_sent_or_quoted() -> None:
    async with messages_server() as server, claude_at(server.url, Keys("sk-te\nst")) as claude:
        with pytest.raises(KeyRefused, match="CLAUDE_API_KEY") as caught:
            await claude.chat(ChatRequest(QUESTION))
    assert "sk-te" not in caught.value.message.en
    assert not server.requests


async def test_neither_text_nor_key_is_logged_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("anthropic").setLevel(logging.NOTSET)
    async with messages_server(fails(500, "api_error"), says("Memories.")) as server, claude_at(server.url) as claude:
        await claude.chat(ChatRequest(QUESTION))
    assert caplog.records
    for secret in (QUESTION, "sk-test", "Memories."):
        assert secret not in caplog.text


# Checking and counting


async def test_checking_asks_for_the_models_card_and_for_nothing_that_costs() -> None:
    async with messages_server() as server, claude_at(server.url) as claude:
        health = await claude.check()
        await claude.check()
    assert health.models == (SONNET,)
    assert [(request.method, request.path) for request in server.requests] == [("GET", f"/v1/models/{SONNET}")]


async def test_a_server_without_cards_is_there_all_the_same() -> None:
    async with messages_server(models={}) as server, claude_at(server.url) as claude:
        assert isinstance(await claude.check(), Health)


async def test_checking_tells_a_wrong_key_from_a_wrong_model() -> None:
    async with messages_server() as server:
        async with claude_at(server.url, Keys("sk-wrong")) as claude:
            with pytest.raises(KeyRefused):
                await claude.check()
        async with claude_at(server.url, model="claude-none") as claude:
            with pytest.raises(ModelMissing, match="claude-none"):
                await claude.check()


@pytest.mark.slow
async def test_a_server_that_says_nothing_is_an_outage_to_who_checks() -> None:
    silence = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with claude_at(f"http://127.0.0.1:{port}") as claude:
            with pytest.raises(EngineUnavailable, match="within 2 seconds"):
                await claude.check()
        silence.set()


async def test_tokens_are_counted_by_the_server_with_all_that_will_be_read() -> None:
    request = ChatRequest(
        QUESTION, system="Be brief.", material="A paper.", tools=({"type": "function", "function": SEARCH},)
    )
    async with messages_server(counts=321) as server, claude_at(server.url) as claude:
        assert await claude.count(request) == 321
    assert {"system", "messages", "tools"} < set(server.requests[0].body)


async def test_tokens_are_guessed_high_where_the_server_does_not_count() -> None:
    async with messages_server(counts=None) as server, claude_at(server.url) as claude:
        assert await claude.count(ChatRequest("海馬" * 500, system="短く。")) >= 1000


# llama.cpp's server, a real one


@pytest.fixture
async def llama(models_dir: Path) -> AsyncIterator[Claude]:
    async with (
        held(llama_server(models_dir)) as url,
        claude_at(url, Keys(None), model="smollm2", temperature=0.0) as claude,
    ):
        yield claude


@pytest.mark.slow
async def test_a_real_server_answers_counts_and_stops_where_it_is_told(llama: Claude) -> None:
    pieces, watch = heard()
    await llama.check()
    answer = await llama.chat(ChatRequest("Name a colour of the sky.", max_tokens=8), watch)
    assert len(pieces) > 1
    assert "".join(pieces) == answer.text
    assert answer.truncated
    assert answer.completion_tokens == 8
    assert await llama.count(ChatRequest("Name a colour of the sky.")) == answer.prompt_tokens


@pytest.mark.slow
async def test_a_real_server_refuses_what_is_too_long(llama: Claude) -> None:
    with pytest.raises(InvalidInput, match="too long"):
        await llama.chat(ChatRequest("memory " * 5000))


@pytest.mark.slow
async def test_a_real_server_takes_material_and_turns(llama: Claude) -> None:
    request = ChatRequest(
        "Now?", material="A note.", turns=(Turn("user", "Hi."), Turn("assistant", "Hi.")), max_tokens=4
    )
    assert (await llama.chat(request)).text


async def test_a_card_that_is_refused_is_not_the_callers_fault() -> None:
    for status in (400, 413):
        reply = answers({"error": {"type": "invalid_request_error", "message": "prompt is too long"}}, status)

        def always(_: object, reply: scripted.Reply = reply) -> scripted.Reply:
            return reply

        async with serving(Scripted(), always) as server, claude_at(server.url) as claude:
            assert not (await claude.check()).models


async def test_a_card_deeper_than_python_reads_is_no_card() -> None:
    deep = scripted.Reply((b"[" * 200_000, b"]" * 200_000))
    async with serving(Scripted(), lambda _: deep) as server, claude_at(server.url) as claude:
        assert not (await claude.check()).models


async def test_the_password_of_an_address_is_never_told(unused_tcp_port: int) -> None:
    async with messages_server() as server:
        for port in (server.url.rpartition(":")[2], unused_tcp_port):
            async with claude_at(f"http://user:MARKED@127.0.0.1:{port}", Keys("sk-wrong")) as claude:
                for work in (claude.check(), claude.chat(ChatRequest(QUESTION))):
                    with pytest.raises(EngineError) as raised:
                        await work
                    assert f"…@127.0.0.1:{port}" in raised.value.message.en
                    assert "MARKED" not in raised.value.message.en + raised.value.message.ja

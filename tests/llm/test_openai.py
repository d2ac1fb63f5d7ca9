from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import stamina
from peers.chat import MODEL, breaks_off, chat_server, ends_early, fails, never_ends, says
from peers.llama import CONTEXT, llama_server
from peers.scripted import Reply, Scripted, answers, endless, serving

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import GroqServer, OpenAIServer, Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerRefused,
    AnswerUnusable,
    DeadlineExceeded,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.llm.dialect import is_strict
from hybrid_mcp.llm.interface import ChatRequest, ToolCall, Turn, Watch
from hybrid_mcp.llm.openai import ChatCompletions
from hybrid_mcp.secrets.interface import Secret, SecretName

COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}},
}
HELLO = ChatRequest("Hello.")


class Keys:
    """A keeper of one key that can be changed."""

    def __init__(self, value: str | None = "sk-test") -> None:
        self.value = value

    async def get(self, name: SecretName) -> Secret | None:
        return None if self.value is None else Secret(self.value, name)


@asynccontextmanager
async def model_at(
    url: str, *, keys: Keys | None = None, deadline: float = 60.0, **settings: Any
) -> AsyncIterator[ChatCompletions]:
    made = ChatCompletions(
        "openai",
        OpenAIServer(url=url, **{"model": MODEL, **settings}),
        keys or Keys(),
        "openai_api_key",
        Egress(Outgoing()),
        Backend("openai", parallel=2, deadline=deadline, remember=0.0, answer_within=60),
    )
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def scripted(*script: Reply, **options: Any) -> AsyncIterator[tuple[ChatCompletions, Scripted]]:
    async with chat_server(*script) as server, model_at(f"{server.url}/v1", **options) as model:
        yield model, server


async def refusal(model: ChatCompletions, request: ChatRequest = HELLO) -> HybridError:
    with pytest.raises(HybridError) as raised:
        await model.chat(request)
    return raised.value


class Listener:
    """Collects what is told, and says when something was."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.heard = asyncio.Event()
        self.watch = Watch(text=self._text)

    async def _text(self, piece: str) -> None:
        self.pieces.append(piece)
        self.heard.set()


@pytest.fixture(autouse=True)
def _no_waits_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama_url(models_dir: Path) -> AsyncIterator[str]:
    async with llama_server(models_dir) as url:
        yield f"{url}/v1"


@pytest.fixture
async def llama(llama_url: str) -> AsyncIterator[ChatCompletions]:
    async with model_at(llama_url, keys=Keys(None), model="smollm2") as made:
        yield made


# Before llama.cpp's own server.


@pytest.mark.slow
async def test_a_real_server_answers_piece_by_piece_with_its_counts(llama: ChatCompletions) -> None:
    listener = Listener()
    answer = await llama.chat(ChatRequest("Say hello in one short sentence."), listener.watch)
    assert answer.text.strip()
    assert "".join(listener.pieces) == answer.text
    assert len(listener.pieces) > 1
    assert (answer.model, answer.engine) == ("smollm2", "openai")
    assert answer.prompt_tokens > 10
    assert 1 < answer.completion_tokens <= 256
    assert not answer.truncated
    assert answer.cost is None


@pytest.mark.slow
async def test_a_real_server_keeps_a_schema(llama: ChatCompletions) -> None:
    answer = await llama.chat(ChatRequest("Name a colour.", json_schema=COLOUR))
    assert json.loads(answer.text)["colour"] in ("red", "blue")


@pytest.mark.slow
async def test_a_real_server_is_asked_for_no_more_than_max_tokens(llama: ChatCompletions) -> None:
    answer = await llama.chat(ChatRequest("Tell me a long story.", max_tokens=5))
    assert answer.truncated
    assert answer.completion_tokens == 5


@pytest.mark.slow
async def test_a_request_too_long_for_a_real_server_is_the_callers_to_shorten(llama: ChatCompletions) -> None:
    with pytest.raises(InvalidInput, match="too long"):
        await llama.chat(ChatRequest("word " * (CONTEXT + 100)))


@pytest.mark.slow
async def test_a_schema_that_a_real_server_cannot_read_is_the_callers_to_correct(llama: ChatCompletions) -> None:
    with pytest.raises(InvalidInput, match="refused the request"):
        await llama.chat(ChatRequest("Name a colour.", json_schema={"type": "colourful"}))


@pytest.mark.slow
async def test_a_cancelled_answer_frees_a_real_server(llama: ChatCompletions, llama_url: str) -> None:
    listener = Listener()
    endless = ChatRequest(
        "Count to a thousand in words.", max_tokens=1500, json_schema={"type": "string", "minLength": 1900}
    )
    task = asyncio.create_task(llama.chat(endless, listener.watch))
    await listener.heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with httpx2.AsyncClient(base_url=llama_url.removesuffix("/v1")) as client, asyncio.timeout(30):
        while (await client.get("/slots")).json()[0]["is_processing"]:
            pass
    answer = await llama.chat(ChatRequest("Hi.", max_tokens=3))
    assert answer.completion_tokens <= 3


@pytest.mark.slow
async def test_a_real_server_is_found_healthy_with_its_model(llama: ChatCompletions) -> None:
    assert (await llama.check()).models == ("smollm2",)


# Before a scripted server.


async def test_the_request_holds_everything_that_was_asked() -> None:
    async with scripted(says("Blue.")) as (model, server):
        request = ChatRequest(
            "And now?",
            system="Be brief.",
            material="A paper.",
            turns=(Turn("user", "First?"), Turn("assistant", "Yes.")),
            max_tokens=77,
            temperature=0.25,
            json_schema=None,
            think="low",
            tools=(WEATHER,),
        )
        await model.chat(request)
    body = server.requests[0].body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A paper.\n\nFirst?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And now?"},
    ]
    assert (body["model"], body["max_tokens"], body["temperature"]) == (MODEL, 77, 0.25)
    assert (body["reasoning_effort"], body["tools"]) == ("low", [WEATHER])
    assert body["stream_options"] == {"include_usage": True}


async def test_a_request_may_name_another_model_and_ask_for_less_than_the_configured_longest_answer() -> None:
    async with scripted(says("a"), says("b"), max_tokens=300, temperature=0.5) as (model, server):
        await model.chat(ChatRequest("Hi.", model="other", max_tokens=200))
        await model.chat(ChatRequest("Hi.", max_tokens=5000, temperature=None))
    first, second = (request.body for request in server.requests)
    assert (first["model"], first["max_tokens"], first["temperature"]) == ("other", 200, 0.0)
    assert (second["model"], second["max_tokens"], second["temperature"]) == (MODEL, 300, 0.5)


async def test_usage_is_counted_and_priced_with_what_the_cache_saved() -> None:
    usage = {
        "prompt_tokens": 1_000_000,
        "completion_tokens": 100_000,
        "total_tokens": 1_100_000,
        "prompt_tokens_details": {"cached_tokens": 400_000},
    }
    prices = {"price_input": 2.0, "price_output": 10.0}
    async with scripted(says("a", usage=usage), **prices, price_cache_read=0.5) as (model, _):
        answer = await model.chat(HELLO)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (1_000_000, 100_000, 400_000)
    assert answer.cost == pytest.approx(0.6 * 2 + 0.4 * 0.5 + 0.1 * 10)
    async with scripted(says("a", usage=usage), **prices) as (model, _):
        assert (await model.chat(HELLO)).cost == pytest.approx(2 + 1)
    async with scripted(says("a", usage=usage), **prices) as (model, _):
        assert (await model.chat(replace(HELLO, model="other"))).cost is None


async def test_tools_asked_for_come_as_calls_put_together_from_pieces() -> None:
    calls = [
        {"index": 0, "id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"town": '}},
        {"index": 0, "function": {"arguments": '"Oslo"}'}},
        {"index": 1, "id": "2", "type": "function", "function": {"name": "weather", "arguments": ""}},
    ]
    async with scripted(says(finish="tool_calls", tool_calls=calls)) as (model, _):
        answer = await model.chat(ChatRequest("Weather?", tools=(WEATHER,)))
    assert answer.tool_calls == (ToolCall("weather", {"town": "Oslo"}), ToolCall("weather", {}))


@pytest.mark.parametrize("arguments", ['{"town": ', "[1]"])
async def test_arguments_of_a_tool_that_cannot_be_read_are_the_models_fault(arguments: str) -> None:
    call = {"index": 0, "id": "1", "type": "function", "function": {"name": "weather", "arguments": arguments}}
    async with scripted(says(finish="tool_calls", tool_calls=[call])) as (model, _):
        assert isinstance(await refusal(model), AnswerUnusable)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_what_a_model_thought_is_kept_apart_from_its_answer(field: str) -> None:
    async with scripted(says("Blue.", finish="stop", usage=None, **{field: "Hmm."})) as (model, _):
        answer = await model.chat(HELLO)
    assert (answer.thinking, answer.text) == ("Hmm.", "Blue.")


async def test_a_model_that_only_thought_is_said_to_need_more_tokens() -> None:
    async with scripted(says(finish="length")) as (model, _):
        answer = await model.chat(HELLO)
    assert answer.truncated
    assert "max_tokens" in answer.notes[0].en


async def test_a_filtered_answer_is_refused() -> None:
    async with scripted(says("Well, ", finish="content_filter")) as (model, _):
        assert isinstance(await refusal(model), AnswerRefused)


async def test_a_model_that_declines_is_quoted_but_the_request_is_not() -> None:
    private = "an unpublished paper about squids and their ink"
    request = ChatRequest(f"Summarise {private}.")
    async with scripted(says(refusal="I cannot do that."), says(refusal=f"I won't talk of {private}.")) as (model, _):
        first, second = await refusal(model, request), await refusal(model, request)
    assert isinstance(first, AnswerRefused)
    assert "I cannot do that." in str(first)
    assert isinstance(second, AnswerRefused)
    assert "squids" not in second.message.en + second.message.ja


async def test_an_answer_that_should_be_json_and_is_not_is_unusable() -> None:
    async with scripted(says("Sure! Red.")) as (model, _):
        assert isinstance(await refusal(model, ChatRequest("?", json_schema=COLOUR)), AnswerUnusable)


async def test_json_cut_at_its_limit_is_an_answer_that_says_so() -> None:
    async with scripted(says('{"colour": ', finish="length")) as (model, _):
        assert (await model.chat(ChatRequest("?", json_schema=COLOUR))).truncated


# What a server refuses is said otherwise, and remembered.


async def test_a_model_without_schemas_is_asked_for_json_and_shown_the_schema() -> None:
    no = fails(400, "This model does not support response format `json_schema`.", param="response_format")
    async with scripted(no, says('{"colour": "red"}'), says('{"colour": "red"}')) as (model, server):
        for _ in range(2):
            await model.chat(ChatRequest("Colour?", system="Be brief.", json_schema=COLOUR))
    strict, *milder = (request.body for request in server.requests)
    assert strict["response_format"]["json_schema"] == {"name": "answer", "schema": COLOUR, "strict": True}
    assert len(milder) == 2
    for body in milder:
        assert body["response_format"] == {"type": "json_object"}
        assert json.dumps(COLOUR) in body["messages"][0]["content"]
        assert body["messages"][0]["content"].startswith("Be brief.")


async def test_a_server_without_any_format_is_asked_in_words() -> None:
    no = fails(400, "response_format is not supported")
    async with scripted(no, no, says('{"colour": "red"}')) as (model, server):
        await model.chat(ChatRequest("Colour?", json_schema=COLOUR))
    assert "response_format" not in server.requests[-1].body


async def test_a_schema_refused_as_strict_is_tried_as_a_loose_one_and_then_blamed() -> None:
    no = fails(400, "Invalid schema for response_format 'answer': uniqueItems.", param="response_format")
    async with scripted(no, no, says('{"colour": "red"}')) as (model, server):
        assert isinstance(await refusal(model, ChatRequest("?", json_schema=COLOUR)), InvalidInput)
        await model.chat(ChatRequest("?", json_schema=COLOUR))
    kept = [request.body["response_format"]["json_schema"]["strict"] for request in server.requests]
    assert kept == [True, False, True]


async def test_a_thinking_model_is_told_its_limit_by_the_newer_name_and_no_temperature() -> None:
    limit = fails(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens")
    warmth = fails(400, "Unsupported value: 'temperature' does not support 0.0 with this model.", param="temperature")
    async with scripted(limit, warmth, says("a"), says("b")) as (model, server):
        await model.chat(HELLO)
        await model.chat(HELLO)
    *_, third, fourth = (request.body for request in server.requests)
    for body in (third, fourth):
        assert body["max_completion_tokens"] == 256
        assert not {"max_tokens", "temperature"} & set(body)


async def test_a_limit_that_is_refused_by_both_names_is_the_callers_to_lower() -> None:
    refused = [fails(400, f"'{name}' is too large", param=name) for name in ("max_tokens", "max_completion_tokens")]
    async with scripted(*refused, says("a")) as (model, server):
        assert isinstance(await refusal(model), InvalidInput)
        await model.chat(HELLO)
    assert "max_tokens" in server.requests[-1].body  # what did not help is not remembered


async def test_a_server_that_counts_nothing_is_not_asked_to() -> None:
    no = fails(422, "Extra inputs are not permitted: stream_options")
    async with scripted(no, says("a")) as (model, server):
        await model.chat(HELLO)
    assert "stream_options" not in server.requests[-1].body


async def test_not_thinking_is_asked_for_as_far_as_the_model_allows() -> None:
    no = fails(400, "Unsupported value: 'reasoning_effort'", param="reasoning_effort")
    async with scripted(no, no, says("a")) as (model, server):
        await model.chat(replace(HELLO, think=False))
    efforts = [request.body.get("reasoning_effort") for request in server.requests]
    assert efforts == ["none", "minimal", None]


async def test_a_model_that_cannot_think_refuses_to() -> None:
    no = fails(400, "Unrecognized request argument supplied: reasoning_effort")
    async with scripted(no) as (model, _):
        error = await refusal(model, replace(HELLO, think=True))
    assert isinstance(error, InvalidInput)
    assert "reasoning_effort" in str(error)


@pytest.mark.parametrize("change", [{"max_tokens": 0}, {"temperature": 2.5}, {"temperature": float("nan")}])
async def test_numbers_that_no_server_takes_are_refused_before_one_is_asked(change: dict[str, Any]) -> None:
    async with scripted() as (model, server):
        assert isinstance(await refusal(model, replace(HELLO, **change)), InvalidInput)
    assert not server.requests


@pytest.fixture
def _as_a_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripted server counts as one of the vendors, who are not asked by tests."""
    monkeypatch.setattr("hybrid_mcp.llm.openai._VENDORS", ("127.0.0.1",))


@pytest.mark.usefixtures("_as_a_vendor")
async def test_a_model_that_its_vendor_does_not_list_is_missing_before_anything_is_written() -> None:
    async with scripted(model="gpt-scriptde") as (model, server):
        with pytest.raises(ModelMissing) as refused:
            await model.check()
    for text in (refused.value.text("ja"), refused.value.text("en")):
        assert MODEL in text
        assert "HYBRID_MCP_OPENAI__MODEL" in text
    assert [request.path for request in server.requests] == ["/v1/models"]


@pytest.mark.usefixtures("_as_a_vendor")
async def test_a_model_that_its_vendor_lists_is_healthy() -> None:
    async with scripted() as (model, _):
        assert MODEL in (await model.check()).models


async def test_a_server_of_peoples_own_may_list_another_name_than_it_takes() -> None:
    async with scripted(model="gpt-scriptde") as (model, _):
        assert MODEL in (await model.check()).models


# Keys.


async def test_a_vendor_is_not_asked_without_a_key() -> None:
    for name, maker, settings in (("openai", "OpenAI", OpenAIServer()), ("groq", "Groq", GroqServer())):
        secret: SecretName = "openai_api_key" if name == "openai" else "groq_api_key"
        told = rf"no key for {maker}\. Set {secret.upper()} in the environment or in \.env\.hybrid"
        guard = Backend(name, parallel=1, deadline=5.0)
        model = ChatCompletions(name, settings, Keys(None), secret, Egress(Outgoing()), guard)
        for work in (model.check(), model.chat(HELLO)):
            with pytest.raises(KeyMissing, match=told):
                await work
        await model.close()


async def test_a_missing_key_is_known_before_a_client_is_opened() -> None:
    model = ChatCompletions(
        "openai",
        OpenAIServer(),
        Keys(None),
        "openai_api_key",
        Egress(Outgoing()),
        Backend("x", parallel=1, deadline=5.0),
    )
    with pytest.raises(KeyMissing):
        await model.check()
    assert model._client is None  # opening it imports for a second


async def test_a_key_is_asked_for_at_every_call() -> None:
    keys = Keys("sk-wrong")
    async with scripted(says("a"), keys=keys) as (model, _):
        error = await refusal(model)
        keys.value = "sk-test"
        assert (await model.chat(HELLO)).text == "a"
    assert isinstance(error, KeyRefused)
    assert "OPENAI_API_KEY" in str(error)
    assert "sk-" not in error.message.en + error.message.ja


async def test_an_account_without_credit_is_not_asked_again() -> None:
    async with scripted(fails(429, "You exceeded your current quota.", code="insufficient_quota")) as (model, server):
        error = await refusal(model)
    assert isinstance(error, KeyRefused)
    assert "credit" in str(error)
    assert len(server.requests) == 1


async def test_organization_and_project_are_told_to_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-ours")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-ours")
    async with scripted(says("a")) as (model, server):
        await model.chat(HELLO)
    assert not [name for name in server.requests[0].headers if name in ("openai-organization", "openai-project")]


async def test_a_request_is_not_logged_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(says("a")) as (model, _):
        await model.chat(ChatRequest("An unpublished paper about squids."))
    assert "squids" not in caplog.text
    assert "sk-test" not in caplog.text


# Trouble.


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_server_is_asked_again(status: int) -> None:
    async with scripted(fails(status), fails(status), says("At last.")) as (model, server):
        assert (await model.chat(HELLO)).text == "At last."
    assert len(server.requests) == 3


async def test_a_server_that_stays_busy_is_unavailable() -> None:
    async with scripted(*[fails(503)] * 3) as (model, server):
        error = await refusal(model)
    assert isinstance(error, EngineUnavailable)
    assert "503" in str(error)
    assert len(server.requests) == 3


async def test_a_server_that_wants_more_time_than_there_is_is_not_asked_again() -> None:
    async with scripted(fails(429, retry_after="3600")) as (model, server):
        error = await refusal(model)
    assert isinstance(error, EngineUnavailable)
    assert "in 3600 seconds" in str(error)
    assert len(server.requests) == 1


async def test_an_unknown_model_is_missing() -> None:
    async with scripted(fails(404, "The model `gpt-scripted` does not exist", code="model_not_found")) as (model, _):
        error = await refusal(model)
    assert isinstance(error, ModelMissing)
    assert "HYBRID_MCP_OPENAI__MODEL" in str(error)


@pytest.mark.parametrize(
    "no",
    [
        fails(400, "This model's maximum context length is 128000 tokens.", code="context_length_exceeded"),
        fails(400, "'max_tokens' is too large: the maximum context length is 4096 tokens."),
        fails(413, "Request too large for model."),
    ],
)
async def test_a_request_that_is_too_long_is_the_callers_to_shorten(no: Reply) -> None:
    async with scripted(no) as (model, _):
        error = await refusal(model)
    assert isinstance(error, InvalidInput)
    assert "too long" in str(error)


async def test_a_refusal_that_repeats_the_request_is_not_quoted() -> None:
    private = "an unpublished paper about squids and their ink"
    async with scripted(fails(422, f"Bad input: {private}"), fails(422, "Bad weather.")) as (model, _):
        first, second = [await refusal(model, ChatRequest(private)) for _ in range(2)]
    assert "squids" not in first.message.en + first.message.ja
    assert "Bad weather." in str(second)


async def test_a_connection_lost_before_the_first_word_is_made_again() -> None:
    async with scripted(breaks_off(), says("Whole.")) as (model, _):
        assert (await model.chat(HELLO)).text == "Whole."


@pytest.mark.parametrize("broken", [breaks_off("Half "), ends_early("Half ")])
async def test_an_answer_that_breaks_off_is_not_begun_again(broken: Reply) -> None:
    async with scripted(broken) as (model, server):
        error = await refusal(model)
    assert isinstance(error, EngineUnavailable)
    assert "middle of an answer" in str(error)
    assert len(server.requests) == 1


async def test_an_error_inside_the_stream_ends_the_answer() -> None:
    event = b'data: {"error": {"message": "Overloaded.", "type": "server_error"}}\n\n'
    half = says("Half ", finish=None)
    async with scripted(replace(half, body=(*half.body, event))) as (model, _):
        error = await refusal(model)
    assert isinstance(error, EngineUnavailable)
    assert "server_error" in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply((b"<html>Welcome</html>",), headers={"content-type": "text/html"}),
        Reply((b"nothing here",), status=404),
        Reply((b"",), status=302, headers={"location": "/elsewhere"}),
        answers(["a list"]),
    ],
)
async def test_what_does_not_speak_the_api_is_said_not_to(reply: Reply) -> None:
    async with serving(Scripted(), lambda _: reply) as server, model_at(server.url) as model:
        for work in (model.check(), model.chat(HELLO)):
            with pytest.raises(EngineUnavailable, match="does not speak"):
                await work


async def test_a_closed_port_is_unavailable(unused_tcp_port: int) -> None:
    async with model_at(f"http://127.0.0.1:{unused_tcp_port}/v1") as model:
        for work in (model.check(), model.chat(HELLO)):
            with pytest.raises(EngineUnavailable, match="cannot be reached"):
                await work


async def test_cancelling_closes_the_stream() -> None:
    async with scripted(never_ends("Well, ")) as (model, server):
        listener = Listener()
        task = asyncio.create_task(model.chat(HELLO, listener.watch))
        await listener.heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()


async def test_an_answer_that_takes_too_long_is_ended() -> None:
    async with scripted(never_ends("Well, "), deadline=0.05) as (model, server):
        assert isinstance(await refusal(model), DeadlineExceeded)
        await server.left.wait()


async def test_a_watchers_error_is_its_own() -> None:
    async def fail(_: str) -> None:
        raise ValueError("mine")

    async with scripted(says("a")) as (model, _):
        with pytest.raises(ValueError, match="mine"):
            await model.chat(HELLO, Watch(text=fail))


async def test_tokens_are_guessed_with_schema_and_tools() -> None:
    async with model_at("http://127.0.0.1:9/v1") as model:
        bare = await model.count(HELLO)
        assert 0 < bare < await model.count(replace(HELLO, json_schema=COLOUR, tools=(WEATHER,)))


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (COLOUR, True),
        ({"type": "array", "items": COLOUR}, True),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({**COLOUR, "required": []}, False),
        ({"anyOf": [COLOUR, {**COLOUR, "additionalProperties": True}]}, False),
    ],
)
def test_a_schema_is_strict_when_each_object_requires_all_it_lists(schema: dict[str, Any], strict: bool) -> None:
    assert is_strict(schema) == strict


async def test_a_list_of_models_deeper_than_python_reads_is_not_this_api() -> None:
    async with (
        serving(Scripted(), lambda _: Reply((b"[" * 200_000, b"]" * 200_000))) as server,
        model_at(server.url) as model,
    ):
        with pytest.raises(EngineUnavailable, match="does not speak"):
            await model.check()


@pytest.mark.parametrize("status", [400, 413, 418, 422])
async def test_a_check_that_is_refused_is_not_the_callers_fault(status: int) -> None:
    async with serving(Scripted(), lambda _: fails(status)) as server, model_at(server.url) as model:
        with pytest.raises(EngineUnavailable, match="does not speak"):
            await model.check()


async def test_a_server_that_drips_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_mcp.llm.openai._CHECK_WITHIN", 0.3)
    async with endless() as url, model_at(url) as model:
        with pytest.raises(EngineUnavailable, match=r"does not answer within 0\.3 seconds"):
            await model.check()


@pytest.mark.parametrize("key", ["sk-te\nst", "sk-tést", "sk-test ", "sk-\u200btest"])
async def test_a_key_with_stray_characters_is_refused_without_being_repeated(key: str) -> None:
    async with scripted(keys=Keys(key)) as (model, server):
        for work in (model.check(), model.chat(HELLO)):
            with pytest.raises(KeyRefused, match="stray characters") as refused:
                await work
            assert "sk-" not in repr(refused.value) + str(refused.value.__cause__)
    assert not server.requests


@pytest.mark.parametrize("status", [0, 302, 401, 503])
async def test_the_password_of_an_address_is_never_told(status: int, unused_tcp_port: int) -> None:
    async with serving(Scripted(), lambda _: fails(status)) as server:
        port = server.url.rpartition(":")[2] if status else unused_tcp_port
        async with model_at(f"http://user:MARKED@127.0.0.1:{port}/v1") as model:
            for work in (model.check(), model.chat(HELLO)):
                with pytest.raises(HybridError) as raised:
                    await work
                assert f"…@127.0.0.1:{port}" in raised.value.message.en
                assert "MARKED" not in raised.value.message.en + raised.value.message.ja

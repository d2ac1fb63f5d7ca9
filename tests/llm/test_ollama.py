from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import stamina
from conftest import ROOT, missing
from peers.ollama import (
    MODEL,
    PROXIED,
    OllamaServer,
    breaks_off,
    fails,
    fails_after,
    knows,
    never_ends,
    ollama_proxy,
    ollama_server,
    pulls,
    says,
)
from peers.scripted import Reply, Request, Scripted, answers, serving

from hybrid_mcp import config
from hybrid_mcp.backend import Backend
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerUnusable,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.llm.interface import ChatRequest, ToolCall, Turn, Watch
from hybrid_mcp.llm.ollama import Ollama, was_cut

pytestmark = pytest.mark.slow

COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
    "required": ["colour"],
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "properties": {"town": {"type": "string"}}},
    },
}
HELLO = ChatRequest("Hello.")
FETCHED = (
    {"status": "pulling manifest"},
    {"status": "pulling a", "digest": "sha256:a", "total": 100},
    {"status": "pulling a", "digest": "sha256:a", "total": 100, "completed": 60},
    {"status": "pulling b", "digest": "sha256:b", "total": 20, "completed": 20},
    {"status": "pulling a", "digest": "sha256:a", "total": 100, "completed": 100},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
)


@asynccontextmanager
async def ollama_at(url: str, *, deadline: float = 60.0, **settings: Any) -> AsyncIterator[Ollama]:
    made = Ollama(
        config.OllamaServer(url=url, **settings),
        Egress(config.Outgoing()),
        Backend("ollama", parallel=1, deadline=deadline, remember=0.0, answer_within=60),
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture(scope="session")
def document() -> Path:
    """Ollama's description of its API."""
    path = ROOT.parent / "shared" / "data" / "api" / "ollama_openapi.yaml"
    if not path.is_file():
        missing("no API document beside the checkout (../shared/data/api/ollama_openapi.yaml)")
    return path


@pytest.fixture
async def server(document: Path) -> AsyncIterator[OllamaServer]:
    async with ollama_server(document) as made:
        yield made


@pytest.fixture
async def ollama(server: OllamaServer) -> AsyncIterator[Ollama]:
    async with ollama_at(server.url) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy_url(models_dir: Path) -> AsyncIterator[str]:
    async with ollama_proxy(models_dir) as url:
        yield url


@pytest.fixture
async def proxied(proxy_url: str) -> AsyncIterator[Ollama]:
    async with ollama_at(proxy_url, model=PROXIED) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_waits_between_attempts() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


async def refusal(model: Ollama, request: ChatRequest = HELLO, watch: Watch = Watch()) -> HybridError:
    with pytest.raises(HybridError) as raised:
        await model.chat(request, watch)
    return raised.value


class Listener:
    """Collects what is told, and says when something was."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.fetched: list[tuple[int, int]] = []
        self.heard = asyncio.Event()
        self.watch = Watch(text=self._text, fetched=self._fetched)

    async def _text(self, piece: str) -> None:
        self.pieces.append(piece)
        self.heard.set()

    async def _fetched(self, done: int, total: int) -> None:
        self.fetched.append((done, total))
        self.heard.set()


# Before the proxy, with a real model behind it.


@pytest.mark.slow
async def test_a_real_model_answers_piece_by_piece(proxied: Ollama) -> None:
    listener = Listener()
    answer = await proxied.chat(ChatRequest("Say hello in one short sentence.", max_tokens=32), listener.watch)
    assert answer.text.strip()
    assert "".join(listener.pieces) == answer.text
    assert len([piece for piece in listener.pieces if piece]) > 1
    assert (answer.model, answer.engine) == (PROXIED, "ollama")


@pytest.mark.slow
async def test_a_real_model_keeps_a_schema(proxied: Ollama) -> None:
    answer = await proxied.chat(ChatRequest("Name a colour.", json_schema=COLOUR, max_tokens=64))
    assert json.loads(answer.text)["colour"] in ("red", "blue")


@pytest.mark.slow
async def test_a_real_model_writes_no_more_than_it_may(proxied: Ollama) -> None:
    answer = await proxied.chat(ChatRequest("Tell me a very long story.", max_tokens=3))
    assert 1 <= len(answer.text.split()) <= 3


@pytest.mark.slow
async def test_the_proxy_tells_its_version_and_models(proxied: Ollama) -> None:
    health = await proxied.check()
    assert health.version
    assert PROXIED in health.models
    assert PROXIED in [model.name for model in await proxied.models()]


# What is asked.


async def test_the_request_says_everything_ollama_would_otherwise_guess(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(says("Blue."))
    request = ChatRequest(
        "And now?",
        system="Be brief.",
        material="A paper.",
        turns=(Turn("user", "First?"), Turn("assistant", "Yes.")),
        max_tokens=77,
        temperature=0.25,
        think="low",
        tools=(WEATHER,),
        keep_alive="10m",
        context_tokens=2048,
    )
    answer = await ollama.chat(request)
    (body,) = server.asked("/api/chat")
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "A paper.\n\nFirst?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And now?"},
    ]
    assert (body["model"], body["stream"], body["think"], body["keep_alive"]) == (MODEL, True, "low", "10m")
    assert body["tools"] == [WEATHER]
    seed = body["options"].pop("seed")
    assert isinstance(seed, int)
    assert body["options"] == {"num_ctx": 2048, "num_predict": 77, "temperature": 0.25}
    assert (answer.text, answer.prompt_tokens, answer.completion_tokens) == ("Blue.", 26, 9)
    assert not answer.truncated
    assert not answer.notes


async def test_what_a_request_does_not_say_is_configured(document: Path) -> None:
    settings: dict[str, Any] = {"model": "other", "context_tokens": 1024, "max_tokens": 100, "keep_alive": "-1"}
    async with (
        ollama_server(document, says("a"), models={"other": knows()}) as server,
        ollama_at(server.url, **settings) as ollama,
    ):
        await ollama.chat(ChatRequest("Hi.", temperature=None, max_tokens=5000))
    (body,) = server.asked("/api/chat")
    assert (body["model"], body["keep_alive"]) == ("other", -1)
    assert (body["options"]["num_ctx"], body["options"]["num_predict"]) == (1024, 100)
    assert "temperature" not in body["options"]
    assert not server.asked("/api/show")


async def test_a_schema_is_handed_over_as_the_format(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(says('{"colour": ', '"red"}'))
    await ollama.chat(ChatRequest("Colour?", json_schema=COLOUR))
    assert server.asked("/api/chat")[0]["format"] == COLOUR


async def test_tools_in_another_form_are_refused_before_ollama_sees_them(server: OllamaServer, ollama: Ollama) -> None:
    assert isinstance(await refusal(ollama, replace(HELLO, tools=({"function": "weather"},))), InvalidInput)
    assert not server.asked("/api/chat")


@pytest.mark.parametrize("change", [{"max_tokens": 0}, {"temperature": -1.0}])
async def test_numbers_that_no_server_takes_are_refused(ollama: Ollama, change: dict[str, Any]) -> None:
    assert isinstance(await refusal(ollama, replace(HELLO, **change)), InvalidInput)


# What is answered.


async def test_thinking_and_tools_are_kept_apart_from_the_text(server: OllamaServer, ollama: Ollama) -> None:
    call = {"function": {"name": "weather", "arguments": {"town": "Oslo"}}}
    server.script.append(says("Let me see.", thinking="Hmm.", tool_calls=[call]))
    answer = await ollama.chat(replace(HELLO, tools=(WEATHER,), think=True))
    assert (answer.text, answer.thinking) == ("Let me see.", "Hmm.")
    assert answer.tool_calls == (ToolCall("weather", {"town": "Oslo"}),)


async def test_an_answer_cut_at_its_limit_says_so(server: OllamaServer, ollama: Ollama) -> None:
    server.script += [says("Once upon", end="length"), says(end="length", thinking="Hmm")]
    text, thought = [await ollama.chat(HELLO) for _ in range(2)]
    assert text.truncated
    assert not text.notes
    assert thought.truncated
    assert "max_tokens" in thought.notes[0].en


async def test_an_answer_that_should_be_json_and_is_not_is_unusable(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(says("Sure! Red."))
    assert isinstance(await refusal(ollama, replace(HELLO, json_schema=COLOUR)), AnswerUnusable)


async def test_a_prompt_that_was_cut_is_told_with_what_to_raise(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(says("Well.", read=514))
    answer = await ollama.chat(ChatRequest("squids " * 2000, context_tokens=1024))
    (note,) = answer.notes
    assert "514" in note.en
    assert "1024" in note.ja
    assert "squids" not in note.en
    for text in (note.ja, note.en):  # what every tool can use comes first: generate_script has no context_tokens
        assert text.index("HYBRID_MCP_OLLAMA__CONTEXT_TOKENS") < text.index("context_tokens")


ENGLISH = "The giant squid of the North Atlantic is seldom seen alive. "
JAPANESE = "北大西洋の大王烏賊が生きた姿で見られることはめったにない。"


@pytest.mark.parametrize(
    ("text", "read", "context", "cut"),
    [
        (ENGLISH * 100, 1310, 8192, False),  # about 13 tokens a sentence
        (JAPANESE * 100, 1800, 8192, False),
        (ENGLISH * 600, 8190, 8192, False),  # just fits
        (ENGLISH * 800, 8192, 8192, True),  # older Ollamas fill the context
        (ENGLISH * 800, 4098, 8192, True),  # newer ones fill half of it
        (JAPANESE * 500, 4102, 8192, True),
        (ENGLISH * 800, 2050, 32768, True),  # a model made for 4096
        (ENGLISH * 10, 138, 8192, False),
        (ENGLISH * 300, 4000, 8000, False),  # half of the context, and all there was
        (ENGLISH * 800, 0, 8192, False),  # not said
        ("Hi.", 31, 512, False),
    ],
)
def test_a_cut_prompt_is_told_from_a_whole_one(text: str, read: int, context: int, cut: bool) -> None:
    assert was_cut(read, ChatRequest(text), context) == cut


def test_turns_that_were_dropped_are_noticed() -> None:
    turns = tuple(Turn("user", ENGLISH * 100) for _ in range(8))
    assert was_cut(1320, ChatRequest("And now?", turns=turns), 4096)


# Its models.


async def test_models_are_told_with_their_sizes(document: Path) -> None:
    models = {MODEL: knows(40960, "completion", "thinking"), "embedder": knows(None, "embedding")}
    async with ollama_server(document, models=models) as server, ollama_at(server.url) as ollama:
        squid, embedder = await ollama.models()
    assert (squid.name, squid.size, squid.parameters, squid.quantization) == (MODEL, 5_200_000_000, "8.2B", "Q4_K_M")
    assert (squid.context_tokens, squid.abilities, squid.answers) == (40960, ("completion", "thinking"), True)
    assert (embedder.context_tokens, embedder.answers) == (None, False)


async def test_without_a_configured_model_the_first_that_answers_is_asked(document: Path) -> None:
    models = {"embedder": knows(None, "embedding"), MODEL: knows(), "other": knows()}
    script = [says("a"), says("b"), says("c")]
    async with ollama_server(document, *script, models=models) as server, ollama_at(server.url) as ollama:
        assert ollama.model == ""
        await ollama.chat(HELLO)
        assert ollama.model == MODEL
        await ollama.chat(HELLO)
        assert len(server.asked("/api/show")) == 2
        del server.models[MODEL]
        assert isinstance(await refusal(ollama), ModelMissing)
        await ollama.chat(HELLO)
        assert ollama.model == "other"


async def test_an_ollama_without_models_says_how_to_get_one(document: Path) -> None:
    async with ollama_server(document, models={}) as server, ollama_at(server.url) as ollama:
        error = await refusal(ollama)
        with pytest.raises(ModelMissing, match="ollama pull"):
            await ollama.check()
    assert isinstance(error, ModelMissing)
    assert "ollama pull" in str(error)


async def test_the_model_that_will_answer_is_known_once_it_was_asked_how_it_is(document: Path) -> None:
    async with ollama_server(document) as server, ollama_at(server.url) as ollama:
        await ollama.check()
        assert ollama.model == MODEL


async def test_a_configured_model_that_is_not_there_is_missed_before_anything_is_asked(document: Path) -> None:
    async with ollama_server(document) as server, ollama_at(server.url, model="absent:70b") as ollama:
        with pytest.raises(ModelMissing, match="ollama pull absent:70b"):
            await ollama.check()


async def test_a_missing_model_says_how_to_get_it(ollama: Ollama) -> None:
    error = await refusal(ollama, replace(HELLO, model="kraken"))
    assert isinstance(error, ModelMissing)
    assert "ollama pull kraken" in str(error)
    assert "pull=true" in str(error)


async def test_a_model_is_pulled_when_asked_to_and_its_bytes_are_told(server: OllamaServer, ollama: Ollama) -> None:
    server.pulls.append(pulls(*FETCHED))
    server.script += [says("At last."), says("Again.")]
    listener = Listener()
    request = replace(HELLO, model="kraken", pull=True)
    assert (await ollama.chat(request, listener.watch)).text == "At last."
    assert (await ollama.chat(request)).text == "Again."
    assert listener.fetched == [(0, 100), (60, 100), (80, 120), (120, 120)]
    assert len(server.asked("/api/pull")) == 1


async def test_a_model_named_without_its_tag_is_not_pulled_again(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(says("Here."))
    assert (await ollama.chat(replace(HELLO, model=MODEL.removesuffix(":latest"), pull=True))).text == "Here."
    assert not server.asked("/api/pull")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("pull model manifest: file does not exist", ModelMissing),
        ("write /models/blob: no space left on device", EngineError),
    ],
)
async def test_an_error_line_while_pulling_is_a_failure(
    server: OllamaServer, ollama: Ollama, said: str, kind: type[HybridError]
) -> None:
    server.pulls.append(pulls(FETCHED[0], {"error": said}))
    error = await refusal(ollama, replace(HELLO, model="kraken", pull=True))
    assert type(error) is kind
    assert not server.asked("/api/chat")


async def test_a_pull_that_ends_before_it_succeeded_is_a_failure(server: OllamaServer, ollama: Ollama) -> None:
    server.pulls.append(pulls(*FETCHED[:-1]))
    assert isinstance(await refusal(ollama, replace(HELLO, model="kraken", pull=True)), EngineUnavailable)


async def test_cancelling_stops_a_pull(server: OllamaServer, ollama: Ollama) -> None:
    server.pulls.append(replace(pulls(*FETCHED[:3]), end="never"))
    listener = Listener()
    task = asyncio.create_task(ollama.chat(replace(HELLO, model="kraken", pull=True), listener.watch))
    await listener.heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.left.wait()


# Trouble.


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (fails(400, f'"{MODEL}" does not support thinking'), InvalidInput, "cannot think"),
        (fails(400, 'think value "low" is not supported for this model'), InvalidInput, "cannot think"),
        (fails(400, f"registry.ollama.ai/library/{MODEL} does not support tools"), InvalidInput, "cannot use tools"),
        (fails(400, "invalid format"), InvalidInput, "invalid format"),
        (fails(401, "unauthorized"), KeyRefused, "ollama signin"),
        (fails(500, "model requires more system memory (9 GiB)"), EngineError, "more system memory (9 GiB)"),
        (fails_after("Half ", error="runner terminated"), EngineError, "runner terminated"),
        (breaks_off("Half "), EngineUnavailable, "broke off"),
        (says("Half ", end=None), EngineUnavailable, "broke off"),
        (fails(302, "elsewhere"), EngineUnavailable, "is not Ollama"),
        (Reply((b"<html>",)), EngineUnavailable, "is not Ollama"),
        (Reply((b"[1]\n",)), EngineUnavailable, "is not Ollama"),
        (Reply((b'{"a": 1}\n',)), EngineUnavailable, "is not Ollama"),
    ],
)
async def test_what_ollama_refuses_or_fails_at_is_said(
    server: OllamaServer, ollama: Ollama, reply: Reply, kind: type[HybridError], words: str
) -> None:
    server.script.append(reply)
    error = await refusal(ollama, replace(HELLO, think=True))
    assert type(error) is kind
    assert words in str(error)
    assert len(server.asked("/api/chat")) == 1


async def test_a_busy_ollama_is_asked_again(server: OllamaServer, ollama: Ollama) -> None:
    server.script += [fails(503, "server busy, please try again"), says("Now.")]
    assert (await ollama.chat(HELLO)).text == "Now."


async def test_a_refusal_that_repeats_the_request_is_not_quoted(server: OllamaServer, ollama: Ollama) -> None:
    private = "an unpublished paper about squids and their ink"
    server.script.append(fails(500, f"cannot tokenise: {private}"))
    error = await refusal(ollama, ChatRequest(private))
    assert "squids" not in error.message.en + error.message.ja


async def test_a_server_that_is_not_ollama_is_said_not_to_be() -> None:
    for reply in (answers({"version": 1}, 404), answers(["a list"]), answers({}), Reply((b"<html>",))):

        def always(_: object, reply: Reply = reply) -> Reply:
            return reply

        async with serving(Scripted(), always) as server, ollama_at(server.url) as ollama:
            for work in (ollama.check, ollama.models):
                with pytest.raises(EngineUnavailable, match="is not Ollama"):
                    await work()


async def test_a_closed_port_is_unavailable(unused_tcp_port: int) -> None:
    async with ollama_at(f"http://127.0.0.1:{unused_tcp_port}", model=MODEL) as ollama:
        with pytest.raises(EngineUnavailable, match="ollama serve"):
            await ollama.check()
        assert isinstance(await refusal(ollama), EngineUnavailable)


async def test_without_an_address_it_is_not_configured() -> None:
    async with ollama_at("") as ollama:
        for work in (ollama.check, ollama.models):
            with pytest.raises(EngineUnavailable, match="not configured"):
                await work()
        assert isinstance(await refusal(ollama), EngineUnavailable)


async def test_cancelling_closes_the_stream(server: OllamaServer, ollama: Ollama) -> None:
    server.script.append(never_ends("Well, "))
    listener = Listener()
    task = asyncio.create_task(ollama.chat(HELLO, listener.watch))
    await listener.heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await server.left.wait()


async def test_an_answer_that_takes_too_long_is_ended(server: OllamaServer) -> None:
    server.script.append(never_ends("Well, "))
    async with ollama_at(server.url, model=MODEL, deadline=0.05) as ollama:
        assert isinstance(await refusal(ollama), DeadlineExceeded)
        await server.left.wait()


async def test_a_watchers_error_is_its_own(server: OllamaServer, ollama: Ollama) -> None:
    async def fail(_: str) -> None:
        raise httpx2.ConnectError("mine")

    server.script.append(says("a"))
    with pytest.raises(httpx2.ConnectError, match="mine"):
        await ollama.chat(HELLO, Watch(text=fail))


async def test_tokens_are_guessed_with_schema_and_tools(ollama: Ollama) -> None:
    assert 0 < await ollama.count(HELLO) < await ollama.count(replace(HELLO, json_schema=COLOUR, tools=(WEATHER,)))


async def test_a_version_deeper_than_python_reads_is_not_ollamas() -> None:
    deep = Reply((b"[" * 200_000, b"]" * 200_000))
    async with serving(Scripted(), lambda _: deep) as server, ollama_at(server.url) as ollama:
        with pytest.raises(EngineUnavailable, match="is not Ollama"):
            await ollama.check()


def lists(reply_to_show: Reply) -> Callable[[Request], Reply]:
    """An Ollama with one model, of which it says this."""
    said = {"/api/version": {"version": "0"}, "/api/tags": {"models": [{"name": MODEL, "model": MODEL}]}}
    return lambda request: answers(said[request.path]) if request.path in said else reply_to_show


async def test_a_check_that_is_refused_is_not_the_callers_fault() -> None:
    refused = answers({"error": "no"}, 400)
    async with serving(Scripted(), lists(refused)) as server, ollama_at(server.url) as ollama:
        with pytest.raises(EngineUnavailable, match="is not Ollama"):
            await ollama.check()


async def test_a_server_that_does_not_come_to_describe_its_models_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hybrid_mcp.llm.ollama._CHOOSE_WITHIN", 0.3)
    silent = Reply((b"{",), end="never")
    async with serving(Scripted(), lists(silent)) as server, ollama_at(server.url) as ollama:
        with pytest.raises(EngineUnavailable, match="cannot be reached"):
            await ollama.check()


async def test_the_password_of_an_address_is_never_told(unused_tcp_port: int) -> None:
    async with serving(Scripted(), lambda _: answers({}, 418)) as server:
        for port in (server.url.rpartition(":")[2], unused_tcp_port):
            async with ollama_at(f"http://user:MARKED@127.0.0.1:{port}", model=MODEL) as ollama:
                for work in (ollama.check(), ollama.models(), ollama.chat(HELLO)):
                    with pytest.raises(HybridError) as raised:
                        await work
                    assert f"…@127.0.0.1:{port}" in raised.value.message.en
                    assert "MARKED" not in raised.value.message.en + raised.value.message.ja

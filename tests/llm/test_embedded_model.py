from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hybrid_mcp import models
from hybrid_mcp.errors import DeadlineExceeded, EngineError, InvalidInput, ModelMissing
from hybrid_mcp.languages import Language
from hybrid_mcp.llm import embedded
from hybrid_mcp.llm.embedded import LlamaCpp
from hybrid_mcp.llm.interface import ChatRequest, Watch

pytestmark = pytest.mark.slow

CONTEXT = 1024
LONG = ChatRequest("Count from one to a thousand in words, and never stop.", max_tokens=900, temperature=0.0)


def weights(models_dir: Path) -> Path:
    return models_dir / "smollm2-135m-instruct" / "smollm2-135m-instruct-q4_1.gguf"


def model_of(path: Path, *, context_tokens: int = CONTEXT, deadline: float = 120.0) -> LlamaCpp:
    return LlamaCpp(path.stem, lambda: path, context_tokens=context_tokens, deadline=deadline, threads=1)


@pytest.fixture
async def model(models_dir: Path) -> AsyncIterator[LlamaCpp]:
    made = model_of(weights(models_dir))
    yield made
    await made.close()


class Stopwatch:
    """Keeps the pieces and says when a number of them has come."""

    def __init__(self, after: int) -> None:
        self.seen: list[str] = []
        self.reached = asyncio.Event()
        self._after = after

    async def __call__(self, piece: str) -> None:
        self.seen.append(piece)
        if len(self.seen) >= self._after:
            self.reached.set()


async def test_an_answer_is_text_with_its_counts_and_the_model(model: LlamaCpp) -> None:
    answer = await model.chat(ChatRequest("Say hello in one short sentence."))
    assert answer.text.strip()
    assert answer.model == "smollm2-135m-instruct-q4_1"
    assert answer.prompt_tokens > 10
    assert 1 <= answer.completion_tokens <= 256
    assert not answer.truncated


async def test_the_same_request_gives_the_same_answer_whatever_came_between(model: LlamaCpp) -> None:
    request = ChatRequest("Name a colour.", temperature=0.9, max_tokens=24)
    first = await model.chat(request)
    await model.chat(ChatRequest("Name an animal, please.", max_tokens=8))
    assert await model.chat(request) == first


async def test_an_answer_cut_at_its_limit_says_so(model: LlamaCpp) -> None:
    answer = await model.chat(ChatRequest("Tell me a long story.", max_tokens=5))
    assert answer.truncated
    assert answer.completion_tokens == 5


async def test_an_answer_cut_at_the_end_of_the_context_says_so(models_dir: Path) -> None:
    context = 256
    model = model_of(weights(models_dir), context_tokens=context)
    endless = {"type": "string", "minLength": 700}
    answer = await model.chat(ChatRequest("hello " * (context - 80), json_schema=endless, max_tokens=200))
    assert answer.truncated
    assert context - 2 <= answer.prompt_tokens + answer.completion_tokens <= context
    await model.close()


async def test_the_answer_is_told_piece_by_piece(model: LlamaCpp) -> None:
    watch = Stopwatch(1)
    answer = await model.chat(ChatRequest("Tell me a long story.", max_tokens=12), Watch(watch))
    assert 1 < len(watch.seen) <= 12
    assert "".join(watch.seen) == answer.text


async def test_the_system_text_reaches_the_model(model: LlamaCpp) -> None:
    plain = await model.chat(ChatRequest("Hi", max_tokens=1))
    told = await model.chat(ChatRequest("Hi", system="You answer like a pirate. " * 20, max_tokens=1))
    assert told.prompt_tokens > plain.prompt_tokens + 50


async def test_a_schema_is_kept(model: LlamaCpp) -> None:
    schema = {
        "type": "object",
        "properties": {
            "mood": {"enum": ["calm", "tense"]},
            "year": {"type": "string", "pattern": "^[0-9]{4}$"},
        },
        "required": ["mood", "year"],
        "additionalProperties": False,
    }
    answer = await model.chat(ChatRequest("Describe a storm as JSON.", json_schema=schema))
    value = json.loads(answer.text)
    assert value["mood"] in ("calm", "tense")
    assert value["year"].isdigit()
    assert set(value) == {"mood", "year"}


async def test_a_json_answer_that_is_cut_is_marked_and_not_parsed(model: LlamaCpp) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "minLength": 200}}, "required": ["a"]}
    answer = await model.chat(ChatRequest("JSON please", json_schema=schema, max_tokens=6))
    assert answer.truncated


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "objct"}, "objct"),
        ({"properties": 5}, "properties"),
        ({"enum": []}, "enum"),
        ({"$ref": "https://example.org/schema"}, "$ref"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "grammar"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2001}, "2000 at most"),
        ({"type": "string", "pattern": "^[a-z$"}, "pattern"),
        ({"type": "string", "pattern": "abc"}, "^"),
        ({"type": "string", "pattern": "^(?=a)b$"}, "support"),
        ({"type": "string", "pattern": "^\\d{3}$"}, "[0-9] for"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1_000_000_000}, "2000 at most"),
        ({"type": "string", "maxLength": 1_000_000}, "2000 at most"),
        ({"type": "string", "pattern": "^a{5,2}$"}, "min repeat"),
        ({"type": "string", "pattern": "^a{5, 2}$"}, "support"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 2}, "minItems"),
        ({"properties": {"a": {"anyOf": [{"type": "string", "minLength": 9, "maxLength": 1}]}}}, "minLength"),
        ({"type": "integer", "minimum": 5, "maximum": -5}, "minimum"),
        ({"const": float("nan")}, "JSON"),
        ({"const": {1, 2}}, "JSON"),
        ({"description": "x" * 30_000}, "characters"),
    ],
)
async def test_a_schema_that_cannot_be_enforced_is_refused(model: LlamaCpp, schema: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInput, match="schema") as refused:
        await model.chat(ChatRequest("JSON please", json_schema=schema, max_tokens=8))
    assert why in refused.value.text("en")
    japanese = refused.value.text("ja")
    assert "スキーマ" in japanese
    # What llama.cpp and Python say stays in brackets; the sentence is Japanese.
    assert not re.search(r"\b(the|is|has|it|must)\b", re.sub(r"\(.*\)", "", japanese))


async def test_a_schema_nested_without_end_is_refused(model: LlamaCpp) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidInput, match="nested"):
        await model.chat(ChatRequest("JSON please", json_schema=schema))


async def test_a_property_may_be_called_pattern(model: LlamaCpp) -> None:
    schema = {"type": "object", "properties": {"pattern": {"enum": ["dots"]}}, "required": ["pattern"]}
    answer = await model.chat(ChatRequest("JSON please", json_schema=schema))
    assert json.loads(answer.text)["pattern"] == "dots"


async def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(model: LlamaCpp) -> None:
    with pytest.raises(InvalidInput) as refused:
        await model.chat(ChatRequest("hello " * 3000))
    languages: tuple[Language, ...] = ("en", "ja")
    for language in languages:
        text = refused.value.text(language)
        assert "30" in text
        assert "1024" in text
        assert "HYBRID_MCP_LLM__CONTEXT_TOKENS" in text


async def test_beyond_what_the_model_was_trained_for_raising_the_context_is_not_advised(models_dir: Path) -> None:
    model = model_of(weights(models_dir), context_tokens=20_000)
    with pytest.raises(InvalidInput, match="8192") as refused:
        await model.chat(ChatRequest("hello " * 9000))
    assert "HYBRID_MCP_LLM__CONTEXT_TOKENS" not in refused.value.text("en")
    await model.close()


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (ChatRequest("hi", max_tokens=0), "max_tokens"),
        (ChatRequest("hi", temperature=-1.0), "temperature"),
        (ChatRequest("hi", temperature=float("nan")), "temperature"),
        (ChatRequest("hi \ud800"), "surrogate"),
        (ChatRequest("hi", system="\udfff"), "surrogate"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(model: LlamaCpp, request_: ChatRequest, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        await model.chat(request_)


async def test_cancelling_stops_the_generation_and_the_next_answer_comes(model: LlamaCpp) -> None:
    watch = Stopwatch(5)
    task = asyncio.create_task(model.chat(LONG, Watch(watch)))
    async with asyncio.timeout(60):
        await watch.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    heard = len(watch.seen)
    assert heard < LONG.max_tokens
    async with asyncio.timeout(60):
        assert (await model.chat(ChatRequest("Hi", max_tokens=3))).text
    assert len(watch.seen) == heard


async def test_cancelling_twice_still_waits_for_the_thread(model: LlamaCpp) -> None:
    watch = Stopwatch(3)
    task = asyncio.create_task(model.chat(LONG, Watch(watch)))
    async with asyncio.timeout(60):
        await watch.reached.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not model._turn.locked()
    assert model._thread is not None
    assert model._thread._work_queue.empty()


async def test_cancelling_while_a_long_prompt_is_read_stops_that_too(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, loop = asyncio.Event(), asyncio.get_running_loop()
    chunks: list[dict[str, Any]] = []
    keep = embedded._Run._chunk

    def chunk(run: embedded._Run, came: dict[str, Any]) -> bool:
        chunks.append(came)
        loop.call_soon_threadsafe(reading.set)
        return keep(run, came)

    monkeypatch.setattr(embedded._Run, "_chunk", chunk)
    model = model_of(weights(models_dir), context_tokens=8192)
    watch = Stopwatch(1)
    task = asyncio.create_task(model.chat(ChatRequest("hello " * 7000, max_tokens=5), Watch(watch)))
    async with asyncio.timeout(60):
        await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not watch.seen
    last = chunks[-1]["prompt_progress"]
    assert last["processed"] < last["total"]
    await model.close()


async def test_a_caller_that_fails_while_listening_stops_the_generation(model: LlamaCpp) -> None:
    async def hang_up(piece: str) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await model.chat(LONG, Watch(hang_up))
    assert not model._turn.locked()


async def test_the_deadline_ends_an_answer(models_dir: Path) -> None:
    model = model_of(weights(models_dir), deadline=0.2)
    with pytest.raises(DeadlineExceeded, match="HYBRID_MCP_LLM__DEADLINE"):
        await model.chat(LONG)
    assert not model._turn.locked()
    await model.close()


async def test_answers_asked_for_at_once_all_come(model: LlamaCpp) -> None:
    async with asyncio.timeout(100):
        answers = await asyncio.gather(
            *(model.chat(ChatRequest(f"Say the number {n}.", max_tokens=5)) for n in range(4))
        )
    assert all(answer.text for answer in answers)


async def test_the_loop_runs_on_while_the_model_writes(model: LlamaCpp) -> None:
    await model.chat(ChatRequest("Hi", max_tokens=1))
    task = asyncio.create_task(model.chat(ChatRequest("Tell me a story.", max_tokens=20)))
    turns = 0
    while not task.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await task).text
    assert turns > 100


async def test_missing_weights_are_named_with_the_remedy_and_found_once_they_are_fetched(
    models_dir: Path, tmp_path: Path
) -> None:
    def find() -> Path:
        return weights(models.path_of(models.SMOLLM2, tmp_path).parent)

    model = LlamaCpp("smollm2", find, context_tokens=CONTEXT, deadline=120)
    folder = models_dir / models.SMOLLM2.folder
    with pytest.raises(ModelMissing, match="hybrid-mcp models fetch"):
        await model.chat(ChatRequest("Hi"))
    shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("verified.json"))
    with pytest.raises(ModelMissing, match="hybrid-mcp models fetch"):  # nobody has verified them
        await model.chat(ChatRequest("Hi"))
    shutil.copy(folder / "verified.json", tmp_path / folder.name)
    assert (await model.chat(ChatRequest("Hi", max_tokens=2))).model == "smollm2"
    await model.close()


@pytest.mark.parametrize("size", [0, 100, 1_000_000])
async def test_damaged_weights_are_an_engine_error(models_dir: Path, tmp_path: Path, size: int) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(weights(models_dir).read_bytes()[:size])
    model = model_of(damaged)
    with pytest.raises(EngineError, match="damaged"):
        await model.chat(ChatRequest("Hi"))
    await model.close()


async def test_a_closed_model_opens_again_when_it_is_asked(model: LlamaCpp) -> None:
    await model.chat(ChatRequest("Hi", max_tokens=1))
    await model.close()
    await model.close()
    assert (await model.chat(ChatRequest("Hi", max_tokens=1))).completion_tokens == 1


async def test_nothing_is_ever_written_to_stdout(models_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = model_of(weights(models_dir))
    await model.chat(ChatRequest("Hi", max_tokens=3))
    with pytest.raises(InvalidInput):
        await model.chat(ChatRequest("hello " * 3000))
    with pytest.raises(InvalidInput):
        await model.chat(
            ChatRequest("Hi", json_schema={"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}),
        )
    task = asyncio.create_task(model.chat(LONG))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.close()
    assert capfd.readouterr().out == ""


GENERATING = (
    "/completion",
    "/completions",
    "/v1/completions",
    "/chat/completions",
    "/v1/chat/completions",
    "/api/chat",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/infill",
    "/embedding",
    "/v1/embeddings",
    "/rerank",
    "/tokenize",
    "/apply-template",
    "/slots/0?action=save",
)


async def test_without_its_key_the_loopback_port_answers_nobody(model: LlamaCpp) -> None:
    await model.chat(ChatRequest("Hi", max_tokens=1))
    base = model._server.listening_address
    assert base.startswith("http://127.0.0.1:")

    def status(route: str, key: str) -> int:
        body = json.dumps({"prompt": "hi", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with httpx2.Client(trust_env=False, timeout=30) as client:
            return client.post(base + route, content=body, headers=headers).status_code

    for route in GENERATING:
        assert await asyncio.to_thread(status, route, "") == 401, route
        assert await asyncio.to_thread(status, route, "guess") == 401, route

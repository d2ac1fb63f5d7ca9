"""A small language model in this process: llama.cpp through xllamacpp."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import DeadlineExceeded, EngineError, InvalidInput, NotFound
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.checking import check_numbers
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, Watch, guessed_tokens
from hybrid_mcp.telemetry import Measured
from hybrid_mcp.threads import ended, in_thread

_SEED = 20_261_122
"""Any fixed number: the same request gives the same answer."""
_PROMPT_BATCH = 128
"""Tokens of a prompt that are read at once, and so the longest wait for a cancelled one.

Measured on 2 cores with SmolLM2-135M: half a second; 512 reads a prompt 4 % faster, 32 20 % slower.
"""
_SCHEMA_CHARACTERS = 20_000
_SCHEMA_DEPTH = 64
"""Limits of a JSON schema: far above what people write, far below what exhausts a parser's stack."""
_BOUNDS = (
    ("minItems", "maxItems"),
    ("minLength", "maxLength"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)
_LITERAL = ("const", "enum", "default", "examples")
"""Keywords whose values are data, not schemas."""
_COUNTED = ("minItems", "minLength")
_LARGEST_COUNT = 2000
"""llama.cpp writes every repetition out, and prints a grammar that grew too large to stderr."""
_CLASS_ESCAPE = re.compile(r"\\[A-Za-z0-9]")
"""\\d, \\w, \\b and their like: llama.cpp would accept any string in their place."""
_OTHER_GROUP = re.compile(r"\(\?(?!:)")
"""Lookarounds and named groups: llama.cpp would accept any string in their place."""


class LlamaCpp:
    """A GGUF file answered by llama.cpp, loaded at first use.

    One answer at a time; others wait their turn, which does not count towards their deadline.
    Loading holds the interpreter for a moment (0.3 s for 100 MB, longer from a cold disk), because
    xllamacpp does not release it there; generating does release it.
    """

    name = "embedded"
    languages: tuple[str, ...] = ("en",)
    """The embedded weights (SmolLM2-135M) answer Japanese with repeated garbage (measured)."""
    prices = Prices()

    def __init__(
        self,
        model: str,
        weights: Callable[[], Path],
        *,
        context_tokens: int,
        deadline: float,
        threads: int = 0,
        measured: Measured = contextlib.nullcontext,
    ) -> None:
        """Nothing is opened yet.

        Args:
            model: what the model is called.
            weights: finds the GGUF file. Called in a thread at first use, and again after a failure: weights
                that were fetched meanwhile are found.
            context_tokens: room for prompt and answer together; the model's own limit also holds.
            deadline: seconds one answer is given.
            threads: CPU threads; 0 means all cores.
            measured: around each answer.
        """
        self.model = model
        self._weights = weights
        self.context_tokens = context_tokens
        self.max_output_tokens = context_tokens // 2
        self._threads = threads or os.cpu_count() or 1
        self._deadline = deadline
        self._measured = measured
        self._turn = asyncio.Lock()
        self._server: Any = None
        self._thread: ThreadPoolExecutor | None = None

    async def check(self) -> Health:
        """See `LanguageModel.check`: whether the weights are here; nothing is loaded."""
        if self._server is None:
            await in_thread(self._weights)
        return Health(f"xllamacpp {version('xllamacpp')}", models=(self.model,))

    async def models(self) -> tuple[ModelCard, ...]:
        """See `LanguageModel.models`."""
        weights = await in_thread(self._weights)
        return (ModelCard(self.model, self.context_tokens, weights.stat().st_size),)

    async def count(self, request: ChatRequest) -> int:
        """See `LanguageModel.count`: guessed, so that nothing is loaded for it."""
        return guessed_tokens(request.system + "".join(turn.text for turn in request.conversation()))

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        """Answer. Cancelling stops within a token (or one batch of a long prompt) and waits for that.

        Of a JSON schema llama.cpp enforces types, properties, required, enum, bounds, and anchored
        patterns; keywords it does not know are not enforced.

        Raises:
            InvalidInput: the prompt does not fit the context, the schema cannot be enforced, or tools are offered.
            NotFound: another model is asked for.
            ModelMissing: the weights are not here.
            DeadlineExceeded: the answer was not complete in time; the generation has stopped.
            EngineError: llama.cpp failed, or the weights are damaged.
        """
        if request.model not in ("", self.model):
            raise NotFound.named(Bilingual(ja="内蔵のモデル", en="embedded model"), request.model, [self.model])
        body = _body(request)
        async with self._turn:
            with self._measured("chat"):
                await self._load()
                return await self._generate(request, body, watch)

    async def close(self) -> None:
        """Free the model, after the answer that is being written."""
        async with self._turn:
            if self._thread is None:
                return
            await in_thread(self._drop, self._thread)
            self._thread.shutdown()
            self._thread = None

    async def _generate(self, request: ChatRequest, body: dict[str, Any], watch: Watch) -> ChatAnswer:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        run = _Run(lambda piece: loop.call_soon_threadsafe(pieces.put_nowait, piece))
        work = loop.run_in_executor(self._thread, run.generate, self._server, body)
        work.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            async with asyncio.timeout(self._deadline) as limit:
                while (piece := await pieces.get()) is not None:
                    await watch.text(piece)
        except TimeoutError as error:
            if not limit.expired():  # the watcher's own
                raise
            raise DeadlineExceeded(
                ja=f"{self.model} の回答が {self._deadline:g} 秒以内に終わりませんでした。"
                "max_tokens を減らすか、HYBRID_MCP_LLM__DEADLINE を増やしてください。",
                en=f"{self.model} did not finish its answer within {self._deadline:g} seconds. "
                "Lower max_tokens, or raise HYBRID_MCP_LLM__DEADLINE.",
            ) from error
        finally:
            run.stop.set()
            await ended(work)
        with _llama_errors(schema=request.json_schema is not None):
            work.result()
        return self._answer(request, run)

    async def _load(self) -> None:
        if self._server is not None:
            return
        weights = await in_thread(self._weights)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp")
        try:
            await in_thread(lambda: self._open(weights), self._thread)
        except (RuntimeError, MemoryError) as error:
            raise EngineError(
                ja=f"言語モデル {weights} を読み込めません ({error})。ファイルが壊れているか、メモリが"
                "足りません。壊れたファイルは `hybrid-mcp models fetch` が取り直します。",
                en=f"The language model {weights} cannot be loaded ({error}): the file is damaged or memory is "
                "short. A damaged file is fetched anew by `hybrid-mcp models fetch`.",
            ) from error

    def _open(self, weights: Path) -> None:
        import xllamacpp  # noqa: PLC0415  (loads llama.cpp)

        params = xllamacpp.CommonParams()
        params.model.path = str(weights)
        params.n_ctx = self.context_tokens
        params.n_batch = params.n_ubatch = _PROMPT_BATCH
        params.n_parallel = 1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._threads
        # Threads that spin for each other stand still where others work too: 80 tokens a second against fewer than
        # one, beside two busy processes on two cores (measured); on an idle machine nothing is lost.
        params.cpuparams.poll = params.cpuparams_batch.poll = 0
        params.sampling.seed = _SEED
        params.warmup = False
        params.verbosity = -1  # stdout may be the wire
        params.fit_params = False  # would load twice to guess a context size
        params.cache_ram_mib = 0  # otherwise up to 8 GiB of earlier prompts
        params.offline = True
        # The Server cannot be had without its loopback port: a key nobody is told closes it.
        params.api_keys = [secrets.token_urlsafe(32)]
        params.n_threads_http = 1
        params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
        self._server = xllamacpp.Server(params)

    def _drop(self) -> None:
        self._server = None

    def _answer(self, request: ChatRequest, run: _Run) -> ChatAnswer:
        if run.error is not None:
            raise self._refusal(run.error, schema=request.json_schema is not None)
        text = "".join(run.pieces)
        truncated = run.finish_reason == "length"
        if request.json_schema is not None and not truncated:
            try:
                json.loads(text)
            except ValueError as error:
                raise EngineError(
                    ja=f"{self.model} は JSON として読めない答えを返しました。もう一度試すか、スキーマを"
                    "簡単にしてください。",
                    en=f"{self.model} answered with something that is not JSON. Try again, or simplify the schema.",
                ) from error
        return ChatAnswer(
            text=text,
            model=self.model,
            prompt_tokens=run.usage.get("prompt_tokens", 0),
            completion_tokens=run.usage.get("completion_tokens", 0),
            truncated=truncated,
            engine=self.name,
        )

    def _refusal(self, error: Mapping[str, Any], *, schema: bool) -> InvalidInput | EngineError:
        said = str(error.get("message", error))
        if error.get("type") == "exceed_context_size_error":
            asked, room = error.get("n_prompt_tokens"), int(error.get("n_ctx", self.context_tokens))
            if room < self.context_tokens:  # the model was trained for less than was configured
                return InvalidInput(
                    ja=f"依頼は {asked} トークンですが、{self.model} が読めるのは {room} トークンまでです。"
                    "短くしてください。",
                    en=f"The request has {asked} tokens, but {self.model} can read no more than {room}. Shorten it.",
                )
            return InvalidInput(
                ja=f"依頼は {asked} トークンですが、文脈の長さは {room} トークンです。短くするか、"
                "HYBRID_MCP_LLM__CONTEXT_TOKENS を増やしてください。",
                en=f"The request has {asked} tokens, but the context holds {room}. Shorten it, or raise "
                "HYBRID_MCP_LLM__CONTEXT_TOKENS.",
            )
        if schema and "grammar" in said:
            return _unenforceable(said)
        if error.get("type") == "invalid_request_error":
            return InvalidInput(
                ja=f"llama.cpp が依頼を受け付けませんでした: {said}",
                en=f"llama.cpp refused the request: {said}",
            )
        return EngineError(ja=f"llama.cpp が失敗しました: {said}", en=f"llama.cpp failed: {said}")


@dataclass(slots=True)
class _Run:
    """One generation: filled in the engine's thread, read when that has ended."""

    tell: Callable[[str], object]
    stop: threading.Event = field(default_factory=threading.Event)
    pieces: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def generate(self, server: Any, body: dict[str, Any]) -> None:
        if not self.stop.is_set():
            server.handle_chat_completions(body, self._chunk)

    def _chunk(self, chunk: dict[str, Any]) -> bool:
        """Keep what came; True stops the generation.

        Must not raise: xllamacpp swallows a callback's exception and generates on (tried).
        """
        if "error" in chunk:
            self.error = chunk["error"]
            return True
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices", ()):
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            if piece := (choice.get("delta") or {}).get("content"):
                self.pieces.append(piece)
                self.tell(piece)  # a token, rarely two or three
        return self.stop.is_set()


def _body(request: ChatRequest) -> dict[str, Any]:
    """The request in the words of llama.cpp's `/v1/chat/completions`."""
    check_numbers(request)
    if request.tools:
        raise InvalidInput(
            ja="内蔵のモデルは tools を使えません。tools を外すか、Ollama を動かして engine=ollama にしてください。",
            en="The embedded model cannot use tools. Leave them out, or run Ollama and say engine=ollama.",
        )
    messages = [{"role": turn.role, "content": turn.text} for turn in request.conversation()]
    if request.system.strip():
        messages.insert(0, {"role": "system", "content": request.system})
    try:
        "".join(message["content"] for message in messages).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            ja="依頼に壊れた文字 (対になっていないサロゲート) が含まれています。取り除いてください。",
            en="The request holds a broken character (a lone surrogate). Remove it.",
        ) from error
    body: dict[str, Any] = {
        "messages": messages,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature or 0.0,
        "seed": _SEED,
        "stream": True,
        "stream_options": {"include_usage": True},
        # Called back per batch of the prompt, so that a long prompt can be cancelled too.
        "return_progress": True,
        # A prompt half remembered is computed in other batches, and the last bits decide near ties.
        "cache_prompt": False,
    }
    if request.json_schema is not None:
        schema = dict(request.json_schema)
        _check_schema(schema)
        body["response_format"] = {"type": "json_schema", "json_schema": {"schema": schema}}
    return body


def _check_schema(schema: dict[str, Any]) -> None:
    """Refuse what llama.cpp would choke on or quietly ignore.

    A bound like `minItems` above `maxItems` (or `{5,2}` in a pattern) makes its grammar compiler take
    all memory until the process is killed (tried with 2026.10), so this comes before it sees the schema.

    Raises:
        InvalidInput: saying what is wrong.
    """
    try:
        size = len(json.dumps(schema, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise _unusable(f"JSON ではありません ({error})", f"it is not JSON ({error})") from error
    if size > _SCHEMA_CHARACTERS:
        raise _unusable(
            f"{size} 文字あり、上限の {_SCHEMA_CHARACTERS} 文字を超えています",
            f"it has {size} characters, more than {_SCHEMA_CHARACTERS}",
        )
    left: list[tuple[Any, int]] = [(schema, 1)]
    while left:
        value, depth = left.pop()
        if depth > _SCHEMA_DEPTH:
            raise _unusable(f"入れ子が {_SCHEMA_DEPTH} 段を超えています", f"it is nested deeper than {_SCHEMA_DEPTH}")
        if isinstance(value, list):
            left.extend((item, depth + 1) for item in value)
        if not isinstance(value, dict):
            continue
        for lower, upper in _BOUNDS:
            least, most = value.get(lower), value.get(upper)
            if lower in _COUNTED and max(_number(least), _number(most)) > _LARGEST_COUNT:
                raise _unusable(
                    f"{lower} と {upper} は {_LARGEST_COUNT} までです",
                    f"{lower} and {upper} may be {_LARGEST_COUNT} at most",
                )
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                raise _unusable(
                    f"{lower} ({least}) が {upper} ({most}) より大きくなっています",
                    f"{lower} {least} is greater than {upper} {most}",
                )
        if isinstance(pattern := value.get("pattern"), str):
            _check_pattern(pattern)
        left.extend((item, depth + 1) for key, item in value.items() if key not in _LITERAL)


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _check_pattern(pattern: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise _unusable(
            f"pattern の {pattern!r} は正規表現として読めません ({error})",
            f"the pattern {pattern!r} is not a regular expression ({error})",
        ) from error
    # Python takes `{ 5,2}` literally where llama.cpp may read numbers: any braces with spaces are refused.
    if re.search(r"\{[^}]*\s", pattern) or _OTHER_GROUP.search(pattern) or _CLASS_ESCAPE.search(pattern):
        raise _unusable(
            f"pattern の {pattern!r} には llama.cpp が扱えない書き方があります (\\d は [0-9]、\\w は [A-Za-z0-9_] と書きます)",
            f"the pattern {pattern!r} uses what llama.cpp does not support (write [0-9] for \\d, [A-Za-z0-9_] for \\w)",
        )
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise _unusable(
            f"pattern の {pattern!r} は ^ で始め、$ で終えてください",
            f"the pattern {pattern!r} must begin with ^ and end with $",
        )


def _unusable(ja: str, en: str) -> InvalidInput:
    return InvalidInput(ja=f"この JSON スキーマは使えません: {ja}。", en=f"This JSON schema cannot be used: {en}.")


def _unenforceable(said: str) -> InvalidInput:
    return _unusable(f"llama.cpp が文法に直せません ({said})", f"llama.cpp cannot make a grammar of it ({said})")


@contextlib.contextmanager
def _llama_errors(*, schema: bool) -> Iterator[None]:
    """Turn what xllamacpp raises into our words."""
    try:
        yield
    except (ValueError, RuntimeError, MemoryError) as error:
        if schema and "schema" in str(error):
            raise _unenforceable(str(error).rpartition("generation failed: ")[2]) from error
        raise EngineError(ja=f"llama.cpp が失敗しました: {error}", en=f"llama.cpp failed: {error}") from error

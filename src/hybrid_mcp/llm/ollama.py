"""Ollama."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import httpx2

from hybrid_mcp.addresses import shown
from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import OllamaServer
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import InvalidInput, ModelMissing
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.checking import THOUGHT_ONLY, check_numbers, guessed_size, read_json
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, ToolCall, Watch, guessed_tokens
from hybrid_mcp.llm.ollama_errors import (
    Asked,
    broken_off,
    explained,
    no_model,
    no_models,
    not_configured,
    not_ollama,
    unreachable,
)
from hybrid_mcp.retrying import attempts
from hybrid_mcp.threads import in_thread

if TYPE_CHECKING:
    import ollama

_SEED = 20_261_122
"""Any fixed number: the same request gives the same answer."""
_CONNECT_WITHIN = 3.0
_CHECK_WITHIN = 1.0
_CHOOSE_WITHIN = 5.0
"""Seconds. The last is for a question about each model that cannot answer."""
_LEAST_READ = 0.4
"""Share of `guessed_tokens` that a whole prompt has at the least: English has about .7 of it, Japanese .5 and more."""
_CLEAR = 512
"""Guessed tokens from which that share tells."""
_HALF_GIVE_OR_TAKE = 8
"""Tokens that Ollama adds to half a context when it cuts: those it always keeps, and the ends of turns."""


class Ollama:
    """A `LanguageModel`: what the Ollama at one address has. Its client is opened at first use."""

    name = "ollama"
    languages: tuple[str, ...] = ()
    prices = Prices()

    def __init__(self, settings: OllamaServer, egress: Egress, backend: Backend) -> None:
        """Nothing is opened.

        Args:
            settings: the server and its model.
            egress: the way out.
            backend: the guard of this server.
        """
        self.context_tokens = settings.context_tokens
        self.max_output_tokens = settings.max_tokens
        self._settings = settings
        self._at = shown(settings.url)
        self._egress = egress
        self._backend = backend
        self._found = ""
        self._opening = asyncio.Lock()
        self._client: ollama.AsyncClient | None = None

    @property
    def model(self) -> str:
        """The configured model, or the one that was found; empty before any was asked for."""
        return self._settings.model or self._found

    async def check(self) -> Health:
        """See `LanguageModel.check`. An Ollama without the configured model, or without any, cannot be used yet."""
        if not self._settings.url:
            raise not_configured()
        return await self._backend.health(self._ask_health)

    async def count(self, request: ChatRequest) -> int:
        """See `LanguageModel.count`: guessed."""
        return guessed_size(request)

    async def models(self) -> tuple[ModelCard, ...]:
        """What it has, as it lists them: the newest first.

        Raises:
            EngineUnavailable: nobody answers, or it is not Ollama.
        """
        client = await self._opened()
        async with self._backend.call("models"):
            return tuple([model async for model in self._each(client)])

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        """See `LanguageModel.chat`. What Ollama cut from a prompt too long for its context is told in the notes.

        Raises:
            InvalidInput: the model cannot do what is asked for.
            ModelMissing: Ollama does not have the model, and `pull` was not said; or it has none at all.
            EngineUnavailable: nobody answers, it is not Ollama, or it broke off.
            DeadlineExceeded: the answer was not complete in time.
            AnswerUnusable: JSON was asked for and something else came.
            EngineError: Ollama failed.
        """
        check_numbers(request)
        client = await self._opened()
        model = request.model or self.model or await self._usual(client)
        if request.pull:
            await self._pull(client, model, request, watch)
        try:
            async with self._backend.call("chat"):
                async for attempt in attempts(self._backend.deadline):
                    with attempt:
                        answer = await self._answer(client, model, request, watch)
        except ModelMissing:
            self._found = ""  # the one that was found has been removed since
            raise
        return answer

    async def close(self) -> None:
        """Close the connections."""
        async with self._opening:
            if self._client is not None:
                await self._client.close()  # type: ignore[no-untyped-call]
                self._client = None

    async def _opened(self) -> ollama.AsyncClient:
        if not self._settings.url:
            raise not_configured()
        async with self._opening:
            if self._client is None:
                await in_thread(_import)
                import httpx  # noqa: PLC0415  (Ollama's client speaks through it, not through httpx2)
                import ollama  # noqa: PLC0415  (imported by now)

                # A model may load, and read a long prompt, for minutes: only the whole answer has a deadline.
                timeout = httpx.Timeout(self._settings.deadline, connect=_CONNECT_WITHIN)
                with explained(Asked(self._at, "", ChatRequest(""))):
                    self._client = ollama.AsyncClient(
                        self._settings.url, timeout=timeout, **self._egress.options(self._settings.url)
                    )
            return self._client

    async def _ask_health(self) -> Health:
        url = self._at
        try:
            async with asyncio.timeout(_CHECK_WITHIN), self._egress.client(self._settings.url) as client:
                version = (await client.get("/api/version")).raise_for_status().json()["version"]
                listed = (await client.get("/api/tags")).raise_for_status().json()["models"]
                names = tuple(str(model["name"]) for model in listed)
        except (httpx2.TransportError, httpx2.InvalidURL, TimeoutError) as error:
            raise unreachable(url) from error
        except (httpx2.HTTPStatusError, ValueError, RecursionError, LookupError, TypeError) as error:
            failing = isinstance(error, httpx2.HTTPStatusError) and error.response.is_server_error
            raise (unreachable(url) if failing else not_ollama(url)) from error
        if (wanted := self._settings.model) and not {wanted, f"{wanted}:latest"} & {*names}:
            raise no_model(url, wanted)
        if not wanted and self._found not in names:
            await self._choose()
        return Health(str(version), models=names)

    async def _choose(self) -> None:
        client = await self._opened()
        try:
            async with asyncio.timeout(_CHOOSE_WITHIN):
                self._found = await self._first(client)
        except TimeoutError as error:
            raise unreachable(self._at) from error
        except InvalidInput as error:  # there is nothing in it to be refused
            raise not_ollama(self._at) from error

    async def _each(self, client: ollama.AsyncClient) -> AsyncGenerator[ModelCard, None]:
        with explained(asked := Asked(self._at, "", ChatRequest(""))):
            listed = await client.list()
        for one in listed.models:
            asked.model = one.model or ""
            with explained(asked):
                shown = await client.show(asked.model)
            info = shown.modelinfo or {}
            lengths = [length for key, length in info.items() if key.endswith(".context_length")]
            yield ModelCard(
                name=asked.model,
                size=int(one.size) if one.size else None,
                parameters=(one.details and one.details.parameter_size) or "",
                quantization=(one.details and one.details.quantization_level) or "",
                context_tokens=lengths[0] if lengths and isinstance(lengths[0], int) else None,
                abilities=tuple(shown.capabilities or ()),
            )

    async def _usual(self, client: ollama.AsyncClient) -> str:
        async with self._backend.call("models"):
            self._found = await self._first(client)
        return self._found

    async def _first(self, client: ollama.AsyncClient) -> str:
        """The first model that can answer, rather than one that happens to be loaded: others' use decides nothing."""
        async with aclosing(self._each(client)) as models:
            async for model in models:
                if model.answers:
                    return model.name
        raise no_models(self._at)

    async def _pull(self, client: ollama.AsyncClient, model: str, request: ChatRequest, watch: Watch) -> None:
        """Fetch the model unless it is here. Cancelling stops Ollama too, which keeps what it has for the next time."""
        asked = Asked(self._at, model, request)
        with explained(asked):
            names = {one.model for one in (await client.list()).models}
        if model in names or f"{model}:latest" in names:
            return
        layers: dict[str, tuple[int, int]] = {}
        status = ""
        # Not through the guard: others would wait for gigabytes, and hours are no failure.
        async with aclosing(_pulled(client, asked)) as events:
            async for event in events:
                status = event.status or status
                if event.digest and event.total:
                    layers[event.digest] = (event.completed or 0, event.total)
                    done, total = (sum(counts) for counts in zip(*layers.values(), strict=True))
                    await watch.fetched(done, total)
        if status != "success":
            raise broken_off(self._at)

    async def _answer(self, client: ollama.AsyncClient, model: str, request: ChatRequest, watch: Watch) -> ChatAnswer:
        asked = Asked(self._at, model, request)
        heard = _Heard()
        async with aclosing(self._parts(client, asked)) as parts:
            async for part in parts:
                if piece := heard.take(part):
                    asked.told = True
                    await watch.text(piece)
        if (last := heard.last) is None:
            raise broken_off(self._at)
        text, truncated, read = "".join(heard.text), last.done_reason == "length", last.prompt_eval_count or 0
        if request.json_schema is not None and not truncated and not heard.calls:
            read_json(text, model)
        notes = [THOUGHT_ONLY] if truncated and not text else []
        if was_cut(read, request, context := self._context(request)):
            notes.append(_cut(read, context))
        return ChatAnswer(
            text=text,
            model=last.model or model,
            prompt_tokens=read,
            completion_tokens=last.eval_count or 0,
            truncated=truncated,
            engine=self.name,
            thinking="".join(heard.thinking),
            tool_calls=tuple(heard.calls),
            notes=tuple(notes),
        )

    async def _parts(self, client: ollama.AsyncClient, asked: Asked) -> AsyncGenerator[ollama.ChatResponse, None]:
        request = asked.request
        messages = [{"role": turn.role, "content": turn.text} for turn in request.conversation()]
        if request.system.strip():
            messages.insert(0, {"role": "system", "content": request.system})
        options: dict[str, Any] = {
            "num_ctx": self._context(request),
            "num_predict": min(request.max_tokens, self._settings.max_tokens),
            "seed": _SEED,
        }
        if request.temperature is not None:
            options["temperature"] = request.temperature
        try:
            stream = await client.chat(  # asks nothing yet
                model=asked.model,
                messages=messages,
                tools=request.tools,
                stream=True,
                think=request.think,
                format=None if request.json_schema is None else dict(request.json_schema),
                options=options,
                keep_alive=_duration(request.keep_alive or self._settings.keep_alive),
            )
        except ValueError as error:  # of pydantic, about what its types do not know
            raise InvalidInput(
                ja="tools か JSON スキーマが、Ollama の API の形ではありません。書き方を直してください。",
                en="The tools or the JSON schema are not in the form of Ollama's API. Correct them.",
            ) from error
        with explained(asked):
            async with aclosing(cast("AsyncGenerator[ollama.ChatResponse, None]", stream)) as parts:
                async for part in parts:
                    yield part

    def _context(self, request: ChatRequest) -> int:
        return request.context_tokens or self._settings.context_tokens


@dataclass(slots=True)
class _Heard:
    """What has come of an answer."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    last: ollama.ChatResponse | None = None
    """The part that says it is the last, and has the counts."""

    def take(self, part: ollama.ChatResponse) -> str:
        """Keep a part; its text is returned."""
        self.last = part if part.done else None
        self.thinking.append(part.message.thinking or "")
        self.calls += [
            ToolCall(call.function.name, dict(call.function.arguments)) for call in part.message.tool_calls or ()
        ]
        self.text.append(part.message.content or "")
        return self.text[-1]


def was_cut(read: int, request: ChatRequest, context: int) -> bool:
    """Whether Ollama left out a part of the prompt, which it does without a word.

    Its API offers no flag (ollama/ollama issues 3839 and 14259). Of a conversation longer than the context it drops
    the oldest turns; what is still too long is cut at its head, down to the whole context in older versions and to
    half of it, and a few tokens, in newer ones (issue 17427). The context may be smaller than asked for, where the
    model was made for less. So it was cut if it filled the context; if about half of it was read of what by our
    guess does not fit; or if much less was read than by our guess was sent.

    Args:
        read: tokens of the prompt that were read; 0 where the server does not say.
        request: what was sent.
        context: the context asked for, in tokens.
    """
    sent = guessed_tokens(request.system + "".join(turn.text for turn in request.conversation()))
    if not read:
        return False
    if read >= context:
        return True
    half = 0 <= read - context // 2 <= _HALF_GIVE_OR_TAKE
    return (half and sent > context) or (sent > _CLEAR and read < _LEAST_READ * sent)


def _cut(read: int, context: int) -> Bilingual:
    return Bilingual(
        ja=f"Ollama は依頼の一部を捨て、{read} トークンしか読んでいません (文脈は {context} トークン)。"
        "HYBRID_MCP_OLLAMA__CONTEXT_TOKENS (local_llm なら context_tokens も) を増やすか、依頼を短くしてください。",
        en=f"Ollama dropped a part of the request and read only {read} tokens of it (its context was to be {context}). "
        "Raise HYBRID_MCP_OLLAMA__CONTEXT_TOKENS (or context_tokens of local_llm), or shorten the request.",
    )


def _duration(keep_alive: str) -> str | float:
    """Ollama reads bare numbers (`0`, `-1`: seconds) only as numbers, and others only with their unit."""
    try:
        return float(keep_alive)
    except ValueError:
        return keep_alive


async def _pulled(client: ollama.AsyncClient, asked: Asked) -> AsyncGenerator[ollama.ProgressResponse, None]:
    with explained(asked):
        stream = cast("AsyncGenerator[ollama.ProgressResponse, None]", await client.pull(asked.model, stream=True))
        async with aclosing(stream) as events:
            async for event in events:
                yield event


def _import() -> None:
    import ollama  # noqa: F401, PLC0415  (a fifth of a second)

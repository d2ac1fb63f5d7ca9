"""OpenAI, Groq, and every server with OpenAI's chat completions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx2

from hybrid_mcp.addresses import shown
from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import GroqServer, OpenAIServer
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import AnswerRefused, InvalidInput, KeyMissing
from hybrid_mcp.llm.checking import THOUGHT_ONLY, check_numbers, guessed_size, not_json, read_json
from hybrid_mcp.llm.dialect import Dialect
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, ToolCall, Watch
from hybrid_mcp.llm.openai_errors import Asked, explained, no_model, not_this_api, slow, too_long
from hybrid_mcp.llm.quoting import quoted
from hybrid_mcp.retrying import attempts
from hybrid_mcp.secrets.interface import SecretName, Secrets
from hybrid_mcp.threads import in_thread

if TYPE_CHECKING:
    import openai
    from openai.types import CompletionUsage
    from openai.types.chat import ChatCompletionChunk

_CHECK_WITHIN = 2.0
"""Seconds."""
_VENDORS = ("api.openai.com", "api.groq.com")
_MAKERS: Mapping[SecretName, str] = {"openai_api_key": "OpenAI", "groq_api_key": "Groq"}
_NO_KEY = "none"
"""Sent to servers of the operator's own, most of which ask for no key."""


class ChatCompletions:
    """A `LanguageModel` behind OpenAI's API. Its client is opened at first use."""

    languages: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        settings: OpenAIServer | GroqServer,
        secrets: Secrets,
        secret_name: SecretName,
        egress: Egress,
        backend: Backend,
    ) -> None:
        """Nothing is opened.

        Args:
            name: `openai` or `groq`: how people configure it.
            settings: the server and its model.
            secrets: asked for the key at every call.
            secret_name: which key.
            egress: the way out.
            backend: the guard of this server.
        """
        self.name = name
        self.model = settings.model
        self.context_tokens = settings.context_tokens
        self.max_output_tokens = settings.max_tokens
        self._settings = settings
        self._secrets = secrets
        self._secret_name = secret_name
        self._egress = egress
        self._backend = backend
        self._vendor = _is_vendor(settings.url)
        self.prices = Prices(
            settings.price_input, settings.price_output, settings.price_cache_read, settings.price_cache_write
        )
        self._usual = Dialect("max_completion_tokens" if self._vendor else "max_tokens")
        self._dialects: dict[str, Dialect] = {}
        self._opening = asyncio.Lock()
        self._client: openai.AsyncOpenAI | None = None

    async def check(self) -> Health:
        """See `LanguageModel.check`: asks for the list of models, which is free. A vendor must have the configured one."""
        return await self._backend.health(self._ask_health)

    async def models(self) -> tuple[ModelCard, ...]:
        """See `LanguageModel.models`: the configured one; a request may name any other that the server has."""
        return (ModelCard(self.model, self.context_tokens),)

    async def count(self, request: ChatRequest) -> int:
        """See `LanguageModel.count`: guessed."""
        return guessed_size(request)

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        """See `LanguageModel.chat`. A busy server is asked again as long as nothing of an answer was passed on.

        Raises:
            InvalidInput: the request does not fit, or the server refuses it.
            KeyMissing: no key is configured.
            KeyRefused: the key is wrong, or the account is out of credit.
            ModelMissing: the server has no such model.
            EngineUnavailable: nobody answers, it is overloaded, or it broke off.
            DeadlineExceeded: the answer was not complete in time.
            AnswerRefused: the model declined, or a filter stopped it.
            AnswerUnusable: JSON or a tool's arguments were asked for and cannot be read.
        """
        check_numbers(request)
        client = await self._opened()
        async with self._backend.call("chat"):
            async for attempt in attempts(self._backend.deadline):
                with attempt:
                    answer = await self._answer(client, request, watch)
        return answer

    async def close(self) -> None:
        """Close the connections."""
        async with self._opening:
            if self._client is not None:
                await self._client.close()
                self._client = None

    async def _opened(self) -> openai.AsyncOpenAI:
        async with self._opening:
            if self._client is None:
                self._client = await self._made()
            return self._client

    async def _made(self) -> openai.AsyncOpenAI:
        await in_thread(_import)
        import openai  # noqa: PLC0415  (imported by now)

        client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=self._settings.url,
            max_retries=0,
            # A model may think for minutes before its first word: only the whole answer has a deadline.
            http_client=self._egress.client(self._settings.url, next_bytes_within=self._settings.deadline),
        )
        if self.name != "openai" or not self._vendor:
            client.organization = client.project = None  # OPENAI_ORG_ID is nobody else's business
        return client

    async def _key(self) -> str:
        """The key as it is now.

        Raises:
            KeyMissing: there is none, and this vendor wants one.
        """
        secret = await self._secrets.get(self._secret_name)
        if secret is not None:
            return secret.for_header()
        if not self._vendor:
            return _NO_KEY
        variable, maker = self._secret_name.upper(), _MAKERS[self._secret_name]
        raise KeyMissing(
            ja=f"{maker} の鍵がありません。{variable} を環境変数か .env.hybrid に設定してください。",
            en=f"There is no key for {maker}. Set {variable} in the environment or in .env.hybrid.",
        )

    async def _ask_health(self) -> Health:
        await self._key()  # known at once that it is missing; opening imports for a second
        client = await self._opened()
        asked = self._asked(ChatRequest(""))
        try:
            async with asyncio.timeout(_CHECK_WITHIN):  # not the client's, which begins anew with every byte
                with explained(asked):
                    # Not `models.list()`: its page raises AttributeError at an answer of another shape.
                    listed = (await client.get("/models", cast_to=httpx2.Response)).json()
        except TimeoutError as error:
            raise slow(asked, _CHECK_WITHIN) from error
        except InvalidInput as error:  # there is nothing in it to be refused
            raise not_this_api(asked) from error
        models = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(models, list):
            raise not_this_api(asked)
        names = tuple(str(model["id"]) for model in models if isinstance(model, dict) and "id" in model)
        # Only the vendors: servers of people's own may take any name, and list another.
        if self._vendor and names and self.model not in names:
            raise no_model(asked, names)
        return Health(models=names)

    async def _answer(self, client: openai.AsyncOpenAI, request: ChatRequest, watch: Watch) -> ChatAnswer:
        asked = self._asked(request)
        heard = _Heard()
        async with aclosing(self._chunks(client, asked)) as chunks:
            async for chunk in chunks:
                if piece := heard.take(chunk):
                    asked.told = True
                    await watch.text(piece)
        return self._judged(heard, asked)

    async def _chunks(self, client: openai.AsyncOpenAI, asked: Asked) -> AsyncGenerator[ChatCompletionChunk, None]:
        with explained(asked):
            async with await self._begun(client, asked) as stream:
                async for chunk in stream:
                    yield chunk

    async def _begun(self, client: openai.AsyncOpenAI, asked: Asked) -> openai.AsyncStream[ChatCompletionChunk]:
        """The answer's stream, after what the server does not understand was left out or said otherwise."""
        import openai  # noqa: PLC0415  (imported by now)

        request, settings = asked.request, self._settings
        temperature = settings.temperature if request.temperature is None else request.temperature
        dialect = self._dialects.get(asked.model, self._usual)
        while True:
            body = dialect.body(
                asked.model, request, limit=min(request.max_tokens, settings.max_tokens), temperature=temperature
            )
            try:
                stream: openai.AsyncStream[ChatCompletionChunk] = await client.chat.completions.create(**body)
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                other = None if too_long(error, error.status_code) else dialect.after(f"{error.param} {error}", body)
                if other is None:
                    raise
                dialect = other
            else:
                self._dialects[asked.model] = dialect.remembered()
                return stream

    def _judged(self, heard: _Heard, asked: Asked) -> ChatAnswer:
        request, text, refusal = asked.request, "".join(heard.text), "".join(heard.refusal)
        if refusal or heard.finish == "content_filter":
            why = quoted(refusal, request)
            raise AnswerRefused(
                ja=f"{asked.model} が回答を断ったか、フィルターが回答を止めました。依頼の文章を変えるか、別のモデルを使ってください。{why}",
                en=f"{asked.model} declined, or a filter stopped its answer. Change the wording of the request, "
                f"or use another model.{why}",
            )
        if not heard.chunks:
            raise not_this_api(asked)
        if not heard.finish:
            raise asked.broken_off()
        truncated = heard.finish == "length"
        if request.json_schema is not None and not truncated and not heard.calls:
            read_json(text, asked.model)
        usage = heard.usage
        cached = ((usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0) if usage else 0
        read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        return ChatAnswer(
            text=text,
            model=heard.model or asked.model,
            prompt_tokens=read,
            completion_tokens=written,
            truncated=truncated,
            engine=self.name,
            cached_tokens=cached,
            cost=self._cost(read, written, cached) if usage and asked.model == self.model else None,
            thinking="".join(heard.thinking),
            tool_calls=() if truncated else heard.tool_calls(asked),
            notes=(THOUGHT_ONLY,) if truncated and not text else (),
        )

    def _cost(self, read: int, written: int, cached: int) -> float | None:
        if not self.prices.cache_read:  # not known: as dear as any other
            return self.prices.cost(read, written)
        return self.prices.cost(read - cached, written, cache_read=cached)

    def _asked(self, request: ChatRequest) -> Asked:
        return Asked(
            self.name, shown(self._settings.url), request.model or self.model, self._secret_name.upper(), request
        )


@dataclass(slots=True)
class _Heard:
    """What has come of an answer."""

    text: list[str] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Name and arguments of each tool's call, by its number."""
    finish: str = ""
    model: str = ""
    usage: CompletionUsage | None = None
    chunks: int = 0

    def take(self, chunk: ChatCompletionChunk) -> str:
        """Keep a chunk; its text is returned. Servers leave out what the client's types promise."""
        self.model = getattr(chunk, "model", "") or self.model
        self.usage = getattr(chunk, "usage", None) or self.usage
        piece = ""
        for choice in getattr(chunk, "choices", None) or ():
            self.chunks += 1
            self.finish = choice.finish_reason or self.finish
            if (delta := choice.delta) is None:
                continue
            piece += delta.content or ""
            self.refusal.append(delta.refusal or "")
            # Outside OpenAI's own document: llama.cpp and vLLM say the former, Groq the latter.
            extra = delta.model_extra or {}
            self.thinking.append(str(extra.get("reasoning_content") or extra.get("reasoning") or ""))
            for call in delta.tool_calls or ():
                kept = self.calls.setdefault(call.index, ["", ""])
                if call.function is not None:
                    kept[0] += call.function.name or ""
                    kept[1] += call.function.arguments or ""
        self.text.append(piece)
        return piece

    def tool_calls(self, asked: Asked) -> tuple[ToolCall, ...]:
        """The tools asked for.

        Raises:
            AnswerUnusable: their arguments are not a JSON object.
        """
        calls = []
        for _, (name, arguments) in sorted(self.calls.items()):
            read = read_json(arguments or "{}", asked.model)
            if not isinstance(read, dict):
                raise not_json(asked.model)
            calls.append(ToolCall(name, read))
        return tuple(calls)


def _is_vendor(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return any(host == vendor or host.endswith(f".{vendor}") for vendor in _VENDORS)


def _import() -> None:
    import openai.resources.chat  # noqa: F401, PLC0415  (a second)

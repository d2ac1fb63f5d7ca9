"""Claude through Anthropic's own client, or any server that speaks its Messages API."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from hybrid_mcp.addresses import shown
from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import ClaudeServer
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import AnswerRefused, EngineUnavailable, InvalidInput, KeyMissing
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.claude_errors import Asked, NotServed, explained, not_messages
from hybrid_mcp.llm.claude_request import OTHER_MAKERS, kinds_of_thinking, parameters
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, ToolCall, Watch, guessed_tokens
from hybrid_mcp.retrying import TryLater, attempts
from hybrid_mcp.secrets.interface import Secrets
from hybrid_mcp.threads import in_thread

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message, ParsedMessage

T = TypeVar("T")

_CHECK_WITHIN = 2.0
"""Seconds a server is given to say that it is there."""
_PLACEHOLDER = "none"
"""Sent as the key to servers that may need none; Anthropic's client insists on one."""


class Claude:
    """A `LanguageModel`.

    What passes (limits, overload, lost connections) is asked again a few times within the deadline, after as long
    as the server says. An answer that broke off is begun anew, once: it cannot be taken up where it ended, because
    current models refuse to continue a text that was put into their mouth, and so does structured output.

    Current models have no temperature and answer 400 to one, so that of a request is not sent; the configured one is,
    for models and servers that have it, unless the model thinks.
    """

    name = "claude"
    languages: tuple[str, ...] = ()

    def __init__(self, settings: ClaudeServer, secrets: Secrets, egress: Egress, backend: Backend) -> None:
        """Nothing is opened or imported."""
        self.model = settings.model
        self.context_tokens = settings.context_tokens
        self.max_output_tokens = settings.max_tokens
        self._url = settings.url
        self._temperature = settings.temperature
        self.prices = Prices(
            settings.price_input, settings.price_output, settings.price_cache_read, settings.price_cache_write
        )
        self._secrets = secrets
        self._egress = egress
        self._backend = backend
        self._client: AsyncAnthropic | None = None
        self._accepted: dict[str, Collection[str]] = {}

    async def check(self) -> Health:
        """See `LanguageModel.check`: without a key nobody is asked; else the server is, for the model's card."""
        return await self._backend.health(self._ask)

    async def models(self) -> tuple[ModelCard, ...]:
        """See `LanguageModel.models`: the configured one; a request may name any other that the server has."""
        return (ModelCard(self.model, self.context_tokens),)

    async def count(self, request: ChatRequest) -> int:
        """See `LanguageModel.count`: counted by the server, or guessed where it does not count."""
        async with self._backend.call("count"):
            return await self._patiently(lambda: self._count(request))

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        """See `LanguageModel.chat`.

        `watch.text` is told every character once. When a broken answer is begun anew it hears only what goes beyond
        what it heard before; and nothing more if the second answer is not the same so far. What is returned counts.

        An answer that filled the model's context is `truncated`, like one that reached `max_tokens`, with a note.

        Raises:
            InvalidInput: the request is too long, or its schema or tools are none.
            KeyMissing, KeyRefused, ModelMissing: what is configured is not enough, or wrong.
            EngineUnavailable: nobody answers, or not now; says when to come back if the server does.
            DeadlineExceeded: the answer was not complete in time.
            AnswerRefused: the model declined.
            EngineError: the server refused the request for another reason.
        """
        heard = _Heard(watch.text)
        async with self._backend.call("chat"):
            message = await self._patiently(lambda: self._attempt(request, heard))
        return self._answer(message, broken=heard.broken)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _access(self, model: str) -> tuple[AsyncAnthropic, Asked]:
        """The client with the key as it is now."""
        secret = await self._secrets.get("claude_api_key")
        host = urlsplit(self._url).hostname or ""
        if secret is None and (host == "anthropic.com" or host.endswith(".anthropic.com")):
            raise KeyMissing(
                ja="Claude の鍵がありません。CLAUDE_API_KEY を環境変数か .env.hybrid に設定してください。",
                en="There is no key for Claude. Set CLAUDE_API_KEY in the environment or in .env.hybrid.",
            )
        key = _PLACEHOLDER if secret is None else secret.for_header()
        client = await self._opened()
        return client.with_options(api_key=key), Asked(shown(self._url), model, "" if secret is None else secret.source)

    async def _opened(self) -> AsyncAnthropic:
        if self._client is None:
            await in_thread(_import_client)
        if self._client is None:  # nobody else was faster
            import anthropic  # noqa: PLC0415

            self._client = anthropic.AsyncAnthropic(
                api_key=_PLACEHOLDER,
                base_url=self._url,
                # A server on this machine may read a long paper for minutes before its first word.
                http_client=self._egress.client(self._url, next_bytes_within=self._backend.deadline),
                max_retries=0,  # ours: the client's own would not tell, nor know of our deadline
                open_telemetry={"traces": {"content_mode": "metadata_only"}},  # whatever the environment says
            )
        return self._client

    async def _ask(self) -> Health:
        client, asked = await self._access(self.model)
        try:
            async with asyncio.timeout(_CHECK_WITHIN):
                found = await self._look_up(client, asked)
        except TimeoutError as error:
            raise EngineUnavailable(
                ja=f"{asked.url} が {_CHECK_WITHIN:g} 秒以内に答えません。ネットワークと HYBRID_MCP_CLAUDE__URL を確かめてください。",
                en=f"{asked.url} does not answer within {_CHECK_WITHIN:g} seconds. "
                "Check the network and HYBRID_MCP_CLAUDE__URL.",
            ) from error
        return Health(models=(self.model,) if found else ())

    async def _look_up(self, client: AsyncAnthropic, asked: Asked) -> bool:
        """Ask for the model's card, which is free, and note what it accepts. False where there are no cards."""
        try:
            with explained(asked):
                self._accepted[asked.model] = kinds_of_thinking(await client.models.retrieve(asked.model))
        except (NotServed, InvalidInput):  # any refusal, for there is nothing in it to be refused
            self._accepted[asked.model] = OTHER_MAKERS
            return False
        return True

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, again while what stopped it may pass, within the deadline."""
        async for attempt in attempts(self._backend.deadline):
            with attempt:
                return await work()
        raise AssertionError  # the last attempt has returned or raised

    async def _attempt(self, request: ChatRequest, heard: _Heard) -> Message:
        client, body, asked = await self._prepared(request)
        body["max_tokens"] = min(request.max_tokens, self.max_output_tokens)
        if self._temperature is not None and body.get("thinking", {}).get("type") not in ("adaptive", "enabled"):
            body["extra_body"] = {"temperature": self._temperature}
        heard.begin()
        try:
            async with aclosing(_stream(client, body, asked)) as parts:
                async for part in parts:
                    if not isinstance(part, str):
                        return part
                    await heard.piece(part)
        except TryLater as error:
            if heard.breaks() > 1:
                raise EngineUnavailable(ja=error.message.ja, en=error.message.en) from error
            raise
        raise AssertionError  # a stream without a message has raised

    async def _count(self, request: ChatRequest) -> int:
        client, body, asked = await self._prepared(request)
        try:
            with explained(asked):
                return (await client.messages.count_tokens(**body)).input_tokens
        except NotServed:
            texts = [request.system, *(turn.text for turn in request.conversation())]
            extra = json.dumps([request.json_schema or {}, *request.tools], ensure_ascii=False)
            return sum(guessed_tokens(text) for text in (*texts, extra))

    async def _prepared(self, request: ChatRequest) -> tuple[AsyncAnthropic, dict[str, Any], Asked]:
        model = request.model or self.model
        client, asked = await self._access(model)
        if request.think is not None and model not in self._accepted:
            await self._look_up(client, asked)
        body = parameters(request, model, self._accepted.get(model, ()), self.max_output_tokens)
        return client, body, replace(asked, parameters=(*body, "max_tokens", "temperature"))

    def _answer(self, message: Message, *, broken: int) -> ChatAnswer:
        if message.stop_reason == "refusal":
            why = message.stop_details.category if message.stop_details else None
            raise AnswerRefused(
                ja=f"{message.model} はこの依頼への回答を断りました{f' (分類: {why})' if why else ''}。"
                "内容か言い方を変えるか、別のモデルをお試しください。",
                en=f"{message.model} declined to answer{f' (category: {why})' if why else ''}. "
                "Change what is asked or how, or try another model.",
            )
        usage = message.usage
        cache_read, cache_write = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
        notes: list[Bilingual] = []
        if broken:
            notes.append(_BEGUN_ANEW)
        if message.stop_reason == "model_context_window_exceeded":
            notes.append(_CONTEXT_FULL)
        return ChatAnswer(
            text="".join(block.text for block in message.content if block.type == "text"),
            model=message.model,
            prompt_tokens=usage.input_tokens + cache_read + cache_write,
            completion_tokens=usage.output_tokens,
            truncated=message.stop_reason in ("max_tokens", "model_context_window_exceeded"),
            engine=self.name,
            cached_tokens=cache_read,
            cost=self.prices.cost(
                usage.input_tokens, usage.output_tokens, cache_read=cache_read, cache_write=cache_write
            ),
            thinking="".join(block.thinking for block in message.content if block.type == "thinking"),
            tool_calls=tuple(
                ToolCall(block.name, block.input) for block in message.content if block.type == "tool_use"
            ),
            notes=tuple(notes),
        )


_BEGUN_ANEW = Bilingual(
    ja="Claude の回答が途中で切れたので、もう一度頼みました。切れた回答の費用は含まれていません。",
    en="Claude's answer broke off and was asked for again. What the broken one cost is not counted.",
)
_CONTEXT_FULL = Bilingual(
    ja="モデルの文脈がいっぱいになったので、回答が途中で終わっています。",
    en="The answer ends early because the model's context was full.",
)


class _Heard:
    """What a watcher has heard of an answer that may have to be begun anew."""

    def __init__(self, tell: Callable[[str], Awaitable[None]]) -> None:
        self.broken = 0
        """Answers that broke off after their first text."""
        self._tell = tell
        self._told = ""
        self._now = ""

    def begin(self) -> None:
        self._now = ""

    def breaks(self) -> int:
        self.broken += bool(self._now)
        return self.broken if self._now else 0

    async def piece(self, text: str) -> None:
        self._now += text
        if len(self._now) > len(self._told) and self._now.startswith(self._told):
            new = self._now[len(self._told) :]
            self._told = self._now
            await self._tell(new)


async def _stream(
    client: AsyncAnthropic, body: dict[str, Any], asked: Asked
) -> AsyncGenerator[str | ParsedMessage[None], None]:
    """Pieces of text, and at last the message. Closing it closes the connection."""
    begun, message = False, None
    with explained(asked):
        async with client.messages.stream(**body) as stream:
            async for event in stream:
                begun = True
                if event.type == "text":
                    yield event.text
                elif event.type == "message_stop":
                    message = event.message
    if not begun:
        raise not_messages(asked)
    if message is None:
        raise TryLater(
            ja=f"{asked.url} の回答が途中で終わりました。しばらくしてからもう一度お試しください。",
            en=f"The answer of {asked.url} ended in the middle. Try again later.",
        )
    yield message


def _import_client() -> None:
    """Import all that is used, so that nothing is imported on the loop later."""
    import anthropic.resources.messages  # noqa: PLC0415
    import anthropic.resources.models  # noqa: F401, PLC0415

    # At DEBUG it logs whole requests.
    logger = logging.getLogger("anthropic")
    logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))

"""What a language model is to us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hybrid_mcp.backend import Health
from hybrid_mcp.languages import Bilingual


async def _ignore_text(piece: str, /) -> None:
    del piece


async def _ignore_fetched(done: int, total: int, /) -> None:
    del done, total


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told while a model works."""

    text: Callable[[str], Awaitable[None]] = _ignore_text
    """Called with each piece of the answer."""
    fetched: Callable[[int, int], Awaitable[None]] = _ignore_fetched
    """Called with bytes of the model that are here, and bytes in all, while it is being fetched."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that was said before."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a model."""

    prompt: str
    system: str = ""
    max_tokens: int = 256
    temperature: float | None = 0.0
    """None leaves it to the engine."""
    json_schema: Mapping[str, Any] | None = None
    """When given, the answer is JSON that fits this schema."""
    material: str = ""
    """What the question is about, put before everything: the same over several requests, so that an engine
    that caches prompts reads it once."""
    turns: tuple[Turn, ...] = ()
    """What was said between the material and the prompt, the user first."""
    model: str = ""
    """A model of the engine other than its usual one."""
    think: bool | Literal["low", "medium", "high"] | None = None
    """Whether a model that can think before it answers shall; None leaves it to the model."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools the model may ask for, as JSON in the form of OpenAI's and Ollama's APIs."""
    keep_alive: str = ""
    """How long the model stays loaded afterwards, e.g. `10m`, where the engine can be told."""
    context_tokens: int = 0
    """Context to be used, where the engine can be told; 0 is the configured one."""
    pull: bool = False
    """Fetch the model first if the engine does not have it."""

    def conversation(self) -> tuple[Turn, ...]:
        """All turns, the user's first; the material stands at the head of the first one."""
        first, *rest = (*self.turns, Turn("user", self.prompt))
        head = Turn("user", f"{self.material}\n\n{first.text}") if self.material else first
        return (head, *rest)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model asks for."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens; 0 means not known."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0

    @property
    def known(self) -> bool:
        """Whether any is configured."""
        return bool(self.input or self.output)

    def cost(self, fresh: int, written: int, *, cache_read: int = 0, cache_write: int = 0) -> float | None:
        """Dollars for so many tokens; None where no price is configured."""
        if not self.known:
            return None
        return (
            fresh * self.input + written * self.output + cache_read * self.cache_read + cache_write * self.cache_write
        ) / 1e6


@dataclass(frozen=True, slots=True)
class Quote:
    """What work will cost in US dollars, as far as that can be told before."""

    writer: str
    """Who would do it: engine and model."""
    about: float
    """If all is right at once, and the model does not think first."""
    most: float
    """If every answer is as long as it may be, and has to be corrected."""


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What the model said."""

    text: str
    model: str
    prompt_tokens: int
    """All tokens that were read, from a cache or not."""
    completion_tokens: int
    truncated: bool
    """Whether it stopped at `max_tokens` rather than of itself."""
    engine: str = ""
    cached_tokens: int = 0
    """Of `prompt_tokens`, those read from the engine's cache."""
    cost: float | None = None
    """US dollars, where prices are configured."""
    thinking: str = ""
    """What a thinking model thought, where it shows it."""
    tool_calls: tuple[ToolCall, ...] = ()
    notes: tuple[Bilingual, ...] = ()
    """What its reader should know, e.g. that the engine cut the prompt."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model that an engine has."""

    name: str
    context_tokens: int | None = None
    """The longest context it was made for; None where the engine does not say."""
    size: int | None = None
    """Bytes, where it lies on a disk we know of."""
    parameters: str = ""
    """As the engine says it, e.g. `8.2B`."""
    quantization: str = ""
    """Such as `Q4_K_M`."""
    abilities: tuple[str, ...] = ()
    """Such as `completion`, `thinking`, `tools`, `embedding`; none where the engine does not say."""

    @property
    def answers(self) -> bool:
        """Whether it can be asked something, and not only embeds."""
        return not self.abilities or "completion" in self.abilities


class LanguageModel(Protocol):
    """A model that answers in text."""

    @property
    def name(self) -> str:
        """The engine as people configure it, e.g. `claude`, `ollama`, `embedded`."""
        ...

    @property
    def model(self) -> str:
        """The model it uses unless a request names another."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """Language codes it can be trusted with; none named means any."""
        ...

    @property
    def context_tokens(self) -> int:
        """Room for a request and its answer together."""
        ...

    @property
    def max_output_tokens(self) -> int:
        """Longest answer that may be asked for."""
        ...

    @property
    def prices(self) -> Prices:
        """What it costs; none known for models that are free."""
        ...

    async def check(self) -> Health:
        """Whether it can be used now, from memory if it was asked just now. Costs nothing.

        Raises:
            EngineError: it cannot: `KeyMissing`, `KeyRefused`, `EngineUnavailable`, `ModelMissing` …
        """
        ...

    async def models(self) -> tuple[ModelCard, ...]:
        """The models a request may name, as far as the engine tells.

        Raises:
            EngineError: it cannot be asked.
        """
        ...

    async def count(self, request: ChatRequest) -> int:
        """Tokens the model will read for a request: counted where the engine can, else guessed on the high side.

        Raises:
            EngineError: the engine failed.
        """
        ...

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        """Answer. Cancelling stops the generation: its stream is closed, its thread ended.

        Raises:
            InvalidInput: the request does not fit the context, or the schema is not one.
            EngineError: see `errors`.
        """
        ...

    async def close(self) -> None:
        """Release the engine; waits for running work to stop."""
        ...


def guessed_tokens(text: str) -> int:
    """Tokens of a text, guessed on the high side: a letter of kana or kanji is about one, four Latin ones are."""
    latin = sum(char.isascii() for char in text)
    return (len(text) - latin) + -(-latin // 3) + 8

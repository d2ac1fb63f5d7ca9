"""What a language model is to us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

OnProgress = Callable[[float, float | None], Awaitable[None]]
"""Called with work done and the whole, where it is known (for a model: tokens written, token limit)."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question to a model."""

    prompt: str
    system: str = ""
    max_tokens: int = 256
    temperature: float = 0.0
    json_schema: Mapping[str, Any] | None = None
    """When given, the answer is JSON that fits this schema."""


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What the model said."""

    text: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    truncated: bool
    """Whether it stopped at `max_tokens` rather than of itself."""


class LanguageModel(Protocol):
    """A model that answers in text."""

    name: str
    """The engine, e.g. `llama.cpp`."""
    model: str
    languages: tuple[str, ...]
    """Language codes it can be trusted with."""

    async def chat(self, request: ChatRequest, on_progress: OnProgress) -> ChatAnswer:
        """Answer. Cancelling stops the generation within a token or two.

        Raises:
            InvalidInput: the request does not fit the context, or the schema is not one.
            ModelMissing: the weights are not here.
            EngineError: the engine failed or took too long.
        """
        ...

    async def close(self) -> None:
        """Release the engine; waits for running work to stop."""
        ...

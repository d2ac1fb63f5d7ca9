"""A scripted language model: it says what its script says, but takes only requests that a real one could serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jsonschema  # type: ignore[import-untyped, unused-ignore]

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import EngineError
from hybrid_mcp.llm.interface import ChatAnswer, ChatRequest, ModelCard, Prices, Watch, guessed_tokens

_FREE = Prices()
_STRICT = {"type", "description", "properties", "required", "additionalProperties", "items", "enum"}


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """An answer that stopped at its limit."""

    text: str


Play = str | CutAnswer | EngineError | Callable[[ChatRequest], str]


class ScriptedModel:
    """A `LanguageModel` that plays one of `plays` for each request, in order."""

    name = "scripted"
    model = "by-heart"

    def __init__(
        self,
        *plays: Play,
        languages: tuple[str, ...] = (),
        context_tokens: int = 200_000,
        max_output_tokens: int = 16_000,
        cost: float | None = 0.25,
        prices: Prices = _FREE,
    ) -> None:
        self.plays = list(plays)
        self.languages = languages
        self.context_tokens = context_tokens
        self.max_output_tokens = max_output_tokens
        self.prices = prices
        self.requests: list[ChatRequest] = []
        self._cost = cost

    async def check(self) -> Health:
        return Health()

    async def models(self) -> tuple[ModelCard, ...]:
        return (ModelCard(self.model),)

    async def count(self, request: ChatRequest) -> int:
        return guessed_tokens(request.system + "".join(turn.text for turn in request.conversation()))

    async def chat(self, request: ChatRequest, watch: Watch = Watch()) -> ChatAnswer:
        counted = await self.count(request)
        assert counted + request.max_tokens <= self.context_tokens
        assert 0 < request.max_tokens <= self.max_output_tokens
        roles = [turn.role for turn in request.conversation()]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
        assert all(turn.text for turn in request.turns)
        assert request.json_schema is not None
        _strict(request.json_schema)
        self.requests.append(request)
        play = self.plays.pop(0)
        if isinstance(play, EngineError):
            raise play
        text = play.text if isinstance(play, CutAnswer) else play if isinstance(play, str) else play(request)
        for start in range(0, len(text), 7):
            await watch.text(text[start : start + 7])
        return ChatAnswer(
            text=text,
            model=self.model,
            prompt_tokens=counted,
            completion_tokens=guessed_tokens(text),
            truncated=isinstance(play, CutAnswer),
            engine=self.name,
            cached_tokens=10,
            cost=self._cost,
        )

    async def close(self) -> None:
        pass


def _strict(schema: object) -> None:
    """Whether strict structured output takes it: only known words, all required, nothing else allowed."""
    assert isinstance(schema, dict)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema.keys() <= _STRICT, schema.keys() - _STRICT
    if schema["type"] == "object":
        assert schema["required"] == list(schema["properties"])
        assert schema["additionalProperties"] is False
        for value in schema["properties"].values():
            _strict(value)
    if schema["type"] == "array":
        _strict(schema["items"])

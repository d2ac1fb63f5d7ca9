"""What Claude is sent: a request in the words of Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.llm.interface import ChatRequest

if TYPE_CHECKING:
    from anthropic.types import ModelInfo

_SMALLEST_BUDGET = 1024
"""Tokens of thinking below which the API refuses a budget."""
_SHARES: Final[Mapping[bool | str, float]] = {"low": 0.25, True: 0.5, "medium": 0.5, "high": 0.75}
"""Of the tokens of an answer, those for thinking, on models that want a budget."""
_KINDS = ("adaptive", "between_tools", "disabled", "enabled")
OTHER_MAKERS = frozenset({"enabled", "disabled"})
"""Kinds of thinking on servers that do not tell: the first ones the API had, which others copied."""


def parameters(request: ChatRequest, model: str, accepted: Collection[str], most: int) -> dict[str, Any]:
    """What is both sent and counted.

    Args:
        request: what is wanted.
        model: who is asked.
        accepted: kinds of thinking the model accepts; looked at only if the request says whether to think.
        most: tokens an answer may have at most.

    Raises:
        InvalidInput: the schema or a tool is none.
    """
    body: dict[str, Any] = {"model": model, "messages": _messages(request)}
    output: dict[str, Any] = {}
    if request.system:
        body["system"] = request.system
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.json_schema is not None:
        output["format"] = {"type": "json_schema", "schema": _schema(request.json_schema)}
    if request.think is not None:
        thinking, effort = _thinking(request.think, accepted, min(request.max_tokens, most))
        if thinking:
            body["thinking"] = thinking
        if effort:
            output["effort"] = effort
    if output:
        body["output_config"] = output
    return body


def kinds_of_thinking(card: ModelInfo) -> Collection[str]:
    """What a model's card says it accepts. Other makers' cards may have no such part."""
    kinds: Any = card
    for part in ("capabilities", "thinking", "types"):
        kinds = getattr(kinds, part, None)
    if kinds is None:
        return OTHER_MAKERS
    return frozenset(kind for kind in _KINDS if getattr(getattr(kinds, kind, None), "supported", False))


def _thinking(
    think: bool | str, accepted: Collection[str], max_tokens: int
) -> tuple[dict[str, Any] | None, str | None]:
    """The `thinking` and the `effort` to ask for, of what a model accepts.

    Models differ: the newest decide themselves and take an effort, some of them cannot stop, older ones want a budget
    of tokens, which must leave room for the answer.
    """
    if think is False:
        for kind in ("disabled", "between_tools"):
            if kind in accepted:
                return {"type": kind}, None
        return None, "low"
    if "adaptive" in accepted:
        return {"type": "adaptive", "display": "summarized"}, think if isinstance(think, str) else None
    budget = max(_SMALLEST_BUDGET, int(max_tokens * _SHARES[think]))
    if "enabled" in accepted and budget < max_tokens:
        return {"type": "enabled", "budget_tokens": budget}, None
    return None, None


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    """The conversation; the material is marked for the cache, up to and including it.

    A mark costs nothing on a short text: below the smallest size that is cached (512 to 4096 tokens, by model) it is
    passed over silently.
    """
    turns = [*((turn.role, turn.text) for turn in request.turns), ("user", request.prompt)]
    messages: list[dict[str, Any]] = [{"role": role, "content": [_text(text)]} for role, text in turns]
    if request.material:
        messages[0]["content"].insert(0, {**_text(request.material), "cache_control": {"type": "ephemeral"}})
    return messages


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool in Anthropic's form."""
    function = tool.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise InvalidInput(
            ja='tools の項目は {"type": "function", "function": {"name": …, "parameters": …}} の形にしてください。',
            en='Each of `tools` has the form {"type": "function", "function": {"name": …, "parameters": …}}.',
        )
    mapped = {"name": function["name"], "input_schema": dict(function.get("parameters") or {"type": "object"})}
    if function.get("description"):
        mapped["description"] = function["description"]
    return mapped


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the part of JSON Schema that is enforced; the rest of it becomes advice to the model."""
    import anthropic  # noqa: PLC0415

    try:
        return anthropic.transform_schema(dict(schema))
    except (ValueError, TypeError, AttributeError, AssertionError) as error:
        raise InvalidInput(
            ja="json_schema は JSON スキーマではないか、Claude が扱えない書き方です。各項目に type を 1 つ書いてください。",
            en="`json_schema` is not a JSON schema, or not one that Claude can keep to. Give every part one `type`.",
        ) from error

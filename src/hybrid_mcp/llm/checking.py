"""What is checked of requests and answers, whichever server is asked."""

from __future__ import annotations

import json
from typing import Any

from hybrid_mcp.errors import AnswerUnusable, InvalidInput
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.interface import ChatRequest, guessed_tokens

THOUGHT_ONLY = Bilingual(
    ja="モデルは答えを書き始める前に max_tokens を使い切りました (考えた分も数えられます)。max_tokens を増やすか、think を減らしてください。",
    en="The model used up max_tokens before it began its answer (what it thinks counts). Raise max_tokens, or lower think.",
)
"""For an answer without text that stopped at its limit."""


def check_numbers(request: ChatRequest) -> None:
    """Refuse numbers that no server takes, before one is asked.

    Raises:
        InvalidInput: saying which.
    """
    if request.max_tokens < 1:
        raise InvalidInput(
            ja=f"max_tokens は 1 以上にしてください (今は {request.max_tokens})。",
            en=f"max_tokens must be at least 1, not {request.max_tokens}.",
        )
    if request.temperature is not None and not 0 <= request.temperature <= 2:
        raise InvalidInput(
            ja=f"temperature は 0 から 2 までの数にしてください (今は {request.temperature})。",
            en=f"temperature must be a number from 0 to 2, not {request.temperature}.",
        )


def read_json(text: str, model: str) -> Any:
    """The JSON that was asked for, which can be written again: Python also reads NaN, `1e999` and half characters.

    Raises:
        AnswerUnusable: it is something else.
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise not_json(model) from error
    return value


def not_json(model: str) -> AnswerUnusable:
    """The model answered with something other than the JSON asked for."""
    return AnswerUnusable(
        ja=f"{model} は求められた JSON を返しませんでした。もう一度試すか、別のモデルを設定してください。",
        en=f"{model} did not answer with the JSON that was asked for. Try again, or configure another model.",
    )


def guessed_size(request: ChatRequest) -> int:
    """Tokens a request will have, guessed on the high side: with its schema and tools."""
    extras: list[Any] = [dict(tool) for tool in request.tools]
    if request.json_schema is not None:
        extras.append(dict(request.json_schema))
    said = request.system + "".join(turn.text for turn in request.conversation())
    return guessed_tokens(said + (json.dumps(extras) if extras else ""))

"""The tool `local_llm`."""

from __future__ import annotations

import json
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.llm.ask import ask
from hybrid_mcp.llm.interface import ChatRequest
from hybrid_mcp.script.model import CleanText
from hybrid_mcp.tools.context import LentApp, Progress


class LocalAnswer(BaseModel):
    """What the local model said."""

    text: str
    data: dict[str, Any] | list[Any] | str | int | float | bool | None = None
    """The parsed answer, when json_schema was given and the answer is whole."""
    engine: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    truncated: bool
    """Stopped at max_tokens."""


async def local_llm(
    ctx: Context[App],
    app: LentApp,
    prompt: Annotated[CleanText, Field(min_length=1, max_length=100_000, description="The question or task.")],
    system: Annotated[CleanText, Field(max_length=20_000, description="Standing instructions.")] = "",
    max_tokens: Annotated[int, Field(ge=1, le=4096, description="Longest answer.")] = 256,
    temperature: Annotated[float, Field(ge=0, le=2, description="0 gives the same answer every time.")] = 0.0,
    json_schema: Annotated[dict[str, Any] | None, Field(description="The answer will be JSON of this schema.")] = None,
    language: Annotated[str, Field(max_length=20, description="Language of the prompt; default: told from it.")] = "",
) -> LocalAnswer:
    """Ask the small language model that runs on this machine: private, free, offline, and not very clever.

    Good for short English tasks such as a title, a label or a one-sentence summary. It knows English only; prompts
    in another language are refused, because you, the calling model, would answer them better.
    """
    answer = await ask(
        app.local_model,
        ChatRequest(prompt, system, max_tokens, temperature, json_schema),
        language=language,
        on_progress=Progress(ctx),
    )
    whole = json_schema is not None and not answer.truncated
    return LocalAnswer(
        text=answer.text,
        data=json.loads(answer.text) if whole else None,
        engine=app.local_model.name,
        model=answer.model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        truncated=answer.truncated,
    )

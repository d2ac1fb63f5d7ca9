"""The tool `local_llm`."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from hybrid_mcp.app import App
from hybrid_mcp.errors import NotFound
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.llm.interface import ChatRequest, Watch
from hybrid_mcp.script.model import CleanText
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.context import LentApp, Progress

_WRITTEN = Bilingual(ja="答えています", en="Answering")
_FETCHED = Bilingual(ja="モデルを取得中: {done} / {total} MB", en="Fetching the model: {done} of {total} MB")


class Tool(BaseModel):
    """A tool the model asks for; nothing was called."""

    name: str
    arguments: dict[str, Any]


class LocalAnswer(BaseModel):
    """What the local model said."""

    text: str
    data: dict[str, Any] | list[Any] | str | int | float | bool | None = None
    """The parsed answer, when json_schema was given and the answer is whole; notes say where it does not fit."""
    engine: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    truncated: bool
    """Stopped at max_tokens."""
    thinking: str = ""
    tool_calls: list[Tool] = []
    passed_over: list[str] = []
    """Engines before this one, and why they did not answer."""
    notes: list[str] = []


async def local_llm(
    ctx: Context[App],
    app: LentApp,
    prompt: Annotated[CleanText, Field(min_length=1, max_length=100_000, description="The question or task.")],
    system: Annotated[CleanText, Field(max_length=20_000, description="Standing instructions.")] = "",
    max_tokens: Annotated[int, Field(ge=1, le=4096, description="Longest answer.")] = 256,
    temperature: Annotated[float, Field(ge=0, le=2, description="0 gives the same answer every time.")] = 0.0,
    json_schema: Annotated[dict[str, Any] | None, Field(description="The answer will be JSON of this schema.")] = None,
    language: Annotated[str, Field(max_length=20, description="Language of the prompt; default: told from it.")] = "",
    engine: Annotated[
        Literal["auto", "ollama", "embedded"],
        Field(description="`auto`: Ollama when it runs, else the embedded model."),
    ] = "auto",
    model: Annotated[CleanText, Field(max_length=200, description="Ollama model; default: the server's.")] = "",
    think: Annotated[
        bool | Literal["low", "medium", "high"] | None, Field(description="Let a thinking model think first (Ollama).")
    ] = None,
    tools: Annotated[
        list[dict[str, Any]] | None,
        Field(max_length=50, description="Tools the model may ask for (Ollama); it answers with tool_calls."),
    ] = None,
    context_tokens: Annotated[int, Field(ge=0, le=1_000_000, description="num_ctx (Ollama); 0: as configured.")] = 0,
    keep_alive: Annotated[CleanText, Field(max_length=20, description="How long it stays loaded, e.g. 10m.")] = "",
    pull: Annotated[bool, Field(description="Fetch the model first if Ollama lacks it (gigabytes).")] = False,
) -> LocalAnswer:
    """Ask a language model that runs on this machine: private, free, offline.

    Ollama answers when it runs. Otherwise a very small embedded model does: good for short English tasks such as a
    title or a label; it refuses other languages, because you, the calling model, would answer them better.
    """
    from hybrid_mcp.llm.ask import ask
    from hybrid_mcp.llm.fitting import check_schema, misfit

    if json_schema is not None:
        await in_thread(partial(check_schema, json_schema))
    wanted = [one for one in app.local_models if engine in ("auto", one.name)]
    if not wanted:
        remedy = Bilingual(
            ja="HYBRID_MCP_LLM__LOCAL に加えると使えます。", en="Add it to HYBRID_MCP_LLM__LOCAL to use it."
        )
        raise NotFound.named(
            Bilingual(ja="エンジン", en="engine"), engine, [one.name for one in app.local_models], remedy=remedy
        )
    if (model or pull) and engine == "auto":  # the embedded engine has one model, and it is here
        wanted = [one for one in wanted if one.name == "ollama"] or wanted
    chosen = await ask(
        wanted,
        ChatRequest(
            prompt,
            system,
            max_tokens,
            temperature,
            json_schema,
            model=model,
            think=think,
            tools=tuple(tools or ()),
            context_tokens=context_tokens,
            keep_alive=keep_alive,
            pull=pull,
        ),
        language=language,
        watch=_watch(ctx, max_tokens),
    )
    answer = chosen.result
    data, notes = None, list(answer.notes)
    if json_schema is not None and not answer.truncated and not answer.tool_calls:
        data = json.loads(answer.text)
        if (unfit := await in_thread(partial(misfit, data, json_schema))) is not None:
            notes.append(unfit)
    speaking = app.settings.language
    return LocalAnswer(
        text=answer.text,
        data=data,
        engine=answer.engine,
        model=answer.model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        truncated=answer.truncated,
        thinking=answer.thinking,
        tool_calls=[Tool(name=call.name, arguments=dict(call.arguments)) for call in answer.tool_calls],
        passed_over=[passed.text(speaking) for passed in chosen.passed],
        notes=[note.in_(speaking) for note in notes],
    )


def _watch(ctx: Context[App], max_tokens: int) -> Watch:
    """Progress by pieces of the answer, each a token or little more; while a model is fetched, by its megabytes."""
    written, fetching = Progress(ctx, _WRITTEN), Progress(ctx, _FETCHED)
    pieces, before = 0, 0.0

    async def text(piece: str) -> None:
        nonlocal pieces
        del piece
        pieces = min(pieces + 1, max_tokens)
        await written(before + pieces, before + max_tokens)

    async def fetched(done: int, total: int) -> None:
        nonlocal before
        before = max(before, total / 1e6)  # what follows goes on from there
        await fetching(done / 1e6, total / 1e6)

    return Watch(text, fetched)

"""A scripted chat completions server: it understands nothing, but takes only requests that OpenAI's API would take.

Every `POST /v1/chat/completions` gets the next reply of the script. Requests are validated against the parameter
types of OpenAI's own client, our chunks against its response types.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, get_type_hints

from openai.types.chat import ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.shared_params import ResponseFormatJSONSchema
from pydantic import TypeAdapter, ValidationError

from peers.scripted import Reply, Request, Scripted, answers, serving

MODEL = "gpt-scripted"
_PARAMETERS = frozenset(get_type_hints(CompletionCreateParamsStreaming))
_CREATE: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
_SCHEMA: TypeAdapter[Any] = TypeAdapter(ResponseFormatJSONSchema)


def says(
    *pieces: str,
    finish: str | None = "stop",
    usage: Mapping[str, Any] | None = None,
    **delta: Any,
) -> Reply:
    """An answer in these pieces of text, after `delta`, which may hold a refusal, tool calls or thinking."""
    deltas = [{"role": "assistant", **delta}, *({"content": piece} for piece in pieces)]
    choices: list[tuple[dict[str, Any], str | None]] = [(each, None) for each in deltas]
    if finish is not None:
        choices.append(({}, finish))
    chunks = [_chunk([{"index": 0, "delta": each, "finish_reason": end}]) for each, end in choices]
    if finish is not None:
        counts = usage or {"prompt_tokens": 25, "completion_tokens": 15, "total_tokens": 40}
        chunks.append(_chunk([], usage=counts))
    events = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    if finish is not None:
        events.append(b"data: [DONE]\n\n")
    return Reply(tuple(events), headers={"content-type": "text/event-stream"})


def breaks_off(*pieces: str) -> Reply:
    """These pieces, and then the connection is lost."""
    return replace(says(*pieces, finish=None), end="cut")


def ends_early(*pieces: str) -> Reply:
    """These pieces, and then the stream ends as if that were all."""
    return says(*pieces, finish=None)


def never_ends(*pieces: str) -> Reply:
    """These pieces, and then silence until the client goes."""
    return replace(says(*pieces, finish=None), end="never")


def fails(
    status: int, message: str = "Scripted.", *, code: str | None = None, param: str | None = None, **headers: str
) -> Reply:
    """An error as the API tells it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return answers({"error": error}, status, **headers)


@asynccontextmanager
async def chat_server(*script: Reply, key: str = "sk-test") -> AsyncIterator[Scripted]:
    """Serve on loopback; `/v1` is below its address. Other keys than `key` are refused."""
    server = Scripted(script=list(script))

    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {key}":
            return fails(401, f"Incorrect API key provided: {key[:4]}***.", code="invalid_api_key")
        if (request.method, request.path) == ("GET", "/v1/models"):
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "nobody"}
            return answers({"object": "list", "data": [model]})
        assert (request.method, request.path) == ("POST", "/v1/chat/completions"), "no such route"
        _validate(request.body)
        assert server.script, "one request more than the script has replies for"
        return server.script.pop(0)

    async with serving(server, answer):
        yield server


def _validate(body: dict[str, Any]) -> None:
    assert set(body) <= _PARAMETERS, set(body) - _PARAMETERS
    try:
        checked = _CREATE.validate_python(body)
        for name in ("messages", "tools"):
            list(checked.get(name, ()))  # iterables are validated as they are read
        if body.get("response_format", {}).get("type") == "json_schema":
            _SCHEMA.validate_python(body["response_format"])
    except ValidationError as error:
        raise AssertionError(str(error)) from error


def _chunk(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": MODEL,
        "choices": choices,
        **more,
    }
    ChatCompletionChunk.model_validate(chunk)
    return chunk

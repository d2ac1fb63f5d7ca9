"""A scripted Messages server: it understands nothing, but takes only requests that Anthropic's API would take.

    async with messages_server(says("Hel", "lo")) as server:
        ...  # a client of `server.url` with the key "sk-test"
        server.requests[0].body["max_tokens"]

Every `POST /v1/messages` is answered with the next reply of the script; `GET /v1/models/{model}` and
`POST /v1/messages/count_tokens` with what the arguments of `messages_server` say. Requests are validated against
the parameter types of Anthropic's own client, our events against its response types. A request that the API's
types do not know, or one more than the script has replies for, also fails the test when the server is left.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Literal

from anthropic.types import MessageCountTokensParams, ModelInfo, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from anthropic.types.shared.error_response import ErrorResponse
from pydantic import TypeAdapter, ValidationError

SONNET = "claude-sonnet-5-5"
MODELS = {
    SONNET: ("adaptive", "between_tools"),
    "claude-opus-5-5": ("adaptive",),
    "claude-haiku-4-5": ("enabled", "disabled", "temperature"),
}
"""What each model accepts: kinds of thinking, and whether it takes a temperature."""
_CREATE: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)
_COUNT: TypeAdapter[Any] = TypeAdapter(MessageCountTokensParams)
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server does with one request."""

    events: tuple[Mapping[str, Any], ...] = ()
    end: Literal["whole", "cut", "never"] = "whole"
    """How a stream ends: as it should, with the connection lost, or not until the client goes."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """Sent as JSON instead of events."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    key: str


@dataclass(slots=True)
class MessagesServer:
    """A running server."""

    url: str
    keys: set[str]
    """Keys that are accepted; may be changed at any time."""
    script: list[Reply]
    """Replies still to be given; may be added to."""
    requests: list[Request] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client goes away from a stream that never ends."""
    complaints: list[str] = field(default_factory=list)

    @property
    def chats(self) -> list[Request]:
        """The requests for an answer."""
        return [request for request in self.requests if request.path == "/v1/messages"]


def says(
    *pieces: str,
    stop_reason: str = "end_turn",
    thinking: str = "",
    tool: tuple[str, Mapping[str, Any]] | None = None,
    usage: tuple[int, int, int, int] = (25, 0, 0, 15),
    stop_details: Mapping[str, Any] | None = None,
) -> Reply:
    """An answer in these pieces of text. `usage`: tokens read fresh, from the cache, written to it, and written."""
    fresh, cache_read, cache_write, written = usage
    started = {"input_tokens": fresh, "cache_read_input_tokens": cache_read, "cache_creation_input_tokens": cache_write}
    message: dict[str, Any] = {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": SONNET,
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {**started, "output_tokens": 1}}
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if thinking:
        deltas = [
            {"type": "thinking_delta", "thinking": thinking},
            {"type": "signature_delta", "signature": "c2lnbg=="},
        ]
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, deltas))
    if pieces:
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]))
    if tool is not None:
        whole = json.dumps(tool[1], ensure_ascii=False)
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", whole[:5], whole[5:])]
        blocks.append(({"type": "tool_use", "id": "toolu_scripted", "name": tool[0], "input": {}}, deltas))
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (block, deltas) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": stop_reason, "stop_sequence": None, "stop_details": stop_details}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": written}})
    events.append({"type": "message_stop"})
    for event in events:
        if event["type"] != "ping":
            _EVENT.validate_python(event)
    return Reply(tuple(events))


def breaks_off(*pieces: str) -> Reply:
    """These pieces, and then the connection is lost."""
    return replace(says(*pieces), events=_unfinished(*pieces), end="cut")


def never_ends(*pieces: str) -> Reply:
    """These pieces, and then silence until the client goes."""
    return replace(says(*pieces), events=_unfinished(*pieces), end="never")


def overloaded_after(*pieces: str) -> Reply:
    """These pieces, and then an error inside the stream, as an overloaded server sends it."""
    error = _error("overloaded_error", "Overloaded")
    return replace(says(*pieces), events=(*_unfinished(*pieces), error))


def fails(
    status: int, kind: str, message: str = "Scripted.", *, headers: Mapping[str, str] | None = None, code: str = ""
) -> Reply:
    """An error as the API tells it; `code` is the finer one."""
    return Reply(status=status, headers=headers or {}, body=_error(kind, message, code))


@asynccontextmanager
async def messages_server(
    *script: Reply,
    key: str = "sk-test",
    models: Mapping[str, Iterable[str]] | None = None,
    counts: int | None = 1234,
) -> AsyncIterator[MessagesServer]:
    """Serve on loopback.

    Args:
        script: replies to requests for an answer, in order.
        key: the key that is accepted; others are 401.
        models: what each known model accepts; others are 404. None given: `MODELS`; empty: there are no routes about
            models, as with servers of other makers, and no model is refused.
        counts: what every request counts; None: there is no route that counts.
    """
    state = MessagesServer("", {key}, list(script))
    serving = _Serving(state, MODELS if models is None else models, counts)
    server = await asyncio.start_server(serving.connected, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield state
    finally:
        server.close()
        for task in serving.tasks:
            task.cancel()
        await asyncio.gather(*serving.tasks, return_exceptions=True)
        await server.wait_closed()
    assert not state.complaints, state.complaints


class _Serving:
    def __init__(self, state: MessagesServer, models: Mapping[str, Iterable[str]], counts: int | None) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self._state = state
        self._models = {name: frozenset(accepts) for name, accepts in models.items()}
        self._counts = counts

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            if request is not None:
                self._state.requests.append(request)
                await self._send(self._reply(request), reader, writer)
        except ConnectionError:
            self._state.left.set()
        finally:
            writer.close()

    async def _send(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = b"" if reply.body is None else json.dumps(reply.body, ensure_ascii=False).encode()
        headers = {"connection": "close", "request-id": "req_scripted", **reply.headers}
        headers |= (
            {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
            if reply.events
            else {"content-type": "application/json", "content-length": str(len(whole))}
        )
        head = f"HTTP/1.1 {reply.status} {_phrase(reply.status)}\r\n"
        writer.write((head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode())
        for event in reply.events:
            data = json.dumps(event, ensure_ascii=False)
            chunk = f"event: {event['type']}\ndata: {data}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()
        match reply.end:
            case "whole":
                writer.write(b"0\r\n\r\n" if reply.events else whole)
                await writer.drain()
            case "never":
                await reader.read()
                self._state.left.set()
            case "cut":
                pass  # the connection is closed without the last chunk

    def _reply(self, request: Request) -> Reply:
        if request.key not in self._state.keys:
            return fails(401, "authentication_error", "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            return fails(400, "invalid_request_error", "anthropic-version: header is required")
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v1", "models", model] if self._models:
                return self._model(model)
            case "POST", ["v1", "messages", "count_tokens"] if self._counts is not None:
                return self._checked(_COUNT, request) or Reply(body={"input_tokens": self._counts})
            case "POST", ["v1", "messages"]:
                refused = self._checked(_CREATE, request)
                return refused or self._next()
            case _:
                return Reply(status=404, body={"detail": "Not Found"})

    def _next(self) -> Reply:
        if self._state.script:
            return self._state.script.pop(0)
        self._state.complaints.append("one request more than the script has replies for")
        return fails(500, "api_error")

    def _model(self, name: str) -> Reply:
        if name not in self._models:
            return fails(404, "not_found_error", f"model: {name}")
        accepts = self._models[name]
        kinds = ("adaptive", "between_tools", "disabled", "enabled")
        thinking = {kind: {"supported": kind in accepts} for kind in kinds}
        info = {
            "id": name,
            "type": "model",
            "display_name": name,
            "lifecycle": "active",
            "created_at": "2026-09-28T00:00:00Z",
        }
        ModelInfo.model_validate(info)
        return Reply(body=info | {"capabilities": {"thinking": {"supported": True, "types": thinking}}})

    def _checked(self, shape: TypeAdapter[Any], request: Request) -> Reply | None:
        """The refusal of a request that the API would not take."""
        temperature = request.body.get("temperature")
        body = {name: value for name, value in request.body.items() if name != "temperature"}
        try:
            known = _exhausted(shape.validate_python(body))
        except ValidationError as error:
            self._state.complaints.append(str(error))
            return fails(400, "invalid_request_error", "invalid request")
        if known != body:
            self._state.complaints.append(f"unknown parameters in {body}")
            return fails(400, "invalid_request_error", "Extra inputs are not permitted")
        if not self._models:
            return None
        if body["model"] not in self._models:
            return fails(404, "not_found_error", f"model: {body['model']}")
        accepts = self._models[body["model"]]
        if temperature is not None and "temperature" not in accepts:
            return fails(400, "invalid_request_error", "temperature: this model does not take it")
        thinking = body.get("thinking")
        if thinking is not None and thinking["type"] not in accepts:
            return fails(400, "invalid_request_error", f'"thinking.type.{thinking["type"]}" is not supported')
        budget = (thinking or {}).get("budget_tokens")
        if budget is not None and not 1024 <= budget < body["max_tokens"]:
            return fails(400, "invalid_request_error", "thinking.budget_tokens: out of range")
        if temperature is not None and (thinking or {}).get("type") in ("enabled", "adaptive"):
            return fails(400, "invalid_request_error", "temperature may not be set when thinking is enabled")
        return None


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    # The API takes a key in either header; which one is used is up to the client.
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    return Request(method, path.partition("?")[0], headers, json.loads(raw) if raw else None, key)


def _unfinished(*pieces: str) -> tuple[Mapping[str, Any], ...]:
    """The events of an answer up to its last piece."""
    return says(*pieces).events[: -3 if pieces else 1]


def _error(kind: str, message: str, code: str = "") -> dict[str, Any]:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}
    ErrorResponse.model_validate(body)
    return {**body, "error": {"type": kind, "message": message, "details": {"error_code": code}}} if code else body


def _exhausted(value: Any) -> Any:
    """`value` with everything in it read: pydantic validates an iterable only when it is."""
    if isinstance(value, Mapping):
        return {name: _exhausted(part) for name, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_exhausted(part) for part in value]
    return value


def _phrase(status: int) -> str:
    return "Overloaded" if status == 529 else HTTPStatus(status).phrase

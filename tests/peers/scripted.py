"""HTTP servers that follow a script: what those with a protocol of their own are made of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, cast


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: Any
    """What its JSON says; None where there is no body."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server does with one request."""

    body: tuple[bytes, ...]
    """Sent piece by piece."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    end: Literal["whole", "cut", "never"] = "whole"
    """How the answer ends: as it should, with the connection lost, or not until the client goes."""


@dataclass(slots=True)
class Scripted:
    """A running server."""

    url: str = ""
    script: list[Reply] = field(default_factory=list)
    """Replies still to be given; may be added to."""
    requests: list[Request] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client goes away from an answer that never ends."""
    complaints: list[str] = field(default_factory=list)
    """What clients did that the protocol forbids. Fails the test when the server is left."""


def answers(value: Any, status: int = 200, **headers: str) -> Reply:
    """One JSON value."""
    return Reply(
        (json.dumps(value).encode(),), status, {name.replace("_", "-"): said for name, said in headers.items()}
    )


@asynccontextmanager
async def serving(server: Scripted, answer: Callable[[Request], Reply]) -> AsyncIterator[Scripted]:
    """Serve on loopback; `answer` may raise `AssertionError` to complain about a request."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(server, answer, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listening.wait_closed()
    assert not server.complaints, server.complaints


@asynccontextmanager
async def endless() -> AsyncIterator[str]:
    """The address of a server whose answers always go on: blanks, as they may stand before JSON."""
    blanks = iter(lambda: b" ", None)

    def drips(_: Request) -> Reply:
        return Reply(cast("tuple[bytes, ...]", blanks))

    async with serving(Scripted(), drips) as server:
        yield server.url


async def _serve(
    server: Scripted,
    answer: Callable[[Request], Reply],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        if (request := await _read(reader)) is None:
            return
        server.requests.append(request)
        try:
            reply = answer(request)
        except AssertionError as error:
            server.complaints.append(f"{request.method} {request.path}: {error}")
            reply = answers({"error": {"message": "The server complains."}}, 400)
        await _write(writer, reply)
        if reply.end == "never":
            await reader.read()
            server.left.set()
        elif reply.end == "cut":
            writer.transport.abort()
    except ConnectionError:
        server.left.set()
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.splitlines()
    method, path, _ = first.split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body) if body else None)


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    headers = {"content-type": "application/json", **reply.headers, "connection": "close"}
    headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for piece in reply.body:
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
    if reply.end == "whole":
        writer.write(b"0\r\n\r\n")
    await writer.drain()

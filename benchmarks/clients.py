"""Clients that do next to nothing, so that what is measured is the server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import httptools

Era = Literal["legacy", "modern"]
"""Of the protocol: with a handshake and, over HTTP, a session; or without either, since 2026-07-28."""
VERSIONS: Mapping[Era, str] = {"legacy": "2025-11-25", "modern": "2026-07-28"}
_ME = {"name": "benchmark", "version": "1"}
_META = {
    "io.modelcontextprotocol/protocolVersion": VERSIONS["modern"],
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": _ME,
}
_INITIALIZE = {"protocolVersion": VERSIONS["legacy"], "capabilities": {}, "clientInfo": _ME}
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
_WARM_UP = 0.2
"""Seconds of calls before any is counted."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What a stretch of calls came to."""

    number: int
    """Of all calls, those that warmed up among them."""
    per_second: float
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, number: int, latencies: Iterable[float], seconds: float) -> Self:
        """From the number of all calls, the seconds each counted one took, and those all of them took."""
        found = sorted(latencies)
        return cls(number, len(found) / seconds, 1000 * found[len(found) // 2], 1000 * found[int(0.99 * len(found))])


def request(number: int, method: str, params: Mapping[str, Any], era: Era = "legacy") -> bytes:
    """A JSON-RPC request."""
    meta = {"_meta": _META} if era == "modern" else {}
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, **meta}}
    return json.dumps(message, separators=(",", ":")).encode()


def call(number: int, tool: str, arguments: Mapping[str, Any], era: Era = "legacy") -> bytes:
    """A call of a tool."""
    return request(number, "tools/call", {"name": tool, "arguments": arguments}, era)


class Stdio:
    """A server as a child process, spoken to over its pipes."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path, core: int | None) -> None:
        """Start the server, on one core of the processor or on any."""
        self.began = time.perf_counter()
        with pinned(core):
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                cwd=folder,
                bufsize=0,
            )
        assert self.process.stdin is not None  # noqa: S101  (both are pipes)
        assert self.process.stdout is not None  # noqa: S101
        self._in = self.process.stdin
        self._out = os.fdopen(os.dup(self.process.stdout.fileno()), "rb", 1 << 16)
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._in.close()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self._out.close()

    def initialize(self, era: Era) -> float:
        """Shake hands; seconds from the start of the process to the answer."""
        if era == "legacy":
            self._send(request(0, "initialize", _INITIALIZE))
        else:
            self._send(request(0, "server/discover", {}, era))
        self._answer()
        taken = time.perf_counter() - self.began
        if era == "legacy":
            self._send(_INITIALIZED)
        return taken

    def ask(self, method: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """Ask one thing; the result, and the seconds it took."""
        self._number += 1
        began = time.perf_counter()
        self._send(request(self._number, method, params))
        result = self._answer()["result"]
        return result, time.perf_counter() - began

    def calls(self, seconds: float, in_flight: int, era: Era) -> Calls:
        """Call `echo` for so long, with so many requests in flight."""
        begun: dict[int, float] = {}
        before = self._number
        latencies: list[float] = []
        template = call(-1, "echo", {"message": "hello"}, era)

        def go() -> None:
            self._number += 1
            begun[self._number] = time.perf_counter()
            self._send(template.replace(b"-1", str(self._number).encode(), 1))

        for _ in range(in_flight):
            go()
        counting = time.perf_counter() + _WARM_UP
        end = counting + seconds
        now = 0.0
        while now < end:
            number = self._answer()["id"]
            now = time.perf_counter()
            if now >= counting:
                latencies.append(now - begun.pop(number))
            go()
        for _ in range(in_flight):
            self._answer()
        return Calls.of(self._number - before, latencies, now - counting)

    def _send(self, message: bytes) -> None:
        self._in.write(message + b"\n")

    def _answer(self) -> dict[str, Any]:
        """The next answer; notices in between are dropped."""
        while line := self._out.readline():
            answer: dict[str, Any] = json.loads(line)
            if "id" in answer:
                _expect_result(answer)
                return answer
        raise EOFError(f"the server ended: {self.process.args!r}")


class Http:
    """A client over HTTP/1.1 with one connection, and one session where the era has them."""

    def __init__(self, port: int, era: Era) -> None:
        self._port = port
        self._era = era
        self._headers = f"MCP-Protocol-Version: {VERSIONS[era]}\r\n"
        if era == "modern":
            self._headers += "Mcp-Method: tools/call\r\nMcp-Name: echo\r\n"
        self._message = call(1, "echo", {"message": "hello"}, era)

    async def connect(self) -> None:
        """Connect, and shake hands where the era does."""
        loop = asyncio.get_running_loop()
        _, self._wire = await loop.create_connection(_Exchange, "127.0.0.1", self._port)
        if self._era == "legacy":
            await self._post(request(0, "initialize", _INITIALIZE), "")
            if self._wire.session:
                self._headers += f"Mcp-Session-Id: {self._wire.session}\r\n"
            await self._post(_INITIALIZED, self._headers)

    async def calls(self, counting: float, end: float) -> tuple[int, list[float]]:
        """Call `echo` until `end`; the number of calls, and the seconds each took that began after `counting`."""
        latencies: list[float] = []
        number = 0
        while (began := time.perf_counter()) < end:
            number += 1
            answer = await self._post(self._message, self._headers)
            if began >= counting:
                latencies.append(time.perf_counter() - began)
            # An event stream may begin with an event without data, from which a client could resume.
            _expect_result(json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1]))
        return number, latencies

    def close(self) -> None:
        """Drop the connection."""
        self._wire.close()

    async def _post(self, message: bytes, headers: str) -> bytes:
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\n{headers}Content-Length: {len(message)}\r\n\r\n"
        )
        return await asyncio.wait_for(self._wire.exchange(head.encode() + message), 30)


async def http_calls(clients: Sequence[Http], seconds: float) -> Calls:
    """Call `echo` for so long, each client one call after the other."""
    counting = time.perf_counter() + _WARM_UP
    end = counting + seconds
    made = await asyncio.gather(*(client.calls(counting, end) for client in clients))
    latencies = (one for _, each in made for one in each)
    return Calls.of(sum(number for number, _ in made), latencies, time.perf_counter() - counting)


class _Exchange(asyncio.Protocol):
    """One answer after each request; named by `httptools`, which calls the methods `on_…`."""

    def __init__(self) -> None:
        self.session = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  (TCP)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        with suppress(asyncio.InvalidStateError, AttributeError):
            self._answered.set_exception(exc or ConnectionError("closed by the server"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    async def exchange(self, message: bytes) -> bytes:
        """Send a request; the body of the answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        await self._answered
        if (status := self._parser.get_status_code()) not in (200, 202):
            raise ConnectionError(f"HTTP {status}: {self._body!r}")
        return self._body

    def close(self) -> None:
        self._transport.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"mcp-session-id":
            self.session = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._answered.set_result(None)


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Whatever is started inside runs on one core, or on any; where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, range(os.cpu_count() or 1) if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _expect_result(answer: Mapping[str, Any]) -> None:
    if "result" not in answer or answer["result"].get("isError"):
        raise ValueError(f"no result: {answer}")

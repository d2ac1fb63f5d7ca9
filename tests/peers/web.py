"""Real servers on loopback: a web server over TLS whose answers a test writes byte by byte, and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import trustme

from hybrid_mcp.config import Outgoing

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes an answer, status line included."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection; None when it ends."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, target, _ = head[0].split(" ")
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} twice"
        headers[name.lower()] = value.strip()
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@dataclass(slots=True)
class Connections:
    """A listening socket whose connections end with it."""

    port: int = 0

    @contextlib.asynccontextmanager
    async def listening(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[None]:
        running: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            try:
                with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                    await serve(reader, writer)
            finally:
                running.discard(task)
                writer.transport.abort()

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            left = tuple(running)
            for task in left:
                task.cancel()
            await asyncio.gather(*left)


class Web:
    """A web server over TLS with a certificate authority of its own."""

    def __init__(self, folder: Path, *names: str) -> None:
        """The certificate is for `names`."""
        self.names = names or ("localhost", "127.0.0.1")
        self.authority = trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        self.asked: list[Request] = []
        self.wanted: list[str | None] = []
        """The name that each connection's TLS handshake asked for (SNI)."""
        self.gone = asyncio.Event()
        """Somebody hung up before the answer's end."""
        self._answers: dict[str, Answer] = {}
        self._connections = Connections()

    @property
    def port(self) -> int:
        return self._connections.port

    def outgoing(self, **options: Any) -> Outgoing:
        """Settings with which this server may be asked."""
        private = tuple(f"{name}:{self.port}" for name in self.names)
        return Outgoing(**{"ca_file": self.ca_file, "private_hosts": private, **options})

    def url(self, path: str, host: str | None = None) -> str:
        return f"https://{host or self.names[0]}:{self.port}{path}"

    def gives(self, path: str, body: bytes = b"", status: int = 200, **headers: str) -> str:
        """Answer `path` with all of `body`; header names are written with underscores. Returns the URL."""
        lines = {"content_length": str(len(body)), **headers}
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n" + "".join(
            f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items()
        )

        async def whole(writer: asyncio.StreamWriter) -> None:
            writer.write(head.encode() + b"\r\n" + body)
            await writer.drain()

        return self.answers(path, whole)

    def answers(self, path: str, answer: Answer) -> str:
        """Answer `path` (`*`: all others) as `answer` writes it. Returns the URL."""
        self._answers[path] = answer
        return self.url(path)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Web]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(*self.names).configure_cert(tls)
        tls.sni_callback = lambda _, name, __: self.wanted.append(name)
        async with self._connections.listening(self._serve, tls):
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection: whoever wants more connects again."""
        request = await read_request(reader)
        if request is None:
            return
        self.asked.append(request)
        hung_up = asyncio.ensure_future(reader.read(1))
        found = self._answers.get(request.target.partition("?")[0]) or self._answers["*"]
        answer = asyncio.ensure_future(found(writer))
        try:
            await asyncio.wait((hung_up, answer), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() or isinstance(answer.exception(), ConnectionError):
                self.gone.set()
            else:
                await answer
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        finally:
            for task in (hung_up, answer):
                task.cancel()
            await asyncio.gather(hung_up, answer, return_exceptions=True)


class Proxy:
    """A proxy that tunnels every CONNECT to one place, and remembers what it was asked for."""

    def __init__(self, to: int) -> None:
        self.asked: list[str] = []
        self._to = to
        self._connections = Connections()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._connections.port}"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Proxy]:
        async with self._connections.listening(self._serve):
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        assert request is not None
        assert request.method == "CONNECT"
        self.asked.append(request.target)
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        finally:
            there_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1 << 16):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()

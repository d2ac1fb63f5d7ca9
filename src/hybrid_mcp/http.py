"""MCP over HTTP: Streamable HTTP at `/mcp` for clients of every era, and `/sse` for old ones; and the sidecar.

Who may call is decided by `Host` and `Origin` on every address, loopback too, where any web page could otherwise
reach the server by a name of its own (DNS rebinding; MCP specification, Transports, security warning).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hybrid_mcp.config import Serving
from hybrid_mcp.errors import PortUnusable, SettingsWrong
from hybrid_mcp.resources import HybridServer

_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")
_BACKLOG = 2048
_KEEP_ALIVE = 75
"""Seconds an idle connection is kept: longer than the pauses of a person at work, as browsers and proxies do."""
_HOST = rb"(\[[^\]]*\]|[^:/@\[\]]*)(:\d{0,5})?"
_FORMS = {b"host": re.compile(_HOST), b"origin": re.compile(rb"null|[a-z][a-z0-9+.-]*://" + _HOST)}
"""How the headers that decide who may call are written (RFC 9110, 7.2; RFC 6454, 6.2)."""


def security(serving: Serving) -> TransportSecuritySettings:
    """Who may call: this machine by its own names, and whoever the settings name.

    Raises:
        SettingsWrong: the address is reachable from elsewhere, and nobody said by whom.
    """
    if not _is_loopback(serving.host) and not (serving.allowed_hosts and serving.allowed_origins):
        raise SettingsWrong(
            ja=f"{serving.host} はこの機械の外からも届きます。HYBRID_MCP_SERVE__ALLOWED_HOSTS (例: mcp.example.org) と "
            "HYBRID_MCP_SERVE__ALLOWED_ORIGINS (例: https://mcp.example.org) の両方を設定してください。",
            en=f"{serving.host} can be reached from elsewhere. Set both HYBRID_MCP_SERVE__ALLOWED_HOSTS (e.g. "
            "mcp.example.org) and HYBRID_MCP_SERVE__ALLOWED_ORIGINS (e.g. https://mcp.example.org).",
        )
    own_pages = tuple(f"http://{name}" for name in _LOOPBACK_NAMES)
    return TransportSecuritySettings(
        allowed_hosts=_any_port((*_LOOPBACK_NAMES, *serving.allowed_hosts)),
        allowed_origins=[*_any_port(own_pages), *serving.allowed_origins],
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one.

    Raises:
        PortUnusable: it cannot be had.
    """
    try:
        return _listen(host, port)
    except OSError as error:
        raise PortUnusable(
            ja=f"{host} のポート {port} で待ち受けられません。別のプログラムが使っていないか確かめるか、"
            "--port で別のポートを指定してください。",
            en=f"Cannot listen on port {port} of {host} ({_reason(error)}). See whether another program uses it, or "
            "choose another port with --port.",
        ) from error


def listen_beside(port: int) -> socket.socket:
    """A socket for the sidecar, on this machine; port 0 takes any free one.

    Raises:
        PortUnusable: it cannot be had.
    """
    try:
        return _listen("127.0.0.1", port)
    except OSError as error:
        raise PortUnusable(
            ja=f"サイドカー (/health と /metrics) がポート {port} で待ち受けられません。別のプログラムが使っていないか"
            "確かめるか、--sidecar-port で別のポートを指定するか、--no-sidecar で止めてください。",
            en=f"The sidecar (/health and /metrics) cannot listen on port {port} ({_reason(error)}). See whether "
            "another program uses it, choose another port with --sidecar-port, or go without it with --no-sidecar.",
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    """Ours, and not uvicorn's: there a busy port ends the whole process."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    # A peer that vanished without a word is noticed by the kernel, and its connection closed.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


def _reason(error: OSError) -> str:
    """Why in a few words: asyncio's and `create_server`'s errors tell the address again, and in Python's form."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror)
    return os.strerror(error.errno)


def url_of(listener: socket.socket, path: str = "") -> str:
    """How a client on this machine reaches a listening socket."""
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{path}"


async def serve_http(server: HybridServer, serving: Serving, listener: socket.socket) -> None:
    """Serve every client until SIGINT or SIGTERM; then take nothing new, and give calls `drain` seconds to end.

    A second signal ends them at once.
    """
    asgi, manager = mcp_over_http(server, serving)
    requests = _Requests(asgi)
    served = _uvicorn(requests)
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()

    def end() -> None:
        server.notices.close()  # streams of notices are open as long as their client: no calls to wait for
        if ending.is_set():
            requests.end()
        served.should_exit = True
        ending.set()

    async def drain() -> None:
        await ending.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(serving.drain):
                await requests.no_calls()
        requests.end()

    def told(*_: object) -> None:
        loop.call_soon_threadsafe(end)

    async with manager, asyncio.TaskGroup() as tasks:
        with _on_signals(told):
            draining = tasks.create_task(drain())
            await served.serve(sockets=[listener])
            draining.cancel()


@asynccontextmanager
async def serving_beside(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on `listener` while the block runs."""
    requests = _Requests(app)
    served = _uvicorn(requests)
    task = asyncio.create_task(served.serve(sockets=[listener]))
    try:
        yield
    finally:
        served.should_exit = True
        requests.end()
        await task


def mcp_over_http(server: MCPServer[Any], serving: Serving) -> tuple[ASGIApp, AbstractAsyncContextManager[None]]:
    """The routes of MCP, and what must be entered while they are served.

    Raises:
        SettingsWrong: the address is reachable from elsewhere, and nobody said by whom.
    """
    guard = security(serving)
    # SSE responses, not JSON: progress and cancelling need the stream (FACTS: json_response drops both).
    streamable = server.streamable_http_app(
        max_request_body_size=serving.max_message_bytes, transport_security=guard, host=serving.host
    )
    routes = list(streamable.routes)
    if serving.with_sse:
        old = server.sse_app(
            max_request_body_size=serving.max_message_bytes, transport_security=guard, host=serving.host
        )
        routes.append(Mount("/", app=_Guarded(old, guard)))
    return Starlette(routes=routes), server.session_manager.run()


class _Guarded:
    """Refuses strangers before the SDK's `/sse` does, which answers them and then raises."""

    def __init__(self, app: ASGIApp, guard: TransportSecuritySettings) -> None:
        self._app = app
        self._guard = TransportSecurityMiddleware(guard)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = await self._guard.validate_request(Request(scope))
        await (refusal or self._app)(scope, receive, send)


def _uvicorn(app: ASGIApp) -> _Uvicorn:
    return _Uvicorn(
        uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            backlog=_BACKLOG,
        )
    )


class _Uvicorn(uvicorn.Server):
    """Uvicorn without signal handlers: its own raise the signal again before the App is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever serves."""
        yield


class _Requests:
    """The requests that are being answered, so that they can be waited for, and ended.

    Uvicorn waits for all of them alike; but streams of notices are open as long as their client.

    What decides who may call is refused where it can be read in two ways: checkers and applications would differ.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[asyncio.Task[Any]] = set()
        self._calls = 0
        self._no_calls = asyncio.Event()
        self._no_calls.set()
        self._ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # llhttp leaves the spaces that may follow a value, which are no part of it (RFC 9110, 5.5).
        # Host and Origin are the same in capitals, which those who compare them do not know.
        scope["headers"] = headers = [
            (name, value.rstrip(b" \t").lower() if name in _FORMS else value.rstrip(b" \t"))
            for name, value in scope["headers"]
        ]
        response = _Response(send)
        if not _is_plain(headers):
            refusal = PlainTextResponse("Send one Host, as host:port, and at most one Origin.", 400)
            await refusal(scope, receive, response)
            return
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (we are in one)
        self._open.add(task)
        is_call = scope.get("method") == "POST"
        self._count(is_call)
        try:
            await self._app(scope, receive, response)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            task.uncancel()
            await response.finish(scope, receive)
        finally:
            self._open.discard(task)
            self._count(-is_call)

    async def no_calls(self) -> None:
        """Wait until no call is being answered."""
        await self._no_calls.wait()

    def end(self) -> None:
        """End every answer: begun ones are closed, others say that the server is going away."""
        self._ended = True
        for task in self._open:
            task.cancel()

    def _count(self, change: int) -> None:
        self._calls += change
        if self._calls:
            self._no_calls.clear()
        else:
            self._no_calls.set()


def _is_plain(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether Host and Origin can be read in one way only.

    The SDK compares the beginning alone where any port is allowed: http://localhost:8001.evil.example would pass.
    """
    deciding = [(name, value) for name, value in headers if name in _FORMS]
    names = [name for name, _ in deciding]
    return len(names) == len(set(names)) and all(_FORMS[name].fullmatch(value) for name, value in deciding)


class _Response:
    """What was sent of an answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = self._complete = False

    async def __call__(self, message: Message) -> None:
        self._begun = True
        self._complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def finish(self, scope: Scope, receive: Receive) -> None:
        """Close an answer that was cut short."""
        if self._complete:  # what came after it was cut short
            return
        if self._begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            response = PlainTextResponse("The server is stopping; try again.", 503, {"Retry-After": "1"})
            await response(scope, receive, self._send)


@contextmanager
def _on_signals(handler: Any) -> Iterator[None]:
    """Call `handler` on SIGINT and SIGTERM while the block runs, on every platform."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        # The first signal was ours to obey; a later one must not cut the cleaning up behind us short.
        for number in before:
            signal.signal(number, signal.SIG_IGN)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name; whatever it stands for today
        return False


def _any_port(names: tuple[str, ...]) -> list[str]:
    """Each name with any port and with none; the SDK's list tells them apart."""
    return [form for name in names for form in (name, f"{name}:*")]

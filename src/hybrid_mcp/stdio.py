"""Our stdio transport: JSON-RPC lines on the process's own descriptors 0 and 1, on the asyncio loop.

The SDK's transport reads in a thread: a signal cannot end it before stdin closes, and busy sync work
starves it. Here pipes are read by the loop itself; where the loop cannot (files, consoles, Windows),
a daemon thread reads and dies with the process. While serving, descriptor 0 is empty and descriptor
1 is stderr, so nothing a C library prints can stand between two messages. SIGINT, SIGTERM and a client
that listens no more end the input, as one that closes it does: calls are cancelled, and everything is
cleaned up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_dual_era_loop, serve_loop
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    RequestId,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

_CHUNK = 2**16
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600

_log = logging.getLogger(__name__)


@asynccontextmanager
async def stdio_transport(longest: int) -> AsyncIterator[tuple[_Incoming, _Outgoing]]:
    """Claim the standard descriptors for messages of up to `longest` bytes, and give them back afterwards."""
    # No flush of Python's own buffer may land on the wire later.
    sys.stdout.flush()
    wire_in, wire_out = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    loop = asyncio.get_running_loop()
    try:
        reader, end = await _reader(wire_in)
        outgoing = _Outgoing(await _writer(wire_out, end))
        for number in _ENDING_SIGNALS:
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
                loop.add_signal_handler(number, end)
        yield _Incoming(_lines(reader, longest), outgoing, longest), outgoing
    finally:
        # The handlers stay, and now do nothing: a second signal must not cut the cleaning up behind us short.
        sys.stdout.flush()
        os.dup2(wire_in, 0)
        os.dup2(wire_out, 1)


async def serve_stdio(
    server: MCPServer[Any], *, longest: int, once_answered: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Serve one client on the standard descriptors until it closes its end.

    Args:
        server: what is served.
        longest: bytes of the longest message that is taken. Inline audio comes as base64 inside one line.
        once_answered: runs beside, from the first answer on, and is cancelled at the end: what may wait until the
            client has its connection.
    """
    # The one private name we use: MCPServer.run_stdio_async hard-wires the SDK's transport.
    low_level = server._lowlevel_server  # noqa: SLF001
    async with (
        low_level.lifespan(low_level) as lent,
        stdio_transport(longest) as (incoming, outgoing),
        asyncio.TaskGroup() as beside,
    ):
        waiting = beside.create_task(_after(outgoing.answered, once_answered))
        while incoming.open:  # a client that only looked (server/discover) begins anew with initialize
            # The loop of both eras passes every message on from task to task: a quarter of a small call's time.
            drive = serve_loop if await incoming.shakes_hands() else serve_dual_era_loop
            if incoming.open:
                options = low_level.create_initialization_options()
                await drive(low_level, incoming, outgoing, lifespan_state=lent, init_options=options)
        waiting.cancel()


async def _after(event: asyncio.Event, work: Callable[[], Awaitable[None]] | None) -> None:
    await event.wait()
    if work is not None:
        await work()


class _Stream:
    """What the SDK's ReadStream and WriteStream protocols share."""

    async def aclose(self) -> None:
        """Nothing to close: the descriptors belong to the transport."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


class _Outgoing(_Stream):
    """`WriteStream[SessionMessage]`: one message a line."""

    def __init__(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        self._write = write
        self._awaited: dict[RequestId, asyncio.Event] = {}
        self.answered = asyncio.Event()
        """Something was answered."""

    def expect(self, request: RequestId) -> asyncio.Event:
        """What is set when that request has been answered."""
        return self._awaited.setdefault(request, asyncio.Event())

    async def send(self, item: SessionMessage, /) -> None:
        """Write one message.

        Raises:
            anyio.BrokenResourceError: the client is gone.
        """
        message = item.message
        await self.send_line(message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            self.answered.set()
            if self._awaited and message.id is not None and (awaited := self._awaited.pop(message.id, None)):
                awaited.set()

    async def send_line(self, line: bytes) -> None:
        """Write one line of JSON."""
        try:
            await self._write(line + b"\n")
        except OSError as error:
            raise anyio.BrokenResourceError from error


class _Incoming(_Stream):
    """`ReadStream[SessionMessage | Exception]`: answers what is no message itself, so no client waits in vain."""

    def __init__(self, lines: AsyncIterator[bytes | None], outgoing: _Outgoing, longest: int) -> None:
        self._lines = lines
        self._outgoing = outgoing
        self._longest = longest
        self._looked: asyncio.Event | None = None
        self._begun = False
        self._held: SessionMessage | None = None
        self.open = True
        """Whether more can come."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        message, self._held = self._held or await self._next(), None
        if message is None:
            self.open = False
            raise StopAsyncIteration
        if await self._begins_anew(message):
            self._held = message
            raise StopAsyncIteration
        return message

    async def shakes_hands(self) -> bool:
        """Whether what comes next is the handshake of the older protocols; waits for it, and takes nothing away."""
        self._held = self._held or await self._next()
        self.open = self._held is not None
        request = self._held.message if self._held is not None else None
        return isinstance(request, JSONRPCRequest) and request.method == "initialize"

    async def _begins_anew(self, message: SessionMessage) -> bool:
        """Whether a client that only asked `server/discover`, in the era of 2026-07-28, now shakes hands as before.

        Claude Code does. The SDK settles the era by the first request, and would refuse it.
        """
        request = message.message
        if self._begun or not isinstance(request, JSONRPCRequest):
            return False
        if request.method == "server/discover":
            self._looked = self._outgoing.expect(request.id)
            return False
        self._begun = True
        if request.method != "initialize" or self._looked is None:
            return False
        await self._looked.wait()  # ending the input would cancel it
        return True

    async def _next(self) -> SessionMessage | None:
        """The next message that can be read; None at the end."""
        async for line in self._lines:
            if line is None:
                megabytes = self._longest // 2**20
                await self._refuse(None, _PARSE_ERROR, f"message longer than {megabytes} MiB; send a path instead")
            elif line.strip():
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValidationError as error:
                    await self._explain(line, error)
                    continue
                # A request whose id is no id passes for a notification; its sender waits for an answer.
                if isinstance(message, JSONRPCNotification) and b'"id"' in line and "id" in json.loads(line):
                    await self._refuse(None, _INVALID_REQUEST, "an id must be a string or an integer")
                    continue
                return SessionMessage(message)
        return None

    async def receive(self) -> SessionMessage | Exception:
        """The next message.

        Raises:
            anyio.EndOfStream: the client closed its end.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise anyio.EndOfStream from None

    async def _explain(self, line: bytes, error: ValidationError) -> None:
        """Answer a line that is no JSON-RPC message; with its id, when it has one."""
        try:
            # Python's parser takes lone surrogates, which ours refuses: enough to find whom to answer.
            raw = json.loads(line)
        except (ValueError, RecursionError):
            await self._refuse(None, _PARSE_ERROR, f"not JSON: {error.errors()[0]['msg']}")
            return
        if isinstance(raw, dict) and "method" in raw and "id" not in raw:
            return  # a malformed notification has nobody waiting for an answer
        request = raw.get("id") if isinstance(raw, dict) else None
        if isinstance(request, bool) or not isinstance(request, int | str):
            request = None  # JSON-RPC: null, when the id itself is none
        if b"\\ud" in line.lower():
            await self._refuse(
                request,
                _INVALID_REQUEST,
                "half of a surrogate pair in a string; send valid Unicode"
                " / 文字列に片割れのサロゲートがあります。正しい Unicode で送ってください",
            )
        else:
            await self._refuse(request, _INVALID_REQUEST, "not a JSON-RPC 2.0 message")

    async def _refuse(self, request: Any, code: int, message: str) -> None:
        _log.warning("message refused", extra={"reason": message})
        answer = {"jsonrpc": "2.0", "id": request, "error": {"code": code, "message": message}}
        await self._outgoing.send_line(json.dumps(answer).encode())  # ASCII: the id may be half a surrogate pair


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, Callable[[], None]]:
    """What reads a descriptor, and how to end it before the client does."""
    reader = asyncio.StreamReader(limit=_CHUNK)
    loop = asyncio.get_running_loop()
    if _is_pipe(descriptor):
        file = os.fdopen(descriptor, "rb", buffering=0, closefd=False)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        return reader, transport.close
    feed = _Feed(reader)
    threading.Thread(target=_read_on, args=(descriptor, feed, loop), name="stdin", daemon=True).start()
    return reader, feed.end


def _is_pipe(descriptor: int) -> bool:
    """Whether the loop can wait for it. Files, consoles and /dev/null need a thread; so does all of Windows."""
    mode = os.fstat(descriptor).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


async def _lines(reader: asyncio.StreamReader, longest: int) -> AsyncIterator[bytes | None]:
    """The lines that come in; None for one that is too long."""
    # Not StreamReader.readline, which drops what it read of a line that is too long, and takes the rest for a line.
    held = bytearray()
    skipping = False
    while chunk := await reader.read(_CHUNK):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            held += end
            yield None if skipping or len(held) > longest else bytes(held)
            held.clear()
            skipping = False
        held += rest
        if len(held) > longest:
            skipping = True
        if skipping:
            held.clear()
    if held:
        yield bytes(held)


class _Feed:
    """What a reading thread gives a reader, until either ends."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._ended = False

    def data(self, chunk: bytes) -> None:
        if not self._ended:
            self._reader.feed_data(chunk)

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._reader.feed_eof()


def _read_on(descriptor: int, feed: _Feed, loop: asyncio.AbstractEventLoop) -> None:
    chunk = b" "
    while chunk:
        try:
            chunk = os.read(descriptor, _CHUNK)
        except OSError:
            chunk = b""
        try:
            loop.call_soon_threadsafe(*((feed.data, chunk) if chunk else (feed.end,)))
        except RuntimeError:  # the loop is closed: the server has stopped
            return


class _Written(asyncio.streams.FlowControlMixin):
    """The client's end of what we write; says when it is closed."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost()


async def _writer(descriptor: int, lost: Callable[[], None]) -> Callable[[bytes], Awaitable[None]]:
    """How to write to the client: through the loop, or in a thread where the loop cannot.

    Args:
        descriptor: where to.
        lost: called once nothing more can be written: nobody would hear an answer.
    """
    loop = asyncio.get_running_loop()
    if not _is_pipe(descriptor):
        turn = asyncio.Lock()

        async def write_in_thread(data: bytes) -> None:
            async with turn:
                try:
                    await asyncio.to_thread(_write_all, descriptor, data)
                except OSError:
                    lost()
                    raise

        return write_in_thread
    file = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
    transport, protocol = await loop.connect_write_pipe(lambda: _Written(lost), file)
    stream = asyncio.StreamWriter(transport, protocol, None, loop)

    held: list[bytes] = []

    async def write(data: bytes) -> None:
        if transport.is_closing():
            raise BrokenPipeError
        # Answers of one turn of the loop go out in one piece: each by itself would wake the client.
        held.append(data)
        try:
            await asyncio.sleep(0)
        finally:
            if held:
                stream.write(b"".join(held))
                held.clear()
        await stream.drain()

    return write


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]

"""Many clients, rude clients, huge messages, and thousands of calls."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from serving import Served, serving

from hybrid_mcp.config import Settings
from hybrid_mcp.http import listen, mcp_over_http, serving_beside, url_of
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

pytestmark = pytest.mark.slow

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
}
HUNDRED_MEGABYTES = 100 * 2**20
Ask = Callable[[str, dict[str, Any]], Awaitable[httpx2.Response]]


@asynccontextmanager
async def legacy(http: httpx2.AsyncClient, url: str) -> AsyncIterator[Ask]:
    """A session of 2025-11-25."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    hello = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    session = {"Mcp-Session-Id": hello.headers["mcp-session-id"]}
    await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)

    async def ask(method: str, params: dict[str, Any]) -> httpx2.Response:
        message = {"jsonrpc": "2.0", "id": 2, "method": method, "params": params}
        return await http.post(url, json=message, headers=session)

    yield ask
    assert (await http.delete(url, headers=session)).status_code == 200


@asynccontextmanager
async def modern(http: httpx2.AsyncClient, url: str) -> AsyncIterator[Ask]:
    """Requests of 2026-07-28."""

    async def ask(method: str, params: dict[str, Any]) -> httpx2.Response:
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        if name := params.get("name") or params.get("uri"):
            headers["Mcp-Name"] = name
        message = {"jsonrpc": "2.0", "id": 2, "method": method, "params": params | {"_meta": MODERN}}
        return await http.post(url, json=message, headers=headers)

    yield ask


def clients(most: int = 100) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers=HEADERS, timeout=60, limits=httpx2.Limits(max_connections=most))


async def answers(served: Served) -> None:
    """Somebody else is served as ever."""
    async with clients() as http, modern(http, served.url) as ask:
        answer = await ask("tools/call", {"name": "list_voices", "arguments": {}})
        assert answer.status_code == 200
        assert '"isError":true' not in answer.text


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what only another process can make true."""
    while not condition():  # noqa: ASYNC110  (it sends no event)
        await asyncio.sleep(0.01)


async def hang_up(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


async def test_sixty_four_clients_at_once_each_get_their_own_answers(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, clients() as http:

        async def talk(number: int) -> None:
            async with (legacy if number % 2 else modern)(http, served.url) as ask:
                for turn in range(5):
                    title = f"Paper {number} of turn {turn}."
                    arguments = {"title": title, "abstract": "Sleep supports memory."}
                    answer = await ask("prompts/get", {"name": "write_script", "arguments": arguments})
                    assert answer.status_code == 200
                    assert title.rstrip(".") in answer.text

        await asyncio.gather(*(talk(number) for number in range(64)))


async def test_thousands_of_calls_leave_memory_descriptors_and_threads_as_they_were(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        process = psutil.Process(served.process.pid)

        async def calls(how_many: int) -> None:
            async def some() -> None:
                for session in (legacy, modern):
                    async with session(http, served.url) as ask:
                        for _ in range(how_many // 32):
                            answer = await ask("tools/call", {"name": "list_voices", "arguments": {}})
                            assert answer.status_code == 200

            async with clients(16) as http:
                await asyncio.gather(*(some() for _ in range(16)))

        await calls(640)  # what is loaded at first use is loaded
        await until(lambda: not process.net_connections("tcp")[1:])  # all but the listening one
        before = (process.num_fds(), process.num_threads())
        memory = process.memory_info().rss
        await calls(3200)
        await until(lambda: not process.net_connections("tcp")[1:])
        assert (process.num_fds(), process.num_threads()) == before
        # Leaking a kilobyte a call would be three megabytes.
        assert process.memory_info().rss - memory < 3 * 2**20


async def test_no_task_is_left_of_clients_that_are_gone(settings: Settings) -> None:
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_app(settings))
        asgi, manager = mcp_over_http(build_server(app), settings.serve)
        await stack.enter_async_context(manager)
        listener = stack.enter_context(listen("127.0.0.1", 0))
        await stack.enter_async_context(serving_beside(asgi, listener))
        url = url_of(listener, "/mcp")
        idle = len(asyncio.all_tasks())
        async with clients() as http, legacy(http, url) as ask:
            await ask("tools/call", {"name": "list_voices", "arguments": {}})
        await until(lambda: len(asyncio.all_tasks()) == idle + 1)
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with clients() as http, legacy(http, url) as ask:
                await ask("tools/call", {"name": "list_voices", "arguments": {}})
        async with clients() as http:
            listening = {"notifications": {"resourcesListChanged": True}, "_meta": MODERN}
            message = {"jsonrpc": "2.0", "id": 2, "method": "subscriptions/listen", "params": listening}
            headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
            async with http.stream("POST", url, json=message, headers=headers) as stream:
                assert "acknowledged" in await anext(line async for line in stream.aiter_lines() if "data: {" in line)
        await until(lambda: len(asyncio.all_tasks()) == before)
    # The SSE library's own, one for each loop; asyncio.run ends it with the program.
    (watcher,) = (task for task in asyncio.all_tasks() if "_shutdown_watcher" in repr(task.get_coro()))
    watcher.cancel()
    await asyncio.wait([watcher])


@pytest.mark.parametrize("counted", [True, False], ids=["with its length", "in chunks"])
async def test_a_message_of_100_megabytes_is_refused_over_http(tmp_path: Path, counted: bool) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 2**20

    async with serving(tmp_path) as served:
        process = psutil.Process(served.process.pid)
        async with clients() as http:
            content = b" " * HUNDRED_MEGABYTES if counted else body()
            try:
                answer = await http.post(served.url, content=content)
                assert answer.status_code == 413
            except httpx2.WriteError:  # refused while it was still being sent
                pass
        await answers(served)
        assert process.memory_info().rss < 400 * 2**20


async def test_half_open_connections_and_slow_senders_hold_nobody_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        process = psutil.Process(served.process.pid)
        port = httpx2.URL(served.url).port
        assert port is not None
        await answers(served)
        before = process.num_fds()
        beginnings = (
            b"",
            b"POST /mcp HT",
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n",
            b'POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"jsonrpc"',
        )
        writers = []
        for number in range(128):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(beginnings[number % len(beginnings)])
            await writer.drain()
            writers.append(writer)
        await until(lambda: process.num_fds() >= before + 128)
        await answers(served)
        await hang_up(writers)
        await until(lambda: process.num_fds() <= before)
        await answers(served)


async def test_a_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        port = httpx2.URL(served.url).port
        assert port is not None
        async with clients() as http, modern(http, served.url) as ask:
            spoken = await ask("tools/call", {"name": "synthesize_voice", "arguments": {"text": "海の話です。" * 30}})
            audio = spoken.text.split('"audio_id":"')[1].split('"')[0]
            whole = await ask("resources/read", {"uri": f"audio://{audio}"})
            assert len(whole.content) > 4 * 2**20  # far more than sockets hold
        process = psutil.Process(served.process.pid)
        params = {"uri": f"audio://{audio}", "_meta": MODERN}
        message = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": params}).encode()
        head = (
            f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(message)}\r\n"
            "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
            f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: resources/read\r\nMcp-Name: audio://{audio}\r\n\r\n"
        ).encode()
        deaf = []
        for _ in range(8):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(head + message)
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            deaf.append(writer)
        await answers(served)
        before = process.num_fds()
        await hang_up(deaf)
        await until(lambda: process.num_fds() <= before - 8)
        await answers(served)


async def test_a_client_that_reads_nothing_until_it_has_asked_everything_gets_every_answer(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hybrid_mcp", "serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path)},
        limit=2**24,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(400):  # of twenty kilobytes each: far more than a pipe holds
        message = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": {"_meta": MODERN}}
        process.stdin.write(json.dumps(message).encode() + b"\n")
        await process.stdin.drain()
    seen = {json.loads(await process.stdout.readline())["id"] for _ in range(400)}
    assert seen == set(range(400))
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_client_that_is_killed_in_the_middle_of_a_call_leaves_nothing_half_made(
    tmp_path: Path, transport: str
) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from mcp import Client, StdioServerParameters\n"
        "async def told(progress, total, message):\n"
        "    print('working', flush=True)\n"
        "async def main(url):\n"
        "    program = dict(command=sys.executable, args=['-m', 'hybrid_mcp', 'serve'], env=dict(os.environ))\n"
        "    server = url or StdioServerParameters(**program)\n"
        "    async with Client(server) as client:\n"
        "        text = '海馬は記憶に関わります。' * 300\n"
        "        await client.call_tool('synthesize_voice', {'text': text}, progress_callback=told)\n"
        "asyncio.run(main(sys.argv[1]))\n"
    )
    data = tmp_path / "data"
    async with AsyncExitStack() as stack:
        url = (await stack.enter_async_context(serving(data))).url if transport == "http" else ""
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, url),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"HYBRID_MCP_DATA_DIR": str(data)},
        )
        assert client.stdout is not None
        assert await client.stdout.readline() == b"working\n"
        assert list(data.rglob(".making-*"))
        client.send_signal(signal.SIGKILL)
        await client.wait()
        await until(lambda: not list(data.rglob(".making-*")))
        assert not list((data / "artifacts").iterdir())

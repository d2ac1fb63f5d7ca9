"""The server as a process: what stands on its wire, and how it ends."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from hybrid_mcp.__main__ import main
from hybrid_mcp.config import Serving
from hybrid_mcp.http import listen

# Every test is a process of its own: a second and a half.
pytestmark = pytest.mark.slow

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class Wire:
    """A raw client: lines out, lines in, nothing between that would mend them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def send(self, message: dict[str, Any] | bytes) -> None:
        assert self.process.stdin is not None
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(line + b"\n")
        await self.process.stdin.drain()

    async def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def answer_to(self, number: int | str) -> dict[str, Any]:
        while (answer := await self.receive()).get("id") != number:
            assert answer["jsonrpc"] == "2.0"
        return answer

    async def call(self, number: int, name: str, arguments: dict[str, Any]) -> None:
        params = {"name": name, "arguments": arguments, "_meta": {"progressToken": number}}
        await self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    async def hello(self) -> None:
        await self.send(HELLO)
        await self.answer_to(1)
        await self.send(READY)

    async def ended(self) -> int:
        """Exit status, once everything it still said was JSON-RPC."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            assert json.loads(line)["jsonrpc"] == "2.0"
        return await self.process.wait()


@asynccontextmanager
async def served(tmp_path: Path, **environment: str) -> AsyncIterator[Wire]:
    env = os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path / "data"), "HYBRID_MCP_LANGUAGE": "en"} | environment
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hybrid_mcp",
        "serve",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        limit=2**24,
    )
    assert process.stderr is not None
    drained = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(60):
            yield Wire(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await drained


async def test_closing_stdin_ends_the_server(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        assert wire.process.stdin is not None
        wire.process.stdin.close()
        assert await wire.ended() == 0


async def test_a_client_that_listens_no_more_ends_the_server_though_stdin_is_open(tmp_path: Path) -> None:
    listening, said = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hybrid_mcp", "serve"),
        stdin=asyncio.subprocess.PIPE,
        stdout=said,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path)},
    )
    os.close(said)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(json.dumps(HELLO).encode() + b"\n")
    assert b'"result"' in await asyncio.to_thread(os.read, listening, 2**20)
    os.close(listening)
    try:
        async with asyncio.timeout(60):
            told = await process.stderr.read()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
    assert b"asyncio" not in told


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
async def test_a_closed_descriptor_is_refused_with_a_sentence(tmp_path: Path, closed: str) -> None:
    process = await asyncio.create_subprocess_shell(
        f'"{sys.executable}" -m hybrid_mcp serve {closed}',
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path), "HYBRID_MCP_LANGUAGE": "en"},
    )
    async with asyncio.timeout(60):
        _, told = await process.communicate()
    assert process.returncode == 1
    assert b"closed" in told
    assert b"Traceback" not in told


def test_an_interrupt_while_settings_are_read_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hybrid_mcp.__main__._settings", interrupted)
    assert main(["serve"]) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_an_idle_server_though_stdin_is_open(tmp_path: Path, number: int) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        wire.process.send_signal(number)
        assert await wire.ended() == 0


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "EOF"])
async def test_ending_in_the_middle_of_work_leaves_nothing_half_written(tmp_path: Path, how: str) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.call(2, "synthesize_voice", {"text": "海馬は記憶に関わります。" * 200})
        while (await wire.receive()).get("method") != "notifications/progress":
            pass
        assert list((tmp_path / "data").rglob(".making-*"))
        assert wire.process.stdin is not None
        if how == "EOF":
            wire.process.stdin.close()
        else:
            wire.process.send_signal(getattr(signal, how))
        assert await wire.ended() == 0
        assert list((tmp_path / "data" / "artifacts").iterdir()) == []


async def test_cancelling_a_call_stops_the_work_and_the_server_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.call(2, "synthesize_voice", {"text": "海馬は記憶に関わります。" * 200})
        while (await wire.receive()).get("method") != "notifications/progress":
            pass
        await wire.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
        while list((tmp_path / "data").rglob(".making-*")):
            await wire.send({"jsonrpc": "2.0", "id": 3, "method": "ping"})
            await wire.answer_to(3)
        await wire.call(4, "synthesize_voice", {"text": "はい。"})
        assert not (await wire.answer_to(4))["result"].get("isError")


async def test_what_is_no_message_is_answered_and_the_server_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.send(b"this is not JSON")
        assert (await wire.receive())["error"]["code"] == -32700
        await wire.send(b'{"jsonrpc": "2.0", "id": 7, "method": 5}')
        answer = await wire.receive()
        assert (answer["id"], answer["error"]["code"]) == (7, -32600)
        await wire.send(b"")
        await wire.send(b"[" * 100_000)
        assert (await wire.receive())["error"]["code"] == -32700
        await wire.send({"jsonrpc": "2.0", "id": 8, "method": "ping"})
        assert (await wire.answer_to(8))["result"] == {}


@pytest.mark.parametrize("odd", ['"\\ud800"', "NaN", "null", "true", "1.5", "[1]", '{"a": 1}'])
async def test_an_odd_id_is_answered_with_null_and_the_server_goes_on(tmp_path: Path, odd: str) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.send(f'{{"jsonrpc": "2.0", "id": {odd}, "method": "ping"}}'.encode())
        answer = await wire.receive()
        assert answer["error"]["code"] == -32600 or answer.get("result") == {}
        await wire.send({"jsonrpc": "2.0", "id": 8, "method": "ping"})
        assert (await wire.answer_to(8))["result"] == {}


async def test_a_second_signal_does_not_cut_the_cleaning_up_short(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.call(2, "synthesize_voice", {"text": "海馬は記憶に関わります。" * 200})
        while (await wire.receive()).get("method") != "notifications/progress":
            pass
        wire.process.send_signal(signal.SIGTERM)
        wire.process.send_signal(signal.SIGTERM)
        assert await wire.ended() == 0
        assert list((tmp_path / "data" / "artifacts").iterdir()) == []


async def test_the_null_device_is_an_empty_stdin(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hybrid_mcp", "serve", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert (process.returncode, out) == (0, b"")


async def test_half_a_surrogate_pair_is_explained_to_whoever_sent_it(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        params = '{"name": "synthesize_voice", "arguments": {"text": "a\\ud800b"}}'
        await wire.send(f'{{"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {params}}}'.encode())
        answer = await wire.answer_to(9)
        assert "surrogate" in answer["error"]["message"]


async def test_a_message_beyond_the_limit_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.hello()
        await wire.send(b'"' + b"x" * (Serving().max_message_bytes + 1) + b'"')
        assert "longer than" in (await wire.receive())["error"]["message"]
        await wire.send({"jsonrpc": "2.0", "id": 8, "method": "ping"})
        assert (await wire.answer_to(8))["result"] == {}


async def test_plain_files_serve_as_stdin_and_stdout(tmp_path: Path) -> None:
    asked, answered = tmp_path / "in", tmp_path / "out"
    asked.write_bytes(b"".join(json.dumps(message).encode() + b"\n" for message in (HELLO, READY)))
    with asked.open("rb") as stdin, answered.open("wb") as stdout:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hybrid_mcp", "serve", stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            await process.communicate()
    assert process.returncode == 0
    assert json.loads(answered.read_bytes())["result"]["serverInfo"]["name"] == "hybrid-mcp"


async def test_a_data_directory_that_cannot_be_used_is_said_before_serving(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    async with served(tmp_path) as wire:
        assert await wire.ended() == 1


async def test_what_c_code_prints_does_not_reach_the_wire(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from hybrid_mcp import __main__, stdio\n"
        "real = stdio.serve_stdio\n"
        "async def noisy(server, **how):\n"
        "    async def serve():\n"
        "        await real(server, **how)\n"
        "    task = asyncio.create_task(serve())\n"
        "    await asyncio.sleep(0)\n"
        "    os.write(1, b'noise from C\\n'); print('noise from Python', flush=True)\n"
        "    await task\n"
        "stdio.serve_stdio = noisy\n"
        "sys.exit(__main__.main(['serve']))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(json.dumps(HELLO).encode() + b"\n")
    assert [json.loads(line)["jsonrpc"] for line in out.splitlines()] == ["2.0"]
    assert b"noise from C" in err
    assert b"noise from Python" in err


MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
}
LOOK = {"jsonrpc": "2.0", "id": "look", "method": "server/discover", "params": {"_meta": MODERN}}


@pytest.mark.parametrize("waits", [True, False])
async def test_a_client_that_looks_first_may_still_shake_hands(tmp_path: Path, waits: bool) -> None:
    async with served(tmp_path) as wire:
        await wire.send(LOOK)
        if not waits:
            await wire.send(HELLO)
        assert "2026-07-28" in (await wire.answer_to("look"))["result"]["supportedVersions"]
        if waits:
            await wire.send(HELLO)
        assert (await wire.answer_to(1))["result"]["protocolVersion"] == "2025-11-25"
        await wire.send(READY)
        await wire.call(2, "list_voices", {})
        assert not (await wire.answer_to(2))["result"].get("isError")
        assert wire.process.stdin is not None
        wire.process.stdin.close()
        assert await wire.ended() == 0


async def test_a_client_that_looks_may_go_on_in_the_new_era_and_then_stays_there(tmp_path: Path) -> None:
    async with served(tmp_path) as wire:
        await wire.send(LOOK)
        await wire.answer_to("look")
        await wire.send({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {"_meta": MODERN}})
        assert (await wire.answer_to(2))["result"]["tools"]
        await wire.send(HELLO)
        assert (await wire.answer_to(1))["error"]["code"] == -32022
        await wire.send({"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {"_meta": MODERN}})
        assert (await wire.answer_to(3))["result"]["tools"]


@pytest.mark.parametrize("busy", [True, False])
async def test_the_sidecar_stands_beside_stdio_unless_its_port_is_taken(tmp_path: Path, busy: bool) -> None:
    taken = listen("127.0.0.1", 0)
    port = taken.getsockname()[1]
    if not busy:
        taken.close()
    with taken:
        async with (
            served(tmp_path, HYBRID_MCP_SERVE__SIDECAR="true", HYBRID_MCP_SERVE__SIDECAR_PORT=str(port)) as wire,
            httpx2.AsyncClient() as http,
        ):
            await wire.hello()
            answer = None
            while not busy and answer is None:
                with contextlib.suppress(httpx2.ConnectError):  # FastAPI is imported after the first answer
                    answer = await http.get(f"http://127.0.0.1:{port}/health")
            await wire.call(2, "list_voices", {})
            assert not (await wire.answer_to(2))["result"].get("isError")
            assert wire.process.stdin is not None
            wire.process.stdin.close()
            assert await wire.ended() == 0

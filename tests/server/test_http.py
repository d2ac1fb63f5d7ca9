"""MCP over HTTP: who may call, every era, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from serving import SERVE, serving

from hybrid_mcp.__main__ import main
from hybrid_mcp.config import Serving, Settings
from hybrid_mcp.errors import PortUnusable, SettingsWrong
from hybrid_mcp.http import listen, listen_beside, mcp_over_http, security, serving_beside
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
LONG = "海馬は記憶に関わります。" * 200


def test_beyond_this_machine_hosts_and_origins_must_be_named() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "mcp.example.org"):  # noqa: S104  (what must be refused)
        with pytest.raises(SettingsWrong, match="ALLOWED_HOSTS"):
            security(Serving(host=host))
        with pytest.raises(SettingsWrong):
            security(Serving(host=host, allowed_hosts=("mcp.example.org",)))
    allowed = security(
        Serving(host="::", allowed_hosts=("mcp.example.org",), allowed_origins=("https://mcp.example.org",))
    )
    assert allowed.enable_dns_rebinding_protection
    assert {"mcp.example.org", "mcp.example.org:*", "127.0.0.1:*"} <= set(allowed.allowed_hosts)
    assert "https://mcp.example.org:*" not in allowed.allowed_origins


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "::1"])
def test_this_machine_needs_nothing_named(host: str) -> None:
    assert security(Serving(host=host)).enable_dns_rebinding_protection


def test_a_busy_port_is_told() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(PortUnusable, match=str(taken.getsockname()[1])):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(PortUnusable, match=r"host\.invalid"):
        listen("host.invalid", 0)


def test_a_busy_sidecar_port_names_the_options_that_help() -> None:
    with listen_beside(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortUnusable) as refused:
            listen_beside(port)
    for language in ("ja", "en"):
        said = refused.value.text(language)
        assert all(part in said for part in ("--sidecar-port", "--no-sidecar", str(port)))
    assert "in use" not in refused.value.text("ja")


async def test_who_calls_is_read_in_one_way_only(settings: Settings) -> None:
    named = Serving(allowed_hosts=("mcp.example.org",), allowed_origins=("https://mcp.example.org",))
    here = "Host: 127.0.0.1"
    cases = {
        ("Host: LOCALHOST:8001",): 405,  # not refused: PUT is none of MCP's methods
        ("Host: MCP.example.org",): 405,
        (here, "Origin: HTTP://LOCALHOST:8001"): 405,
        (here, "Origin: https://mcp.example.org"): 405,
        (here, "Origin: https://evil.example"): 403,
        (here, "Origin: null"): 403,
        (here, "Origin: http://localhost:8001.evil.example"): 400,
        (here, "Origin: http://localhost:8001@evil.example"): 400,
        (here, "Origin: http://localhost", "Origin: https://evil.example"): 400,
        ("Host: localhost:8001.evil.example",): 400,
        (here, "Host: evil.example"): 400,
    }
    async with open_app(settings) as app:
        asgi, manager = mcp_over_http(build_server(app), named)
        listener = listen("127.0.0.1", 0)
        async with manager, serving_beside(asgi, listener):
            for headers, status in cases.items():
                # By hand: no client sends two of them.
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                lines = ("PUT /mcp HTTP/1.1", *headers, "Content-Length: 0", "Connection: close", "", "")
                writer.write("\r\n".join(lines).encode())
                answer = await reader.read()
                writer.close()
                assert answer.split()[1] == str(status).encode(), headers


@pytest.mark.slow
async def test_no_address_is_told_that_will_not_be_served(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *SERVE, "--host", "0.0.0.0"),  # noqa: S104  (what must be refused)
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path / "data")},
    )
    _, said = await process.communicate()
    assert process.returncode == 1
    assert b"ALLOWED_HOSTS" in said
    assert b"http://" not in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", [["--port", "0"], ["--host", "::1"], ["--with-sse"]])
def test_what_only_http_has_is_refused_on_stdio(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", *option])
    assert ended.value.code == 2
    assert f"{option[0]} needs --transport http" in capsys.readouterr().err


@pytest.mark.slow
async def test_only_known_hosts_and_origins_are_answered(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", "--with-sse") as served, httpx2.AsyncClient(headers=HEADERS) as http:
        port = httpx2.URL(served.url).port
        for host in ("127.0.0.1", "localhost", "[::1]", f"localhost:{port}"):
            answer = await http.post(served.url, json=HELLO, headers={"Host": host})
            assert answer.status_code == 200, host
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example:80"):
            for address in (served.url, f"{served.base}/messages/?session_id=1"):
                answer = await http.post(address, json=HELLO, headers={"Host": host})
                assert answer.status_code == 421, (host, address)
        assert (await http.get(f"{served.base}/sse", headers={"Host": "evil.example"})).status_code == 421
        for origin, status in (("https://evil.example", 403), ("null", 403), (f"http://localhost:{port}", 200)):
            answer = await http.post(served.url, json=HELLO, headers={"Origin": origin})
            assert answer.status_code == status, origin


@pytest.mark.slow
async def test_old_clients_use_sse(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", "--with-sse") as served:
        heard: list[float] = []

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            heard.append(progress)

        async with Client(sse_client(served.sse), mode="legacy") as client:
            answer = await client.call_tool("synthesize_voice", {"text": "はい。"}, progress_callback=progress)
            assert not answer.is_error
            assert heard
    async with serving(tmp_path / "data") as served, httpx2.AsyncClient() as http:
        assert (await http.get(f"{served.base}/sse")).status_code == 404


@asynccontextmanager
async def speaking(http: httpx2.AsyncClient, url: str, text: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """A call that has reported progress; what else it says."""
    hello = await http.post(url, json=HELLO)
    session = {"Mcp-Session-Id": hello.headers["mcp-session-id"]}
    await http.post(url, json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
    call = {"name": "synthesize_voice", "arguments": {"text": text}, "_meta": {"progressToken": 1}}
    message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
    async with http.stream("POST", url, json=message, headers=session) as answer:
        said = (json.loads(line[5:]) async for line in answer.aiter_lines() if line.startswith("data: {"))
        assert (await anext(said))["method"] == "notifications/progress"
        yield said


@pytest.mark.slow
async def test_a_signal_lets_calls_end(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "data", HYBRID_MCP_SERVE__DRAIN="3600") as served,
        httpx2.AsyncClient(headers=HEADERS, timeout=60) as http,
    ):
        async with speaking(http, served.url, LONG[:600]) as said:
            served.process.send_signal(signal.SIGTERM)
            answer = [message async for message in said][-1]
        assert Path(answer["result"]["structuredContent"]["path"]).is_file()
        assert await served.process.wait() == 0


@pytest.mark.slow
async def test_a_second_signal_ends_calls_at_once_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    async with serving(tmp_path / "data") as served, httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
        async with speaking(http, served.url, LONG) as said:
            served.process.send_signal(signal.SIGINT)
            served.process.send_signal(signal.SIGINT)
            assert not [message async for message in said if "result" in message]
        assert await served.process.wait() == 0
    assert list((tmp_path / "data" / "artifacts").iterdir()) == []


@pytest.mark.slow
async def test_a_stream_of_notices_does_not_hold_the_end_up(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", HYBRID_MCP_SERVE__DRAIN="3600") as served:
        async with httpx2.AsyncClient(headers=HEADERS, timeout=60) as http:
            hello = await http.post(served.url, json=HELLO)
            session = {"Mcp-Session-Id": hello.headers["mcp-session-id"], "Accept": "text/event-stream"}
            async with http.stream("GET", served.url, headers=session) as stream:
                assert stream.status_code == 200
                served.process.send_signal(signal.SIGTERM)
                async for _ in stream.aiter_bytes():
                    pass
        assert await served.process.wait() == 0


@pytest.mark.slow
async def test_a_busy_port_or_sidecar_port_ends_it_with_a_sentence(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        for arguments in (("--port", port), ("--port", "0", "--sidecar-port", port)):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hybrid_mcp", "serve", "--transport", "http", *arguments),
                stderr=asyncio.subprocess.PIPE,
                env=os.environ | {"HYBRID_MCP_DATA_DIR": str(tmp_path), "HYBRID_MCP_SERVE__SIDECAR": "true"},
            )
            _, said = await process.communicate()
            assert process.returncode == 1
            assert port in said.decode()
            assert "Traceback" not in said.decode()


@pytest.mark.slow
async def test_the_sidecar_stands_beside_http(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "data", "--sidecar-port", "0", HYBRID_MCP_SERVE__SIDECAR="true") as served,
        httpx2.AsyncClient() as http,
    ):
        assert (await http.get(f"{served.sidecar}/health")).status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert await served.process.wait() == 0


def test_ipv6_is_listened_on() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6

"""What users' URLs may reach, with real TLS servers on loopback. Public addresses are reached through a proxy of ours."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import itertools
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import held
from hypothesis import given
from hypothesis import strategies as st
from peers.web import Connections, Proxy, Web

from hybrid_mcp.addresses import is_named, is_public, target_of
from hybrid_mcp.config import Outgoing
from hybrid_mcp.egress import Egress, Fetched
from hybrid_mcp.errors import DeadlineExceeded, EngineUnavailable, HybridError, MediaRefused, UrlRefused

SOUND = b"RIFF" + bytes(range(256)) * 4000
SECRET = "signature-of-somebody"  # noqa: S105


class Names:
    """A resolver that answers from a table, each time with the next entry, and counts."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self._answers = itertools.chain(answers, itertools.repeat(answers[-1]))
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        match next(self._answers):
            case OSError() as error:
                raise error
            case found:
                return found


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    async with held(Web(tmp_path).open()) as server:
        yield server


async def fetched(egress: Egress, url: str, max_bytes: int = 10_000_000) -> tuple[Fetched, bytes]:
    sink = io.BytesIO()
    async with asyncio.timeout(60):
        got = await egress.fetch(url, sink, max_bytes)
    return got, sink.getvalue()


async def refusal(egress: Egress, url: str, kind: type[HybridError], max_bytes: int = 10_000_000) -> str:
    """What is said in English when `url` is not fetched."""
    separator = "&" if "?" in url else "?"
    with pytest.raises(kind) as refused:
        await fetched(egress, f"{url}{separator}token={SECRET}", max_bytes)
    ja, en = refused.value.text("ja"), refused.value.text("en")
    assert ja != en
    assert SECRET not in ja + en
    assert type(refused.value) is kind
    return en


# Getting things


async def test_a_recording_is_fetched_with_its_name_type_and_size(web: Web) -> None:
    web.gives("/talks/%E8%AC%9B%E6%BC%94%201.wav", SOUND, content_type="Audio/WAV; rate=16000")
    got, body = await fetched(Egress(web.outgoing()), web.url("/talks/講演 1.wav?token=x#t=10"))
    assert got == Fetched("講演_1.wav", "audio/wav", len(SOUND))
    assert body == SOUND
    [request] = web.asked
    assert request.target == "/talks/%E8%AC%9B%E6%BC%94%201.wav?token=x"
    assert request.headers["host"] == f"localhost:{web.port}"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "recording"),
        ("/..%2f..%2fetc%2fpasswd", "passwd"),
        ("/a/%2e%2e", "recording"),
        ("/C%3A%5Cx%00y.wav", "C_x_y.wav"),
        ("/%ff%fe.mp3", "_.mp3"),
        ("/" + "長" * 200 + ".wav", "長" * 56 + ".wav"),
    ],
)
async def test_the_name_of_a_recording_is_safe_as_a_files_name(web: Web, path: str, name: str) -> None:
    web.gives("*", SOUND)
    got, _ = await fetched(Egress(web.outgoing()), web.url(path))
    assert got.name == name


async def test_the_certificate_is_checked_against_the_name_while_the_address_is_asked(tmp_path: Path) -> None:
    async with Web(tmp_path, "recordings.example").open() as web:
        names = Names(["127.0.0.1"])
        _, body = await fetched(Egress(web.outgoing(), names), web.gives("/a.wav", SOUND))
        assert body == SOUND
        assert web.wanted == ["recordings.example"]
        assert web.asked[0].headers["host"] == f"recordings.example:{web.port}"
        assert names.asked == ["recordings.example"]


async def test_the_next_address_is_tried_when_one_does_not_answer(web: Web) -> None:
    egress = Egress(web.outgoing(), Names(["127.0.0.2", "127.0.0.1"]))
    _, body = await fetched(egress, web.gives("/a.wav", SOUND))
    assert body == SOUND


async def test_an_answer_in_chunks_without_a_length_is_fetched(web: Web) -> None:
    async def chunks(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(10):
            writer.write(b"3\r\nabc\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    got, body = await fetched(Egress(web.outgoing()), web.answers("/a", chunks))
    assert body == b"abc" * 10
    assert got.size == 30


async def test_a_caller_may_refuse_by_name_and_type_before_the_body_is_sent(web: Web) -> None:
    async def only_head(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    def no_pages(found: Fetched) -> None:
        raise MediaRefused(ja="頁", en=f"{found}")

    sink = io.BytesIO()
    async with asyncio.timeout(60):
        with pytest.raises(MediaRefused, match="text/html"):
            await Egress(web.outgoing()).fetch(web.answers("/page", only_head), sink, 100, no_pages)
        await web.gone.wait()
    assert sink.getvalue() == b""


# Addresses


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 10.1.2.3 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1
    172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1
    224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 100.100.100.200 168.63.129.16
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::169.254.169.254 64:ff9b::808:808 64:ff9b:1::1 100::1
    2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254
    fe80::1 fe80::1%lo fec0::1 ff02::1""".split(),
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 223.255.255.255 "
    "2001:200::1 2400:cb00::1 2606:4700:4700::1111 2a00:1450:4001::1".split(),
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


LITERALS = """127.0.0.1 127.1 2130706433 0x7f000001 0x7f.1 0177.0.0.1 0 127.0.0.1. 127.0.0.01 [::1] [::] [::ffff:127.0.0.1]
[::ffff:7f00:1] [0:0:0:0:0:0:0:1] [64:ff9b::7f00:1] [2002:7f00:1::] [fe80::1] [fe80::1%25lo] [fd00:ec2::254]
169.254.169.254 100.100.100.200 10.0.0.1 224.0.0.1 255.255.255.255 localhost LOCALHOST localhost. 127。0。0。1 １２７.0.0.1
⑫7.0.0.1 0x""".split()


@pytest.mark.parametrize("host", LITERALS)
async def test_this_machine_and_private_networks_are_refused_however_they_are_written(web: Web, host: str) -> None:
    """Nobody is asked: a name that means this machine is refused once it is resolved, a number before."""
    await refusal(Egress(web.outgoing(private_hosts=())), f"https://{host}/a.wav", UrlRefused)
    await refusal(
        Egress(Outgoing(allowed_hosts=(f"localhost:{web.port}",))), web.url("/a.wav"), UrlRefused
    )  # allowed, and yet private
    assert web.wanted == []


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["2606:4700::1", "::ffff:1.2.3.4"]])
async def test_a_name_with_a_private_address_is_refused_with_the_remedy(addresses: list[str]) -> None:
    said = await refusal(Egress(Outgoing(), Names(addresses)), "https://rebind.example/a.wav", UrlRefused)
    assert "rebind.example" in said
    assert "HYBRID_MCP_OUTGOING__PRIVATE_HOSTS" in said


async def test_a_name_is_resolved_once_and_the_checked_address_is_asked(tmp_path: Path) -> None:
    """DNS rebinding: public when it is checked, private when it is asked for again."""
    async with Web(tmp_path, "rebind.example").open() as web, Proxy(web.port).open() as proxy:
        names = Names(["8.8.8.8"], ["127.0.0.1"])
        web.gives("/a.wav", SOUND)
        egress = Egress(web.outgoing(private_hosts=(), proxy=proxy.url), names)
        _, body = await fetched(egress, "https://rebind.example/a.wav")
        assert body == SOUND
        assert names.asked == ["rebind.example"]
        assert proxy.asked == ["8.8.8.8:443"]
        assert web.wanted == ["rebind.example"]
        assert web.asked[0].headers["host"] == "rebind.example"
        # The second time it is private, and refused.
        await refusal(egress, "https://rebind.example/a.wav", UrlRefused)
        assert len(proxy.asked) == 1


async def test_an_ipv4_address_is_asked_first(tmp_path: Path) -> None:
    async with Web(tmp_path, "both.example").open() as web, Proxy(web.port).open() as proxy:
        web.gives("/a.wav", SOUND)
        egress = Egress(web.outgoing(proxy=proxy.url), Names(["2606:4700:4700::1111", "1.1.1.1"]))
        _, body = await fetched(egress, "https://both.example/a.wav")
        assert body == SOUND
        assert proxy.asked == ["1.1.1.1:443"]


async def test_hosts_that_do_not_exist_and_resolvers_that_fail_are_told_apart() -> None:
    nobody = Names(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert "spelling" in await refusal(Egress(Outgoing(), nobody), "https://nowhere.example/", UrlRefused)
    broken = Names(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    assert "network" in await refusal(Egress(Outgoing(), broken), "https://nowhere.example/", EngineUnavailable)
    await refusal(Egress(Outgoing(), Names([])), "https://nowhere.example/", EngineUnavailable)


# URLs


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/a.wav", "https://"),
        ("ftp://example.org/a.wav", "https://"),
        ("file:///etc/passwd", "https://"),
        ("//example.org/a.wav", "https://"),
        ("https://user:secret@example.org/", "password"),
        ("https://user@example.org/", "password"),
        ("https://example.org\\@127.0.0.1/", "password"),
        ("https://", "malformed"),
        ("https:///a.wav", "malformed"),
        ("https:example.org", "malformed"),
        ("https://exa mple.org/", "malformed"),
        ("https://ex%61mple.org/", "malformed"),
        ("https://example.org:99999/", "malformed"),
        ("https://example.org:0/", "malformed"),
        ("https://a..b/", "malformed"),
        ("https://example.org/\n", None),
        ("https://exam\nple.org/", "malformed"),
        ("https://" + "a" * 64 + ".org/", "malformed"),
        ("https://" + "a." * 130 + "org/", "malformed"),
        ("https://[::1", "malformed"),
        ("https://134744072/", "number"),
        ("https://0x8.8.8.8/", "number"),
        ("https://8.8.2056/", "number"),
        ("https://example.org:22/", "ALLOWED_HOSTS"),
        ("https://example.org:8443/", "ALLOWED_HOSTS"),
        ("https://example.org:443/", None),
        ("HTTPS://日本語.example/", None),
        (" https://under_score.example./a ", None),
    ],
)
def test_urls_that_may_not_be_asked_are_refused_with_the_reason(url: str, why: str | None) -> None:
    if why is None:
        assert target_of(url, (), ()).port == 443
        return
    with pytest.raises(UrlRefused) as refused:
        target_of(url, (), ())
    assert why in refused.value.text("en") + refused.value.text("ja")
    assert "secret" not in refused.value.text("en") + refused.value.text("ja")


@pytest.mark.parametrize(
    ("url", "entries", "allowed"),
    [
        ("https://example.org/", "example.org", True),
        ("https://EXAMPLE.org./", "Example.ORG", True),
        ("https://sub.example.org/", "example.org", False),
        ("https://sub.example.org/", ".example.org", True),
        ("https://a.b.example.org/", ".example.org", True),
        ("https://example.org/", ".example.org", False),
        ("https://badexample.org/", ".example.org", False),
        ("https://example.org.evil.example/", "example.org .example.org", False),
        ("https://日本語.example/", "xn--wgv71a119e.example", True),
        ("https://xn--wgv71a119e.example/", "日本語.example", True),
        ("https://example.org:8443/", "example.org", False),
        ("https://example.org:8443/", "example.org:8443", True),
        ("https://sub.example.org:8443/", ".example.org:8443", True),
        ("https://example.org/", "example.org:8443", False),
        ("https://[2606:4700::1]/", "2606:4700:0::1", True),
        ("https://[2606:4700::1]:8443/", "[2606:4700::1]:8443", True),
        ("https://example.org/", "*", False),
        ("https://example.org/", "] example.org:port", False),
    ],
)
def test_only_hosts_the_operator_names_may_be_asked(url: str, entries: str, allowed: bool) -> None:
    names = entries.split()
    if allowed:
        assert target_of(url, names, ()).host
        return
    with pytest.raises(UrlRefused, match="HYBRID_MCP_OUTGOING__ALLOWED_HOSTS"):
        target_of(url, names, ())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "example.org", "8.8.8.8"])
def test_a_port_is_refused_with_a_setting_that_suffices(host: str) -> None:
    public = host in ("example.org", "8.8.8.8")
    with pytest.raises(UrlRefused) as refused:
        target_of(f"https://{host}:8443/", (), ())
    for text in (refused.value.text("ja"), refused.value.text("en")):
        assert "HYBRID_MCP_OUTGOING__PRIVATE_HOSTS" in text
        assert ("HYBRID_MCP_OUTGOING__ALLOWED_HOSTS" in text) is public
    named = (f"{host}:8443",)
    assert target_of(f"https://{host}:8443/", *((named, ()) if public else ((), named))).port == 8443


def test_a_private_hosts_port_may_be_asked_but_its_name_must_be_allowed_where_names_are() -> None:
    assert target_of("https://nas.example:8443/", (), ["nas.example:8443"]).port == 8443
    with pytest.raises(UrlRefused):
        target_of("https://nas.example:8443/", ["example.org"], ["nas.example:8443"])
    target = target_of("https://nas.example:8443/", ["nas.example:8443"], ["nas.example:8443"])
    assert not is_named(target, ["nas.example:8444"])


@given(st.one_of(st.text(), st.text(max_size=30).map("https://{}".format), st.from_regex(r"https://[!-~]{0,30}")))
def test_any_text_is_a_target_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(UrlRefused):
        target = target_of(text, (), ())
        assert target.url.scheme == "https"
        assert target.host


# Redirects


async def test_redirects_are_followed_from_host_to_host(tmp_path: Path) -> None:
    async with Web(tmp_path, "one.example", "two.example").open() as web:
        names = Names(["127.0.0.1"])
        web.gives("/start", status=302, location="/middle?x=1")
        web.gives("/middle", status=307, location=web.url("/files/talk.mp3", "two.example"))
        web.gives("/files/talk.mp3", SOUND, content_type="audio/mpeg")
        got, body = await fetched(Egress(web.outgoing(), names), web.url("/start"))
        assert body == SOUND
        assert got == Fetched("talk.mp3", "audio/mpeg", len(SOUND))
        assert names.asked == ["one.example", "one.example", "two.example"]
        assert web.wanted == names.asked
        assert [request.target for request in web.asked] == ["/start", "/middle?x=1", "/files/talk.mp3"]


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://localhost/a.wav", "https"),
        ("https://127.0.0.1/a.wav", "PRIVATE_HOSTS"),
        ("https://169.254.169.254/latest/meta-data/", "PRIVATE_HOSTS"),
        ("https://[::ffff:169.254.169.254]/", "PRIVATE_HOSTS"),
        ("//127.0.0.1/", "PRIVATE_HOSTS"),
        ("https://user:pw@localhost/", "password"),
        ("https://localhost:22/", "ports"),
        ("file:///etc/passwd", "https"),
        ("https://[", "malformed"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_url(web: Web, location: str, why: str) -> None:
    web.gives("/a.wav", status=301, location=location)
    egress = Egress(web.outgoing(private_hosts=(f"localhost:{web.port}",)))
    said = await refusal(egress, web.url("/a.wav"), UrlRefused)
    assert why in said
    assert said.startswith(("localhost redirect", f"localhost:{web.port} redirect"))  # it is not the URL that was given
    assert len(web.asked) == 1


async def test_redirects_in_a_circle_end(web: Web) -> None:
    web.gives("/a", status=302, location="/b")
    web.gives("/b", status=302, location="/a")
    assert "redirects" in await refusal(Egress(web.outgoing()), web.url("/a"), UrlRefused)
    assert len(web.asked) == 6


# Bodies


async def test_a_body_without_end_is_cut_and_its_server_left(web: Web) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()
            await asyncio.sleep(0)  # over TLS, drain does not wait once the client is gone, nor lets that be known

    egress = Egress(web.outgoing())
    sink = io.BytesIO()
    async with asyncio.timeout(60):
        with pytest.raises(MediaRefused, match="limit of 1000000 bytes"):
            await egress.fetch(web.answers("/a.wav", endless), sink, 1_000_000)
        await web.gone.wait()
    assert len(sink.getvalue()) <= 1_000_000


async def test_a_body_that_says_it_is_too_large_is_not_read(web: Web) -> None:
    async def large(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    said = await refusal(Egress(web.outgoing()), web.answers("/a.wav", large), MediaRefused, 1_000_000)
    assert "HYBRID_MCP_STT__MAX_BYTES" in said
    await web.gone.wait()


async def test_a_body_of_exactly_the_limit_is_fetched(web: Web) -> None:
    _, body = await fetched(Egress(web.outgoing()), web.gives("/a.wav", SOUND), len(SOUND))
    assert body == SOUND
    await refusal(Egress(web.outgoing()), web.url("/a.wav"), MediaRefused, len(SOUND) - 1)


@pytest.mark.parametrize("length", [b"content-length: 2000", b"transfer-encoding: chunked"])
async def test_a_body_that_breaks_off_is_not_taken_for_whole(web: Web, length: bytes) -> None:
    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n\r\n3e8\r\n" + bytes(1000))

    assert "broke off" in await refusal(Egress(web.outgoing()), web.answers("/a.wav", half), EngineUnavailable)


@pytest.mark.parametrize("length", ["-1", "many", "1, 2", "0x10"])
async def test_a_length_that_is_no_number_is_no_answer(web: Web, length: str) -> None:
    web.gives("/a.wav", SOUND, content_length=length)
    await refusal(Egress(web.outgoing()), web.url("/a.wav"), EngineUnavailable)


async def test_more_bytes_than_were_announced_are_left(web: Web) -> None:
    _, body = await fetched(Egress(web.outgoing()), web.gives("/a.wav", SOUND, content_length="100"))
    assert body == SOUND[:100]


async def test_a_compressed_body_is_refused_because_it_may_unpack_to_anything(web: Web) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    web.gives("/a.wav", bomb, content_encoding="gzip")
    assert "compressed" in await refusal(Egress(web.outgoing()), web.url("/a.wav"), MediaRefused)


async def test_the_deadline_ends_a_slow_body_and_its_connection(web: Web) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await writer.drain()
        await asyncio.Event().wait()

    said = await refusal(Egress(web.outgoing(max_seconds=0.3)), web.answers("/a.wav", slow), DeadlineExceeded)
    assert "HYBRID_MCP_OUTGOING__MAX_SECONDS" in said
    async with asyncio.timeout(60):
        await web.gone.wait()


async def test_the_deadline_holds_while_a_name_is_looked_up() -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    await refusal(Egress(Outgoing(max_seconds=0.01), never), "https://slow.example/", DeadlineExceeded)


async def test_cancelling_closes_the_connection(web: Web) -> None:
    begun = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
        await writer.drain()
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(fetched(Egress(web.outgoing()), web.answers("/a.wav", slow)))
    async with asyncio.timeout(60):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await web.gone.wait()


# Servers


async def test_a_certificate_of_an_unknown_authority_is_refused_with_the_remedy(web: Web) -> None:
    web.gives("/a.wav", SOUND)
    said = await refusal(Egress(web.outgoing(ca_file=None)), web.url("/a.wav"), UrlRefused)
    assert "HYBRID_MCP_OUTGOING__CA_FILE" in said
    assert web.asked == []


async def test_after_a_false_certificate_no_other_address_is_tried(web: Web) -> None:
    web.gives("/a.wav", SOUND)
    egress = Egress(web.outgoing(ca_file=None), Names(["127.0.0.1", "127.0.0.1"]))
    await refusal(egress, web.url("/a.wav"), UrlRefused)
    assert len(web.wanted) == 1


async def test_a_certificate_for_another_name_is_refused(web: Web) -> None:
    web.gives("/a.wav", SOUND)
    options: dict[str, Any] = {"private_hosts": (f"other.example:{web.port}",)}
    egress = Egress(web.outgoing(**options), Names(["127.0.0.1"]))
    assert "certificate of other.example" in await refusal(egress, web.url("/a.wav", "other.example"), UrlRefused)
    assert web.asked == []


async def test_certificates_that_cannot_be_read_are_named(web: Web, tmp_path: Path) -> None:
    for ca_file in (tmp_path / "missing.pem", tmp_path / "empty.pem"):
        (tmp_path / "empty.pem").write_bytes(b"no certificate")
        said = await refusal(Egress(web.outgoing(ca_file=ca_file)), web.url("/a.wav"), EngineUnavailable)
        assert "HYBRID_MCP_OUTGOING__CA_FILE" in said


async def test_a_server_that_does_not_speak_tls_or_is_gone_cannot_be_reached() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    server = Connections()
    async with server.listening(plain):
        settings = Outgoing(private_hosts=(f"localhost:{server.port}",))
        url = f"https://localhost:{server.port}/a.wav"
        assert "cannot be reached" in await refusal(Egress(settings), url, EngineUnavailable)
    assert "cannot be reached" in await refusal(Egress(settings), url, EngineUnavailable)


@pytest.mark.parametrize(
    ("status", "kind", "why"),
    [
        (404, UrlRefused, "nothing at this URL"),
        (410, UrlRefused, "nothing at this URL"),
        (401, UrlRefused, "public"),
        (403, UrlRefused, "public"),
        (429, EngineUnavailable, "Try again"),
        (500, EngineUnavailable, "Try again"),
        (503, EngineUnavailable, "Try again"),
        (204, UrlRefused, "204"),
        (206, UrlRefused, "206"),
        (302, UrlRefused, "302"),  # to nowhere
        (304, UrlRefused, "304"),
        (400, UrlRefused, "400"),
    ],
)
async def test_an_answer_that_is_no_success_is_explained(
    web: Web, status: int, kind: type[HybridError], why: str
) -> None:
    web.gives("/a.wav", status=status)
    assert why in await refusal(Egress(web.outgoing()), web.url("/a.wav"), kind)


async def test_a_proxy_that_refuses_is_named(web: Web) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    server = Connections()
    async with server.listening(refuse):
        egress = Egress(Outgoing(proxy=f"http://127.0.0.1:{server.port}"), Names(["8.8.8.8"]))
        assert "PROXY" in await refusal(egress, "https://public.example/a.wav", EngineUnavailable)


# Engines


@pytest.mark.parametrize("url", ["http://127.0.0.1:50021", "http://localhost:1", "https://[::1]:8443/v1"])
def test_engines_on_this_machine_are_asked_without_a_proxy(url: str) -> None:
    options = Egress(Outgoing(proxy="http://proxy.example:3128")).options(url)
    assert options["proxy"] is None
    assert options["trust_env"] is False


def test_engines_elsewhere_are_asked_through_the_proxy_and_redirects_are_not_followed() -> None:
    options = Egress(Outgoing(proxy="http://proxy.example:3128")).options("https://api.example/v1")
    assert options["proxy"] == "http://proxy.example:3128"
    assert options["trust_env"] is False
    assert options["follow_redirects"] is False
    assert Egress(Outgoing()).options("https://api.example/v1")["trust_env"] is True

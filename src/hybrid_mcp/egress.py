"""The one way out: every HTTP client is made here, with its time-outs, its proxy and what it may ask."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx2

from hybrid_mcp.addresses import Target, is_loopback, is_named, is_public, target_of
from hybrid_mcp.config import Outgoing
from hybrid_mcp.errors import DeadlineExceeded, EngineUnavailable, HybridError, MediaRefused, UrlRefused
from hybrid_mcp.threads import in_thread

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the IP addresses of a host (a port is part of the question); raises OSError when it has none."""
_CONNECT_WITHIN = 3.0
"""Seconds to reach a server: longer than any network needs, shorter than anybody's patience."""
_NEXT_BYTES_WITHIN = 60.0
"""Seconds between two pieces of an answer; the whole is limited by the caller's deadline."""
_REDIRECTS = 5
_ADDRESSES = 4
"""Addresses of a host that are tried, one after the other."""
_PIECE = 1 << 18
"""Bytes that are written at a time."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a user's URL gave."""

    name: str
    """The last part of the path it was found under, for people; safe as a file's name."""
    content_type: str
    """Media type in lower case, without parameters; empty when the server names none."""
    size: int
    """Bytes."""


async def addresses_of(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of `host`, once."""
    # The loop's own thread call: a resolver that hangs is left behind by a cancel, as it writes nothing.
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Egress:
    """How this process speaks HTTP to others."""

    def __init__(self, settings: Outgoing, resolve: Resolve = addresses_of) -> None:
        self._settings = settings
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    def options(self, url: str) -> dict[str, Any]:
        """Arguments for a client of `httpx2` (or `httpx`) that will speak to the engine at `url`.

        Engines are configured by the operator, so any host is allowed, but redirects are not followed. What
        runs on this machine is never asked through a proxy.

        Raises:
            EngineUnavailable: the certificates to trust cannot be read.
        """
        near = is_loopback(urlsplit(url).hostname or "")
        return {
            "verify": self._context() if url.startswith("https:") else False,
            "proxy": None if near else self._settings.proxy,
            "trust_env": not near and self._settings.proxy is None,
            "follow_redirects": False,
        }

    def client(self, url: str, *, next_bytes_within: float = _NEXT_BYTES_WITHIN) -> httpx2.AsyncClient:
        """A client for the engine at `url`, which may be silent for so many seconds. Whoever asks for it closes it."""
        timeout = httpx2.Timeout(next_bytes_within, connect=_CONNECT_WITHIN)
        return httpx2.AsyncClient(base_url=url, timeout=timeout, **self.options(url))

    async def fetch(
        self, url: str, sink: BinaryIO, max_bytes: int, accept: Callable[[Fetched], None] = lambda _: None
    ) -> Fetched:
        """Write what a user's URL gives into `sink`.

        Only https, only hosts and ports that the settings allow, and only public addresses unless the host is
        one of `private_hosts`. A name is resolved once, and the connection goes to the address that was
        checked, also through a proxy: it is asked for that address (CONNECT) and never resolves a name itself,
        so behind a proxy names must resolve here too. Every redirect is checked in the same way. Cancelling
        closes the connection.

        Args:
            url: https, without user and password.
            sink: where the bytes go; what failed half-way leaves some there.
            max_bytes: the most that is read.
            accept: looks at name and type (the size is what the server claims, or 0) before the body is read,
                and refuses by raising.

        Raises:
            UrlRefused: it may not be asked, or there is nothing to be had.
            MediaRefused: more than `max_bytes`, or sent compressed.
            EngineUnavailable: its server cannot be reached, is overloaded, or broke off.
            DeadlineExceeded: it took longer than `outgoing.max_seconds`.
        """
        seconds = self._settings.max_seconds
        try:
            async with asyncio.timeout(seconds) as limit, self._answer(url) as (target, answer):
                fetched = _described(answer, target, max_bytes)
                accept(fetched)
                size = 0
                async for piece in answer.aiter_raw(_PIECE):
                    size += len(piece)
                    if size > max_bytes:
                        raise _too_large(fetched.name, max_bytes)
                    await in_thread(partial(sink.write, piece))
                return Fetched(fetched.name, fetched.content_type, size)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                ja=f"URL の取得が {seconds:g} 秒以内に終わりませんでした。もう一度試すか、"
                "HYBRID_MCP_OUTGOING__MAX_SECONDS を増やしてください。",
                en=f"Fetching the URL was not finished within {seconds:g} seconds. Try again, or raise "
                "HYBRID_MCP_OUTGOING__MAX_SECONDS.",
            ) from error

    @contextlib.asynccontextmanager
    async def _answer(self, url: str) -> AsyncIterator[tuple[Target, httpx2.Response]]:
        """Lend the successful answer behind all redirects, and where it was found; its body is not read yet."""
        before: Target | None = None
        for _ in range(_REDIRECTS + 1):
            with _sent_on(before):
                target = target_of(url, self._settings.allowed_hosts, self._settings.private_hosts)
                addresses = await self._checked_addresses(target)
            async with contextlib.AsyncExitStack() as closing:
                closing.enter_context(_network_errors(target))
                answer = await self._ask(target, addresses, closing)
                if not answer.has_redirect_location:
                    _expect_success(answer, target)
                    yield target, answer
                    return
                before, url = target, _joined(target, answer.headers["location"])
        raise UrlRefused(
            ja=f"転送が {_REDIRECTS} 回を超えました。最後の URL を直接指定してください。",
            en=f"There were more than {_REDIRECTS} redirects. Give the final URL itself.",
        )

    async def _checked_addresses(self, target: Target) -> Sequence[str]:
        try:
            addresses = await self._resolve(target.host, target.port)
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise EngineUnavailable(
                    ja=f"{target.host} の名前を今は引けません。ネットワークを確かめて、もう一度試してください。",
                    en=f"The name {target.host} cannot be looked up now. Check the network and try again.",
                ) from error
            raise UrlRefused(
                ja=f"{target.host} というホストは見つかりません。URL の綴りを確かめてください。",
                en=f"There is no host {target.host}. Check the spelling of the URL.",
            ) from error
        # One that is not public is enough: whoever mixes them in wants us to try it.
        if not is_named(target, self._settings.private_hosts) and not all(map(is_public, addresses)):
            raise UrlRefused(
                ja=f"{target.host} は、この計算機や内部のネットワーク、特別な用途のアドレスを指しています。そこから取得するには、"
                "管理者が HYBRID_MCP_OUTGOING__PRIVATE_HOSTS に加えます。",
                en=f"{target.host} is an address of this machine, of a private network or of special use. To be "
                "fetched from, it must be put into HYBRID_MCP_OUTGOING__PRIVATE_HOSTS by the operator.",
            )
        # IPv4 first: many machines have IPv6 that leads nowhere, and httpcore2 2.16 forgets the brackets in CONNECT.
        return sorted(addresses, key=lambda address: ":" in address)[:_ADDRESSES]

    async def _ask(
        self, target: Target, addresses: Sequence[str], closing: contextlib.AsyncExitStack
    ) -> httpx2.Response:
        """Ask the first of the addresses that can be reached; `closing` closes the answer and its client."""
        unreached: httpx2.TransportError | None = None
        for address in addresses:
            url = target.url.copy_with(host=address)
            client = await closing.enter_async_context(self.client(str(url.copy_with(raw_path=b"/"))))
            request = client.build_request(
                "GET",
                url,
                headers={
                    "Host": target.authority,
                    "Accept": "*/*",
                    "Accept-Encoding": "identity",  # a compressed body may unpack to anything
                },
                extensions={"sni_hostname": target.host},  # the certificate must be the name's
            )
            try:
                answer = await client.send(request, stream=True)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if _distrusted(error):
                    raise
                unreached = error
                continue
            closing.push_async_callback(answer.aclose)
            return answer
        raise unreached or EngineUnavailable(
            ja=f"{target.host} にアドレスがありません。", en=f"{target.host} has no address."
        )

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # 20 ms, and shared
            cafile = str(self._settings.ca_file) if self._settings.ca_file else None
            try:
                self._tls = ssl.create_default_context(cafile=cafile)
            except OSError as error:
                raise EngineUnavailable(
                    ja="HYBRID_MCP_OUTGOING__CA_FILE の証明書を読めません。PEM 形式のファイルのパスを指定してください。",
                    en="The certificates in HYBRID_MCP_OUTGOING__CA_FILE cannot be read. Give the path of a PEM file.",
                ) from error
        return self._tls


def _described(answer: httpx2.Response, target: Target, max_bytes: int) -> Fetched:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    name = _file_name(target)
    if encoding not in ("", "identity"):
        raise MediaRefused(
            ja=f"{target.host} は {name} を圧縮 ({encoding[:20]}) して送ってきました。録音はそのまま送るサーバーから取得してください。",
            en=f"{target.host} sends {name} compressed ({encoding[:20]}) although asked not to. Use a server that "
            "sends recordings as they are.",
        )
    size = int(answer.headers.get("content-length", "0"))  # h11 has seen to it that it is a number
    if size > max_bytes:
        raise _too_large(name, max_bytes)
    content_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Fetched(name, content_type, size)


def _file_name(target: Target) -> str:
    last = target.url.path.rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.()+-]+", "_", last).strip(".")[-60:] or "recording"


def _joined(target: Target, location: str) -> str:
    try:
        return str(target.url.join(location))
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise UrlRefused(
            ja=f"{target.host} は正しくない URL へ転送しています。", en=f"{target.host} redirects to a malformed URL."
        ) from error


@contextlib.contextmanager
def _sent_on(before: Target | None) -> Iterator[None]:
    """Say that a URL which may not be asked is not the caller's own but one that `before` redirected to."""
    try:
        yield
    except UrlRefused as error:
        if before is None:
            raise
        raise UrlRefused(
            ja=f"{before.authority} が別の URL へ転送しましたが、そこからは取得しません。{error.message.ja}",
            en=f"{before.authority} redirected to another URL, which is not fetched. {error.message.en}",
        ) from error


def _expect_success(answer: httpx2.Response, target: Target) -> None:
    status = answer.status_code
    if status == HTTPStatus.OK:
        return
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise UrlRefused(
            ja=f"{target.host} にその URL のものはありません (HTTP {status})。URL を確かめてください。",
            en=f"{target.host} has nothing at this URL (HTTP {status}). Check the URL.",
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise UrlRefused(
            ja=f"{target.host} はその URL を見せてくれません (HTTP {status})。公開された URL にするか、"
            "ファイルを保存してそのパスを指定してください。",
            en=f"{target.host} does not show this URL to us (HTTP {status}). Make it public, or save the file and "
            "give its path.",
        )
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
        raise EngineUnavailable(
            ja=f"{target.host} は今応じられません (HTTP {status})。しばらくしてからもう一度試してください。",
            en=f"{target.host} cannot answer now (HTTP {status}). Try again in a while.",
        )
    raise UrlRefused(
        ja=f"{target.host} から、その URL のものは得られません (HTTP {status})。",
        en=f"Nothing is to be had from {target.host} at this URL (HTTP {status}).",
    )


@contextlib.contextmanager
def _network_errors(target: Target) -> Iterator[None]:
    """Turn what httpx2 raises into our words, which never hold the URL's path or query."""
    try:
        yield
    except HybridError:
        raise
    except httpx2.ConnectError as error:
        if _distrusted(error):
            raise UrlRefused(
                ja=f"{target.host} の証明書を信頼できません。このホストを自分で運用しているなら、HYBRID_MCP_OUTGOING__CA_FILE に"
                "その認証局を指定してください。",
                en=f"The certificate of {target.host} cannot be trusted. If the host is yours, name its certificate "
                "authority in HYBRID_MCP_OUTGOING__CA_FILE.",
            ) from error
        raise _unreachable(target) from error
    except httpx2.ConnectTimeout as error:
        raise _unreachable(target) from error
    except httpx2.ProxyError as error:
        raise EngineUnavailable(
            ja=f"プロキシが {target.host} への接続を断りました。プロキシの設定か HYBRID_MCP_OUTGOING__PROXY を確かめてください。",
            en=f"The proxy refused to connect to {target.host}. Check its rules, or HYBRID_MCP_OUTGOING__PROXY.",
        ) from error
    except httpx2.TransportError as error:
        raise EngineUnavailable(
            ja=f"{target.host} からの送信が途中で切れました ({type(error).__name__})。もう一度試してください。",
            en=f"{target.host} broke off in the middle ({type(error).__name__}). Try again.",
        ) from error


def _unreachable(target: Target) -> EngineUnavailable:
    return EngineUnavailable(
        ja=f"{target.host} に接続できません。ネットワークと、そのサーバーが動いているかを確かめてください。",
        en=f"{target.host} cannot be reached. Check the network, and whether that server is running.",
    )


def _distrusted(error: BaseException | None) -> bool:
    """Whether the certificate ended it: it is another's, expired, or of an unknown authority."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _too_large(name: str, max_bytes: int) -> MediaRefused:
    return MediaRefused(
        ja=f"{name} は上限の {max_bytes} バイトを超えています。小さいものを指定してください。録音の上限は HYBRID_MCP_STT__MAX_BYTES です。",
        en=f"{name} has more than the limit of {max_bytes} bytes. Give a smaller one; for recordings the limit is "
        "HYBRID_MCP_STT__MAX_BYTES.",
    )

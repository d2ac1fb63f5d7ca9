"""What a user's URL may name: pure decisions about URLs, hosts and addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2

from hybrid_mcp.errors import UrlRefused

HTTPS_PORT = 443
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes resolvers read the host as a number: `127.1`, `0x7f.1`, `2130706433`."""
_USER = re.compile(r"^([a-z][a-z0-9+.-]*://)?.*@", re.IGNORECASE | re.DOTALL)
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
"""All that is assigned for the public. IPv4-mapped addresses, NAT64, unique local ones and the rest lie outside."""
# Our own table (IANA's registries of special-purpose addresses): that of `ipaddress` changes between releases of Python.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        "168.63.129.16/32 "  # Azure's host speaks to its guests from here
        "2001::/23 2001:db8::/32 2002::/16 3fff::/20"  # Teredo and other protocols, documentation, 6to4
    ).split()
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked, if its host's addresses may."""

    url: httpx2.URL
    """Without fragment."""
    host: str
    """Lower case, in its ASCII form, without a final dot; an IPv6 address without brackets."""
    port: int

    @property
    def authority(self) -> str:
        """What the request's Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


def target_of(url: str, allowed: Iterable[str], private: Iterable[str]) -> Target:
    """Read a user's URL; `allowed` and `private` are the operator's lists of hosts.

    A list's entry is a host (`example.org`), all subdomains of one (`.example.org`), or either with the one
    port that it allows (`localhost:8443`). Ports other than 443 must be named so.

    Raises:
        UrlRefused: it is malformed, not https, has a password, or names what the lists do not allow.
    """
    try:
        parsed = httpx2.URL(url.strip())
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise _malformed() from error
    if parsed.scheme != "https":
        raise UrlRefused(
            ja=f"{parsed.scheme[:20] or '不明な形式'}: の URL は取得しません。途中で書き換えられないよう、https:// で始まる URL にしてください。",
            en=f"URLs of the kind {parsed.scheme[:20] or 'unknown'}: are not fetched. Give one that starts with "
            "https://, which nobody on the way can change.",
        )
    if parsed.userinfo:
        raise UrlRefused(
            ja="URL に利用者名やパスワードを入れないでください。取り除いてから、もう一度実行してください。",
            en="The URL holds a user name or password, which is never sent. Remove it and try again.",
        )
    host = _canonical(parsed)
    if not _is_address(host):
        if len(host) > 253 or _NAME.fullmatch(host) is None:
            raise _malformed()
        if _NUMBER.fullmatch(host.rpartition(".")[2]):
            raise UrlRefused(
                ja=f"{host} は数で書かれたホストです。ホスト名を使ってください。",
                en=f"{host} is a host written as a number. Use its name.",
            )
    port = HTTPS_PORT if parsed.port is None else parsed.port
    if not 0 < port < 65536:
        raise _malformed()
    target = Target(parsed.copy_with(fragment=None), host, port)
    allowed, private = tuple(allowed), tuple(private)
    if allowed and not is_named(target, allowed):
        raise UrlRefused(
            ja=f"{target.authority} は、この管理者が許可したホストではありません。許可するには HYBRID_MCP_OUTGOING__ALLOWED_HOSTS に加えます。",
            en=f"{target.authority} is not among the hosts the operator of this server allows. To allow it, add it to "
            "HYBRID_MCP_OUTGOING__ALLOWED_HOSTS.",
        )
    if port != HTTPS_PORT and not is_named(target, (*allowed, *private), with_port=True):
        raise _port_refused(target)
    return target


def is_named(target: Target, entries: Iterable[str], *, with_port: bool = False) -> bool:
    """Whether one of an operator's `entries` names the target (`with_port`: and its very port)."""
    for entry in entries:
        host, port = _entry(entry)
        if port != target.port and (with_port or port is not None):
            continue
        if target.host == host or (host.startswith(".") and target.host.endswith(host)):
            return True
    return False


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet: nothing private, local, reserved or embedded."""
    ip = ipaddress.ip_address(address)
    if ip.version == 6 and ip not in _GLOBAL_6:
        return False
    return not any(ip in network for network in _SPECIAL if network.version == ip.version)


def shown(url: str) -> str:
    """An engine's address as it may be told: without the user's name and password that it may hold.

    Nothing is read from it, because passwords hold `/` and `#` too, and what is no address is shown as well.
    """
    return _USER.sub(r"\1…@", url)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _entry(entry: str) -> tuple[str, int | None]:
    """Host and port of an operator's entry. What cannot be read names nothing."""
    entry = entry.strip().lower()
    if entry.count(":") > 1 and not entry.startswith("["):
        entry = f"[{entry}]"  # a bare IPv6 address
    dot = "." if entry.startswith(".") else ""
    try:
        parsed = httpx2.URL(f"//{entry[len(dot) :]}")
    except (httpx2.InvalidURL, UnicodeError):
        return "", None
    return dot + _canonical(parsed), parsed.port


def _canonical(url: httpx2.URL) -> str:
    host = url.raw_host.decode("ascii").removesuffix(".")
    return str(ipaddress.ip_address(host)) if _is_address(host) else host


def _is_address(host: str) -> bool:
    try:
        return "%" not in host and bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _port_refused(target: Target) -> UrlRefused:
    """Names the one setting that suffices: a private host's port and address may both be named in PRIVATE_HOSTS."""
    private, allowed = "HYBRID_MCP_OUTGOING__PRIVATE_HOSTS", "HYBRID_MCP_OUTGOING__ALLOWED_HOSTS"
    if is_loopback(target.host) or (_is_address(target.host) and not is_public(target.host)):
        return UrlRefused(
            ja=f"{target.authority}: 443 以外のポートは、管理者が {private} に {target.authority} と書いたときだけ使えます。",
            en=f"{target.authority}: ports other than 443 are asked only when the operator has put {target.authority} "
            f"into {private}.",
        )
    return UrlRefused(
        ja=f"{target.authority}: 443 以外のポートは、管理者が {allowed} に {target.authority} と書いたときだけ使えます "
        f"(書けば、そこにないホストは使えなくなります)。内部のネットワークのホストなら、代わりに {private} に書きます。",
        en=f"{target.authority}: ports other than 443 are asked only when the operator has put {target.authority} into "
        f"{allowed} (hosts that it does not name are then refused); for a host of a private network, into {private} "
        "instead.",
    )


def _malformed() -> UrlRefused:
    return UrlRefused(
        ja="URL の形が正しくありません。https://ホスト名/… の形にしてください。",
        en="The URL is malformed. Write it as https://host/….",
    )

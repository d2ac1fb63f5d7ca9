"""The one way out: every HTTP client is made here, with its time-outs, its proxy and what it may ask."""

from __future__ import annotations

import ipaddress
import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx2

from hybrid_mcp.config import Outgoing

_CONNECT_WITHIN = 3.0
"""Seconds to reach a server: longer than any network needs, shorter than anybody's patience."""
_NEXT_BYTES_WITHIN = 60.0
"""Seconds between two pieces of an answer; the whole is limited by the caller's deadline."""


class Egress:
    """How this process speaks HTTP to others."""

    def __init__(self, settings: Outgoing) -> None:
        self._settings = settings
        self._tls: ssl.SSLContext | None = None

    def options(self, url: str) -> dict[str, Any]:
        """Arguments for a client of `httpx2` (or `httpx`) that will speak to the engine at `url`.

        Engines are configured by the operator, so any host is allowed, but redirects are not followed. What
        runs on this machine is never asked through a proxy.
        """
        near = is_loopback(urlsplit(url).hostname or "")
        return {
            "verify": self._context() if url.startswith("https:") else False,
            "proxy": None if near else self._settings.proxy,
            "trust_env": not near and self._settings.proxy is None,
            "follow_redirects": False,
        }

    def client(self, url: str) -> httpx2.AsyncClient:
        """A client for the engine at `url`. Whoever asks for it closes it."""
        timeout = httpx2.Timeout(_NEXT_BYTES_WITHIN, connect=_CONNECT_WITHIN)
        return httpx2.AsyncClient(base_url=url, timeout=timeout, **self.options(url))

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # 20 ms, and shared
            cafile = str(self._settings.ca_file) if self._settings.ca_file else None
            self._tls = ssl.create_default_context(cafile=cafile)
        return self._tls


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

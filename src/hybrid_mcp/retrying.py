"""Asking a server again when it is busy, and not before it wishes."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

import stamina

from hybrid_mcp.errors import EngineUnavailable

_ATTEMPTS = 3
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 8.0
"""Seconds between attempts where the server names none; twice as long each time."""


class TryLater(EngineUnavailable):
    """The engine could not answer now, and nothing of an answer was passed on: asking again is safe."""

    def __init__(self, *, ja: str, en: str, after: float | None = None) -> None:
        """`after`: seconds the engine wants to be left alone, where it says so."""
        super().__init__(ja=ja, en=en)
        self.after = after


def attempts(within: float) -> AsyncIterable[stamina.Attempt]:
    """One attempt, and another after each `TryLater`.

    To be used as `async for attempt in attempts(60): with attempt: …`.

    Args:
        within: seconds for all of them: an engine that wants to be left alone for longer is not asked again.
    """
    until = time.monotonic() + within

    def again(error: Exception) -> bool | float:
        if not isinstance(error, TryLater):
            return False
        if error.after is None:
            return True
        return error.after if error.after < until - time.monotonic() else False

    return stamina.retry_context(
        on=again, attempts=_ATTEMPTS, timeout=within, wait_initial=_FIRST_WAIT, wait_max=_LONGEST_WAIT
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds a server wants to be left alone by `Retry-After` (RFC 9110, 10.2.3) or `retry-after-ms`; None if it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
        until = when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):  # the latter at a year that no clock has
        return None
    return max(until - time.time(), 0.0)

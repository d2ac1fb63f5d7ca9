"""What stderr is told: no text, no address of a user's."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import stamina
import structlog

from hybrid_mcp import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    names = ("", "httpx", "httpx2")
    levels = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)
    stamina.instrumentation.set_on_retry_hooks(None)
    structlog.reset_defaults()


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_addresses_that_are_asked_are_not_logged(level: str) -> None:
    logs.configure(level)
    assert not logging.getLogger("httpx2").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


def test_what_is_asked_again_is_not_logged() -> None:
    logs.configure("INFO")
    assert stamina.instrumentation.get_on_retry_hooks() == ()

"""What stderr is told: no text, no address of a user's."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from io import StringIO

import pytest
import stamina

from hybrid_mcp import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    names = ("", "httpx", "httpx2", "uvicorn.error")
    levels = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_addresses_that_are_asked_are_not_logged(level: str) -> None:
    logs.configure(level)
    assert not logging.getLogger("httpx2").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)


@pytest.mark.parametrize("level", ["INFO", "WARNING", "ERROR"])
def test_requests_that_are_none_are_not_logged_but_crashes_are(level: str) -> None:
    logs.configure(level)
    assert not logging.getLogger("uvicorn.error").isEnabledFor(logging.WARNING)
    assert logging.getLogger("uvicorn.error").isEnabledFor(logging.ERROR)


def test_what_is_asked_again_is_not_logged() -> None:
    logs.configure("INFO")
    assert stamina.instrumentation.get_on_retry_hooks() == ()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What stderr was told, by handlers of ours alone."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "stderr", said := StringIO())
    logs.configure("INFO")
    return said


def test_an_event_is_one_line_with_its_particulars(said: StringIO) -> None:
    logging.getLogger("hybrid_mcp.somewhere").warning("message refused", extra={"reason": "too long"})
    logging.getLogger("hybrid_mcp.somewhere").debug("not told")
    (line,) = said.getvalue().splitlines()
    assert all(part in line for part in ("warning", "message refused", "hybrid_mcp.somewhere", "reason='too long'"))


def test_a_crash_is_told_without_the_values_of_its_variables(said: StringIO) -> None:
    text = "paper" * 2
    try:
        text.split()[1]
    except IndexError:
        logging.getLogger("somebody's").exception("failed")
    assert "IndexError" in said.getvalue()
    assert "paperpaper" not in said.getvalue()

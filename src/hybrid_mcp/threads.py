"""Blocking work in threads, which nobody can stop from outside."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled

T = TypeVar("T")


async def in_thread(work: Callable[[], T], executor: Executor | None = None) -> T:
    """Do `work` in a thread (of `executor`, or of the loop's own) and return or raise what it does.

    `asyncio.to_thread` leaves the thread running after a cancel; this waits for it, so that nothing
    writes into a folder that is being removed. What `work` returned is then dropped: what must be
    closed, `work` itself hands to somebody.
    """
    run = partial(contextvars.copy_context().run, work)
    running = asyncio.get_running_loop().run_in_executor(executor, run)
    await ended(running)
    return running.result()


async def ended(work: asyncio.Future[Any]) -> None:
    """Wait until `work` is over, also when cancelled meanwhile; then its outcome is in it.

    Raises:
        asyncio.CancelledError: the caller was cancelled, and `work` is over.
    """
    cancelled: asyncio.CancelledError | None = None
    # Without the shield, anyio would cancel anew at every turn of the loop until the thread ends.
    with CancelScope(shield=True):
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as error:
                cancelled = error
    if not work.cancelled():
        work.exception()  # marks it as seen, for whoever leaves by another error
    if cancelled is not None:
        raise cancelled
    await checkpoint_if_cancelled()  # what the shield kept away

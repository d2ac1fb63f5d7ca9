from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

from hybrid_mcp.threads import ended, in_thread


class Work:
    """Blocks until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.over = False

    def __call__(self) -> str:
        self.begun.set()
        assert self.go_on.wait(30)
        self.over = True
        return "done"

    async def wait_for_begin(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def test_what_the_work_returns_or_raises_comes_back() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ValueError, match="seven"):
        await in_thread(lambda: int("seven"))


async def test_the_work_runs_in_the_executor_with_the_callers_context() -> None:
    room: ContextVar[str] = ContextVar("room")
    room.set("kitchen")
    with ThreadPoolExecutor(1, thread_name_prefix="cook") as executor:
        assert await in_thread(lambda: (room.get(), threading.current_thread().name), executor) == ("kitchen", "cook_0")


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_caller_waits_for_the_thread(times: int) -> None:
    work = Work()
    task = asyncio.create_task(in_thread(work))
    await work.wait_for_begin()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)  # one turn of the loop delivers the cancellation
    assert not task.done()
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.over


async def test_a_scope_of_anyio_that_is_cancelled_waits_without_turning_the_loop() -> None:
    work = Work()
    turns: list[None] = []
    after: list[str] = []
    wait = asyncio.wait

    async def counted(*arguments: Any, **options: Any) -> Any:
        turns.append(None)
        return await wait(*arguments, **options)

    async def wanted() -> None:
        after.append(await in_thread(work))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "wait", counted)
        async with anyio.create_task_group() as group:
            group.start_soon(wanted)
            await work.wait_for_begin()
            group.cancel_scope.cancel()
            asyncio.get_running_loop().call_later(0.1, work.go_on.set)
    assert work.over
    assert not after
    assert len(turns) < 3


async def test_an_error_nobody_waits_for_any_more_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()

    def fail() -> None:
        work()
        raise ValueError

    task = asyncio.create_task(in_thread(fail))
    await work.wait_for_begin()
    task.cancel()
    await asyncio.sleep(0)
    work.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not caplog.records


async def test_work_that_was_itself_cancelled_is_over() -> None:
    work: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    work.cancel()
    await ended(work)

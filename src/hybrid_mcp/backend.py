"""An engine outside this process: how many calls at a time, how long each may take, and whether to try it at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

from hybrid_mcp.errors import DeadlineExceeded, EngineError, EngineUnavailable, InvalidInput
from hybrid_mcp.telemetry import Breaker, Measured


@dataclass(frozen=True, slots=True)
class Health:
    """An engine that answered."""

    version: str = ""
    latency: float = 0.0
    """Seconds it took to answer."""
    models: tuple[str, ...] = ()
    """Models it has at hand, where it says so."""


class Backend:
    """The guard of one engine: every call of its adapter goes through `call`.

    A circuit breaker as in M. Nygard, *Release It!*: after `failures` calls in a row that found the engine
    gone (`EngineUnavailable`, `DeadlineExceeded`) calls are refused at once for `rest` seconds; then one is
    let through, and decides.
    """

    def __init__(
        self,
        name: str,
        *,
        parallel: int,
        deadline: float,
        remember: float = 3.0,
        failures: int = 3,
        rest: float = 5.0,
        answer_within: float = 10.0,
        measured: Measured = nullcontext,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is opened.

        Args:
            name: the engine, as people configure it.
            parallel: calls at the same time; others wait, which does not count towards their deadline.
            deadline: seconds a call is given unless it says otherwise.
            remember: seconds for which it is believed that the engine answers, or does not.
            failures: calls in a row after which the engine is left alone.
            rest: seconds it is left alone.
            answer_within: seconds in which it must have said how it is, the import of its client included.
            measured: around each call that is let through.
            clock: seconds, rising.
        """
        self.name = name
        self.parallel = parallel
        self.deadline = deadline
        self._remember = remember
        self._failures = failures
        self._rest = rest
        self._answer_within = answer_within
        self._measured = measured
        self._clock = clock
        self.waiting = 0
        """Calls that wait for room."""
        self._room = asyncio.Semaphore(parallel)
        self._asking = asyncio.Lock()
        self._known: tuple[float, Health | EngineError] | None = None
        self._failed = 0
        self._last: EngineError | None = None
        self._closed_until = 0.0
        self._trying = False

    @asynccontextmanager
    async def call(self, operation: str, *, deadline: float | None = None) -> AsyncIterator[None]:
        """Around one call: waits for room, refuses while the engine rests, ends it at its deadline.

        Raises:
            EngineUnavailable: the engine is being left alone.
            DeadlineExceeded: the call took longer than `deadline` seconds.
        """
        self.waiting += 1
        try:
            await self._room.acquire()
        finally:
            self.waiting -= 1
        try:
            trial = self._admit()
            try:
                with self._measured(operation):
                    async with self._within(operation, deadline or self.deadline):
                        yield
            finally:
                if trial:
                    self._trying = False
        finally:
            self._room.release()

    @asynccontextmanager
    async def _within(self, operation: str, deadline: float) -> AsyncIterator[None]:
        """End the call at its deadline, and learn from how it ended."""
        try:
            async with asyncio.timeout(deadline) as limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise self._failure(self._late(operation, deadline)) from error
        except (EngineUnavailable, DeadlineExceeded) as error:
            self._failure(error)
            raise
        except (EngineError, InvalidInput):
            self._answered()  # it answered, if not what we hoped for
            raise
        else:
            self._answered()

    @property
    def breaker(self) -> Breaker:
        """Whether calls are let through: `half-open` lets one try."""
        if self._failed < self._failures:
            return "closed"
        return "open" if self._clock() < self._closed_until else "half-open"

    async def health(self, ask: Callable[[], Awaitable[Health]]) -> Health:
        """What `ask` said, now or within the last `remember` seconds; several callers ask once.

        Raises:
            EngineError: what `ask` raised; or the engine rests because it hung, which its saying hello does not heal.
        """
        if self._hangs and self._clock() < self._closed_until:
            raise self._left_alone()
        async with self._asking:
            if self._known is not None and self._clock() - self._known[0] < self._remember:
                known = self._known[1]
            else:
                known = await self._asked(ask)
        if isinstance(known, EngineError):
            raise known.with_traceback(None)
        return known

    async def _asked(self, ask: Callable[[], Awaitable[Health]]) -> Health | EngineError:
        began = time.perf_counter()
        error: EngineError
        try:
            async with asyncio.timeout(self._answer_within) as limit:
                said = await ask()
        except TimeoutError:
            if not limit.expired():
                raise
            error = self._slow()
        except InvalidInput as refusal:  # to a question of ours, which is no fault of whoever calls
            error = EngineError(ja=refusal.message.ja, en=refusal.message.en)
        except EngineError as failure:
            error = failure
        else:
            health = Health(said.version, time.perf_counter() - began, said.models)
            if not self._hangs:
                self._failed, self._closed_until = 0, 0.0
            self._known = (self._clock(), health)
            return health
        self._known = (self._clock(), error)
        return error

    def _slow(self) -> EngineUnavailable:
        return EngineUnavailable(
            ja=f"{self.name} が {self._answer_within:g} 秒以内に様子を答えません。{self.name} の負荷と番地を確かめてください。",
            en=f"{self.name} does not say within {self._answer_within:g} seconds how it is. See whether {self.name} is "
            "busy, and check its address.",
        )

    def _admit(self) -> bool:
        """Whether this call is the one that tries out a rested engine.

        Raises:
            EngineUnavailable: the engine rests, or another call is trying it out.
        """
        if self._failed < self._failures:
            return False
        if self._trying or self._clock() < self._closed_until:
            raise self._left_alone()
        self._trying = True
        return True

    @property
    def _hangs(self) -> bool:
        """Whether its last call was answered by nothing at all until the deadline."""
        return isinstance(self._last, DeadlineExceeded)

    def _left_alone(self) -> EngineUnavailable:
        last = self._last.message if self._last else None
        return EngineUnavailable(
            ja=f"{self.name} は続けて {self._failed} 回失敗したので、少し休ませています。最後の失敗: {last.ja if last else ''}",
            en=f"{self.name} failed {self._failed} times in a row and is being left alone for a moment. "
            f"Last failure: {last.en if last else ''}",
        )

    def _answered(self) -> None:
        self._failed, self._closed_until, self._last = 0, 0.0, None
        if self._known is not None and isinstance(self._known[1], EngineError):
            self._known = None  # no longer true

    def _failure(self, error: EngineError) -> EngineError:
        self._failed += 1
        self._last = error
        self._known = (self._clock(), error)
        if self._failed >= self._failures:
            self._closed_until = self._clock() + self._rest
        return error

    def _late(self, operation: str, deadline: float) -> DeadlineExceeded:
        return DeadlineExceeded(
            ja=f"{self.name} の {operation} が {deadline:g} 秒以内に終わりませんでした。{self.name} の負荷を確かめるか、"
            "その DEADLINE の設定を増やしてください。",
            en=f"{self.name} did not finish {operation} within {deadline:g} seconds. See whether {self.name} is busy, "
            "or raise its DEADLINE setting.",
        )

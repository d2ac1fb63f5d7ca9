"""The first engine that can do it, and why not those before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import EngineError, EngineUnavailable
from hybrid_mcp.languages import Bilingual, Language


class Engine(Protocol):
    """What can be chosen."""

    @property
    def name(self) -> str:
        """As people configure it."""
        ...

    async def check(self) -> Health:
        """Whether it can be used now; answers within about a second, from memory if it was asked just now.

        Raises:
            EngineError: it cannot, and why.
        """
        ...


E = TypeVar("E", bound=Engine)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Passed:
    """An engine that was passed over, and why."""

    engine: str
    why: Bilingual

    def text(self, language: Language) -> str:
        """For people."""
        return f"{self.engine}: {self.why.in_(language)}"


@dataclass(frozen=True, slots=True)
class Chosen(Generic[E, T]):
    """Who did it, and who was asked before."""

    engine: E
    result: T
    passed: tuple[Passed, ...]


async def first_of(engines: Sequence[E], attempt: Callable[[E], Awaitable[T]]) -> Chosen[E, T]:
    """Do it with the first engine that is there and succeeds.

    What the caller did wrong (`InvalidInput`) is nobody's failure and ends the search.

    Raises:
        EngineUnavailable: none could, and why each.
        EngineError: the only one could not.
    """
    passed: list[Passed] = []
    for engine in engines:
        try:
            if len(engines) > 1:  # the only one says by trying whether it is there, and may first fetch what it lacks
                await engine.check()
            return Chosen(engine, await attempt(engine), tuple(passed))
        except EngineError as error:
            if len(engines) == 1:
                raise
            passed.append(Passed(engine.name, error.message))
    raise EngineUnavailable(
        ja="使えるエンジンがありません。" + " ".join(f"{one.engine}: {one.why.ja}" for one in passed),
        en="No engine can do this. " + " ".join(f"{one.engine}: {one.why.en}" for one in passed),
    )

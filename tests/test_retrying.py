from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
import stamina
from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from hybrid_mcp.errors import EngineUnavailable
from hybrid_mcp.retrying import TryLater, attempts, retry_after


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """Seconds that were to be waited between attempts."""
    seen: list[float] = []
    before = get_on_retry_hooks()

    def note(details: RetryDetails) -> None:
        seen.append(details.wait_for)

    set_on_retry_hooks([note])
    yield seen
    set_on_retry_hooks(before)


async def fail(error: EngineUnavailable, *, within: float) -> int:
    """How often it was tried."""
    tries = 0
    with pytest.raises(type(error)):
        async for attempt in attempts(within):
            with attempt:
                tries += 1
                raise error
    return tries


async def test_an_engine_is_left_alone_for_as_long_as_it_wishes(waits: list[float]) -> None:
    assert await fail(TryLater(ja="", en="", after=0.001), within=60) == 3
    assert waits == [0.001, 0.001]


async def test_an_engine_that_wishes_for_longer_than_there_is_is_not_asked_again(waits: list[float]) -> None:
    assert await fail(TryLater(ja="", en="", after=61), within=60) == 1
    assert not waits


async def test_an_engine_that_says_nothing_is_asked_three_times_in_all() -> None:
    with stamina.set_testing(True, attempts=3, cap=True):
        assert await fail(TryLater(ja="", en=""), within=60) == 3


async def test_what_cannot_be_helped_by_waiting_is_tried_once() -> None:
    assert await fail(EngineUnavailable(ja="", en=""), within=60) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "30", "retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "30", "retry-after-ms": "1e999"}, 30.0),
        ({"Retry-After": "Wed, 21 Oct 99999 07:28:00 GMT"}, None),
        ({"Retry-After": f"Wed, 21 Oct 1{'0' * 30} 07:28:00 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(httpx2.Headers(headers)) == seconds


def test_retry_after_may_name_a_time() -> None:
    wait = retry_after(httpx2.Headers({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}))
    assert wait is not None
    assert wait > 3600

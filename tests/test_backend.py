"""The guard of an engine, and the choice between engines; the clock is the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.choosing import first_of
from hybrid_mcp.errors import (
    AnswerUnusable,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyRefused,
    ModelMissing,
    NotFound,
)
from hybrid_mcp.languages import Bilingual

GONE = EngineUnavailable(ja="いません。", en="Nobody is there.")
REFUSED = KeyRefused(ja="鍵が違います。", en="The key is wrong.")
UNKNOWN = NotFound(ja="ありません。", en="There is none.")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def guard(clock: Clock, *, parallel: int = 8, deadline: float = 60.0, remember: float = 3.0) -> Backend:
    return Backend("voicevox", parallel=parallel, deadline=deadline, remember=remember, failures=3, rest=5, clock=clock)


async def call(backend: Backend, error: BaseException | None = None) -> None:
    """One call, which ends as told."""
    async with backend.call("synthesis"):
        if error is not None:
            raise error


async def fail(backend: Backend, times: int = 3, error: HybridError = GONE) -> None:
    for _ in range(times):
        with pytest.raises(type(error)) as raised:
            await call(backend, error)
        assert raised.value is error


async def refused(backend: Backend) -> EngineUnavailable:
    """The call is refused before its body runs."""
    with pytest.raises(EngineUnavailable) as raised:
        await call(backend, AssertionError("it was let through"))
    assert "left alone" in raised.value.text("en")
    assert raised.value.text("ja") != raised.value.text("en")
    return raised.value


class Asking:
    """What an engine says when it is asked how it is, and how often it was asked."""

    def __init__(self, *answers: Health | EngineError) -> None:
        self._answers = list(answers)
        self.times = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> Health:
        self.times += 1
        await self.go_on.wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, EngineError):
            raise answer
        return answer


# How many, how long


async def test_no_more_calls_than_allowed_run_at_the_same_time(clock: Clock) -> None:
    backend = guard(clock, parallel=2)
    running = most = 0
    go_on = asyncio.Event()

    async def work() -> None:
        nonlocal running, most
        async with backend.call("synthesis"):
            running += 1
            most = max(most, running)
            await go_on.wait()
            running -= 1

    tasks = [asyncio.create_task(work()) for _ in range(6)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert running == 2
    go_on.set()
    await asyncio.gather(*tasks)
    assert most == 2


@pytest.mark.parametrize("end", ["error", "cancel"])
async def test_room_is_given_back_however_a_call_ends(clock: Clock, end: str) -> None:
    backend = guard(clock, parallel=1)
    begun = asyncio.Event()

    async def work() -> None:
        async with backend.call("synthesis"):
            begun.set()
            if end == "error":
                raise KeyError
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with suppress(KeyError, asyncio.CancelledError):
        await task
    async with asyncio.timeout(30):
        await call(backend)


@pytest.mark.parametrize("own", [None, 0.02])
async def test_a_call_ends_at_its_deadline_with_the_remedy(clock: Clock, own: float | None) -> None:
    backend = guard(clock, deadline=0.01 if own is None else 60.0)
    with pytest.raises(DeadlineExceeded) as late:
        async with backend.call("synthesis", deadline=own):
            await asyncio.Event().wait()
    assert "voicevox did not finish synthesis" in late.value.text("en")
    assert f"{own or 0.01:g} 秒" in late.value.text("ja")


async def test_waiting_for_room_does_not_count_towards_the_deadline(clock: Clock) -> None:
    backend = guard(clock, parallel=1, deadline=0.05)
    ends: list[str] = []

    async def first() -> None:
        with pytest.raises(DeadlineExceeded):
            async with backend.call("synthesis"):
                begun.set()
                await asyncio.Event().wait()
        ends.append("first")

    async def second() -> None:
        await begun.wait()
        async with backend.call("synthesis"):
            ends.append("second")

    begun = asyncio.Event()
    await asyncio.gather(first(), second())
    assert sorted(ends) == ["first", "second"]


async def test_a_time_out_inside_a_call_is_not_taken_for_its_deadline(clock: Clock) -> None:
    backend = guard(clock)
    with pytest.raises(TimeoutError):
        await call(backend, TimeoutError())


# Leaving it alone


async def test_three_failures_in_a_row_leave_the_engine_alone_and_say_why(clock: Clock) -> None:
    backend = guard(clock)
    await fail(backend, 2)
    await call(backend)
    await fail(backend, 3)
    said = await refused(backend)
    assert "voicevox failed 3 times" in said.text("en")
    assert "Nobody is there." in said.text("en")
    assert "いません。" in said.text("ja")


async def test_calls_that_end_at_their_deadline_count_as_failures(clock: Clock) -> None:
    backend = guard(clock, deadline=0.01)
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            async with backend.call("synthesis"):
                await asyncio.Event().wait()
    await refused(backend)


@pytest.mark.parametrize(
    "error", [REFUSED, AnswerUnusable(ja="読めません", en="?"), ModelMissing(ja="無い", en="none"), UNKNOWN]
)
async def test_an_engine_that_answers_is_not_left_alone_whatever_it_answers(clock: Clock, error: HybridError) -> None:
    backend = guard(clock)
    await fail(backend, 5, error)
    await fail(backend, 2)
    await fail(backend, 1, error)
    await fail(backend, 2)
    await call(backend)


async def test_mistakes_of_ours_and_cancelled_calls_say_nothing_about_the_engine(clock: Clock) -> None:
    backend = guard(clock)
    await fail(backend, 2)
    with pytest.raises(KeyError):
        await call(backend, KeyError())
    with pytest.raises(asyncio.CancelledError):
        await call(backend, asyncio.CancelledError())
    await fail(backend, 1)
    await refused(backend)


async def test_after_its_rest_one_call_is_let_through_and_its_success_opens_the_way(clock: Clock) -> None:
    backend = guard(clock)
    await fail(backend)
    clock.now += 4.9
    await refused(backend)
    clock.now += 0.1
    async with backend.call("synthesis"):
        await refused(backend)  # only one tries it out
    await call(backend)
    await fail(backend, 2)
    await call(backend)


async def test_a_failed_trial_leaves_the_engine_alone_again(clock: Clock) -> None:
    backend = guard(clock)
    await fail(backend)
    clock.now += 5
    await fail(backend, 1)
    assert "4 times" in (await refused(backend)).text("en")
    clock.now += 4.9
    await refused(backend)
    clock.now += 0.1
    await call(backend)


async def test_a_cancelled_trial_decides_nothing_and_the_next_call_is_the_trial(clock: Clock) -> None:
    backend = guard(clock)
    await fail(backend)
    clock.now += 5
    with pytest.raises(asyncio.CancelledError):
        await call(backend, asyncio.CancelledError())
    async with backend.call("synthesis"):
        await refused(backend)


async def test_a_call_that_waited_for_room_is_refused_when_the_engine_failed_meanwhile(clock: Clock) -> None:
    backend = guard(clock, parallel=1)
    await fail(backend, 2)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def last_straw() -> None:
        with pytest.raises(EngineUnavailable):
            async with backend.call("synthesis"):
                begun.set()
                await go_on.wait()
                raise GONE

    task = asyncio.create_task(last_straw())
    await begun.wait()
    waiting = asyncio.create_task(refused(backend))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(task, waiting)


# Whether it is there


async def test_an_answer_is_believed_for_a_while_and_measured(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(Health("0.25.2", models=("a",)))
    first = await backend.health(asking)
    assert first.version == "0.25.2"
    assert first.models == ("a",)
    assert first.latency > 0
    clock.now += 2.9
    assert await backend.health(asking) is first
    assert asking.times == 1
    clock.now += 0.1
    await backend.health(asking)
    assert asking.times == 2


async def test_an_absence_is_believed_for_a_while_too(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(GONE, Health())
    for _ in range(3):
        with pytest.raises(EngineUnavailable, match=r"Nobody is there\."):
            await backend.health(asking)
    assert asking.times == 1
    clock.now += 3
    await backend.health(asking)
    assert asking.times == 2


async def test_several_who_ask_at_once_ask_once(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(Health("1"))
    asking.go_on.clear()
    tasks = [asyncio.create_task(backend.health(asking)) for _ in range(5)]
    for _ in range(10):
        await asyncio.sleep(0)
    asking.go_on.set()
    assert {health.version for health in await asyncio.gather(*tasks)} == {"1"}
    assert asking.times == 1


async def test_whoever_waits_asks_himself_when_the_first_one_is_cancelled(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(Health("1"))
    asking.go_on.clear()
    first, second = (asyncio.create_task(backend.health(asking)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    asking.go_on.set()
    assert (await second).version == "1"
    assert asking.times == 2


async def test_a_call_that_found_nobody_is_remembered_and_one_that_found_somebody_too(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(Health())
    await backend.health(asking)
    await fail(backend, 1)
    with pytest.raises(EngineUnavailable):
        await backend.health(asking)
    assert asking.times == 1
    await call(backend)
    await backend.health(asking)
    assert asking.times == 2


async def test_an_engine_that_is_back_is_used_again_within_the_time_it_is_remembered(clock: Clock) -> None:
    backend, asking = guard(clock), Asking(Health())
    await fail(backend)
    clock.now += 3  # less than its rest
    await backend.health(asking)
    await asyncio.gather(call(backend), call(backend))


async def test_an_engine_that_says_hello_but_hangs_is_left_alone_all_the_same(clock: Clock) -> None:
    backend, asking = guard(clock, remember=0), Asking(Health())
    late = DeadlineExceeded(ja="遅い。", en="Late.")
    await fail(backend, error=late)
    with pytest.raises(EngineUnavailable, match="left alone"):
        await backend.health(asking)
    assert asking.times == 0
    clock.now += 5
    await backend.health(asking)
    await fail(backend, 1, error=late)  # the trial
    await refused(backend)
    clock.now += 5
    await backend.health(asking)
    await call(backend)
    await asyncio.gather(call(backend), call(backend))


async def test_nothing_is_remembered_where_it_is_not_wanted(clock: Clock) -> None:
    backend, asking = guard(clock, remember=0), Asking(Health())
    await backend.health(asking)
    await backend.health(asking)
    assert asking.times == 2


# Which engine


class Engine:
    def __init__(self, name: str, there: EngineError | None = None, fails: HybridError | None = None) -> None:
        self.name = name
        self._there = there
        self._fails = fails
        self.asked = 0

    async def check(self) -> Health:
        if self._there is not None:
            raise self._there
        return Health()

    async def write(self) -> str:
        self.asked += 1
        if self._fails is not None:
            raise self._fails
        return f"by {self.name}"


write: Callable[[Engine], Awaitable[str]] = Engine.write


async def test_the_first_engine_that_is_there_does_it() -> None:
    one, other = Engine("claude"), Engine("ollama")
    chosen = await first_of((one, other), write)
    assert (chosen.engine, chosen.result, chosen.passed) == (one, "by claude", ())
    assert other.asked == 0


async def test_engines_that_are_not_there_or_fail_are_passed_over_and_named_with_the_reason() -> None:
    away, failing, last = Engine("claude", there=GONE), Engine("openai", fails=REFUSED), Engine("ollama")
    chosen = await first_of((away, failing, last), write)
    assert chosen.engine is last
    assert [(one.engine, one.why) for one in chosen.passed] == [
        ("claude", Bilingual(ja="いません。", en="Nobody is there.")),
        ("openai", Bilingual(ja="鍵が違います。", en="The key is wrong.")),
    ]
    assert chosen.passed[1].text("ja") == "openai: 鍵が違います。"
    assert away.asked == 0
    assert failing.asked == 1


async def test_what_the_caller_did_wrong_ends_the_search() -> None:
    one, other = Engine("claude", fails=UNKNOWN), Engine("ollama")
    with pytest.raises(NotFound):
        await first_of((one, other), write)
    assert other.asked == 0


async def test_when_nobody_can_do_it_all_reasons_are_given() -> None:
    with pytest.raises(EngineUnavailable) as nobody:
        await first_of((Engine("claude", there=GONE), Engine("openai", fails=REFUSED)), write)
    assert "claude: Nobody is there. openai: The key is wrong." in nobody.value.text("en")
    assert "claude: いません。 openai: 鍵が違います。" in nobody.value.text("ja")
    with pytest.raises(EngineUnavailable):
        await first_of((), write)


async def test_the_only_engine_fails_in_its_own_words() -> None:
    with pytest.raises(KeyRefused) as raised:
        await first_of((Engine("openai", fails=REFUSED),), write)
    assert raised.value is REFUSED


async def test_an_engine_that_never_comes_to_the_point_is_away(clock: Clock) -> None:
    backend = Backend("voicevox", parallel=1, deadline=5, answer_within=0.01, clock=clock)
    asking = Asking(Health())
    asking.go_on.clear()
    with pytest.raises(EngineUnavailable, match="does not say within"):
        await backend.health(asking)
    asking.go_on.set()
    clock.now += 3
    await backend.health(asking)


async def test_a_refusal_of_our_own_question_is_the_engines_fault_not_the_callers(clock: Clock) -> None:
    async def refuses() -> Health:
        raise InvalidInput(ja="読めません。", en="Cannot read that.")

    with pytest.raises(EngineError, match="Cannot read that"):
        await guard(clock).health(refuses)

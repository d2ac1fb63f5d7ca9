"""Every metric there is, by name; what is counted, and how it reaches Prometheus.

Labels take their values from the program and its settings, never from a caller, so that their number is bounded.
No text, id, path or key is among them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from hybrid_mcp import __version__
from hybrid_mcp.errors import (
    AnswerRefused,
    AnswerUnusable,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    InvalidInput,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from psutil import Process

REQUESTS = "ai_systems_requests"
ERRORS = "ai_systems_errors"
RESPONSE_TIME = "ai_systems_response_time_seconds"
CPU = "ai_systems_cpu_usage_percent"
MEMORY = "ai_systems_memory_usage_percent"
ENGINE_CALLS = "ai_systems_engine_calls"
ENGINE_CALL_TIME = "ai_systems_engine_call_seconds"
ENGINE_RUNNING = "ai_systems_engine_calls_in_flight"
ENGINE_WAITING = "ai_systems_engine_calls_waiting"
ENGINE_RESTING = "ai_systems_engine_breaker_open"
BUILD = "ai_systems_build"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""From an answer out of the memory to a long recording that is heard."""
_SAMPLED = 1.0
"""Seconds over which processor time is averaged at least: two who look at once do not spoil each other's figure."""

Entry = Literal["stdio", "http", "sse"]
Outcome = Literal["ok", "tool_error", "rejected", "cancelled", "crash"]
"""`tool_error`: explained to the model; `rejected`: no request of this protocol; `crash`: a fault of ours."""
Measured = Callable[[str], AbstractContextManager[Any]]
"""Around one call of an engine, named by its operation. `contextlib.nullcontext` measures nothing."""
Breaker = Literal["closed", "open", "half-open"]

_ENDINGS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (EngineUnavailable, "unavailable"),
    (DeadlineExceeded, "deadline"),
    ((KeyMissing, KeyRefused), "key"),
    (ModelMissing, "model_missing"),
    ((AnswerRefused, AnswerUnusable), "unusable"),
    (EngineError, "failed"),
    (InvalidInput, "refused"),
)


class Guard(Protocol):
    """What `backend.Backend` shows of an engine outside this process."""

    name: str

    @property
    def waiting(self) -> int:
        """Calls that wait for room."""
        ...

    @property
    def breaker(self) -> Breaker:
        """Whether calls are let through."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """Requests of one kind."""

    entry: str
    tool: str
    engine: str
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process takes of the machine."""

    cpu_percent: float
    """Of all processors together, over the last second or longer."""
    memory_percent: float
    """Of the physical memory."""
    rss_bytes: int
    threads: int
    open_files: int
    """Descriptors, or handles on Windows."""


class Metrics:
    """What one App counts, in a registry of its own.

    Prometheus' client and psutil are loaded at the first count or look: 40 ms that no client should wait for.
    """

    def __init__(self) -> None:
        self.guards: list[Guard] = []
        self._requests: dict[tuple[str, str, str, str], Callable[[float], None]] = {}
        self._calls: dict[tuple[str, str, str], Callable[[float], None]] = {}
        self._running: dict[str, int] = {}
        self._sample: tuple[float, float, float] | None = None

    @property
    def registry(self) -> CollectorRegistry:
        """What Prometheus is told."""
        return self._instruments.registry

    @cached_property
    def _instruments(self) -> _Instruments:
        return _Instruments(self)

    @cached_property
    def _process(self) -> Process:
        import psutil  # noqa: PLC0415  (15 ms)

        return psutil.Process()

    def request(self, entry: Entry, tool: str, engine: str, outcome: Outcome, seconds: float) -> None:
        """Count an answered request; every label one of a bounded set."""
        labels = (entry, tool, engine, outcome)
        if (record := self._requests.get(labels)) is None:
            record = self._requests[labels] = self._instruments.of_requests(labels)
        record(seconds)

    def engine(self, name: str) -> Measured:
        """What measures the calls of an engine; its operations are words of its adapter."""
        return partial(self._engine_call, name)

    @contextmanager
    def _engine_call(self, engine: str, operation: str) -> Iterator[None]:
        began = time.perf_counter()
        self._running[engine] = self._running.get(engine, 0) + 1
        outcome = "ok"
        try:
            yield
        except BaseException as error:
            outcome = _ending(error)
            raise
        finally:
            self._running[engine] -= 1
            labels = (engine, operation, outcome)
            if (record := self._calls.get(labels)) is None:
                record = self._calls[labels] = self._instruments.of_calls(labels)
            record(time.perf_counter() - began)

    @property
    def running(self) -> Mapping[str, int]:
        """Calls in flight, by engine."""
        return self._running

    def served(self) -> list[Served]:
        """Requests counted so far, by their labels."""
        found = [sample for metric in self._instruments.requests.collect() for sample in metric.samples]
        return [
            Served(**sample.labels, count=int(sample.value)) for sample in found if sample.name == f"{REQUESTS}_total"
        ]

    def usage(self) -> Usage:
        """What this process takes now."""
        process = self._process
        with process.oneshot():
            return Usage(
                cpu_percent=self.cpu_percent(),
                memory_percent=self.memory_percent(),
                rss_bytes=process.memory_info().rss,
                threads=process.num_threads(),
                open_files=_descriptors(process),
            )

    def memory_percent(self) -> float:
        """Physical memory, in percent of the machine's."""
        return self._process.memory_percent()

    def cpu_percent(self) -> float:
        """Processor time in percent of the machine's since the last look; at first since the process began."""
        times, now = self._process.cpu_times(), time.monotonic()
        spent = times.user + times.system
        began, before, percent = self._sample or (now - (time.time() - self._process.create_time()), 0.0, 0.0)
        if self._sample is None or now - began >= _SAMPLED:
            percent = 100 * max(spent - before, 0.0) / max(now - began, _SAMPLED) / (os.cpu_count() or 1)
            self._sample = (now, spent, percent)
        return percent


class _Instruments:
    """The registry and what is in it."""

    def __init__(self, metrics: Metrics) -> None:
        from prometheus_client import (  # noqa: PLC0415  (25 ms)
            CollectorRegistry,
            Counter,
            Gauge,
            Histogram,
            Info,
            ProcessCollector,
        )

        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info(BUILD, "What runs.", registry=registry).info({"version": __version__})
        for name, text, read in (
            (CPU, "Processor time of this process, in percent of the machine.", metrics.cpu_percent),
            (MEMORY, "Physical memory of this process, in percent of the machine.", metrics.memory_percent),
        ):
            Gauge(name, text, registry=registry).set_function(read)
        registry.register(_Engines(metrics))
        request, call = ("entry", "tool", "engine", "outcome"), ("engine", "operation", "outcome")
        self.requests = Counter(REQUESTS, "Requests that were answered.", request, registry=registry)
        self._errors = Counter(ERRORS, "Requests whose outcome is not ok.", request, registry=registry)
        self._times = Histogram(RESPONSE_TIME, "Seconds to the answer.", request, buckets=_SECONDS, registry=registry)
        self._calls = Counter(ENGINE_CALLS, "Calls of engines.", call, registry=registry)
        self._call_times = Histogram(
            ENGINE_CALL_TIME,
            "Seconds of a call, waiting for room not included.",
            call,
            buckets=_SECONDS,
            registry=registry,
        )

    def of_requests(self, labels: tuple[str, ...]) -> Callable[[float], None]:
        """What counts requests of one kind; looking its parts up by label takes longer than counting."""
        requests, times = self.requests.labels(*labels), self._times.labels(*labels)
        errors = None if labels[-1] == "ok" else self._errors.labels(*labels)

        def record(seconds: float) -> None:
            requests.inc()
            times.observe(seconds)
            if errors is not None:
                errors.inc()

        return record

    def of_calls(self, labels: tuple[str, ...]) -> Callable[[float], None]:
        """What counts calls of one kind."""
        calls, times = self._calls.labels(*labels), self._call_times.labels(*labels)

        def record(seconds: float) -> None:
            calls.inc()
            times.observe(seconds)

        return record


class _Engines:
    """How the engines are when Prometheus looks."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Any]:
        """See `prometheus_client.registry.Collector`."""
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415

        running = GaugeMetricFamily(ENGINE_RUNNING, "Calls that engines are working on.", labels=("engine",))
        waiting = GaugeMetricFamily(ENGINE_WAITING, "Calls that wait for room.", labels=("engine",))
        resting = GaugeMetricFamily(ENGINE_RESTING, "1 while an engine is left alone.", labels=("engine",))
        for name, count in tuple(self._metrics.running.items()):
            running.add_metric((name,), count)
        for guard in self._metrics.guards:
            waiting.add_metric((guard.name,), guard.waiting)
            resting.add_metric((guard.name,), float(guard.breaker != "closed"))
        yield from (running, waiting, resting)


def engine_of(answer: Mapping[str, Any], known: Collection[str]) -> str:
    """Which of the `known` engines made what a tool answers; `none` if it does not say, `other` if it is none of them."""
    match answer:
        case {"voices": [str(voice), *_]}:  # `voicevox:四国めたん/あまあま`; Open JTalk's have no engine before them
            engine, named, _ = voice.partition(":")
            said = engine if named else "openjtalk"
        case {"engine": str(engine)}:  # `claude/claude-sonnet-5-5`, `faster-whisper 1.2.1 base`
            said = "whisper" if engine.startswith("faster-whisper") else engine.partition("/")[0]
        case _:
            return "none"
    return said if said in known else "other"


def _ending(error: BaseException) -> str:
    """How a call of an engine ended, in a word."""
    for kind, word in _ENDINGS:
        if isinstance(error, kind):
            return word
    return "cancelled" if isinstance(error, asyncio.CancelledError | GeneratorExit) else "crash"


def _descriptors(process: Process) -> int:
    if sys.platform == "win32":
        return process.num_handles()
    return process.num_fds()

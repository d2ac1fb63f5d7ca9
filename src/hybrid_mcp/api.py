"""The sidecar: whether the program is alive and ready, and what it does, over HTTP for people and Prometheus."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Literal, get_args

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hybrid_mcp import __version__
from hybrid_mcp.addresses import shown
from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Kind
from hybrid_mcp.config import Serving
from hybrid_mcp.languages import Language
from hybrid_mcp.readiness import Job, Seen, State, Use
from hybrid_mcp.telemetry import Breaker, Entry, Outcome

_WITHIN = 0.8
"""Seconds engines are given, so that an answer takes less than one: what watches a server seldom waits longer."""
_OWN_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")


EngineState = State | Literal["unknown"]
"""`unknown`: has not answered yet."""


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Links(_Answer):
    """What there is."""

    name: str = "hybrid-mcp"
    version: str
    paths: list[str] = Field(examples=[["/health", "/ready"]])


class Health(_Answer):
    """It answers, so it is alive."""

    status: Literal["ok"] = "ok"
    version: str = Field(examples=[__version__])
    uptime_seconds: float = Field(examples=[12.5])
    pid: int = Field(examples=[4242])


class PassedOver(_Answer):
    """An engine that would have come first."""

    engine: str = Field(examples=["voicevox"])
    why: str = Field(examples=["VOICEVOX does not answer at http://127.0.0.1:50021. Start it."])
    """With what to do about it, in the interface's language."""


class Capability(_Answer):
    """A job, and who would do it now."""

    job: str = Field(examples=["speak ja"])
    state: Literal["ready", "degraded", "not"] = Field(examples=["degraded"])
    """`degraded`: not by the first choice; `not`: by nobody, or by nobody who has answered yet."""
    needed: bool = Field(examples=[True])
    """Whether the program counts as not ready without it."""
    uses: str | None = Field(examples=["mei"])
    passed_over: list[PassedOver]


class Ready(_Answer):
    """Whether every job that is needed can be done."""

    ready: bool
    capabilities: list[Capability]


class Process(_Answer):
    """What the process takes of the machine."""

    pid: int = Field(examples=[4242])
    cpu_percent: float = Field(examples=[3.5])
    """Of all processors together."""
    memory_percent: float = Field(examples=[0.9])
    rss_bytes: int = Field(examples=[150_000_000])
    threads: int = Field(examples=[8])
    open_files: int = Field(examples=[20])


class RequestCount(_Answer):
    """Requests of one kind since the start."""

    entry: Entry
    tool: str = Field(examples=["synthesize_voice"])
    engine: str = Field(examples=["openjtalk"])
    outcome: Outcome
    count: int = Field(examples=[3])


class EngineStatus(_Answer):
    """An engine in one of its jobs."""

    engine: str = Field(examples=["voicevox"])
    job: Job
    state: EngineState
    """`away`: not configured or not running; `wrong`: configured, and does not work; `unknown`: has not answered yet."""
    version: str = Field(examples=["0.25.2"])
    latency_ms: float = Field(examples=[12.3])
    detail: str
    """What it has; or what is wrong, and what to do about it."""
    breaker: Breaker | None
    """Whether calls are let through; null for engines in this process."""
    in_flight: int
    """Calls it is working on."""
    waiting: int
    """Calls that wait for room."""


class Storage(_Answer):
    """Where files are kept."""

    folder: str
    free_bytes: int | None
    """null: it cannot be read."""
    artifacts: dict[Kind, int]


class Configured(_Answer):
    """Settings that may be told: no key, and no password of an address."""

    language: Language
    writers: tuple[str, ...]
    local_models: tuple[str, ...]
    speech_engines: tuple[str, ...]
    addresses: dict[str, str] = Field(examples=[{"voicevox": "http://127.0.0.1:50021"}])
    transcription_model: str = Field(examples=["base"])


class Status(_Answer):
    """Everything at one look."""

    version: str
    uptime_seconds: float
    process: Process
    requests: list[RequestCount]
    engines: list[EngineStatus]
    storage: Storage
    settings: Configured


class Problem(_Answer):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no /helth. See /openapi.json."])


def build_api(app: App) -> FastAPI:
    """The sidecar of an App. It borrows the App; whoever opened it closes it."""
    began = time.monotonic()
    api = FastAPI(
        title="hybrid-mcp",
        summary="Whether the server is alive and ready, and what it does.",
        version=__version__,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses={
            "4XX": {
                "description": "A problem document (RFC 9457).",
                "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
            }
        },
    )
    api.add_middleware(_Head)
    # Any web page can have its own name point to this machine (DNS rebinding); the browser then sends that name.
    api.add_middleware(TrustedHostMiddleware, allowed_hosts=_hosts(app.settings.serve), www_redirect=False)
    api.add_exception_handler(HTTPException, _problem)
    api.add_exception_handler(Exception, _fault)
    assert app.metrics.registry  # noqa: S101  (made here, once, and not by two threads)

    @api.get("/")
    async def links() -> Links:
        """What can be asked."""
        return Links(version=__version__, paths=[route.path for route in api.routes if isinstance(route, Route)])

    @api.get("/health")
    async def health() -> Health:
        """Whether the process answers."""
        return Health(version=__version__, uptime_seconds=time.monotonic() - began, pid=os.getpid())

    @api.get("/ready", responses={503: {"model": Ready, "description": "A job that is needed cannot be done."}})
    async def ready(response: Response) -> Ready:
        """Whether every job can be done, by whom, and why not by the first choice; within a second."""
        answer = _readiness(await app.readiness.look(_WITHIN), app.settings.language)
        if not answer.ready:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return answer

    @api.get("/system/status")
    async def status() -> Status:
        """What runs, what it takes, what it did, and how the engines are; within a second."""
        seen, process, storage = await asyncio.gather(
            app.readiness.look(_WITHIN), asyncio.to_thread(_process, app), asyncio.to_thread(_storage, app)
        )
        return Status(
            version=__version__,
            uptime_seconds=time.monotonic() - began,
            process=process,
            requests=[RequestCount.model_validate(one, from_attributes=True) for one in app.metrics.served()],
            engines=_engines(app, seen),
            storage=storage,
            settings=_configured(app),
        )

    text = {"schema": {"type": "string"}}
    described = {"content": {kind.partition(";")[0]: text for kind in (CONTENT_TYPE_PLAIN_0_0_4, CONTENT_TYPE_LATEST)}}

    @api.get("/metrics", response_class=Response, responses={200: described})
    async def metrics(request: Request) -> Response:
        """What was counted, for Prometheus: in OpenMetrics if it accepts that."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await asyncio.to_thread(encode, app.metrics.registry), media_type=content_type)

    return api


def _readiness(seen: Seen, language: Language) -> Ready:
    capabilities = [_capability(use, language) for use in seen.uses]
    return Ready(
        ready=all(one.state != "not" or not one.needed for one in capabilities),
        capabilities=capabilities,
    )


def _capability(use: Use, language: Language) -> Capability:
    return Capability(
        job=use.job,
        state="not" if use.engine is None else "degraded" if use.passed else "ready",
        needed=use.needed,
        uses=use.engine,
        passed_over=[PassedOver(engine=one.engine, why=one.why.in_(language)) for one in use.passed],
    )


def _engines(app: App, seen: Seen) -> list[EngineStatus]:
    guards = {guard.name: guard for guard in app.metrics.guards}

    def engine(
        name: str, job: Job, state: EngineState, version: str = "", latency: float = 0.0, detail: str = ""
    ) -> EngineStatus:
        guard = guards.get(name)
        return EngineStatus(
            engine=name,
            job=job,
            state=state,
            version=version,
            latency_ms=round(latency * 1000, 1),
            detail=detail,
            breaker=guard.breaker if guard else None,
            in_flight=app.metrics.running.get(name, 0),
            waiting=guard.waiting if guard else 0,
        )

    found = (
        engine(one.subject, one.job, one.state, one.version, one.latency, one.detail.in_(app.settings.language))
        for one in seen.findings
        if one.job != "keep"
    )
    silent = (engine(name, job, "unknown") for job, name in seen.unanswered if job != "keep")
    return [*found, *silent]


def _process(app: App) -> Process:
    return Process(pid=os.getpid(), **asdict(app.metrics.usage()))


def _storage(app: App) -> Storage:
    folder = app.settings.data_dir
    try:
        free = shutil.disk_usage(folder).free
        made = {kind: len(app.artifacts.ids(kind)) for kind in get_args(Kind)}
    except OSError:  # /ready says what is wrong with it
        free, made = None, {}
    return Storage(folder=str(folder), free_bytes=free, artifacts=made)


def _configured(app: App) -> Configured:
    settings = app.settings
    servers = ("speech", "claude", "openai", "groq", "ollama")
    urls = {**settings.tts.engines, **{name: getattr(settings, name).url for name in servers}}
    return Configured(
        language=settings.language,
        writers=settings.llm.writers,
        local_models=settings.llm.local,
        speech_engines=tuple(engine.name for engine in app.studio.engines),
        addresses={name: shown(url) for name, url in urls.items() if url},
        transcription_model=settings.stt.model,
    )


def _hosts(serving: Serving) -> list[str]:
    """Names by which this machine, or a proxy on it, is called; ports do not matter here."""
    return [*_OWN_NAMES, *(re.sub(r":(\d+|\*)$", "", name) for name in serving.allowed_hosts)]


class _Head:
    """Answers HEAD as GET; the web server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  (what it is registered for)
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            detail = f"There is no {request.url.path[:100]}. See /openapi.json."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = "It can only be read, with GET."
        case _:
            detail = error.detail
    return _told(error.status_code, detail, error.headers)


async def _fault(request: Request, error: Exception) -> Response:
    del request, error  # the web server logs it
    return _told(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of the server; its log says more.")


def _told(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    problem = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(problem.model_dump(), status, headers, "application/problem+json")

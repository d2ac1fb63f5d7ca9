"""The tool `doctor`, whose answer `hybrid-mcp check --json` prints too."""

from __future__ import annotations

from pydantic import BaseModel

from hybrid_mcp.doctor import Diagnosis, examine
from hybrid_mcp.languages import Language
from hybrid_mcp.readiness import Job, State
from hybrid_mcp.tools.context import LentApp


class EngineState(BaseModel):
    """An engine, or the disk."""

    engine: str
    job: Job
    state: State
    """`away`: not configured or not running; `wrong`: configured, and does not work."""
    version: str
    latency_ms: float
    detail: str
    """What it has; or what is wrong, and what to do about it."""


class JobUse(BaseModel):
    """Who would do a job now."""

    job: str
    uses: str | None
    passed_over: list[str]
    """Engines that would have come first, and why not."""


class DoctorAnswer(BaseModel):
    """What is reachable, and what would be used."""

    healthy: bool
    """Every job can be done, and nothing that is configured is broken."""
    jobs: list[JobUse]
    engines: list[EngineState]
    keys: dict[str, str]
    """Where each key was found; never the key."""


async def doctor(app: LentApp) -> DoctorAnswer:
    """Say which engines answer, with version and latency, who would do each job now, and how to mend what does not work.

    Use it when something failed, or before choosing an engine. It costs nothing and changes nothing.
    """
    return described(await examine(app), app.settings.language)


def described(found: Diagnosis, language: Language) -> DoctorAnswer:
    """A diagnosis in the words of the interface."""
    return DoctorAnswer(
        healthy=found.healthy,
        jobs=[
            JobUse(job=use.job, uses=use.engine, passed_over=[one.text(language) for one in use.passed])
            for use in found.uses
        ],
        engines=[
            EngineState(
                engine=one.subject,
                job=one.job,
                state=one.state,
                version=one.version,
                latency_ms=round(one.latency * 1000, 1),
                detail=one.detail.in_(language),
            )
            for one in found.findings
        ],
        keys=found.keys,
    )

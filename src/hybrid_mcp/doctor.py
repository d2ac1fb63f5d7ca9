"""What is reachable, who would do each job, and what to do about what is not."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import storage_errors
from hybrid_mcp.backend import Health
from hybrid_mcp.choosing import Passed
from hybrid_mcp.errors import (
    EngineError,
    EngineUnavailable,
    HybridError,
    KeyMissing,
    NotFound,
    StorageError,
    UnsupportedLanguage,
)
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.secrets.interface import SecretName

Job = Literal["write", "local", "speak", "hear", "keep"]
State = Literal["ready", "away", "wrong"]
"""`away`: not configured or not running, which may be meant; `wrong`: configured, and does not work."""

_LITTLE = 1 << 30
"""Bytes of free disk below which it is said: an hour of sound is 350 MB."""
_COMPOSER = "extractive"


@dataclass(frozen=True, slots=True)
class Finding:
    """One engine, or the disk."""

    subject: str
    job: Job
    state: State
    version: str
    latency: float
    """Seconds it took to answer."""
    detail: Bilingual
    """What it has, or what is wrong and what to do about it."""


@dataclass(frozen=True, slots=True)
class Use:
    """Who would do a job now."""

    job: str
    """For people and programs: `write`, `local`, `speak ja`, `speak en`, `hear`."""
    engine: str | None
    """None: nobody can."""
    passed: tuple[Passed, ...]
    needed: bool = True
    """Whether it is a fault that nobody can."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything the doctor found."""

    findings: tuple[Finding, ...]
    uses: tuple[Use, ...]
    keys: dict[str, str]
    """Where each key was found; never the key."""

    @property
    def healthy(self) -> bool:
        """Whether every job can be done and nothing that is configured is broken."""
        return all(use.engine or not use.needed for use in self.uses) and all(
            finding.state != "wrong" for finding in self.findings
        )


async def examine(app: App) -> Diagnosis:
    """Ask every engine at once; each answers or gives up within a few seconds. Nothing is loaded, and it costs nothing."""
    writers = [(one.name, _asked(one.name, "write", one.check)) for one in app.writers]
    local = [(one.name, _asked(one.name, "local", one.check)) for one in app.local_models]
    speakers = [(one.name, _asked(one.name, "speak", one.check)) for one in app.studio.engines]
    asked = await asyncio.gather(
        *(finding for _, finding in (*writers, *local, *speakers)),
        _asked("whisper", "hear", app.recognizer.check),
    )
    found = list(asked)
    by_job: dict[Job, list[Finding]] = {job: [one for one in found if one.job == job] for job in get_args(Job)}
    return Diagnosis(
        findings=(*found, *await _configured_voice(app), await asyncio.to_thread(_disk, app.settings.data_dir)),
        uses=(
            _use("write", _in_order(by_job["write"], app.settings.llm.writers)),
            _use("local", by_job["local"]),
            *[await _speaks(app, language) for language in get_args(Language)],
            _use("hear", by_job["hear"]),
        ),
        keys=await _keys(app),
    )


async def _keys(app: App) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in get_args(SecretName):
        try:
            if (secret := await app.secrets.get(name)) is not None:
                found[name] = secret.source
        except EngineError as error:  # a file that cannot be read
            found[name] = error.message.in_(app.settings.language)
    return found


async def _configured_voice(app: App) -> tuple[Finding, ...]:
    """The voice of the settings, if it cannot be had."""
    if not (name := app.settings.tts.voice):
        return ()
    try:
        await app.studio.named(name)
    except NotFound as error:
        return (Finding("HYBRID_MCP_TTS__VOICE", "speak", "wrong", "", 0.0, error.message),)
    return ()


async def _asked(subject: str, job: Job, check: Callable[[], Awaitable[Health]]) -> Finding:
    try:
        health = await check()
    except EngineError as error:
        state: State = "away" if isinstance(error, (KeyMissing, EngineUnavailable)) else "wrong"
        return Finding(subject, job, state, "", 0.0, error.message)
    except HybridError as error:  # a model that does not exist
        return Finding(subject, job, "wrong", "", 0.0, error.message)
    shown = ", ".join(health.models[:5]) + (" …" if len(health.models) > 5 else "")
    return Finding(subject, job, "ready", health.version, health.latency, Bilingual(ja=shown, en=shown))


def _in_order(writers: Sequence[Finding], order: Sequence[str]) -> list[Finding]:
    """The writers as they are tried, the composer among them, who is always ready."""
    nothing = Bilingual(ja="", en="")
    known = {one.subject: one for one in writers} | {_COMPOSER: Finding(_COMPOSER, "write", "ready", "", 0.0, nothing)}
    return [known[name] for name in dict.fromkeys(order)]


def _use(job: Job, findings: Sequence[Finding]) -> Use:
    passed: list[Passed] = []
    for finding in findings:
        if finding.state == "ready":
            return Use(job, finding.subject, tuple(passed))
        passed.append(Passed(finding.subject, finding.detail))
    return Use(job, None, tuple(passed))


async def _speaks(app: App, language: Language) -> Use:
    job = f"speak {language}"
    try:
        reader = await app.studio.usual(language)
    except UnsupportedLanguage as error:
        return Use(job, None, (Passed("speech", error.message),), needed=language == "ja")
    return Use(job, reader.voice.id, reader.passed)


def _disk(data_dir: Path) -> Finding:
    probe = data_dir / ".probe"
    try:
        with storage_errors():
            probe.write_bytes(b"")
            probe.unlink()
            free = shutil.disk_usage(data_dir).free
    except StorageError as error:
        return Finding(str(data_dir), "keep", "wrong", "", 0.0, error.message)
    size = f"{free / (1 << 30):.1f} GiB"
    if free < _LITTLE:
        return Finding(
            str(data_dir),
            "keep",
            "wrong",
            "",
            0.0,
            Bilingual(
                ja=f"空きが {size} しかありません。空きを作るか、HYBRID_MCP_DATA_DIR を変えてください。",
                en=f"Only {size} are free. Free some space, or change HYBRID_MCP_DATA_DIR.",
            ),
        )
    return Finding(str(data_dir), "keep", "ready", "", 0.0, Bilingual(ja=f"空き {size}", en=f"{size} free"))

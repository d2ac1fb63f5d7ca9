"""How every engine is, and who would do each job now; answered in time although engines do not."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from hybrid_mcp.artifacts import storage_errors
from hybrid_mcp.backend import Health
from hybrid_mcp.choosing import Passed
from hybrid_mcp.config import Settings
from hybrid_mcp.errors import (
    EngineError,
    EngineUnavailable,
    HybridError,
    KeyMissing,
    StorageError,
    UnsupportedLanguage,
)
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.llm.interface import LanguageModel
from hybrid_mcp.stt.interface import Recognizer
from hybrid_mcp.tts.interface import SpeechEngine
from hybrid_mcp.tts.studio import Roll, Studio, Voices, voices_of

Job = Literal["write", "local", "speak", "hear", "keep"]
State = Literal["ready", "away", "wrong"]
"""`away`: not configured or not running, which may be meant; `wrong`: configured, and does not work."""

_LITTLE = 1 << 30
"""Bytes of free disk below which it is said: an hour of sound is 350 MB."""
_COMPOSER = "extractive"
_DISK = "disk"
_OLD = 60.0
"""Seconds for which what an engine said counts while it is asked anew."""
_UNANSWERED = Bilingual(
    ja="まだ返事がありません。少し待ってからもう一度確かめてください。",
    en="It has not answered yet. Wait a moment and look again.",
)


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
    """For people and programs: `write`, `local`, `speak ja`, `speak en`, `hear`, `keep`."""
    engine: str | None
    """None: nobody can."""
    passed: tuple[Passed, ...]
    needed: bool = True
    """Whether it is a fault that nobody can."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How everything was at one look."""

    findings: tuple[Finding, ...]
    unanswered: tuple[_Subject, ...]
    """Who has not said in time how it is: job and name."""
    uses: tuple[Use, ...]


_Subject: TypeAlias = tuple[Job, str]


@dataclass(frozen=True, slots=True)
class _Said:
    """What one engine said."""

    finding: Finding
    voices: Voices = ()
    """Of a speech engine."""
    writable: bool = False
    """Of the disk."""


class Readiness:
    """Asks every engine, each once at a time, and remembers what it said.

    Asking goes on after whoever asked has gone: an engine that is slow to answer is known at the next look.
    """

    def __init__(
        self,
        settings: Settings,
        studio: Studio,
        recognizer: Recognizer,
        writers: Sequence[LanguageModel],
        local_models: Sequence[LanguageModel],
    ) -> None:
        """Nobody is asked yet."""
        self._settings = settings
        self._studio = studio
        self._questions: dict[_Subject, Callable[[], Awaitable[_Said]]] = {
            **{("write", one.name): _question(one.name, "write", one.check) for one in writers},
            **{("local", one.name): _question(one.name, "local", one.check) for one in local_models},
            **{("speak", one.name): _speaker(one) for one in studio.engines},
            ("hear", "whisper"): _question("whisper", "hear", recognizer.check),
            ("keep", str(settings.data_dir)): lambda: asyncio.to_thread(_disk, settings.data_dir),
        }
        self._asked: dict[_Subject, asyncio.Task[_Said]] = {}
        self._known: dict[_Subject, tuple[float, _Said]] = {}

    async def look(self, within: float | None = None) -> Seen:
        """How everything is. Nothing is loaded, and it costs nothing.

        Args:
            within: seconds after which who has not answered is left out; None waits for all, which takes up to ten.
        """
        asked = [self._ask(subject) for subject in self._questions]
        done, _ = await asyncio.wait(asked, timeout=within)
        for task in done:
            task.result()  # a fault of ours is not taken for silence
        since = time.monotonic() - _OLD
        said = {subject: known for subject, (when, known) in self._known.items() if when >= since}
        return Seen(
            tuple(said[subject].finding for subject in self._questions if subject in said),
            tuple(subject for subject in self._questions if subject not in said),
            tuple(self._uses(said)),
        )

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    def _ask(self, subject: _Subject) -> asyncio.Task[_Said]:
        """Ask it, unless it is being asked."""
        task = self._asked.get(subject)
        if task is None or task.done():
            self._asked[subject] = task = asyncio.create_task(self._learn(subject))
        return task

    async def _learn(self, subject: _Subject) -> _Said:
        said = await self._questions[subject]()
        self._known[subject] = (time.monotonic(), said)
        return said

    def _uses(self, said: Mapping[_Subject, _Said]) -> list[Use]:
        nothing = Bilingual(ja="", en="")
        composer = _Said(Finding(_COMPOSER, "write", "ready", "", 0.0, nothing))
        known = {("write", _COMPOSER): composer, **said}
        by_job = {job: [name for of, name in self._questions if of == job] for job in get_args(Job)}
        voices: list[Voices] = [
            known[("speak", name)].voices if ("speak", name) in known else Passed(name, _UNANSWERED)
            for name in by_job["speak"]
        ]
        return [
            _use("write", self._settings.llm.writers, known),
            _use("local", by_job["local"], known),
            *(_speaks(self._studio, Roll.of(voices), language) for language in get_args(Language)),
            _use("hear", by_job["hear"], known),
            _keeps(known.get(("keep", str(self._settings.data_dir)))),
        ]


def _question(name: str, job: Job, check: Callable[[], Awaitable[Health]]) -> Callable[[], Awaitable[_Said]]:
    async def ask() -> _Said:
        return _Said(await _checked(name, job, check))

    return ask


def _speaker(engine: SpeechEngine) -> Callable[[], Awaitable[_Said]]:
    async def ask() -> _Said:
        return _Said(await _checked(engine.name, "speak", engine.check), await voices_of(engine))

    return ask


async def _checked(name: str, job: Job, check: Callable[[], Awaitable[Health]]) -> Finding:
    try:
        health = await check()
    except EngineError as error:
        state: State = "away" if isinstance(error, (KeyMissing, EngineUnavailable)) else "wrong"
        return Finding(name, job, state, "", 0.0, error.message)
    except HybridError as error:  # a model that does not exist
        return Finding(name, job, "wrong", "", 0.0, error.message)
    shown = ", ".join(health.models[:5]) + (" …" if len(health.models) > 5 else "")
    return Finding(name, job, "ready", health.version, health.latency, Bilingual(ja=shown, en=shown))


def _use(job: Job, order: Sequence[str], known: Mapping[_Subject, _Said]) -> Use:
    passed: list[Passed] = []
    for name in order:
        said = known.get((job, name))
        if said is not None and said.finding.state == "ready":
            return Use(job, name, tuple(passed))
        passed.append(Passed(name, _UNANSWERED if said is None else said.finding.detail))
    return Use(job, None, tuple(passed))


def _speaks(studio: Studio, roll: Roll, language: Language) -> Use:
    job = f"speak {language}"
    try:
        reader = studio.reader(roll, language)
    except UnsupportedLanguage as error:
        return Use(job, None, (Passed("speech", error.message),), needed=language == "ja")
    return Use(job, reader.voice.id, reader.passed)


def _keeps(said: _Said | None) -> Use:
    if said is None:
        return Use("keep", None, (Passed(_DISK, _UNANSWERED),))
    passed = () if said.finding.state == "ready" else (Passed(_DISK, said.finding.detail),)
    return Use("keep", _DISK if said.writable else None, passed)


def _disk(data_dir: Path) -> _Said:
    try:
        with storage_errors():
            # A name of its own: several servers may share the directory.
            with tempfile.TemporaryFile(dir=data_dir):
                pass
            free = shutil.disk_usage(data_dir).free
    except StorageError as error:
        return _Said(Finding(str(data_dir), "keep", "wrong", "", 0.0, error.message))
    size = f"{free / (1 << 30):.1f} GiB"
    if free < _LITTLE:
        little = Bilingual(
            ja=f"空きが {size} しかありません。空きを作るか、HYBRID_MCP_DATA_DIR を変えてください。",
            en=f"Only {size} are free. Free some space, or change HYBRID_MCP_DATA_DIR.",
        )
        return _Said(Finding(str(data_dir), "keep", "wrong", "", 0.0, little), writable=True)
    free_space = Bilingual(ja=f"空き {size}", en=f"{size} free")
    return _Said(Finding(str(data_dir), "keep", "ready", "", 0.0, free_space), writable=True)

"""Who writes a script: the first writer that can, named openly; and what was paid for is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft, artifact_id
from hybrid_mcp.backend import Health
from hybrid_mcp.choosing import Passed, first_of
from hybrid_mcp.errors import AnswerRefused, EngineError, InvalidInput, StorageError
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.llm.interface import LanguageModel, Quote
from hybrid_mcp.script.asking import Usage
from hybrid_mcp.script.assemble import identified
from hybrid_mcp.script.compose import compose
from hybrid_mcp.script.keep import keep
from hybrid_mcp.script.model import Cast, Script, Style
from hybrid_mcp.script.prompting import Wishes
from hybrid_mcp.script.source import Source, writable
from hybrid_mcp.script.write import Progress, quoted, write
from hybrid_mcp.threads import in_thread

EXTRACTIVE = "extractive"
_PROMPTS = 1
"""Raised when models are asked otherwise, so that what older prompts gave is not taken for an answer to new ones."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a script should be like, as far as the caller says."""

    style: Style
    language: Language | None
    """None means the source's own."""
    target_minutes: float | None
    cast: Cast = ()


@dataclass(frozen=True, slots=True)
class Work:
    """A script, and what it took."""

    script: Script
    usage: Usage | None = None
    """None where nobody is paid."""
    counted_tokens: int = 0
    """Tokens of the whole task, counted before anything was asked."""
    notes: tuple[Bilingual, ...] = ()
    reused: bool = False
    """Whether it was written before: nothing was spent now."""


@dataclass(frozen=True, slots=True)
class Written:
    """A stored script, and how it came about."""

    work: Work
    artifact: Artifact
    passed: tuple[Passed, ...]
    """Writers that would have come first, and why not."""


class Writer(Protocol):
    """Somebody who makes a script of a source."""

    @property
    def name(self) -> str:
        """As people configure it."""
        ...

    async def check(self) -> Health:
        """See `choosing.Engine.check`."""
        ...

    async def quote(self, source: Source, asked: Asked, take: int) -> Quote | None:
        """What writing it would cost now; None where it is free, written already, or not known.

        Raises:
            InvalidInput: this writer cannot serve the request.
            EngineError: it cannot be asked.
        """
        ...

    async def write(self, source: Source, asked: Asked, take: int, on_progress: Progress) -> Work:
        """Write it, or find it written.

        Raises:
            NotAgreed: it may cost more than was agreed to.
            InvalidInput: this writer cannot serve the request.
            EngineError: it could not do it.
        """
        ...


class Composer:
    """The writer that needs no model."""

    name = EXTRACTIVE

    async def check(self) -> Health:
        """See `Writer.check`."""
        return Health()

    async def quote(self, source: Source, asked: Asked, take: int) -> None:
        """See `Writer.quote`."""

    async def write(self, source: Source, asked: Asked, take: int, on_progress: Progress) -> Work:
        """See `Writer.write`. The same source and wishes always give the same script."""
        del take

        def work() -> Script:
            language = writable(source, asked.language)
            return compose(source, asked.style, language, asked.target_minutes, cast=asked.cast)

        script = await in_thread(work)  # a long source takes seconds
        await on_progress(len(script.sections), len(script.sections))
        return Work(script)


class ModelWriter:
    """A language model that writes; what it wrote is kept, so that the same request is paid for once."""

    def __init__(
        self, model: LanguageModel, artifacts: Artifacts, interface: Language, limit: float = math.inf
    ) -> None:
        """Nothing is asked yet.

        Args:
            model: who writes.
            artifacts: where what it wrote is kept.
            interface: language of a script about a source that is in neither of ours.
            limit: US dollars that a script may cost.
        """
        self.name = model.name
        self._model = model
        self._artifacts = artifacts
        self._interface = interface
        self._limit = limit

    async def check(self) -> Health:
        """See `Writer.check`."""
        return await self._model.check()

    async def quote(self, source: Source, asked: Asked, take: int) -> Quote | None:
        """See `Writer.quote`."""
        wishes = self._wishes(source, asked)
        if self._artifacts.find(self._id(source, wishes, take)) is not None:
            return None
        return await quoted(self._model, source, wishes)

    async def write(self, source: Source, asked: Asked, take: int, on_progress: Progress) -> Work:
        """See `Writer.write`."""
        wishes = self._wishes(source, asked)
        async with self._artifacts.making(self._id(source, wishes, take)) as making:
            if isinstance(making, Artifact):
                work = await in_thread(lambda: _found(making))
            else:
                written = await write(self._model, source, wishes, on_progress=on_progress, limit=self._limit)
                work = Work(written.script, written.usage, written.counted_tokens, written.notes)
                await in_thread(lambda: _keep(making, work))
        return replace(work, script=identified(work.script.model_copy(update={"cast": asked.cast})))

    def _wishes(self, source: Source, asked: Asked) -> Wishes:
        # Who reads a role is nothing to its writer: another voice costs no further script.
        roles = tuple(role.model_copy(update={"voice": ""}) for role in asked.cast)
        return Wishes(asked.style, asked.language or self._own(source), asked.target_minutes, roles)

    def _id(self, source: Source, wishes: Wishes, take: int) -> str:
        made_from = {
            "source": source.id,
            "wishes": {**asdict(wishes), "cast": [role.model_dump(mode="json") for role in wishes.cast]},
            "writer": [self.name, self._model.model],
            "prompts": _PROMPTS,
            "take": take,
        }
        return artifact_id("writing", made_from)

    def _own(self, source: Source) -> Language:
        match source.language:
            case "ja":
                return "ja"
            case "en":
                return "en"
            case _:
                return self._interface


async def quote(writers: Sequence[Writer], source: Source, asked: Asked, take: int) -> Quote | None:
    """What `author` would cost, as far as its first writer goes that is there; None where it is free or not known."""
    for writer in writers:
        try:
            await writer.check()
            return await writer.quote(source, asked, take)
        except (EngineError, InvalidInput):
            continue  # `author` passes it over, too, and says why
    return None


async def author(
    writers: Sequence[Writer], artifacts: Artifacts, source: Source, asked: Asked, *, take: int, on_progress: Progress
) -> Written:
    """Have the first writer that can write the script, and keep it.

    Args:
        writers: first choice first.
        artifacts: where scripts are kept.
        source: what it is about.
        asked: what it should be like.
        take: 1, or the number of a further version: the same number gives the same version again.
        on_progress: told how many sections are written, of how many.

    Raises:
        NotAgreed: it may cost more than was agreed to; no further writer is asked.
        InvalidInput: the only writer cannot serve the request.
        EngineError: no writer could; why each.
    """

    async def attempt(writer: Writer) -> Work:
        try:
            return await writer.write(source, asked, take, on_progress)
        except InvalidInput as error:
            if len(writers) == 1:
                raise
            # What one writer cannot do (translate, read so long a paper) another may.
            raise AnswerRefused(ja=error.message.ja, en=error.message.en) from error

    chosen = await first_of(writers, attempt)
    return Written(chosen.result, await keep(artifacts, chosen.result.script), chosen.passed)


def _keep(draft: Draft, work: Work) -> None:
    draft.write_text("script.json", work.script.model_dump_json(indent=2) + "\n")
    draft.summary |= {
        "usage": asdict(work.usage) if work.usage else None,
        "counted_tokens": work.counted_tokens,
        "notes": [asdict(note) for note in work.notes],
    }


def _found(artifact: Artifact) -> Work:
    try:
        kept: dict[str, Any] = dict(artifact.summary)
        return Work(
            Script.model_validate_json(artifact.read_text("script.json")),
            Usage(**kept["usage"]) if kept["usage"] else None,
            kept["counted_tokens"],
            tuple(Bilingual(**note) for note in kept["notes"]),
            reused=True,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            ja=f"{artifact.folder} が壊れています。フォルダを消して、もう一度実行してください。",
            en=f"{artifact.folder} is damaged. Delete the folder and try again.",
        ) from error

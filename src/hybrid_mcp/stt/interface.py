"""What a speech recogniser is to us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from hybrid_mcp.backend import Health

OnHeard = Callable[[float, float], Awaitable[None]]
"""Called with seconds of audio heard so far, and seconds in all."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was heard, in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech, in seconds from the start of the recording."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in a recording."""

    language: str
    language_probability: float
    duration: float
    """Seconds of the whole recording, silence included."""
    segments: tuple[Segment, ...]
    engine: str
    """Engine, version and model."""

    @property
    def text(self) -> str:
        """Everything that was heard, one segment a line."""
        return "\n".join(segment.text for segment in self.segments)

    def to_json(self) -> dict[str, Any]:
        """The transcript as JSON values."""
        return asdict(self)


class Recognizer(Protocol):
    """An engine that hears."""

    name: str
    """Engine, version and model, for people."""

    async def check(self) -> Health:
        """Whether it can be used now. Loads and fetches nothing.

        Raises:
            EngineError: it cannot, and why.
        """
        ...

    async def identity(self) -> str:
        """What it hears with, told apart further than by `name`: part of what a transcript's id is made from.

        Raises:
            ModelMissing: the weights are not here.
        """
        ...

    async def recognize(self, audio: Path, *, language: str | None, on_heard: OnHeard) -> Transcript:
        """Hear the first audio stream of `audio`, in `language` (a code) or whatever it turns out to be.

        Silence gives no segments. Cancelling stops at the next segment.

        Raises:
            MediaRefused: the file has no audio that can be decoded, or exceeds a limit.
            ModelMissing: the weights are not here.
            DeadlineExceeded: it took too long.
        """
        ...

    async def close(self) -> None:
        """Release the engine; waits for running work to stop."""
        ...

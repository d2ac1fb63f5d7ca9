"""What a speech engine is to us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hybrid_mcp.script.model import Phrase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""Mono audio, shape (samples,), full scale ±1."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker that can be asked for by name."""

    id: str
    name_ja: str
    name_en: str
    language: str
    engine: str
    """Engine and version: part of what a narration's id is made from."""
    credit: str
    """What must be named when the sound is published."""
    licence: str
    semitones: float = 0.0
    """Shift of the voice's natural pitch that makes this speaker."""


@dataclass(frozen=True, slots=True)
class Prosody:
    """How a line is read."""

    speed: float = 1.0
    """Ratio of the voice's own tempo, 0.5–2."""
    pitch: float = 0.0
    """Semitones above the voice's own, −12–12."""
    volume: float = 1.0
    """Linear gain, 0–2; what would clip is limited."""
    pause_scale: float = 1.0
    """Ratio of the voice's own pauses inside a line, 0–3."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken line."""

    samples: Samples
    sample_rate: int
    bounds: tuple[tuple[int, int], ...]
    """First sample and end of every phrase of the line, from the engine's own frames."""


@dataclass(frozen=True, slots=True)
class PhraseCue:
    """A phrase and its place in a recording, in samples."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LineCue:
    """A line and its place in a recording, in samples, from its first sound to its last."""

    id: str
    speaker: str
    voice: str
    text: str
    start: int
    end: int
    phrases: tuple[PhraseCue, ...]


class SpeechEngine(Protocol):
    """An engine that speaks, one line at a time; several at once."""

    name: str
    """Engine and version."""
    sample_rate: int
    voices: tuple[Voice, ...]
    parallel: int
    """Lines it speaks at the same time without slowing down."""

    def identity(self) -> str:
        """What its sound depends on beside text and voice (versions of engine and readings): part of a recording's id."""
        ...

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """Speak a line. Text without a sound (only symbols) gives silence of no length.

        Raises:
            EngineError: the engine failed.
        """
        ...

    async def close(self) -> None:
        """Release the engine; waits for running work to stop."""
        ...

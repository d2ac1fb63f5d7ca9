"""What a speech engine is to us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hybrid_mcp.backend import Health
from hybrid_mcp.script.model import Phrase

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Samples: TypeAlias = "NDArray[np.float32]"
"""Mono audio, shape (samples,), full scale ±1."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker in one style that can be asked for by name."""

    id: str
    """Unique over all engines: `mei`, `voicevox:四国めたん/あまあま`."""
    name_ja: str
    name_en: str
    language: str
    engine: str
    """The engine as people configure it: `openjtalk`, `voicevox`, `speech`."""
    version: str
    """Engine and version: part of what a narration's id is made from."""
    credit: str
    """What must be named when the sound is published."""
    licence: str
    sample_rate: int
    """The engine's own, in Hz."""
    speaker: str = ""
    """Name of the speaker without the style, in the engine's own words."""
    style: str = ""
    key: str = ""
    """What the engine itself calls it."""
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
    intonation: float = 1.0
    """Ratio of the voice's own melody, 0–2; engines that cannot change it leave it."""
    pause: float | None = None
    """Seconds of every pause inside a line, before `pause_scale`; None leaves the voice's own."""
    lead_in: float | None = None
    """Seconds of silence before a sentence; None leaves the voice's own."""
    lead_out: float | None = None
    """Seconds of silence after a sentence; None leaves the voice's own."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A spoken line."""

    samples: Samples
    sample_rate: int
    bounds: tuple[tuple[int, int], ...]
    """First sample and end of every phrase of the line, from the engine's own frames unless `estimated`."""
    estimated: bool = False
    """Whether the places inside are guessed from the text, because the engine does not tell; the whole is measured."""


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
    """An engine that speaks, one sentence at a time; several at once."""

    @property
    def name(self) -> str:
        """As people configure it: `openjtalk`, `voicevox`, `speech`."""
        ...

    @property
    def parallel(self) -> int:
        """Sentences it speaks at the same time; more wait their turn inside."""
        ...

    async def check(self) -> Health:
        """Whether it can be used now, from memory if it was asked just now. Loads nothing.

        Raises:
            EngineError: it cannot, and why.
        """
        ...

    async def voices(self) -> tuple[Voice, ...]:
        """All its voices, the usual one first.

        Raises:
            EngineError: it cannot be asked.
        """
        ...

    async def prepare(self, voices: Sequence[Voice]) -> None:
        """Load what these voices need, so that the first sentence is not slower than the others.

        Raises:
            EngineError: the engine failed.
        """
        ...

    async def identity(self) -> str:
        """What its sound depends on beside text and voice (versions of engine and readings): part of a recording's id.

        Raises:
            EngineError: it cannot be asked.
        """
        ...

    async def terms(self, voice: Voice) -> str:
        """Terms of use of a voice as its maker wrote them; empty when `licence` says all.

        Raises:
            EngineError: it cannot be asked.
        """
        ...

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """Speak a sentence. Text without a sound (only symbols) gives silence of no length. Cancelling drops it.

        Raises:
            EngineError: the engine failed, or stayed away.
        """
        ...

    async def close(self) -> None:
        """Release the engine; waits for running work to stop."""
        ...

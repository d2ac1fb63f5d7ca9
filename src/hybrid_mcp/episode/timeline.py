"""When everything is said: from the engine's own frames, exact against the WAV master."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hybrid_mcp.tts.interface import LineCue


@dataclass(frozen=True, slots=True)
class ChapterCue:
    """A heading and the sample its first line starts at (0 for the first)."""

    title: str
    start: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """The places of all lines in one master."""

    sample_rate: int
    length: int
    """Samples of the whole master."""
    lines: tuple[LineCue, ...]
    chapters: tuple[ChapterCue, ...] = ()

    def seconds(self, sample: int) -> float:
        """A place in the master, in seconds."""
        return sample / self.sample_rate

    @property
    def duration(self) -> float:
        """Seconds of the whole master."""
        return self.seconds(self.length)

    def to_json(self) -> dict[str, Any]:
        """The timeline as JSON values; places in samples."""
        return asdict(self)

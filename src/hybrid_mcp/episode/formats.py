"""The audio formats a recording can have."""

from __future__ import annotations

from typing import Literal

AudioFormat = Literal["wav", "flac", "mp3", "opus", "m4a"]

MIME: dict[AudioFormat, str] = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "m4a": "audio/mp4",
}

"""Settings: one group per room. `settings.tts.workers` is `HYBRID_MCP_TTS__WORKERS`.

Read from the environment, then from `.env.hybrid` in the working directory.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hybrid_mcp.languages import Language

_APP = "hybrid-mcp"


def _media_folders() -> tuple[Path, ...]:
    """Where people keep recordings. The working directory is not among them: hosts start servers in `/`."""
    home = Path.home()
    return tuple(home / name for name in ("Music", "Movies", "Videos", "Downloads"))


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpeechToText(_Group):
    """Hearing: faster-whisper."""

    model: str = Field("base", description="faster-whisper model: a name fetched on demand, or a folder.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 means all cores.")
    max_bytes: int = Field(500_000_000, gt=0, description="Largest recording that is read, in bytes.")
    max_seconds: float = Field(
        3 * 3600, gt=0, allow_inf_nan=False, description="Longest recording that is heard, in seconds."
    )
    deadline_base: float = Field(120, gt=0, description="Seconds any recording is given.")
    deadline_factor: float = Field(3, gt=0, description="Further seconds per second of audio.")


class TextToSpeech(_Group):
    """Speaking: Open JTalk."""

    voice: str = Field("mei", description="Voice used when a request names none.")
    workers: int = Field(0, ge=0, description="Lines spoken at the same time; 0 means one per core.")
    max_characters: int = Field(20_000, gt=0, description="Longest text or script that is spoken, in characters.")


class LanguageModels(_Group):
    """Local text: llama.cpp."""

    context_tokens: int = Field(4096, ge=512, description="Context of the embedded model, in tokens.")
    threads: int = Field(0, ge=0, description="CPU threads; 0 means all cores.")
    deadline: float = Field(120, gt=0, description="Seconds an answer is given.")


class Settings(BaseSettings):
    """Everything that can be configured; every field has a working default."""

    model_config = SettingsConfigDict(
        env_prefix="HYBRID_MCP_",
        env_nested_delimiter="__",
        env_file=".env.hybrid",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
    )

    language: Language = Field("ja", description="Language of titles, reports and errors: ja or en.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", description="Level of the log on stderr."
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path(_APP, appauthor=False),
        description="Where scripts, recordings and transcripts are kept.",
    )
    models_dir: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path(_APP, appauthor=False) / "models",
        description="Where fetched model weights are kept.",
    )
    allowed_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=_media_folders,
        description="Folders `transcribe` may read, besides the data directory.",
    )
    stt: SpeechToText = SpeechToText()
    tts: TextToSpeech = TextToSpeech()
    llm: LanguageModels = LanguageModels()

    @field_validator("allowed_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: Any) -> Any:
        """Accept a JSON list, or paths separated as in PATH (`:`; `;` on Windows)."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [part for part in value.split(os.pathsep) if part.strip()]

    @field_validator("data_dir", "models_dir", mode="after")
    @classmethod
    def _absolute_folder(cls, value: Path) -> Path:
        return _absolute(value)

    @field_validator("allowed_roots", mode="after")
    @classmethod
    def _absolute_roots(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(_absolute(root) for root in value)


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:  # ~somebody who is not here
        raise ValueError(str(error)) from error

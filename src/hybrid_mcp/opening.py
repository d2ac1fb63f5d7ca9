"""Opening an App: the only file that knows every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from hybrid_mcp import models
from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifacts
from hybrid_mcp.config import Settings
from hybrid_mcp.llm.embedded import LlamaCpp
from hybrid_mcp.stt.whisper import FasterWhisper
from hybrid_mcp.tts.openjtalk import OpenJTalk


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open everything, in order, and close it in reverse, also when opening fails half-way.

    Engines are only constructed here; each loads what is heavy at its first use.

    Raises:
        StorageError: the data directory cannot be used.
    """
    async with AsyncExitStack() as stack:
        artifacts = Artifacts(settings.data_dir)
        artifacts.open()
        speech = OpenJTalk(settings.tts.workers)
        stack.push_async_callback(speech.close)
        recognizer = FasterWhisper(
            _whisper_model(settings),
            threads=settings.stt.threads,
            max_bytes=settings.stt.max_bytes,
            max_seconds=settings.stt.max_seconds,
            deadline_base=settings.stt.deadline_base,
            deadline_factor=settings.stt.deadline_factor,
        )
        stack.push_async_callback(recognizer.close)
        local_model = LlamaCpp(
            settings.models_dir / models.SMOLLM2.folder / models.SMOLLM2.files[0].name,
            context_tokens=settings.llm.context_tokens,
            threads=settings.llm.threads,
            deadline=settings.llm.deadline,
        )
        stack.push_async_callback(local_model.close)
        yield App(settings, artifacts, speech, recognizer, local_model)


def _whisper_model(settings: Settings) -> Path | str:
    """The embedded weights, a folder, or a name that faster-whisper fetches itself."""
    if settings.stt.model == "base":
        return settings.models_dir / models.WHISPER_BASE.folder
    folder = Path(settings.stt.model).expanduser()
    return folder if folder.is_dir() else settings.stt.model

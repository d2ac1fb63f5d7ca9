"""Opening an App: the only file that knows every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from hybrid_mcp import models
from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifacts
from hybrid_mcp.config import Settings
from hybrid_mcp.llm.embedded import LlamaCpp
from hybrid_mcp.stt.whisper import FasterWhisper, from_hub
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
            *_whisper_model(settings),
            max_bytes=settings.stt.max_bytes,
            max_seconds=settings.stt.max_seconds,
            deadline_base=settings.stt.deadline_base,
            deadline_factor=settings.stt.deadline_factor,
            threads=settings.stt.threads,
        )
        stack.push_async_callback(recognizer.close)
        local_model = LlamaCpp(
            Path(models.SMOLLM2.files[0].name).stem,
            partial(_smollm2, settings.models_dir),
            context_tokens=settings.llm.context_tokens,
            deadline=settings.llm.deadline,
            threads=settings.llm.threads,
        )
        stack.push_async_callback(local_model.close)
        yield App(settings, artifacts, speech, recognizer, local_model)


def _whisper_model(settings: Settings) -> tuple[str, Callable[[], Path]]:
    """What the model is called, and how its folder is found: embedded, somebody's own, or from the model hub."""
    model = settings.stt.model
    if model == "base":
        return model, partial(models.path_of, models.WHISPER_BASE, settings.models_dir)
    folder = Path(model).expanduser()
    if folder.is_absolute() or folder.is_dir():
        return folder.name.removeprefix("whisper-"), lambda: folder
    return model, partial(from_hub, model)


def _smollm2(models_dir: Path) -> Path:
    return models.path_of(models.SMOLLM2, models_dir) / models.SMOLLM2.files[0].name

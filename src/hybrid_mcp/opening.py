"""Opening an App: the only file that knows every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from hybrid_mcp import models
from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifacts
from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Settings, Watching, env_files
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import SettingsWrong
from hybrid_mcp.llm.interface import LanguageModel
from hybrid_mcp.readiness import Readiness
from hybrid_mcp.secrets.environment import Environment
from hybrid_mcp.secrets.interface import Secrets
from hybrid_mcp.stt.whisper import FasterWhisper, from_hub
from hybrid_mcp.telemetry import Metrics
from hybrid_mcp.tts.interface import SpeechEngine
from hybrid_mcp.tts.studio import Studio


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Open everything, in order, and close it in reverse, also when opening fails half-way.

    Engines are only constructed here; each loads or connects at its first use.

    Raises:
        StorageError: the data directory cannot be used.
        SettingsWrong: an order names an engine that does not exist.
    """
    async with AsyncExitStack() as stack:
        artifacts = Artifacts(settings.data_dir)
        artifacts.open()
        egress = Egress(settings.outgoing)
        secrets = Environment(env_files())
        metrics = Metrics()
        recognizer = FasterWhisper(
            *_whisper_model(settings),
            fetches=_from_hub(settings),
            max_bytes=settings.stt.max_bytes,
            max_seconds=settings.stt.max_seconds,
            deadline_base=settings.stt.deadline_base,
            deadline_factor=settings.stt.deadline_factor,
            threads=settings.stt.threads,
            measured=metrics.engine("whisper"),
        )
        stack.push_async_callback(recognizer.close)
        opened: dict[str, LanguageModel] = {}

        def models_named(variable: str, names: tuple[str, ...], known: tuple[str, ...]) -> tuple[LanguageModel, ...]:
            """The models of an order, each opened once."""
            for name in names:
                if name not in known:
                    raise SettingsWrong.unknown(variable, name, known)
                if name != "extractive" and name not in opened:
                    opened[name] = _language_model(name, settings, egress, secrets, metrics)
                    stack.push_async_callback(opened[name].close)
            return tuple(opened[name] for name in names if name != "extractive")

        writers = models_named(
            "HYBRID_MCP_LLM__WRITERS", settings.llm.writers, ("claude", "openai", "groq", "ollama", "extractive")
        )
        local_models = models_named("HYBRID_MCP_LLM__LOCAL", settings.llm.local, ("ollama", "embedded"))
        engines: list[SpeechEngine] = []
        for name in settings.tts.order or (*settings.tts.engines, "openjtalk", "speech"):
            engines.append(_speech_engine(name, settings, egress, secrets, metrics))
            stack.push_async_callback(engines[-1].close)
        studio = Studio(engines, settings.tts.voice)
        readiness = Readiness(settings, studio, recognizer, writers, local_models)
        stack.push_async_callback(readiness.close)
        yield App(
            settings=settings,
            artifacts=artifacts,
            egress=egress,
            secrets=secrets,
            metrics=metrics,
            studio=studio,
            recognizer=recognizer,
            writers=writers,
            local_models=local_models,
            readiness=readiness,
        )


def _language_model(name: str, settings: Settings, egress: Egress, secrets: Secrets, metrics: Metrics) -> LanguageModel:
    guarded = partial(_backend, name, settings.watching, metrics)
    match name:
        case "claude":
            from hybrid_mcp.llm.claude import Claude

            claude = settings.claude
            return Claude(claude, secrets, egress, guarded(claude.parallel, claude.deadline))
        case "openai":
            from hybrid_mcp.llm.openai import ChatCompletions

            openai = settings.openai
            guard = guarded(openai.parallel, openai.deadline)
            return ChatCompletions(name, openai, secrets, "openai_api_key", egress, guard)
        case "groq":
            from hybrid_mcp.llm.openai import ChatCompletions

            groq = settings.groq
            guard = guarded(groq.parallel, groq.deadline)
            return ChatCompletions(name, groq, secrets, "groq_api_key", egress, guard)
        case "ollama":
            from hybrid_mcp.llm.ollama import Ollama

            ollama = settings.ollama
            return Ollama(ollama, egress, guarded(ollama.parallel, ollama.deadline))
        case "embedded":
            from hybrid_mcp.llm.embedded import LlamaCpp

            return LlamaCpp(
                Path(models.SMOLLM2.files[0].name).stem,
                partial(_smollm2, settings.models_dir),
                context_tokens=settings.llm.context_tokens,
                deadline=settings.llm.deadline,
                threads=settings.llm.threads,
                measured=metrics.engine(name),
            )
        case unknown:  # pragma: no cover  (whoever calls has looked)
            raise AssertionError(unknown)


def _speech_engine(name: str, settings: Settings, egress: Egress, secrets: Secrets, metrics: Metrics) -> SpeechEngine:
    guarded = partial(_backend, name, settings.watching, metrics)
    match name:
        case "openjtalk":
            from hybrid_mcp.tts.openjtalk import OpenJTalk

            return OpenJTalk(settings.tts.workers, metrics.engine(name))
        case "speech":
            from hybrid_mcp.tts.openai import OpenAISpeech

            guard = guarded(settings.speech.parallel, settings.speech.deadline)
            return OpenAISpeech(settings.speech, secrets, egress, guard)
        case _ if name in settings.tts.engines:
            from hybrid_mcp.tts.voicevox import Voicevox

            guard = guarded(settings.tts.parallel, settings.tts.deadline)
            return Voicevox(name, settings.tts.engines[name], settings.tts, egress, guard)
        case _:
            raise SettingsWrong.unknown("HYBRID_MCP_TTS__ORDER", name, (*settings.tts.engines, "openjtalk", "speech"))


def _backend(name: str, watching: Watching, metrics: Metrics, parallel: int, deadline: float) -> Backend:
    backend = Backend(
        name,
        parallel=parallel,
        deadline=deadline,
        remember=watching.remember,
        failures=watching.failures,
        rest=watching.rest,
        measured=metrics.engine(name),
    )
    metrics.guards.append(backend)
    return backend


def _whisper_model(settings: Settings) -> tuple[str, Callable[[], Path]]:
    """What the model is called, and how its folder is found: embedded, somebody's own, or from the model hub."""
    model = settings.stt.model
    if model == "base":
        return model, partial(models.path_of, models.WHISPER_BASE, settings.models_dir)
    if _from_hub(settings):
        return model, partial(from_hub, model)
    folder = Path(model).expanduser()
    return folder.name.removeprefix("whisper-"), lambda: folder


def _from_hub(settings: Settings) -> bool:
    folder = Path(settings.stt.model).expanduser()
    return settings.stt.model != "base" and not (folder.is_absolute() or folder.is_dir())


def _smollm2(models_dir: Path) -> Path:
    return models.path_of(models.SMOLLM2, models_dir) / models.SMOLLM2.files[0].name

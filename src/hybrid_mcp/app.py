"""The App: what a running program is made of, as interfaces only."""

from __future__ import annotations

from dataclasses import dataclass

from hybrid_mcp.artifacts import Artifacts
from hybrid_mcp.config import Settings
from hybrid_mcp.egress import Egress
from hybrid_mcp.llm.interface import LanguageModel
from hybrid_mcp.readiness import Readiness
from hybrid_mcp.secrets.interface import Secrets
from hybrid_mcp.stt.interface import Recognizer
from hybrid_mcp.telemetry import Metrics
from hybrid_mcp.tts.studio import Studio


@dataclass(frozen=True, slots=True)
class App:
    """Everything a tool may ask for. `open_app` makes it; whoever opened it closes it."""

    settings: Settings
    artifacts: Artifacts
    egress: Egress
    secrets: Secrets
    metrics: Metrics
    studio: Studio
    recognizer: Recognizer
    writers: tuple[LanguageModel, ...]
    """Who can write scripts, first choice first; the composer needs none of them."""
    local_models: tuple[LanguageModel, ...]
    """Who answers `local_llm`, first choice first."""
    readiness: Readiness

    @property
    def engine_names(self) -> frozenset[str]:
        """Every engine that may have made an answer, the composer and Whisper among them."""
        models = (*self.writers, *self.local_models)
        return frozenset(
            {"extractive", "whisper", *(one.name for one in models), *(one.name for one in self.studio.engines)}
        )

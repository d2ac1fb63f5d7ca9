"""What is reachable, who would do each job, and what to do about what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from hybrid_mcp.app import App
from hybrid_mcp.errors import EngineError, NotFound
from hybrid_mcp.readiness import Finding, Use
from hybrid_mcp.secrets.interface import SecretName


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything the doctor found."""

    findings: tuple[Finding, ...]
    uses: tuple[Use, ...]
    keys: dict[str, str]
    """Where each key was found; never the key."""

    @property
    def healthy(self) -> bool:
        """Whether every job can be done and nothing that is configured is broken."""
        return all(use.engine or not use.needed for use in self.uses) and all(
            finding.state != "wrong" for finding in self.findings
        )


async def examine(app: App) -> Diagnosis:
    """Ask every engine at once; each answers or gives up within a few seconds. Nothing is loaded, and it costs nothing."""
    seen = await app.readiness.look()
    return Diagnosis((*seen.findings, *await _configured_voice(app)), seen.uses, await _keys(app))


async def _keys(app: App) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in get_args(SecretName):
        try:
            if (secret := await app.secrets.get(name)) is not None:
                found[name] = secret.source
        except EngineError as error:  # a file that cannot be read
            found[name] = error.message.in_(app.settings.language)
    return found


async def _configured_voice(app: App) -> tuple[Finding, ...]:
    """The voice of the settings, if it cannot be had."""
    if not (name := app.settings.tts.voice):
        return ()
    try:
        await app.studio.named(name)
    except NotFound as error:
        return (Finding("HYBRID_MCP_TTS__VOICE", "speak", "wrong", "", 0.0, error.message),)
    return ()

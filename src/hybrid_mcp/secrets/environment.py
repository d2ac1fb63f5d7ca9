"""Secrets out of the environment and of `.env.hybrid`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import assert_never

from dotenv import dotenv_values

from hybrid_mcp.secrets.interface import Secret, SecretName


class Environment:
    """A `Secrets`: the environment first, then the file, which is read anew each time, so that a key can be changed in it."""

    def __init__(self, env_file: Path) -> None:
        self._env_file = env_file

    async def get(self, name: SecretName) -> Secret | None:
        """See `Secrets.get`. An empty variable counts as none."""
        variables = variables_of(name)
        for variable in variables:
            if value := os.environ.get(variable, "").strip():
                return Secret(value, variable)
        in_file = dotenv_values(self._env_file, encoding="utf-8", interpolate=False) if self._env_file.is_file() else {}
        for variable in variables:
            if value := (in_file.get(variable) or "").strip():
                return Secret(value, f"{self._env_file.name}: {variable}")
        return None


def variables_of(name: SecretName) -> tuple[str, ...]:
    """The variables a secret may be given by, the first one first."""
    match name:
        case "claude_api_key":
            return ("CLAUDE_API_KEY", "ANTHROPIC_API_KEY")
        case "openai_api_key":
            return ("OPENAI_API_KEY",)
        case "groq_api_key":
            return ("GROQ_API_KEY",)
        case "speech_api_key":
            return ("SPEECH_API_KEY",)
        case _:
            assert_never(name)

"""Secrets out of the environment and of `.env.hybrid`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from dotenv import dotenv_values

from hybrid_mcp.errors import KeyMissing
from hybrid_mcp.secrets.interface import Secret, SecretName


class Environment:
    """A `Secrets`: the environment first, then the files, which are read anew each time, so that a key can be changed there."""

    def __init__(self, files: Sequence[Path]) -> None:
        """`files`: the first one that has a secret gives it."""
        self._files = tuple(files)

    async def get(self, name: SecretName) -> Secret | None:
        """See `Secrets.get`. An empty variable counts as none.

        Raises:
            KeyMissing: a file cannot be read, so that nobody knows.
        """
        variables = variables_of(name)
        for variable in variables:
            if value := os.environ.get(variable, "").strip():
                return Secret(value, variable)
        for file in self._files:
            in_file = _values(file)
            for variable in variables:
                if value := (in_file.get(variable) or "").strip():
                    return Secret(value, f"{file}: {variable}")
        return None


def _values(file: Path) -> dict[str, str | None]:
    if not file.is_file():
        return {}
    try:
        return dotenv_values(file, encoding="utf-8-sig", interpolate=False)
    except UnicodeDecodeError as error:
        raise KeyMissing(
            ja=f"{file} が UTF-8 で書かれていないので、鍵を読めません。UTF-8 で保存し直してください。",
            en=f"{file} is not written in UTF-8, so keys cannot be read from it. Save it again as UTF-8.",
        ) from error
    except OSError as error:
        raise KeyMissing(
            ja=f"{file} を読めません ({error.strerror})。権限を確かめてください。",
            en=f"{file} cannot be read ({error.strerror}). Check its permissions.",
        ) from error


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

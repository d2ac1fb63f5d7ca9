"""What a keeper of secrets is to us.

Adapters receive the keeper, never a key, and ask it at every call: a rotated key needs no restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from hybrid_mcp.errors import KeyRefused

SecretName = Literal["claude_api_key", "openai_api_key", "groq_api_key", "speech_api_key"]


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret and where it was found. Neither printing nor logging it shows its value."""

    value: str
    source: str
    """For people: a variable's or a file's name."""

    def __repr__(self) -> str:
        return f"Secret(source={self.source!r})"

    def for_header(self) -> str:
        """The value as a part of an HTTP header.

        Raises:
            KeyRefused: it cannot be one; inside the HTTP client it would fail with an error that quotes it.
        """
        if self.value.isascii() and self.value.isprintable() and self.value.strip() == self.value != "":
            return self.value
        raise KeyRefused(
            ja=f"{self.source} の値は鍵の形ではありません。余分な文字や改行がないか確かめてください。",
            en=f"What is in {self.source} is not a key. See whether it has stray characters or line breaks.",
        )


class Secrets(Protocol):
    """A keeper of secrets."""

    async def get(self, name: SecretName) -> Secret | None:
        """The secret as it is now; None when there is none.

        Raises:
            EngineError: it cannot be told whether there is one.
        """
        ...

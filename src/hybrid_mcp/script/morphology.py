"""Sudachi's dictionary, opened once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sudachipy import Dictionary


@cache
def dictionary() -> Dictionary:
    """The dictionary (0.3 s, read-only). A tokenizer serves one thread at a time, so each use makes its own (µs)."""
    from sudachipy import Dictionary  # noqa: PLC0415  (only who reads Japanese pays for it)

    return Dictionary(dict="core")

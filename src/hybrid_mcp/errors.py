"""Every exception we raise.

    HybridError
    ├── InvalidInput            the caller's request cannot be served as it is
    │   ├── NotFound            an id, voice or model that does not exist (names the nearest)
    │   ├── UnsupportedLanguage no installed engine speaks, hears or writes it
    │   ├── PathRefused         a path outside the allowed roots, or not a readable file
    │   ├── UrlRefused          an address that may not be asked: not https, private, not allowed
    │   └── MediaRefused        a file that is not what it says, broken, or over a limit
    ├── EngineError             an engine could not do its work
    │   ├── ModelMissing        its weights are not on this machine (or its server) yet
    │   ├── DeadlineExceeded    it took longer than it was given
    │   ├── EngineUnavailable   nobody answers, it is overloaded, or it went away in the middle
    │   ├── KeyMissing          it needs a key, and none is configured
    │   ├── KeyRefused          the key is wrong, expired, or may not do this; or the account is out of credit
    │   ├── AnswerRefused       the model declined, or a filter cut its answer off
    │   └── AnswerUnusable      what it answered is not what was asked for, also after asking again
    ├── NotAgreed               the person was asked and did not agree, or has to be asked first
    ├── StorageError            the data directory is full, read-only or damaged
    ├── HostUnusable            an MCP host is not there, or its configuration cannot be changed
    ├── PortUnusable            the port is taken, or the address is none of this machine's
    └── SettingsWrong           the configuration names something that does not exist, or lacks something

    Unfit (a ValueError)        raised inside pydantic's validators, and told as an InvalidInput is

Each carries its sentence in Japanese and English: what happened, and what to do about it.
The faces (MCP tools, command line) pick the language; nothing above an adapter names a
library's exception.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from hybrid_mcp.languages import Bilingual, Language

_COMPARED = 200
"""Characters of a name that are compared with others: what callers send may be millions long."""


class HybridError(Exception):
    """Anything that went wrong and that we can explain."""

    def __init__(self, *, ja: str, en: str) -> None:
        super().__init__(en)
        self.message = Bilingual(ja=ja, en=en)

    def text(self, language: Language) -> str:
        """What happened and what to do, in `language`."""
        return self.message.in_(language)


class InvalidInput(HybridError):
    """The request cannot be served as it is."""


class Unfit(ValueError):
    """Raised by validators of our models, where pydantic wants a ValueError; `tools/explaining.py` tells it.

    The sentence has no full stop, because the name of the argument is put before it.
    """

    def __init__(self, *, ja: str, en: str) -> None:
        super().__init__(f"{en} / {ja}")
        self.message = Bilingual(ja=ja, en=en)


class NotFound(InvalidInput):
    """Something was asked for by a name or id that does not exist."""

    @classmethod
    def named(cls, what: Bilingual, asked: str, known: Iterable[str], *, remedy: Bilingual | None = None) -> NotFound:
        """`asked` is none of `known`: name the nearest ones."""
        names = sorted(set(known))
        shown = asked if len(asked) <= 80 else asked[:77] + "…"
        near = difflib.get_close_matches(asked[:_COMPARED], names, n=3, cutoff=0.5) or names[:5]
        ja = f"{what.ja}「{shown}」はありません。"
        en = f"There is no {what.en} {shown!r}."
        if near:
            ja += f"近いもの: {', '.join(near)}。"
            en += f" Nearest: {', '.join(near)}."
        if remedy is not None:
            ja += remedy.ja
            en += f" {remedy.en}"
        return cls(ja=ja, en=en)


class UnsupportedLanguage(InvalidInput):
    """No installed engine can speak, hear or write this language."""


class PathRefused(InvalidInput):
    """The path may not be read, or is not a readable regular file."""


class UrlRefused(InvalidInput):
    """The address may not be asked, or what it gives is not what was asked for."""


class MediaRefused(InvalidInput):
    """The file is not the audio it claims to be, is broken, or exceeds a limit."""


class EngineError(HybridError):
    """An engine could not do its work."""


class ModelMissing(EngineError):
    """The engine's weights are not on this machine yet."""


class DeadlineExceeded(EngineError):
    """The engine took longer than it was given."""


class EngineUnavailable(EngineError):
    """Nobody answers, it is overloaded, or it went away in the middle."""


class KeyMissing(EngineError):
    """The engine needs a key, and none is configured."""


class KeyRefused(EngineError):
    """The key is wrong, expired or may not do this, or its account is out of credit."""


class AnswerRefused(EngineError):
    """The model declined, or a filter cut its answer off."""


class AnswerUnusable(EngineError):
    """What the engine answered is not what was asked for, also after asking again."""


class NotAgreed(HybridError):
    """The person was asked and did not agree, or has to be asked first. Says what was done and spent, mostly nothing."""


class StorageError(HybridError):
    """The data directory is full, read-only or damaged."""


class HostUnusable(HybridError):
    """An MCP host is not there, or its configuration cannot be changed; nothing was written."""


class PortUnusable(HybridError):
    """The port is taken or not ours to take, or the address is none of this machine's."""


class SettingsWrong(HybridError):
    """The configuration names something that does not exist, or lacks something."""

    @classmethod
    def unknown(cls, variable: str, name: str, known: Iterable[str]) -> SettingsWrong:
        """`variable` names an engine that is none of `known`."""
        names = ", ".join(known)
        return cls(
            ja=f"設定 {variable} の「{name}」というエンジンはありません。使えるのは: {names}。",
            en=f"The setting {variable} names the engine {name!r}, which does not exist. Known: {names}.",
        )

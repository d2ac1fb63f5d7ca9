"""What Anthropic's client raises, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from hybrid_mcp.errors import (
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.retrying import TryLater, retry_after

if TYPE_CHECKING:
    from anthropic import APIStatusError

_NO_CREDIT = re.compile(r"credit balance|usage limit|spend limit|billing", re.IGNORECASE)
"""An empty account and a limit of its owner's are a 400 like any malformed request; only the text tells."""
_TOO_LONG = re.compile(
    r"too long|exceeds?\b.*\b(context|maximum size)|context (size|length|window|limit)", re.IGNORECASE
)

_LONGEST_PAUSE = 60.0
"""Seconds a server may ask to be left alone; beyond that a person is told instead."""
_THEIR_TROUBLE = ("overloaded_error", "api_error", "timeout_error")


class NotServed(EngineError):
    """The server answers, but not to this: it has no such address, or objects to something in the request."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked for what. None of the names is secret."""

    url: str
    model: str
    key: str = ""
    """Where the key was found; empty when there is none."""
    parameters: tuple[str, ...] = ()
    """Names of what was sent."""


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Around every use of Anthropic's client.

    A server's own words are never repeated, because they may quote the request.

    Raises:
        EngineUnavailable: a limit, an overload, a failure of the server, or no connection: a `TryLater` if it may pass.
        KeyMissing: the server wants a key.
        KeyRefused: the key is wrong or may not do this, or the account is out of credit.
        ModelMissing: the server has no such model.
        InvalidInput: the request is too long.
        NotServed: it is refused for another reason, or the server speaks another language.
    """
    import anthropic  # noqa: PLC0415  (a second; whoever made the client has paid it)

    try:
        yield
    except anthropic.APIStatusError as error:
        raise _told(error, asked) from error
    except (anthropic.APIConnectionError, httpx2.RequestError) as error:
        raise _unreachable(error, asked) from error
    except (anthropic.APIResponseValidationError, ValueError, RecursionError) as error:
        raise not_messages(asked) from error


def not_messages(asked: Asked) -> NotServed:
    """For an answer that is none of the Messages API."""
    return NotServed(
        ja=f"{asked.url} の返事は Messages API の形ではありません。HYBRID_MCP_CLAUDE__URL を確かめてください。",
        en=f"What {asked.url} answered is not in the form of the Messages API. Check HYBRID_MCP_CLAUDE__URL.",
    )


def _told(error: APIStatusError, asked: Asked) -> HybridError:
    """What an answer with an error says: as a status, or inside a stream, where the status is 200."""
    status, kind, code = error.status_code, error.type or "", error.error_code or ""
    words = error.message
    if status == 402 or kind == "billing_error" or "spend_limit" in code:
        return _no_credit(asked)
    if status in (400, 429) and _NO_CREDIT.search(words):
        return _no_credit(asked)
    if status == 401 or kind == "authentication_error":
        return _wrong_key(asked)
    if status == 403 or kind == "permission_error":
        return KeyRefused(
            ja=f"{asked.url} の鍵 ({_key_ja(asked)}) には、モデル {asked.model} を使う権限がありません。"
            "Claude Console で鍵とワークスペースの設定を確かめてください。",
            en=f"The key for {asked.url} ({_key_en(asked)}) may not use the model {asked.model}. "
            "Check the key and its workspace in the Claude Console.",
        )
    if status == 404 and kind == "not_found_error" and isinstance(error.body, Mapping) and error.body.get("type"):
        return ModelMissing(
            ja=f"{asked.url} に「{asked.model}」というモデルはありません。HYBRID_MCP_CLAUDE__MODEL を直してください。",
            en=f"{asked.url} has no model {asked.model!r}. Correct HYBRID_MCP_CLAUDE__MODEL.",
        )
    if status == 413 or (status in (200, 400) and _TOO_LONG.search(words)):
        return InvalidInput(
            ja=f"文章が長すぎて {asked.model} に渡せません。短い文章にするか、分けてください。",
            en=f"The text is too long for {asked.model}. Give it a shorter one, or parts of it.",
        )
    if status == 429 or kind == "rate_limit_error":
        return _outage(
            retry_after(error.response.headers),
            ja=f"{asked.url} のアカウントが利用頻度の上限に達しました。",
            en=f"The account at {asked.url} has reached its rate limit.",
        )
    if status in (408, 409, 425) or (status >= 500 and status != 501) or kind in _THEIR_TROUBLE:
        what = kind if status == 200 else f"{status} {kind}".strip()
        return _outage(
            retry_after(error.response.headers),
            ja=f"{asked.url} が混み合っているか、故障しています ({what})。こちらの設定の問題ではありません。",
            en=f"{asked.url} is overloaded or failing ({what}). Nothing is wrong with the settings here.",
        )
    if status in (404, 405, 501):
        return not_messages(asked)
    return _refused(error, asked)


def _refused(error: APIStatusError, asked: Asked) -> NotServed:
    """A refusal we have no better words for. Of the server's, only names of parameters are repeated."""
    about = [name for name in asked.parameters if re.search(rf"\b{re.escape(name)}\b", error.message)]
    what = " ".join(str(part) for part in (error.status_code, error.type, error.request_id) if part)
    hint_ja = f"問題の項目: {', '.join(about)}。" if about else ""
    hint_en = f" It objects to: {', '.join(about)}." if about else ""
    return NotServed(
        ja=f"{asked.url} がモデル {asked.model} への依頼を断りました ({what})。{hint_ja}"
        "HYBRID_MCP_CLAUDE__ で始まる設定を確かめてください。",
        en=f"{asked.url} refused the request to the model {asked.model} ({what}).{hint_en} "
        "Check the settings that begin with HYBRID_MCP_CLAUDE__.",
    )


def _wrong_key(asked: Asked) -> EngineError:
    if not asked.key:
        return KeyMissing(
            ja=f"{asked.url} は鍵を求めています。CLAUDE_API_KEY に鍵を設定してください。",
            en=f"{asked.url} wants a key. Set CLAUDE_API_KEY.",
        )
    return KeyRefused(
        ja=f"{asked.url} は {asked.key} の鍵を受け付けません。鍵が間違っているか、期限切れか、取り消されています。"
        "Claude Console で新しい鍵を作り、置き換えてください。再起動は要りません。",
        en=f"{asked.url} does not accept the key in {asked.key}: it is wrong, expired or revoked. "
        "Make a new one in the Claude Console and replace it; no restart is needed.",
    )


def _no_credit(asked: Asked) -> KeyRefused:
    return KeyRefused(
        ja=f"{asked.url} の鍵 ({_key_ja(asked)}) のアカウントは、残高がないか、利用額の上限に達しています。"
        "Claude Console の支払い設定を確かめてください。",
        en=f"The account of the key for {asked.url} ({_key_en(asked)}) is out of credit, or has reached its spend limit. "
        "See its billing page in the Claude Console.",
    )


def _unreachable(error: Exception, asked: Asked) -> TryLater:
    cause = type(error.__cause__ or error).__name__  # a class says enough; a text may hold a proxy's password
    return TryLater(
        ja=f"{asked.url} につながらないか、接続が途中で切れました ({cause})。"
        "ネットワーク、HYBRID_MCP_CLAUDE__URL、HYBRID_MCP_OUTGOING__PROXY と CA_FILE を確かめてください。",
        en=f"{asked.url} cannot be reached, or the connection was lost ({cause}). "
        "Check the network, HYBRID_MCP_CLAUDE__URL, and HYBRID_MCP_OUTGOING__PROXY and CA_FILE.",
    )


def _outage(after: float | None, *, ja: str, en: str) -> EngineUnavailable:
    """An outage, with when to come back; one to wait for only if that is soon."""
    if after is None:
        return TryLater(ja=f"{ja}しばらくしてからもう一度お試しください。", en=f"{en} Try again later.")
    ja, en = f"{ja}{after:.0f} 秒後にもう一度お試しください。", f"{en} Try again in {after:.0f} seconds."
    return TryLater(ja=ja, en=en, after=after) if after <= _LONGEST_PAUSE else EngineUnavailable(ja=ja, en=en)


def _key_ja(asked: Asked) -> str:
    return asked.key or "鍵なし"


def _key_en(asked: Asked) -> str:
    return asked.key or "no key"

"""What OpenAI's client raises, in our words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2

from hybrid_mcp.errors import (
    AnswerRefused,
    AnswerUnusable,
    EngineError,
    EngineUnavailable,
    HybridError,
    InvalidInput,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.llm.interface import ChatRequest
from hybrid_mcp.llm.quoting import quoted
from hybrid_mcp.retrying import TryLater, retry_after

if TYPE_CHECKING:
    import openai

_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_credits")
_FILTERED = ("content_filter", "content_policy_violation")
_SPOILT = ("json_validate_failed", "tool_use_failed")
"""Groq: the model wrote something that is not what was asked for."""
_NO_MODEL = ("model_not_found", "model_decommissioned", "model_not_active")
_TOO_LONG = re.compile(
    r"context.{0,10}(length|size|window|limit|exceeded)|maximum context|reduce the length|too many tokens|prompt is too long",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Asked:
    """Who was asked for what. None of the names is secret."""

    name: str
    """The engine, as people configure it."""
    url: str
    model: str
    key: str
    """The variable its key is given by."""
    request: ChatRequest
    told: bool = False
    """Whether a part of the answer was passed on: then asking again would repeat it."""

    def unavailable(self, *, ja: str, en: str, after: float | None = None) -> EngineUnavailable:
        """Worth another attempt unless a part of the answer was passed on."""
        if self.told:
            return EngineUnavailable(ja=ja, en=en)
        return TryLater(ja=ja, en=en, after=after)

    def broken_off(self) -> EngineUnavailable:
        """The connection ended before the answer did."""
        return self.unavailable(
            ja=f"{self.name} ({self.url}) との接続が、答えの途中で切れました。もう一度試してください。",
            en=f"The connection to {self.name} ({self.url}) broke off in the middle of an answer. Try again.",
        )


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Around every use of OpenAI's client.

    Raises:
        TryLater: a limit, an overload, a failure of the server, or no connection, before anything was answered.
        EngineUnavailable: the same later on; or the server does not speak this API.
        KeyRefused: the key is wrong or may not do this, or the account is out of credit.
        ModelMissing: the server has no such model.
        InvalidInput: the request is too long, or refused.
        AnswerRefused: a filter stopped it.
        AnswerUnusable: the model failed to write what was asked for.
    """
    import openai  # noqa: PLC0415  (a second; whoever made the client has paid it)

    try:
        yield
    except openai.APIStatusError as error:
        raise _refusal(error, error.status_code, error.response.headers, asked) from error
    except (openai.APIConnectionError, httpx2.RequestError) as error:
        if asked.told:
            raise asked.broken_off() from error
        raise asked.unavailable(
            ja=f"{asked.name} ({asked.url}) につながりません。動いているか、アドレス ({_setting(asked, 'URL')}) が"
            "正しいか、ネットワークとプロキシを確かめてください。",
            en=f"{asked.name} ({asked.url}) cannot be reached. See whether it is running, whether the address "
            f"({_setting(asked, 'URL')}) is right, and whether network and proxy work.",
        ) from error
    except openai.APIError as error:  # inside a stream, or an answer of another shape
        raise _refusal(error, 200, httpx2.Headers(), asked) from error
    except (ValueError, RecursionError, openai.OpenAIError) as error:
        raise not_this_api(asked) from error


def slow(asked: Asked, seconds: float) -> EngineUnavailable:
    """Somebody may be there, but did not answer a question that takes no time."""
    return EngineUnavailable(
        ja=f"{asked.name} ({asked.url}) が {seconds:g} 秒以内に答えません。ネットワークと {_setting(asked, 'URL')} を確かめてください。",
        en=f"{asked.name} ({asked.url}) does not answer within {seconds:g} seconds. "
        f"Check the network and {_setting(asked, 'URL')}.",
    )


def not_this_api(asked: Asked) -> EngineUnavailable:
    """What answers at the address is something else."""
    return EngineUnavailable(
        ja=f"{asked.url} で応答しているものは OpenAI の API ではありません。{_setting(asked, 'URL')} を確かめてください "
        "(たいてい /v1 で終わります)。",
        en=f"What answers at {asked.url} does not speak OpenAI's API. Check {_setting(asked, 'URL')} "
        "(it usually ends in /v1).",
    )


def no_model(asked: Asked, known: Sequence[str] = ()) -> ModelMissing:
    """The server has no such model; of those it is `known` to have, the nearest are named."""
    near = ", ".join(difflib.get_close_matches(asked.model, known, n=3, cutoff=0.4))
    ja, en = (f"近いもの: {near}。", f" Nearest: {near}.") if near else ("", "")
    return ModelMissing(
        ja=f"{asked.name} ({asked.url}) に「{asked.model}」というモデルはありません。{ja}{_setting(asked, 'MODEL')} を直してください。",
        en=f"{asked.name} ({asked.url}) has no model {asked.model!r}.{en} Correct {_setting(asked, 'MODEL')}.",
    )


def too_long(error: openai.APIError, status: int) -> bool:
    """Whether the request was refused because it does not fit."""
    if status == httpx2.codes.CONTENT_TOO_LARGE or error.type == "exceed_context_size_error":
        return True
    return error.code in ("context_length_exceeded", "request_too_large") or bool(_TOO_LONG.search(error.message))


def _refusal(error: openai.APIError, status: int, headers: httpx2.Headers, asked: Asked) -> HybridError:
    code, kind = error.code or "", error.type or ""
    if code in _NO_CREDIT or kind in _NO_CREDIT or status == 402:
        return KeyRefused(
            ja=f"{asked.name} のアカウントに残高がないか、利用額の上限に達しています。支払いの設定を確かめてください。",
            en=f"The account at {asked.name} is out of credit or has reached its spending limit. Check its billing.",
        )
    if status in (401, 403) or code == "invalid_api_key":
        return KeyRefused(
            ja=f"{asked.name} ({asked.url}) が鍵を受け付けませんでした ({status})。{asked.key} の鍵が正しいか、期限が切れて"
            f"いないか、モデル {asked.model} を使う権限があるかを確かめてください。",
            en=f"{asked.name} ({asked.url}) refused the key ({status}). See whether {asked.key} is right, has not "
            f"expired, and may use the model {asked.model}.",
        )
    if code in _FILTERED:
        return AnswerRefused(
            ja=f"{asked.name} のフィルターが依頼を断りました。依頼の文章を変えてください。",
            en=f"A filter of {asked.name} refused the request. Change its wording.",
        )
    if code in _SPOILT:
        return AnswerUnusable(
            ja=f"{asked.model} は求められた形で答えられませんでした。もう一度試すか、別のモデルを設定してください。",
            en=f"{asked.model} failed to answer in the form asked for. Try again, or configure another model.",
        )
    if code in _NO_MODEL or (status == 404 and "model" in error.message.lower()):
        return no_model(asked)
    if 300 <= status < 400 or status in (404, 405):
        return not_this_api(asked)
    if status in (408, 409, 425, 429) or status >= 500 or status == 200:
        return _busy(status, kind or code, retry_after(headers), asked)
    if too_long(error, status):
        return InvalidInput(
            ja=f"依頼が長すぎて {asked.model} に渡せません。短くするか、max_tokens を減らすか、もっと読めるモデルにしてください。",
            en=f"The request is too long for {asked.model}. Shorten it, lower max_tokens, or choose a model that reads more.",
        )
    why = quoted(error.message, asked.request)
    return InvalidInput(
        ja=f"{asked.name} がモデル {asked.model} への依頼を断りました ({status}{f', {error.param}' if error.param else ''})。"
        f"依頼の内容か、{_setting(asked, '')} で始まる設定を直してください。{why}",
        en=f"{asked.name} refused the request to the model {asked.model} ({status}{f', {error.param}' if error.param else ''}). "
        f"Correct the request, or the settings that begin with {_setting(asked, '')}.{why}",
    )


def _busy(status: int, kind: str, after: float | None, asked: Asked) -> EngineError:
    what = " ".join(part for part in (str(status) if status != 200 else "", kind) if part)
    when = f"{after:.0f}" if after else ""
    return asked.unavailable(
        ja=f"{asked.name} ({asked.url}) が混み合っているか、利用頻度の上限に達したか、故障しています ({what})。"
        + (f"{when} 秒後に" if when else "少し待って")
        + "もう一度試してください。",
        en=f"{asked.name} ({asked.url}) is overloaded, has reached its rate limit, or is failing ({what}). Try again "
        + (f"in {when} seconds." if when else "in a moment."),
        after=after,
    )


def _setting(asked: Asked, field: str) -> str:
    return f"HYBRID_MCP_{asked.name.upper()}__{field}"

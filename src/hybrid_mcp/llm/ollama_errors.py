"""What Ollama and its client say, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hybrid_mcp.errors import EngineError, EngineUnavailable, HybridError, InvalidInput, KeyRefused, ModelMissing
from hybrid_mcp.llm.interface import ChatRequest
from hybrid_mcp.llm.quoting import quoted
from hybrid_mcp.retrying import TryLater


@dataclass(slots=True)
class Asked:
    """Who was asked for what."""

    url: str
    model: str
    request: ChatRequest
    told: bool = False
    """Whether a part of the answer was passed on: then asking again would repeat it."""


@contextmanager
def explained(asked: Asked) -> Iterator[None]:
    """Around every use of Ollama's client that speaks to the server.

    Raises:
        EngineUnavailable: nobody answers, it broke off, it is busy (`TryLater`), or it is not Ollama.
        ModelMissing: it has no such model.
        InvalidInput: the model cannot do what was asked for.
        KeyRefused: it wants an account.
        EngineError: it failed.
    """
    import httpx  # noqa: PLC0415  (what Ollama's client speaks through)
    import ollama  # noqa: PLC0415  (a fifth of a second; whoever made the client has paid it)

    try:
        yield
    except ollama.ResponseError as error:
        raise _refusal(str(error.error), error.status_code, asked) from error
    except (ConnectionError, httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
        raise unreachable(asked.url) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise broken_off(asked.url) from error
    except (ValueError, RecursionError, TypeError, AttributeError) as error:  # its client's, at JSON of another shape
        raise not_ollama(asked.url) from error


def unreachable(url: str) -> EngineUnavailable:
    """Nobody answers at the address."""
    return EngineUnavailable(
        ja=f"Ollama ({url}) につながりません。`ollama serve` で動かすか、アドレス (HYBRID_MCP_OLLAMA__URL) を確かめてください。",
        en=f"Ollama ({url}) cannot be reached. Start it with `ollama serve`, or check its address (HYBRID_MCP_OLLAMA__URL).",
    )


def broken_off(url: str) -> EngineUnavailable:
    """The connection ended before the answer did."""
    return EngineUnavailable(
        ja=f"Ollama ({url}) との接続が途中で切れました。もう一度試し、続くようなら Ollama のログを見てください。",
        en=f"The connection to Ollama ({url}) broke off in the middle. Try again; if it goes on, see Ollama's log.",
    )


def not_ollama(url: str) -> EngineUnavailable:
    """What answers at the address is something else."""
    return EngineUnavailable(
        ja=f"{url} で応答しているものは Ollama ではありません。HYBRID_MCP_OLLAMA__URL を確かめてください。",
        en=f"What answers at {url} is not Ollama. Check HYBRID_MCP_OLLAMA__URL.",
    )


def not_configured() -> EngineUnavailable:
    """There is no address."""
    return EngineUnavailable(
        ja="Ollama は設定されていません。使うなら HYBRID_MCP_OLLAMA__URL にアドレスを書いてください。",
        en="Ollama is not configured. To use it, set HYBRID_MCP_OLLAMA__URL to its address.",
    )


def no_models(url: str) -> ModelMissing:
    """Nothing was ever fetched that could answer."""
    return ModelMissing(
        ja=f"Ollama ({url}) には回答できるモデルがひとつもありません。`ollama pull 名前` で取得してください。",
        en=f"Ollama ({url}) has no model that could answer. Fetch one with `ollama pull NAME`.",
    )


def no_model(url: str, model: str) -> ModelMissing:
    """It was never fetched, or has been removed."""
    return ModelMissing(
        ja=f"Ollama ({url}) にモデル「{model}」がありません。`ollama pull {model}` で取得するか、pull=true を付けてください。",
        en=f"Ollama ({url}) does not have the model {model!r}. Fetch it with `ollama pull {model}`, or say pull=true.",
    )


def _refusal(said: str, status: int, asked: Asked) -> HybridError:
    model, url, why = asked.model, asked.url, quoted(said, asked.request)
    words = said.lower()
    if status == 404 and "not found" in words and "model" in words:
        return no_model(url, model)
    if "file does not exist" in words and "manifest" in words:
        return ModelMissing(
            ja=f"「{model}」というモデルは Ollama の配布元にありません。名前を確かめてください。",
            en=f"Ollama's registry has no model {model!r}. Check its name.",
        )
    if status in (404, 405) or 300 <= status < 400:
        return not_ollama(url)
    if status in (401, 403):
        return KeyRefused(
            ja=f"Ollama ({url}) がモデル「{model}」の利用を断りました ({status})。クラウドのモデルなら `ollama signin` をしてください。",
            en=f"Ollama ({url}) refused the use of the model {model!r} ({status}). For a cloud model, run `ollama signin`.",
        )
    if status in (429, 503) and not asked.told:
        return TryLater(
            ja=f"Ollama ({url}) が混み合っています ({status})。少し待ってもう一度試してください。",
            en=f"Ollama ({url}) is busy ({status}). Try again in a moment.",
        )
    if status == 400 and "think" in words and ("not support" in words or "not supported" in words):
        return InvalidInput(
            ja=f"モデル「{model}」は、求められたようには考えられません。think を外すか、考えるモデルを使ってください。{why}",
            en=f"The model {model!r} cannot think as asked for. Leave think out, or use a model that thinks.{why}",
        )
    if status == 400 and "does not support tools" in words:
        return InvalidInput(
            ja=f"モデル「{model}」は tools を使えません。tools を外すか、使えるモデルにしてください。",
            en=f"The model {model!r} cannot use tools. Leave them out, or use a model that can.",
        )
    if 400 <= status < 500:
        return InvalidInput(
            ja=f"Ollama ({url}) がモデル「{model}」への依頼を断りました ({status})。依頼の内容を直してください。{why}",
            en=f"Ollama ({url}) refused the request to the model {model!r} ({status}). Correct the request.{why}",
        )
    return EngineError(
        ja=f"Ollama ({url}) がモデル「{model}」で失敗しました。メモリや空き容量と Ollama のログを確かめてください。{why}",
        en=f"Ollama ({url}) failed with the model {model!r}. Check memory, disk and Ollama's log.{why}",
    )

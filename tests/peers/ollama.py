"""Two servers with Ollama's API: a proxy before llama.cpp's own server, and a scripted one for what that cannot do.

Run as a program, `python -m peers.ollama`, this is the proxy: it serves until its stdin ends and prints its address.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import jsonschema  # type: ignore[import-untyped, unused-ignore]
import yaml  # type: ignore[import-untyped, unused-ignore]

from peers import llama
from peers.scripted import Reply, Request, Scripted, answers, serving

PROXIED = "llama/smollm2"
"""Name under which the proxy offers llama.cpp's model."""
MODEL = "squid:latest"
_REQUESTS = {
    "/api/chat": "ChatRequest",
    "/api/pull": "PullRequest",
    "/api/show": "ShowRequest",
}
_RESPONSES = {"/api/version": "VersionResponse", "/api/tags": "ListResponse", "/api/show": "ShowResponse"}


@asynccontextmanager
async def ollama_proxy(models_dir: Path) -> AsyncIterator[str]:
    """The address of `ollama-proxy-plus` before a llama.cpp server, each in a process of its own."""
    async with (
        llama.llama_server(models_dir) as behind,
        llama.serving(
            sys.executable,
            "-m",
            "peers.ollama",
            PYTHONPATH=str(Path(__file__).parents[1]),
            PROVIDERS_LLAMA_BASE_URL=f"{behind}/v1",
            PROVIDERS_LLAMA_API_KEY="none",
            EXTRA_MODELS=PROXIED,
            NO_PROXY="127.0.0.1",
        ) as url,
    ):
        yield url


@dataclass(slots=True)
class OllamaServer(Scripted):
    """A scripted Ollama: `script` holds its replies to chats, `pulls` those to pulls."""

    pulls: list[Reply] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What `/api/show` says of each model it has."""
    version: str = "0.12.6"

    def asked(self, path: str) -> list[Mapping[str, Any]]:
        """Bodies of the requests for `path`."""
        return [request.body for request in self.requests if request.path == path]


def says(*pieces: str, end: str | None = "stop", read: int = 26, written: int = 9, **message: Any) -> Reply:
    """An answer in these pieces of text, after `message`, which may hold thinking or tool calls."""
    parts: list[dict[str, Any]] = [{"content": "", **message}] if message else []
    parts += [{"content": piece} for piece in pieces]
    lines = [_part({"role": "assistant", **part}) for part in parts]
    if end is not None:
        counts = {"done_reason": end, "prompt_eval_count": read, "eval_count": written, "total_duration": 1}
        lines.append({**_part({"role": "assistant", "content": ""}), "done": True, **counts})
    return _lines(lines)


def never_ends(*pieces: str) -> Reply:
    """These pieces, and then silence until the client goes."""
    return replace(says(*pieces, end=None), end="never")


def breaks_off(*pieces: str) -> Reply:
    """These pieces, and then the connection is lost."""
    return replace(says(*pieces, end=None), end="cut")


def fails_after(*pieces: str, error: str) -> Reply:
    """These pieces, and then a line with an error."""
    begun = says(*pieces, end=None)
    return replace(begun, body=(*begun.body, *_lines([{"error": error}]).body))


def fails(status: int, error: str) -> Reply:
    """An error as Ollama tells it."""
    return answers({"error": error}, status)


def pulls(*events: Mapping[str, Any]) -> Reply:
    """Progress of a pull."""
    return _lines(events)


def knows(context: int | None = 40960, *abilities: str) -> dict[str, Any]:
    """What `/api/show` says of a model."""
    info: dict[str, Any] = {"general.architecture": "squid", "general.parameter_count": 8_190_000_000}
    if context is not None:
        info["squid.context_length"] = context
    return {
        "details": {"family": "squid", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"},
        "model_info": info,
        "capabilities": list(abilities or ("completion",)),
    }


@asynccontextmanager
async def ollama_server(
    document: Path, *script: Reply, models: Mapping[str, dict[str, Any]] | None = None
) -> AsyncIterator[OllamaServer]:
    """Serve on loopback.

    Args:
        document: Ollama's OpenAPI document, against which requests and answers are validated.
        script: replies to chats.
        models: what it knows of the models it has; None given: of `MODEL`.
    """
    server = OllamaServer(script=list(script), models=dict({MODEL: knows()} if models is None else models))
    components = yaml.safe_load(document.read_text(encoding="utf-8"))["components"]

    def check(schema: str, value: Any) -> None:
        try:
            jsonschema.validate(value, {"$ref": f"#/components/schemas/{schema}", "components": components})
        except jsonschema.ValidationError as error:
            raise AssertionError(f"{schema}: {error.message}") from error

    def answer(request: Request) -> Reply:
        if request.path in _REQUESTS:
            check(_REQUESTS[request.path], request.body)
        reply = _answer(server, request)
        if request.path in _RESPONSES and reply.status == 200:
            check(_RESPONSES[request.path], json.loads(reply.body[0]))
        return reply

    async with serving(server, answer):
        yield server


def _answer(server: OllamaServer, request: Request) -> Reply:
    match request.method, request.path:
        case "GET", "/api/version":
            return answers({"version": server.version})
        case "GET", "/api/tags":
            return answers({"models": [_listed(name, known) for name, known in server.models.items()]})
        case "POST", "/api/show":
            known = _known(server, request)
            return _not_found(request) if known is None else answers(known)
        case "POST", "/api/chat":
            if _known(server, request) is None:
                return _not_found(request)
            assert server.script, "one chat more than the script has replies for"
            return server.script.pop(0)
        case "POST", "/api/pull":
            assert server.pulls, "one pull more than the script has replies for"
            reply = server.pulls.pop(0)
            if b'"success"' in reply.body[-1]:
                server.models[request.body["model"]] = knows()
            return reply
    raise AssertionError("no such route")


def _known(server: OllamaServer, request: Request) -> dict[str, Any] | None:
    """A name without a tag means the latest."""
    name = request.body["model"]
    return server.models.get(name) or server.models.get(f"{name}:latest")


def _not_found(request: Request) -> Reply:
    return fails(404, f"model '{request.body['model']}' not found")


def _listed(name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 5_200_000_000,
        "digest": "0" * 64,
        "details": {"format": "gguf", **known["details"]},
    }


def _part(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "message": dict(message), "done": False}


def _lines(values: Any) -> Reply:
    pieces = tuple(json.dumps(value).encode() + b"\n" for value in values)
    return Reply(pieces, headers={"content-type": "application/x-ndjson"})


def _serve() -> None:
    import uvicorn  # noqa: PLC0415  (in the subprocess only)
    from ollama_proxy.server import app  # type: ignore[import-untyped]  # noqa: PLC0415  (imports many clients)

    def until_stdin_ends() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=until_stdin_ends, daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        host, port = cast("tuple[str, int]", listening.getsockname())
        print(f"http://{host}:{port}", flush=True)  # noqa: T201
        uvicorn.Server(uvicorn.Config(app, log_config=None)).run(sockets=[listening])


if __name__ == "__main__":
    _serve()

"""A scripted speech server: its voices hum, but it takes only requests that OpenAI's API would take.

Every word of a text is a tone, every comma a pause. Requests are validated against the parameter types of
OpenAI's own client.
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_type_hints

import numpy as np
from openai.types.audio.speech_create_params import SpeechCreateParams
from pydantic import TypeAdapter, ValidationError

from peers.scripted import Reply, Request, Scripted, answers, serving

RATE = 24_000
EDGE = 0.1
"""Seconds of silence around a sentence."""
WORD, SPACE, COMMA = 0.2, 0.02, 0.15
"""Seconds each lasts at the usual speed."""
_PARAMETERS = frozenset(get_type_hints(SpeechCreateParams))
_CREATE: TypeAdapter[Any] = TypeAdapter(SpeechCreateParams)


def hum(text: str, speed: float = 1.0, rate: int = RATE) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The sound of a text."""

    def silence(seconds: float) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.zeros(round(seconds / speed * rate), np.float32)

    tone = 0.5 * np.sin(np.arange(round(WORD / speed * rate)) * 2 * np.pi * 220 / rate).astype(np.float32)
    pieces = [silence(EDGE)]
    for word in text.split():
        pieces += [tone, silence(COMMA if word.endswith((",", ";", "、")) else SPACE)]
    return np.concatenate([*pieces[:-1], silence(EDGE)])


def wav(samples: np.ndarray[Any, Any], rate: int = RATE) -> bytes:
    """16-bit samples as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(rate)
        written.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def sends(sound: bytes, content_type: str = "audio/wav") -> Reply:
    """These bytes, in pieces."""
    pieces = tuple(sound[at : at + 10_000] for at in range(0, len(sound), 10_000))
    return Reply(pieces, headers={"content-type": content_type})


@asynccontextmanager
async def speech_server(voices: Sequence[str] = ("alloy", "nova"), *, key: str = "") -> AsyncIterator[Scripted]:
    """Serve below `/v1`; replies in the script come first. With `key`, only who knows it is served."""
    server = Scripted()

    def answer(request: Request) -> Reply:
        if server.script:
            return server.script.pop(0)
        given = request.headers.get("authorization")
        assert given is None or given.startswith("Bearer "), "Authorization is not a bearer token"
        if key and given != f"Bearer {key}":
            return error(401, "Incorrect API key provided", code="invalid_api_key")
        match request.method, request.path:
            case "GET", "/v1/models":
                return answers({"object": "list", "data": [{"id": "tts-1", "object": "model"}]})
            case "POST", "/v1/audio/speech":
                return _spoken(request.body, voices)
            case _:
                return error(404, "Not Found")

    async with serving(server, answer):
        server.url += "/v1"
        yield server


def error(status: int, message: str, *, param: str | None = None, code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI's API writes it."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return answers(body, status, **headers)


def _spoken(body: dict[str, Any], voices: Sequence[str]) -> Reply:
    try:
        _CREATE.validate_python(body, strict=True)
    except ValidationError as wrong:
        raise AssertionError(wrong.errors(include_input=False, include_url=False)) from wrong
    assert body.keys() <= _PARAMETERS, f"unknown parameters {body.keys() - _PARAMETERS}"
    assert 0 < len(body["input"]) <= 4096
    assert 0.25 <= body.get("speed", 1.0) <= 4.0
    assert body["response_format"] == "wav"
    if body["model"] != "tts-1":
        return error(404, f"The model {body['model']} does not exist", param="model", code="model_not_found")
    if body["voice"] not in voices:
        return error(400, f"Voice {body['voice']} not found for: {body['input']}", param="voice")
    return sends(wav(hum(body["input"], body.get("speed", 1.0))))

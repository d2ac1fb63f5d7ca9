"""Voices behind OpenAI's `/v1/audio/speech`, which many servers speak: ours for English."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import SpeechServer
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerUnusable,
    EngineError,
    EngineUnavailable,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.retrying import TryLater, attempts, retry_after
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.secrets.interface import Secret, Secrets
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import Prosody, Samples, Speech, Voice

if TYPE_CHECKING:
    import openai

_CHECK_WITHIN = 2.0
"""Seconds in which a server that is there answers."""
_SAMPLE_RATE = 24_000
"""Hz: what the servers of this kind give, all but a few; the answer itself says what it has."""
_SLOWEST, _FASTEST = 0.25, 4.0
"""What the API allows as speed."""
_MOST_BYTES = 64 << 20
"""A sentence has a hundredth of it; more is no sentence."""
_FORMATS = "wav,w64,flac,mp3,ogg,aac,mov"
"""FFmpeg's demuxers of what such servers send, also when they ignore what they are asked for."""
_MARKS = ",.;:!?…，．；：！？、。"
_CLOSING = "」』）)]】”’\"' \n"
_LONGEST = 600
"""Seconds; hours of silence fit in a few hundred kilobytes of FLAC."""
_RATES = range(8_000, 192_001)
_AWAY = (408, 409, 425, 429)
_GATEWAY = (502, 503, 504)
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")


class OpenAISpeech:
    """A `SpeechEngine`. Its connections are opened at first use.

    The API knows a speed, and nothing of pitch, intonation or pauses inside a sentence: those are left as the
    voice has them. Loudness and the silence around a sentence are ours. It tells no times either: where phrases
    stand inside a sentence is guessed (`Speech.estimated`).
    """

    name = "speech"

    def __init__(self, settings: SpeechServer, secrets: Secrets, egress: Egress, backend: Backend) -> None:
        """Nothing is opened; the key `speech_api_key` is asked for at every call, and may be none."""
        self.parallel = backend.parallel
        self._settings = settings
        self._url = settings.url.rstrip("/")
        self._secrets = secrets
        self._egress = egress
        self._backend = backend
        self._opening = asyncio.Lock()
        self._http: httpx2.AsyncClient | None = None
        self._client: openai.AsyncOpenAI | None = None

    async def check(self) -> Health:
        """See `SpeechEngine.check`. A server that lists no models is there all the same.

        Raises:
            EngineUnavailable: none is configured, or nobody answers.
            KeyMissing: it wants a key, and none is configured.
            KeyRefused: it does not take the key.
        """
        self._see_configured()
        return await self._backend.health(self._ask_health)

    async def voices(self) -> tuple[Voice, ...]:
        """See `SpeechEngine.voices`: those in the settings, as the API has no list."""
        self._see_configured()
        settings = self._settings
        return tuple(
            Voice(
                id=f"{self.name}:{name}",
                name_ja=name,
                name_en=name,
                language=settings.language,
                engine=self.name,
                version=f"speech server ({settings.model})",
                credit=settings.credit,
                licence="",
                sample_rate=_SAMPLE_RATE,
                speaker=name,
                key=name,
            )
            for name in settings.voices
        )

    async def prepare(self, voices: Sequence[Voice]) -> None:  # noqa: ARG002
        """See `SpeechEngine.prepare`: the client is imported, which takes a second."""
        await self._opened()

    async def identity(self) -> str:
        """See `SpeechEngine.identity`: the model and its server, which tells no version."""
        self._see_configured()
        return f"{self._settings.model} {_place(self._url)}"

    async def terms(self, voice: Voice) -> str:  # noqa: ARG002
        """See `SpeechEngine.terms`: unknown to us."""
        return ""

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """See `SpeechEngine.speak`. A server that is busy or breaks off is asked again.

        Raises:
            EngineUnavailable: none is configured, nobody answers, it is overloaded, or it broke off.
            DeadlineExceeded: the sentence was not complete in time.
            KeyMissing: it wants a key, and none is configured.
            KeyRefused: the key is wrong, or its account is out of credit.
            ModelMissing: it has no such model or voice.
            AnswerUnusable: what it sent is not audio.
        """
        import numpy as np  # noqa: PLC0415  (80 ms that no other tool needs)

        from hybrid_mcp.script import ruby  # noqa: PLC0415  (tables: not at start-up)

        self._see_configured()
        weights = [sum(map(str.isalnum, ruby.plain(phrase.spoken))) for phrase in phrases]
        if not any(weights):
            return Speech(np.zeros(0, np.float32), voice.sample_rate, ((0, 0),) * len(phrases))
        request = self._request(phrases, voice, prosody)
        client = await self._opened()
        async with self._backend.call("speech"):
            async for attempt in attempts(self._backend.deadline):
                with attempt:
                    answer = await self._answer(client, request)
            try:
                samples, rate = await in_thread(lambda: _decoded(answer))
            except ValueError as error:
                raise AnswerUnusable(
                    ja=f"音声サーバー {_place(self._url)} の答えは音声として読めません。HYBRID_MCP_SPEECH__URL が "
                    "/v1/audio/speech を持つサーバーか確かめてください。",
                    en=f"What the speech server {_place(self._url)} sent is not audio that can be read. Is there a "
                    "server with /v1/audio/speech behind HYBRID_MCP_SPEECH__URL?",
                ) from error
            if len(samples) > _LONGEST * rate:
                raise self._too_long()
        return await in_thread(lambda: _speech(samples, rate, weights, prosody))

    async def close(self) -> None:
        """Close the connections."""
        async with self._opening:
            http, self._http, self._client = self._http, None, None
            if http is not None:
                await http.aclose()

    def _see_configured(self) -> None:
        if not self._url:
            raise EngineUnavailable(
                ja="音声サーバーが設定されていません。/v1/audio/speech を持つサーバーの番地を HYBRID_MCP_SPEECH__URL に設定してください。",
                en="No speech server is configured: set HYBRID_MCP_SPEECH__URL to one with /v1/audio/speech.",
            )

    def _request(self, phrases: Sequence[Phrase], voice: Voice, prosody: Prosody) -> dict[str, Any]:
        request = {
            "input": _text(phrases, voice.language),
            "model": self._settings.model,
            "voice": voice.key,
            "response_format": "wav",
        }
        # Some servers refuse the parameter; the usual speed needs none.
        return request if prosody.speed == 1.0 else request | {"speed": min(max(prosody.speed, _SLOWEST), _FASTEST)}

    async def _opened(self) -> openai.AsyncOpenAI:
        async with self._opening:
            if self._client is None:
                await in_thread(_import)
                import openai  # noqa: PLC0415  (imported by now)

                # Retries are ours; the key is a header of each request, so that a new one counts at once.
                self._client = openai.AsyncOpenAI(
                    api_key="none", base_url=self._url, max_retries=0, http_client=self._connections()
                )
                self._client.organization = self._client.project = None  # OPENAI_ORG_ID is nobody else's business
            return self._client

    def _connections(self) -> httpx2.AsyncClient:
        if self._http is None:
            try:
                self._http = self._egress.client(self._url)
            except httpx2.InvalidURL as error:
                raise self._not_this_api() from error
        return self._http

    async def _ask_health(self) -> Health:
        secret = await self._secrets.get("speech_api_key")
        headers = {"Authorization": f"Bearer {secret.for_header()}"} if secret else {}
        async with self._opening:
            http = self._connections()
        with self._transport_errors(secret):
            answer = await http.get(f"{self._url}/models", headers=headers, timeout=_CHECK_WITHIN)
        if answer.status_code in (401, 403):
            raise self._key_refused(secret, answer.status_code)
        if answer.status_code in _GATEWAY:  # somebody before it answers, not the server
            raise self._later(answer.status_code)
        return Health(models=_models(answer))

    async def _answer(self, client: openai.AsyncOpenAI, request: Mapping[str, Any]) -> bytes:
        from openai import Omit  # noqa: PLC0415  (imported by now)

        secret = await self._secrets.get("speech_api_key")
        headers: dict[str, Any] = {"Authorization": f"Bearer {secret.for_header()}" if secret else Omit()}
        sound = bytearray()
        with self._errors(secret):
            async with client.audio.speech.with_streaming_response.create(**request, extra_headers=headers) as answer:
                pieces: AsyncIterator[bytes] = answer.iter_bytes()
                async for piece in pieces:
                    sound += piece
                    if len(sound) > _MOST_BYTES:
                        raise self._too_long()
        return bytes(sound)

    @contextlib.contextmanager
    def _errors(self, secret: Secret | None) -> Iterator[None]:
        """Turn what openai's client raises into our words, which hold nothing that the server said."""
        import openai  # noqa: PLC0415  (imported by now)

        try:
            with self._transport_errors(secret):  # what breaks off inside an answer is not openai's
                yield
        except openai.APIStatusError as error:
            raise self._refusal(error, secret) from error
        except openai.APIConnectionError as error:
            raise self._gone(error.__cause__ or error) from error

    @contextlib.contextmanager
    def _transport_errors(self, secret: Secret | None) -> Iterator[None]:
        try:
            yield
        except (httpx2.LocalProtocolError, UnicodeEncodeError) as error:
            raise self._key_refused(secret, 0) from error  # nothing else of ours can spoil a header
        except httpx2.TransportError as error:
            raise self._gone(error) from error

    def _refusal(self, error: openai.APIStatusError, secret: Secret | None) -> EngineError:
        status, said = error.status_code, f"{error.param} {error.message}".lower()
        if error.code in _NO_CREDIT or status == 402:
            return KeyRefused(
                ja=f"音声サーバー {_place(self._url)} のアカウントに残高がありません。支払いの設定を確かめてください。",
                en=f"The account at the speech server {_place(self._url)} is out of credit. Check its billing.",
            )
        if status in (401, 403):
            return self._key_refused(secret, status)
        if status in _AWAY or status >= 500:
            return self._later(status, retry_after(error.response.headers))
        if status in (400, 404, 422) and "voice" in said:
            return ModelMissing(
                ja=f"音声サーバー {_place(self._url)} にその声はありません。HYBRID_MCP_SPEECH__VOICES を直してください "
                f"(今は {', '.join(self._settings.voices)})。",
                en=f"The speech server {_place(self._url)} does not have that voice. Correct HYBRID_MCP_SPEECH__VOICES "
                f"(now {', '.join(self._settings.voices)}).",
            )
        if status in (400, 404, 422) and "model" in said:
            return ModelMissing(
                ja=f"音声サーバー {_place(self._url)} に「{self._settings.model}」というモデルはありません。"
                "HYBRID_MCP_SPEECH__MODEL を直してください。",
                en=f"The speech server {_place(self._url)} has no model {self._settings.model!r}. Correct "
                "HYBRID_MCP_SPEECH__MODEL.",
            )
        if status < 400 or status in (404, 405):
            return self._not_this_api()
        return EngineError(
            ja=f"音声サーバー {_place(self._url)} が依頼を断りました (HTTP {status})。サーバーの記録を見て、"
            "HYBRID_MCP_SPEECH__ で始まる設定を確かめてください。",
            en=f"The speech server {_place(self._url)} refused the request (HTTP {status}). See its log, and check the "
            "settings that begin with HYBRID_MCP_SPEECH__.",
        )

    def _key_refused(self, secret: Secret | None, status: int) -> EngineError:
        if secret is None:
            return KeyMissing(
                ja=f"音声サーバー {_place(self._url)} には鍵が必要です。SPEECH_API_KEY を環境変数か .env.hybrid に設定してください。",
                en=f"The speech server {_place(self._url)} wants a key. Set SPEECH_API_KEY in the environment or in "
                ".env.hybrid.",
            )
        why = f" ({status})" if status else ""
        return KeyRefused(
            ja=f"音声サーバー {_place(self._url)} が鍵を受け付けませんでした{why}。{secret.source} の鍵を確かめてください。",
            en=f"The speech server {_place(self._url)} refused the key{why}. Check the one in {secret.source}.",
        )

    def _later(self, status: int, after: float | None = None) -> TryLater:
        return TryLater(
            ja=f"音声サーバー {_place(self._url)} が混み合っているか、故障しています (HTTP {status})。しばらくしてから"
            "もう一度試してください。",
            en=f"The speech server {_place(self._url)} is overloaded or failing (HTTP {status}). Try again in a while.",
            after=after,
        )

    def _gone(self, error: BaseException) -> TryLater:
        return TryLater(
            ja=f"音声サーバー {_place(self._url)} と通信できません ({type(error).__name__})。動いているか、"
            "HYBRID_MCP_SPEECH__URL が正しいかを確かめてください。",
            en=f"The speech server {_place(self._url)} cannot be talked to ({type(error).__name__}). See whether it is "
            "running, and whether HYBRID_MCP_SPEECH__URL is right.",
        )

    def _too_long(self) -> AnswerUnusable:
        return AnswerUnusable(
            ja=f"音声サーバー {_place(self._url)} の答えが、一文にしては長すぎます。サーバーを確かめてください。",
            en=f"What the speech server {_place(self._url)} sent is too long for a sentence. Look at the server.",
        )

    def _not_this_api(self) -> EngineUnavailable:
        return EngineUnavailable(
            ja=f"{_place(self._url)} に /audio/speech はありません。HYBRID_MCP_SPEECH__URL を確かめてください (たいてい /v1 で終わります)。",
            en=f"There is no /audio/speech at {_place(self._url)}. Check HYBRID_MCP_SPEECH__URL (it usually ends in /v1).",
        )


def _import() -> None:
    import openai  # noqa: F401, PLC0415  (a second)


def _place(url: str) -> str:
    """An address for people, without what may be secret in it."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] + parts.path


def _text(phrases: Sequence[Phrase], language: str) -> str:
    """What is read, with the punctuation of what is shown: such voices take their melody from it."""
    from hybrid_mcp.script import ruby  # noqa: PLC0415  (tables: not at start-up)

    comma, between = ("、", "") if language == "ja" else (",", " ")
    parts = []
    for phrase in phrases:
        mark = phrase.shown.rstrip(_CLOSING)[-1:]
        if mark not in _MARKS:
            mark = comma if phrase.pause_after and phrase is not phrases[-1] else ""
        parts.append(ruby.plain(phrase.spoken).strip().rstrip(_MARKS) + mark)
    return between.join(parts)


def _models(answer: httpx2.Response) -> tuple[str, ...]:
    """Names of the models, where the answer is such a list."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return tuple(str(model["id"]) for model in answer.json()["data"])
    return ()


def _decoded(answer: bytes) -> tuple[Samples, int]:
    """Mono samples and their rate. Blocks. FFmpeg reads WAVs whose header was written before their length was known.

    What is longer than `_LONGEST` is broken off a little behind it.

    Raises:
        ValueError: not audio, or of an absurd rate.
    """
    import av  # noqa: PLC0415  (FFmpeg; 0.2 s)
    import numpy as np  # noqa: PLC0415

    try:
        opened: Any = av.open(io.BytesIO(answer), metadata_errors="ignore", options={"format_whitelist": _FORMATS})
        with opened as container:
            # A stream of a codec that FFmpeg does not know has no context, and then not even a rate.
            stream = next((one for one in container.streams.audio if one.codec_context), None)
            rate = stream.rate if stream else 0
            if rate not in _RATES:
                raise ValueError(f"a rate of {rate} Hz")
            mono = av.AudioResampler(format="flt", layout="mono", rate=rate)
            pieces: list[Samples] = []
            length = 0
            for frame in chain(container.decode(stream), [None]):
                pieces += (piece.to_ndarray()[0] for piece in mono.resample(frame))
                length += frame.samples if frame else 0
                if length > _LONGEST * rate:
                    break
    except (av.error.FFmpegError, RuntimeError) as error:  # of FFmpeg, and of PyAV about what it found
        raise ValueError(str(error)) from error
    samples = np.concatenate([np.zeros(0, np.float32), *pieces])
    return np.nan_to_num(samples), rate


def _speech(samples: Samples, rate: int, weights: Sequence[float], prosody: Prosody) -> Speech:
    from hybrid_mcp.tts.placing import placed  # noqa: PLC0415  (numpy)

    sound, bounds = placed(samples, rate, weights, prosody)
    return Speech(sound, rate, bounds, estimated=len(weights) > 1)

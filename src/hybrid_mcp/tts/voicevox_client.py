"""The calls of VOICEVOX's API that we make, with answers checked and errors explained."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import EngineError, EngineUnavailable, InvalidInput
from hybrid_mcp.tts.voicevox_query import AccentPhrase, AudioQuery, Manifest, Speaker

T = TypeVar("T")

_CONNECT_WITHIN = 3.0
_VERSION_WITHIN = 2.0
"""Seconds in which an engine that is there says its version."""
_AWAY = (429, 502, 503, 504)
_LACKING = (404, 405, 501)
_MOST_JSON = 16 << 20
_MOST_SOUND = 64 << 20
"""Bytes of an answer: many times those of a manifest with its licences, and of a sentence."""
_WORDS = 200
"""Characters of what the engine says about an error that are passed on."""

_VERSION = TypeAdapter(str)
_MANIFEST = TypeAdapter(Manifest)
_SPEAKERS = TypeAdapter(list[Speaker])
_INFO = TypeAdapter(dict[str, Any])
_QUERY = TypeAdapter(AudioQuery)
_ACCENT_PHRASES = TypeAdapter(list[AccentPhrase])


class VoicevoxClient:
    """An engine's HTTP API. Every method raises `EngineUnavailable` when nobody answers, `EngineError` when it fails."""

    def __init__(self, name: str, url: str, egress: Egress) -> None:
        """Nothing is opened; `name` and `url` are as people configure them."""
        self._name = name
        self._url = url
        self._egress = egress
        self._opened: httpx2.AsyncClient | None = None

    async def version(self) -> str:
        """The engine's version, soon or not at all."""
        timeout = httpx2.Timeout(_VERSION_WITHIN)
        return self._parsed(_VERSION, await self._asked("GET", "/version", timeout=timeout))

    async def manifest(self) -> Manifest:
        """What it says of itself."""
        return self._parsed(_MANIFEST, await self._asked("GET", "/engine_manifest"))

    async def speakers(self) -> list[Speaker]:
        """Whose voices it has."""
        return self._parsed(_SPEAKERS, await self._asked("GET", "/speakers"))

    async def policy(self, speaker_uuid: str) -> str:
        """Terms of use of a speaker's voice; empty if the engine tells none."""
        # Portraits and samples as addresses, not as megabytes.
        params = {"speaker_uuid": speaker_uuid, "resource_format": "url"}
        answer = await self._sent("GET", "/speaker_info", params=params)
        return (
            "" if answer.status_code in _LACKING else str(self._parsed(_INFO, self._judged(answer)).get("policy", ""))
        )

    async def dictionary(self) -> bytes:
        """What its user taught it to read; empty if it cannot be taught."""
        answer = await self._sent("GET", "/user_dict")
        return b"" if answer.status_code in _LACKING else self._judged(answer).content

    async def initialize(self, style: str) -> None:
        """Load what a style needs; an engine that knows no such call needs none."""
        answer = await self._sent("POST", "/initialize_speaker", params={"speaker": style, "skip_reinit": True})
        if answer.status_code not in _LACKING:
            self._judged(answer)

    async def audio_query(self, text: str, style: str) -> AudioQuery:
        """The analysis of a text, with the style's own settings."""
        params = {"text": text, "speaker": style}
        return self._parsed(_QUERY, await self._asked("POST", "/audio_query", params=params))

    async def accent_phrases(self, text: str, style: str, *, is_kana: bool) -> list[AccentPhrase]:
        """The analysis of a text, or of kana with accents.

        Raises:
            InvalidInput: the kana cannot be read.
        """
        params = {"text": text, "speaker": style, "is_kana": is_kana}
        return self._parsed(_ACCENT_PHRASES, await self._asked("POST", "/accent_phrases", params=params))

    async def mora_data(self, accent_phrases: Sequence[AccentPhrase], style: str) -> list[AccentPhrase]:
        """The accent phrases with lengths and pitches that fit them together."""
        body = [phrase.model_dump(exclude_none=True) for phrase in accent_phrases]
        return self._parsed(
            _ACCENT_PHRASES, await self._asked("POST", "/mora_data", params={"speaker": style}, json=body)
        )

    async def synthesis(self, query: AudioQuery, style: str, *, upspeak: bool) -> bytes:
        """The sound of a query, as a WAV file; `upspeak` lets questions rise."""
        params = {"speaker": style, "enable_interrogative_upspeak": upspeak}
        body = query.model_dump(by_alias=True, exclude_none=True)
        return (await self._asked("POST", "/synthesis", _MOST_SOUND, params=params, json=body)).content

    async def close(self) -> None:
        """Close the connections."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None

    async def _asked(self, method: str, path: str, most: int = _MOST_JSON, **arguments: Any) -> httpx2.Response:
        return self._judged(await self._sent(method, path, most, **arguments))

    async def _sent(self, method: str, path: str, most: int = _MOST_JSON, **arguments: Any) -> httpx2.Response:
        client = self._opened or self._open()
        with self._translated():
            try:
                request = client.build_request(method, path, **arguments)
            except ValueError as error:  # numbers that no JSON has, among the fields that only pass through
                raise self._strange() from error
            answer = await self._answer(client, request, most)
            if answer.status_code == httpx2.codes.INTERNAL_SERVER_ERROR:  # memory ran out, or it never works
                answer = await self._answer(client, request, most)
            return answer

    async def _answer(self, client: httpx2.AsyncClient, request: httpx2.Request, most: int) -> httpx2.Response:
        """Status and body, as sent.

        Raises:
            EngineError: the body is longer than `most` bytes.
        """
        answer = await client.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > most:
                    raise self._strange()
        finally:
            await answer.aclose()
        return httpx2.Response(answer.status_code, content=bytes(body))

    def _open(self) -> httpx2.AsyncClient:
        try:
            self._opened = self._egress.client(self._url)
        except (httpx2.InvalidURL, ValueError) as error:
            raise self._no_address() from error
        # A sentence is answered when it is spoken, not before: its end is the guard's deadline.
        self._opened.timeout = httpx2.Timeout(None, connect=_CONNECT_WITHIN)
        # What is small when it arrives must not grow afterwards.
        self._opened.headers["accept-encoding"] = "identity"
        return self._opened

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise self._no_address() from error
        except httpx2.TransportError as error:
            raise self._unavailable(type(error).__name__) from error

    def _judged(self, answer: httpx2.Response) -> httpx2.Response:
        """The answer, if it is one.

        Raises:
            EngineUnavailable: it is overloaded, or somebody else says that it is away.
            InvalidInput: kana with accents that it cannot read.
            EngineError: anything else that is no success.
        """
        status = answer.status_code
        if answer.is_success:
            return answer
        if status in _AWAY:
            raise self._unavailable(f"HTTP {status}")
        words = _words(answer)
        if status == httpx2.codes.BAD_REQUEST:
            raise InvalidInput(
                ja=f"{self._name} は《》の読みを読めません ({words})。カタカナで、アクセント (') を句ごとに 1 つ付けてください。",
                en=f"{self._name} cannot read what stands in 《》 ({words}). Write katakana with one accent (') in each phrase.",
            )
        if answer.is_redirect or status in _LACKING:
            raise self._strange()
        raise EngineError(
            ja=f"{self._name} が断りました (HTTP {status}: {words})。{self._name} の記録を確かめるか、ほかの声を選んでください。",
            en=f"{self._name} refused (HTTP {status}: {words}). See its log, or choose another voice.",
        )

    def _parsed(self, kind: TypeAdapter[T], answer: httpx2.Response) -> T:
        try:
            return kind.validate_json(answer.content)
        except ValidationError:
            # Its text repeats the answer, and that may repeat what is being said.
            raise self._strange() from None

    def _unavailable(self, why: str) -> EngineUnavailable:
        return EngineUnavailable(
            ja=f"{self._name} ({self._shown_url}) が応答しません ({why})。VOICEVOX などのエンジンを起動するか、"
            "HYBRID_MCP_TTS__ENGINES のアドレスを確かめてください。",
            en=f"{self._name} ({self._shown_url}) does not answer ({why}). Start the engine (open the VOICEVOX app, or run "
            "its engine), or check the address in HYBRID_MCP_TTS__ENGINES.",
        )

    def _no_address(self) -> EngineError:
        return EngineError(
            ja=f"{self._name} のアドレス ({self._shown_url}) は http:// か https:// で始まる URL ではありません。"
            "HYBRID_MCP_TTS__ENGINES を直してください。",
            en=f"The address of {self._name} ({self._shown_url}) is no URL with http:// or https://. "
            "Correct HYBRID_MCP_TTS__ENGINES.",
        )

    def _strange(self) -> EngineError:
        return EngineError(
            ja=f"{self._name} ({self._shown_url}) の答えは VOICEVOX の API のものではありません。"
            "HYBRID_MCP_TTS__ENGINES のアドレスを確かめてください。",
            en=f"What {self._name} ({self._shown_url}) answers is not VOICEVOX's API. "
            "Check the address in HYBRID_MCP_TTS__ENGINES.",
        )

    @property
    def _shown_url(self) -> str:
        """The address without a password in it."""
        return re.sub(r"//[^/]*@", "//", self._url)


def _words(answer: httpx2.Response) -> str:
    """What the engine says, without the input that FastAPI repeats."""
    try:
        detail = json.loads(answer.content)["detail"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer.reason_phrase
    if isinstance(detail, list):
        detail = "; ".join(
            f"{'.'.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}" for one in detail if isinstance(one, dict)
        )
    elif isinstance(detail, dict):  # ParseKanaBadRequest, whose text repeats the kana
        detail = detail.get("error_name", "")
    return str(detail)[:_WORDS]

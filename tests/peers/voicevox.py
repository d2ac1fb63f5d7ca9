"""A scripted VOICEVOX engine, since none is to be had in the registries.

It checks every request against the engine's own API document and answers in its forms; what it says is analysed and
spoken by Open JTalk (`voicevox_voice`). Tests hold it, end it and start it again, and see what it saw.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jsonschema  # type: ignore[import-untyped, unused-ignore]
import uvicorn

from peers.voicevox_voice import FRAME_RATE, KanaError, accent_phrases, kana_phrases, said, sung, wav

DOCUMENT = Path(__file__).parents[3] / "shared" / "data" / "api" / "voicevox_openapi.json"


def _speaker(number: int, name: str, *styles: str, sings: str = "") -> dict[str, Any]:
    talk: list[dict[str, Any]] = [
        {"name": style, "id": 10 * number + place, "type": "talk"} for place, style in enumerate(styles)
    ]
    singing = [{"name": sings, "id": 3000 + number, "type": "frame_decode"}] if sings else []
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    features = {"permitted_synthesis_morphing": "NOTHING"}
    return {
        "name": name,
        "speaker_uuid": uuid,
        "styles": talk + singing,
        "version": "0.1.0",
        "supported_features": features,
    }


SPEAKERS = (
    _speaker(1, "朝霧ソラ", "ノーマル", "ささやき", sings="ノーマル"),
    _speaker(2, "夕凪リク", "ノーマル", "はきはき", "のんびり"),
    _speaker(3, "宵待ハル", "ノーマル", "よろこび"),
)
"""Voices of nobody."""

_FEATURES = (
    "adjust_mora_pitch adjust_phoneme_length adjust_speed_scale adjust_pitch_scale adjust_intonation_scale "
    "adjust_volume_scale adjust_pause_length interrogative_upspeak synthesis_morphing sing manage_library "
    "return_resource_url apply_katakana_english"
)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came, its parameters as the API document types them."""

    method: str
    path: str
    params: Mapping[str, Any]
    body: Any


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the test run's."""
        yield


async def _at_once(kana: str) -> None:
    del kana


@dataclass
class ScriptedEngine:
    """A running engine, and what it has seen."""

    document: dict[str, Any]
    speakers: tuple[dict[str, Any], ...] = SPEAKERS
    brand: str = "VOICEVOX"
    version: str = "0.25.2"
    features: Mapping[str, bool] = field(default_factory=dict)
    """What it can do, where that is not VOICEVOX's."""
    lacking: Collection[str] = ()
    """Paths it does not know."""
    rate: int = 24_000
    drawl: float = 1.0
    """How much longer it speaks than the rule says."""
    before: Callable[[str], Awaitable[None]] = _at_once
    """Awaited before a sound is made, with its kana."""
    sound: Callable[[bytes], bytes] = bytes
    """What becomes of the WAV file."""
    broken: dict[str, list[int]] = field(default_factory=dict)
    """Status codes with which the next requests of a path are answered."""

    requests: list[Request] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    """What clients did that the API document forbids. Fails the test when the engine is left."""
    spoken: list[str] = field(default_factory=list)
    """Kana of the sounds made, in the order they were ready."""
    at_once: int = 0
    """Sounds being made now."""
    most_at_once: int = 0
    dropped: int = 0
    """Clients that left while their sound was being made."""
    taught: dict[str, Any] = field(default_factory=dict)
    """The user dictionary."""

    def __post_init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._changed = asyncio.Event()
        self._validators: dict[str, Any] = {}
        self._speaking = asyncio.Lock()
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def hold(self) -> None:
        """Make no sound until `release`."""
        self._open.clear()

    def release(self) -> None:
        """Go on making sounds."""
        self._open.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something the engine sees."""
        async with asyncio.timeout(60):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def asked(self, path: str) -> list[Request]:
        """The requests of a path."""
        return [request for request in self.requests if request.path == path]

    async def start(self) -> None:
        """Listen, where it did before."""
        # Only where the protocol is named does asyncio send small answers at once.
        listening = socket.socket(proto=socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app, interface="asgi3", lifespan="off", ws="none", http="h11", log_config=None, access_log=False
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve([listening]))
        while not self._server.started:  # noqa: ASYNC110  (uvicorn has a flag only)
            await asyncio.sleep(0)

    async def die(self) -> None:
        """Break every connection, and listen no more."""
        if self._server is None or self._serving is None:
            return
        for server in self._server.servers:
            server.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        self._server = self._serving = None

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, kind, answer = await self._answered(scope, body, receive)
        self._changed.set()
        head = [(b"content-type", kind), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": answer})

    async def _answered(self, scope: Any, body: bytes, receive: Any) -> tuple[int, bytes, bytes]:
        method, path = scope["method"], scope["path"]
        if path in self.lacking:
            return _json({"detail": "Not Found"}, 404)
        try:
            request = self._checked(method, path, scope["query_string"].decode(), body)
        except (jsonschema.ValidationError, KeyError, ValueError) as error:
            self.violations.append(f"{method} {path}: {type(error).__name__} {str(error)[:300]}")
            return _json(
                {"detail": [{"loc": ["body"], "msg": "violates the API document", "type": "value_error"}]}, 422
            )
        self.requests.append(request)
        self._changed.set()
        if self.broken.get(path):
            return _json({"detail": "Internal Server Error"}, self.broken[path].pop(0))
        if "speaker" in request.params and not self._knows(request.params["speaker"]):
            return _json({"detail": "該当する話者が見つかりません"}, 422)
        if path == "/synthesis":
            return await self._synthesis(request, receive)
        try:
            return _json(self._said(request))
        except KanaError as error:
            detail = {"text": f"{error}: {request.params['text']}", "error_name": str(error), "error_args": {}}
            return _json({"detail": detail}, 400)

    def _checked(self, method: str, path: str, query: str, body: bytes) -> Request:
        """The request, if the API document allows it."""
        operation = self.document["paths"][path][method.lower()]
        allowed = {one["name"]: one for one in operation.get("parameters", [])}
        given = {name: _typed(values, allowed[name]["schema"]) for name, values in parse_qs(query).items()}
        for name, parameter in allowed.items():
            if name in given:
                self._validate(given[name], parameter["schema"])
            elif parameter.get("required"):
                raise ValueError(f"{name} is missing")
        content = json.loads(body) if body else None
        if "requestBody" in operation:
            self._validate(content, operation["requestBody"]["content"]["application/json"]["schema"])
        return Request(method, path, given, content)

    def _validate(self, value: Any, schema: Mapping[str, Any]) -> None:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {**schema, "components": self.document["components"]}
            self._validators[key] = jsonschema.Draft202012Validator(whole)
        self._validators[key].validate(value)

    def _knows(self, style: int) -> bool:
        return any(style == one["id"] for speaker in self.speakers for one in speaker["styles"])

    def _said(self, request: Request) -> Any:
        params = request.params
        match request.path:
            case "/version":
                return self.version
            case "/engine_manifest":
                return self._manifest()
            case "/speakers":
                return list(self.speakers)
            case "/speaker_info":
                return self._info(params["speaker_uuid"])
            case "/user_dict":
                return self.taught
            case "/is_initialized_speaker":
                return True
            case "/audio_query":
                return self._query(params["text"], params["speaker"])
            case "/accent_phrases":
                analysed = (kana_phrases if params.get("is_kana") else accent_phrases)(params["text"])
                return sung(analysed, params["speaker"])
            case "/mora_data":
                return sung([_whole(phrase) for phrase in request.body], params["speaker"])
            case _:
                return None

    def _query(self, text: str, style: int) -> dict[str, Any]:
        return {
            "accent_phrases": sung(accent_phrases(text), style),
            "speedScale": 1.0,
            "pitchScale": 0.0,
            "intonationScale": 1.0,
            "volumeScale": 1.0,
            "prePhonemeLength": 0.1,
            "postPhonemeLength": 0.1,
            "pauseLength": None,
            "pauseLengthScale": 1.0,
            "outputSamplingRate": self.rate,
            "outputStereo": False,
            "kana": text,
        }

    def _manifest(self) -> dict[str, Any]:
        return {
            "manifest_version": "0.13.1",
            "name": f"{self.brand} Engine",
            "brand_name": self.brand,
            "uuid": "00000000-0000-4000-8000-00000000000e",
            "url": "http://127.0.0.1",
            "icon": "",
            "default_sampling_rate": self.rate,
            "frame_rate": self._frame_rate,
            "terms_of_service": "台本どおりのエンジンです。\nどなたでも使えます。",
            "update_infos": [],
            "dependency_licenses": [],
            "supported_vvlib_manifest_version": None,
            "supported_features": dict.fromkeys(_FEATURES.split(), True) | dict(self.features),
        }

    @property
    def _frame_rate(self) -> float:
        return FRAME_RATE * self.rate / 24_000

    def _info(self, uuid: str) -> dict[str, Any]:
        [speaker] = [one for one in self.speakers if one["speaker_uuid"] == uuid]
        styles = [{"id": one["id"], "icon": "", "voice_samples": []} for one in speaker["styles"]]
        policy = f"# {speaker['name']}\n\n利用には「{self.brand}:{speaker['name']}」と書いてください。"
        return {"policy": policy, "portrait": "", "style_infos": styles}

    async def _synthesis(self, request: Request, receive: Any) -> tuple[int, bytes, bytes]:
        kana = said(request.body)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self._changed.set()
        making = asyncio.create_task(self._made(kana, request))
        leaving = asyncio.create_task(receive())
        try:
            await asyncio.wait((making, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                self.dropped += 1
                return _json(None)  # nobody listens
            made = making.result()
        finally:
            self.at_once -= 1
            for task in (making, leaving):
                task.cancel()
            await asyncio.gather(making, leaving, return_exceptions=True)
            self._changed.set()
        self.spoken.append(kana)
        return 200, b"audio/wav", made

    async def _made(self, kana: str, request: Request) -> bytes:
        await self.before(kana)
        await self._open.wait()
        upspeak = request.params.get("enable_interrogative_upspeak", True)
        async with self._speaking:  # Open JTalk's global engine serialises anyhow
            made = await asyncio.to_thread(wav, request.body, self._frame_rate, upspeak=upspeak, drawl=self.drawl)
        return self.sound(made)


@asynccontextmanager
async def voicevox_engine(**knobs: Any) -> AsyncIterator[ScriptedEngine]:
    """A scripted engine on loopback; `knobs` are fields of `ScriptedEngine`."""
    if not DOCUMENT.is_file():
        from conftest import missing  # noqa: PLC0415  (benchmarks have no pytest)

        missing(f"the API document of VOICEVOX ({DOCUMENT.name}) is not beside the checkout")
    engine = ScriptedEngine(json.loads(DOCUMENT.read_text(encoding="utf-8")), **knobs)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.die()
    assert not engine.violations, engine.violations


def _typed(values: list[str], schema: Mapping[str, Any]) -> Any:
    """A parameter as the document types it."""
    match schema.get("type"):
        case "integer":
            return int(values[-1])
        case "number":
            return float(values[-1])
        case "boolean":
            return {"true": True, "false": False}[values[-1]]
        case _:
            return values[-1]


def _whole(phrase: dict[str, Any]) -> dict[str, Any]:
    """An accent phrase with the fields that may be left out."""
    moras = [{"consonant": None, "consonant_length": None, **mora} for mora in phrase["moras"]]
    pause = phrase.get("pause_mora")
    whole_pause = pause and {"consonant": None, "consonant_length": None, **pause}
    return {"is_interrogative": False, **phrase, "moras": moras, "pause_mora": whole_pause}


def _json(value: Any, status: int = 200) -> tuple[int, bytes, bytes]:
    return status, b"application/json", json.dumps(value, ensure_ascii=False).encode()

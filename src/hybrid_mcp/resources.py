"""What a client can read: scripts, recordings, transcripts, voices, models, and how everything is."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self
from urllib.parse import quote

from mcp.server.caching import CacheableMethod, CacheHint, apply_cache_hint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp.server.mcpserver.resources.templates import ResourceSecurity
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    Annotations,
    CallToolResult,
    GetPromptResult,
    InputRequiredResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
)
from pydantic import AnyUrl

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifact, Kind, damaged, storage_errors
from hybrid_mcp.choosing import Passed
from hybrid_mcp.config import Watching
from hybrid_mcp.doctor import examine
from hybrid_mcp.episode.formats import MIME
from hybrid_mcp.errors import EngineError, HybridError, NotFound, StorageError
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.notices import Notices
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools import doctor
from hybrid_mcp.tools.list_voices import described

_LARGEST = 24 * 2**20
"""Bytes of audio that are sent inline; base64 of more would not fit a message. The file is always there."""
_LISTED = 50
"""Artifacts in the list of resources; any other is read by its id."""
_TITLE = 60
"""Characters of a text that stand for the title it does not have."""
_JSON = "application/json"
_HOUR, _DAY = 3_600_000, 86_400_000  # ms

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of every artifact of a kind."""

    uri: str
    name: str
    kind: Kind
    file: str | None
    """None: the sound, in the format that was asked for."""
    mime_type: str
    title: Bilingual
    description: Bilingual


_FILES = (
    _File(
        "script://{id}",
        "script",
        "script",
        "script.json",
        _JSON,
        Bilingual(ja="台本", en="Script"),
        Bilingual(ja="行ごとに根拠の付いた台本の全文", en="A whole script, with the evidence of every line"),
    ),
    _File(
        "audio://{id}",
        "audio",
        "audio",
        "narration.wav",
        "audio/wav",
        Bilingual(ja="録音", en="Recording"),
        Bilingual(ja="読み上げの WAV", en="A narration as WAV"),
    ),
    _File(
        "transcript://{id}",
        "transcript",
        "transcript",
        "transcript.json",
        _JSON,
        Bilingual(ja="書き起こし", en="Transcript"),
        Bilingual(ja="区間と単語の時刻が付いた書き起こし", en="What was heard, with times of segments and words"),
    ),
    _File(
        "script://{id}/markdown",
        "script_markdown",
        "script",
        "script.md",
        "text/markdown",
        Bilingual(ja="読むための台本", en="Script to read"),
        Bilingual(ja="台本の Markdown", en="A script as Markdown"),
    ),
    _File(
        "audio://{id}/srt",
        "audio_srt",
        "audio",
        "narration.srt",
        "application/x-subrip",
        Bilingual(ja="字幕 (SRT)", en="Subtitles (SRT)"),
        Bilingual(ja="読み上げの字幕", en="Subtitles of a narration"),
    ),
    _File(
        "audio://{id}/vtt",
        "audio_vtt",
        "audio",
        "narration.vtt",
        "text/vtt",
        Bilingual(ja="字幕 (WebVTT)", en="Subtitles (WebVTT)"),
        Bilingual(ja="読み上げの字幕", en="Subtitles of a narration"),
    ),
    _File(
        "audio://{id}/report",
        "audio_report",
        "audio",
        "report.html",
        "text/html",
        Bilingual(ja="レポート", en="Report"),
        Bilingual(ja="台本と根拠を見ながら聞けるページ", en="A page to listen to, with script and evidence"),
    ),
    _File(
        "audio://{id}/file",
        "audio_file",
        "audio",
        None,
        "application/octet-stream",
        Bilingual(ja="指定した形式の録音", en="Recording in its format"),
        Bilingual(
            ja="作るときに指定した形式 (mp3 など) の録音。種類は読んだときにわかる",
            en="A narration in the format it was asked for (mp3, …); its type is told when it is read",
        ),
    ),
    _File(
        "transcript://{id}/text",
        "transcript_text",
        "transcript",
        "transcript.txt",
        "text/plain",
        Bilingual(ja="書き起こしの文章", en="Text of a transcript"),
        Bilingual(ja="聞き取った文章だけ", en="Only the words that were heard"),
    ),
    _File(
        "transcript://{id}/srt",
        "transcript_srt",
        "transcript",
        "transcript.srt",
        "application/x-subrip",
        Bilingual(ja="書き起こしの字幕 (SRT)", en="Subtitles of a transcript (SRT)"),
        Bilingual(ja="聞き取った言葉の字幕", en="Subtitles of what was heard"),
    ),
    _File(
        "transcript://{id}/vtt",
        "transcript_vtt",
        "transcript",
        "transcript.vtt",
        "text/vtt",
        Bilingual(ja="書き起こしの字幕 (WebVTT)", en="Subtitles of a transcript (WebVTT)"),
        Bilingual(ja="聞き取った言葉の字幕", en="Subtitles of what was heard"),
    ),
)
_OF_KIND = {row.kind: row for row in reversed(_FILES)}
"""What stands for an artifact in the list: the first file of its kind."""
_SOUNDS = {f"narration.{audio_format}": mime_type for audio_format, mime_type in MIME.items()}
_PRIORITY: dict[Kind, float] = {"script": 0.8, "audio": 0.6, "transcript": 0.6}


class _Sound(bytes):
    """A recording that knows its type; of what is read by a template, the SDK would tell the template's."""

    mime_type: str

    def __new__(cls, content: bytes, mime_type: str) -> Self:
        sound = super().__new__(cls, content)
        sound.mime_type = mime_type
        return sound


class HybridServer(MCPServer[App]):
    """An MCP server that also lists what was made lately, and names what it has to who asks for another."""

    app: App
    notices: Notices
    """What tells clients of changes; whoever serves closes it first."""

    async def list_resources(self) -> list[Resource]:
        """See `MCPServer.list_resources`."""
        try:
            made = await in_thread(partial(_made_lately, self.app))
        except StorageError as error:  # doctor says how to mend it; the voices can be read all the same
            _log.warning("nothing made can be listed", extra={"reason": error.text("en")})
            made = []
        return [*await super().list_resources(), *made]

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[App, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """See `MCPServer.get_prompt`. The SDK would call a name it does not know an error of the server's own."""
        known = [prompt.name for prompt in await self.list_prompts()]
        if name not in known:
            error = NotFound.named(Bilingual(ja="プロンプト", en="prompt"), name, known)
            raise MCPError(code=INVALID_PARAMS, message=error.text(self.app.settings.language))
        return await super().get_prompt(name, arguments, context)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[App, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """See `MCPServer.call_tool`. A tool that is not there is an error of the protocol, not of a tool."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            known = [tool.name for tool in await self.list_tools()]
            if name in known:
                raise
            unknown = NotFound.named(Bilingual(ja="ツール", en="tool"), name, known)
            raise MCPError(code=INVALID_PARAMS, message=unknown.text(self.app.settings.language)) from error

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[App, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """See `MCPServer.read_resource`. What is not there is told in the interface's language."""
        try:
            contents = await super().read_resource(uri, context)
        except ResourceNotFoundError as error:
            if isinstance(error.__cause__, HybridError):
                raise
            templates = [template.uri_template for template in await self.list_resource_templates()]
            known = [*(resource.uri for resource in await super().list_resources()), *templates]
            unknown = NotFound.named(Bilingual(ja="リソース", en="resource"), str(uri), known)
            raise ResourceNotFoundError(unknown.text(self.app.settings.language)) from unknown
        if isinstance(contents, InputRequiredResult):
            return contents
        return [
            replace(one, mime_type=one.content.mime_type) if isinstance(one.content, _Sound) else one
            for one in contents
        ]


def cache_hints(watching: Watching) -> dict[CacheableMethod, CacheHint]:
    """How long a client may believe what it was told; what artifacts say is for ever, see `add_resources`."""
    # One process offers the same from its beginning to its end, to everybody.
    for_good = CacheHint(ttl_ms=_HOUR, scope="public")
    return {
        "server/discover": for_good,
        "tools/list": for_good,
        "prompts/list": for_good,
        "resources/templates/list": for_good,
        # What this very client makes stands in it at once.
        "resources/list": CacheHint(ttl_ms=0, scope="private"),
        # As long as we ourselves believe that an engine is there.
        "resources/read": CacheHint(ttl_ms=int(watching.remember * 1000), scope="private"),
    }


def add_resources(server: HybridServer, app: App) -> None:
    """Offer the resources of the App."""
    language = app.settings.language
    server.app = app

    def read(row: _File, artifact: str) -> str | bytes:
        with storage_errors():
            found = app.artifacts.get(artifact, row.kind)
            name = row.file or sound(found)[0]
            path = found.path(name)
            if path.lstat().st_size > _LARGEST:
                message = Bilingual(
                    ja=f"大きすぎて送れません。ファイルを開いてください: {path}",
                    en=f"Too large to send. Open the file: {path}",
                )
                raise ResourceError(message.in_(language))
        mime_type = _SOUNDS.get(name)
        return found.read_text(name) if mime_type is None else _Sound(found.read_bytes(name), mime_type)

    def reader(row: _File) -> Callable[[str], Awaitable[str | bytes]]:
        async def file(id: str) -> str | bytes:  # noqa: A002  (named in the URI)
            try:
                return await in_thread(partial(read, row, id))
            except HybridError as error:
                raise _told(error, language) from error

        return file

    async def voices() -> str:
        roll = await app.studio.roll()
        return _json(
            {
                "voices": [described(voice, language) for voice in roll.voices],
                "passed_over": [passed.text(language) for passed in roll.passed],
            }
        )

    async def voice(name: str) -> str:
        try:
            return _json(await _voice(app, name))
        except HybridError as error:
            raise _told(error, language) from error

    async def models() -> str:
        known, passed = await known_models(app)
        return _json({"models": known, "passed_over": [one.text(language) for one in passed]})

    async def model(name: str) -> str:
        try:
            return _json(await _model(app, name))
        except HybridError as error:
            raise _told(error, language) from error

    async def status() -> str:
        return doctor.described(await examine(app), language).model_dump_json(indent=2)

    for row in _FILES:
        server.resource(
            row.uri,
            name=row.name,
            title=row.title.in_(language),
            description=row.description.in_(language),
            mime_type=row.mime_type,
        )(reader(row))

    offered: tuple[tuple[str, Bilingual, Bilingual, Callable[..., Awaitable[str]]], ...] = (
        (
            "voices://",
            Bilingual(ja="声の一覧", en="Voices"),
            Bilingual(
                ja="使える声と、公開時に必要なクレジット", en="The voices, and the credit each needs when published"
            ),
            voices,
        ),
        (
            "voices://{+name}",
            Bilingual(ja="声", en="Voice"),
            Bilingual(
                ja="一つの声: クレジット、ほかのスタイル、利用規約", en="One voice: credit, other styles, terms of use"
            ),
            voice,
        ),
        (
            "models://",
            Bilingual(ja="言語モデルの一覧", en="Language models"),
            Bilingual(
                ja="使える言語モデルと、その大きさ・文脈の長さ", en="The language models, with their size and context"
            ),
            models,
        ),
        (
            "models://{+name}",
            Bilingual(ja="言語モデル", en="Language model"),
            Bilingual(ja="一つの言語モデル: 大きさ、文脈の長さ", en="One language model: size and context"),
            model,
        ),
        (
            "status://",
            Bilingual(ja="使えるものと直し方", en="What works"),
            Bilingual(ja="doctor の診断を JSON で", en="What doctor says, as JSON"),
            status,
        ),
    )
    for uri, title, description, function in offered:
        server.resource(
            uri,
            name=function.__name__,
            title=title.in_(language),
            description=description.in_(language),
            mime_type=_JSON,
            # Names of voices and models are no paths: they may well begin with a letter and a colon.
            security=ResourceSecurity(exempt_params={"name"}),
        )(function)
    _artifacts_stay(server)


def _artifacts_stay(server: HybridServer) -> None:
    """Let clients keep what they read of an artifact: its id is the hash of what it was made from."""
    # A private name of the SDK: its public methods cannot say how long one resource holds, only all of them alike.
    low_level = server._lowlevel_server  # noqa: SLF001
    entry = low_level.get_request_handler("resources/read")
    assert entry is not None  # noqa: S101  (MCPServer has registered it)
    of_artifacts = tuple(f"{kind}://" for kind in _OF_KIND)
    lasting = CacheHint(ttl_ms=_DAY, scope="private")

    async def read(ctx: ServerRequestContext[App], params: ReadResourceRequestParams) -> Any:
        result = await entry.handler(ctx, params)
        if params.uri.startswith(of_artifacts) and isinstance(result, ReadResourceResult):
            return apply_cache_hint(result, lasting)
        return result

    low_level.add_request_handler("resources/read", ReadResourceRequestParams, read)


async def known_models(app: App) -> tuple[list[dict[str, Any]], list[Passed]]:
    """Every language model that can be asked now, and which engines do not say what they have."""
    known: list[dict[str, Any]] = []
    passed: list[Passed] = []
    for engine in dict.fromkeys((*app.local_models, *app.writers)):
        try:
            cards = await engine.models()
        except EngineError as error:
            passed.append(Passed(engine.name, error.message))
            continue
        known += [{"engine": engine.name, "usual": card.name == engine.model, **asdict(card)} for card in cards]
    return known, passed


async def _model(app: App, asked: str) -> dict[str, Any]:
    known, passed = await known_models(app)
    for model in known:
        if asked in (model["name"], f"{model['engine']}:{model['name']}"):
            return model
    remedy = Bilingual(
        ja="".join(f"{one.engine} のモデルは今わかりません: {one.why.ja}" for one in passed),
        en=" ".join(f"The models of {one.engine} are not known now: {one.why.en}" for one in passed),
    )
    names = [model["name"] for model in known]
    raise NotFound.named(Bilingual(ja="モデル", en="model"), asked, names, remedy=remedy if passed else None)


async def _voice(app: App, asked: str) -> dict[str, Any]:
    voice = await app.studio.named(asked)
    roll = await app.studio.roll()
    same = [one for one in roll.voices if (one.engine, one.speaker) == (voice.engine, voice.speaker)]
    return {
        **described(voice, app.settings.language),
        "version": voice.version,
        "sample_rate": voice.sample_rate,
        "speaker": voice.speaker,
        "style": voice.style,
        "styles": [{"id": one.id, "style": one.style} for one in same if one.style],
        "terms": await app.studio.terms(voice),
    }


def _made_lately(app: App) -> list[Resource]:
    made: list[Resource] = []
    for artifact, at in app.artifacts.recent(tuple(_OF_KIND), _LISTED):
        try:
            made.append(listed(artifact, at, app.settings.language))
        except StorageError as error:  # damaged, or removed meanwhile
            _log.warning("something made cannot be listed", extra={"reason": error.text("en")})
    return made


def sound(artifact: Artifact) -> tuple[str, str]:
    """The file of a recording in the format that was asked for, and its MIME type.

    Raises:
        StorageError: the artifact does not say.
    """
    name = str(artifact.summary.get("audio"))
    if name not in _SOUNDS:
        raise damaged(artifact.folder)
    return name, _SOUNDS[name]


def listed(artifact: Artifact, at: float, language: Language) -> Resource:
    """The resource that stands for an artifact made `at` (seconds since the epoch).

    Raises:
        StorageError: its file cannot be asked for its size.
    """
    kind = next(kind for kind in _OF_KIND if artifact.id.startswith(f"{kind}-"))
    row = _OF_KIND[kind]
    with storage_errors():
        size = artifact.path(row.file or sound(artifact)[0]).lstat().st_size
    return Resource(
        uri=row.uri.format(id=quote(artifact.id)),
        name=artifact.id,
        title=_title(artifact) or row.title.in_(language),
        description=row.description.in_(language),
        mime_type=row.mime_type,
        size=size,
        annotations=Annotations(
            last_modified=datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds"), priority=_PRIORITY[kind]
        ),
    )


def _title(artifact: Artifact) -> str:
    """Its title, or the beginning of what is said in it."""
    title = str(artifact.summary.get("title") or "")
    if not title:
        if artifact.id.startswith("transcript-"):
            said = artifact.read_text("transcript.txt")
        else:
            said = str(artifact.summary.get("spoken_text", ""))
        said = " ".join(said[: 2 * _TITLE].split())
        title = said if len(said) <= _TITLE else f"{said[: _TITLE - 1]}…"
    return title.encode(errors="replace").decode()  # JSON can hold half a character, which no answer can


def _told(error: HybridError, language: Language) -> ResourceError:
    """What is wrong, in words."""
    kind = ResourceNotFoundError if isinstance(error, NotFound) else ResourceError
    return kind(error.text(language))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)

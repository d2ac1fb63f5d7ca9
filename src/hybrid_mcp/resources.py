"""What a client can read: scripts, recordings, transcripts, voices, models."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Kind, storage_errors
from hybrid_mcp.choosing import Passed
from hybrid_mcp.errors import EngineError, HybridError, NotFound
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tools.list_voices import described

_LARGEST = 24 * 2**20
"""Bytes of audio that are sent inline; base64 of more would not fit a message. The file is always there."""


def add_resources(server: MCPServer[App], app: App) -> None:
    """Offer the resources of the App."""
    language = app.settings.language

    async def read(artifact: str, kind: Kind, name: str) -> bytes:
        """A file of an artifact; what is wrong with it, in words."""
        try:
            with storage_errors():
                path = app.artifacts.get(artifact, kind).path(name)
                if path.stat().st_size > _LARGEST:
                    message = Bilingual(
                        ja=f"大きすぎて送れません。ファイルを開いてください: {path}",
                        en=f"Too large to send. Open the file: {path}",
                    )
                    raise ResourceError(message.in_(language))
                return await in_thread(path.read_bytes)
        except NotFound as error:
            raise ResourceNotFoundError(error.text(language)) from error
        except HybridError as error:
            raise ResourceError(error.text(language)) from error

    async def script(id: str) -> str:  # noqa: A002  (named in the URI)
        return (await read(id, "script", "script.json")).decode()

    async def transcript(id: str) -> str:  # noqa: A002
        return (await read(id, "transcript", "transcript.json")).decode()

    async def audio(id: str) -> bytes:  # noqa: A002
        return await read(id, "audio", "narration.wav")

    async def voices() -> str:
        roll = await app.studio.roll()
        return json.dumps(
            {
                "voices": [described(voice, language) for voice in roll.voices],
                "passed_over": [passed.text(language) for passed in roll.passed],
            },
            ensure_ascii=False,
            indent=2,
        )

    async def models() -> str:
        known: list[dict[str, Any]] = []
        passed: list[str] = []
        for engine in dict.fromkeys((*app.local_models, *app.writers)):
            try:
                cards = await engine.models()
            except EngineError as error:
                passed.append(Passed(engine.name, error.message).text(language))
                continue
            known += [{"engine": engine.name, "usual": card.name == engine.model, **asdict(card)} for card in cards]
        return json.dumps({"models": known, "passed_over": passed}, ensure_ascii=False, indent=2)

    offered: tuple[tuple[str, Bilingual, Bilingual, str, Callable[..., Awaitable[str | bytes]]], ...] = (
        (
            "script://{id}",
            Bilingual(ja="台本", en="Script"),
            Bilingual(ja="行ごとに根拠の付いた台本の全文", en="A whole script, with the evidence of every line"),
            "application/json",
            script,
        ),
        (
            "audio://{id}",
            Bilingual(ja="録音", en="Recording"),
            Bilingual(ja="読み上げの WAV", en="A narration as WAV"),
            "audio/wav",
            audio,
        ),
        (
            "transcript://{id}",
            Bilingual(ja="書き起こし", en="Transcript"),
            Bilingual(ja="区間と単語の時刻が付いた書き起こし", en="What was heard, with times of segments and words"),
            "application/json",
            transcript,
        ),
        (
            "voices://",
            Bilingual(ja="声の一覧", en="Voices"),
            Bilingual(
                ja="使える声と、公開時に必要なクレジット", en="The voices, and the credit each needs when published"
            ),
            "application/json",
            voices,
        ),
        (
            "models://",
            Bilingual(ja="言語モデルの一覧", en="Language models"),
            Bilingual(
                ja="使える言語モデルと、その大きさ・文脈の長さ", en="The language models, with their size and context"
            ),
            "application/json",
            models,
        ),
    )
    for uri, title, description, mime_type, function in offered:
        server.resource(
            uri,
            name=function.__name__,
            title=title.in_(language),
            description=description.in_(language),
            mime_type=mime_type,
        )(function)

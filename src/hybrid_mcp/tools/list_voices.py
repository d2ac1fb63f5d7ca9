"""The tool `list_voices`."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import BaseModel, Field

from hybrid_mcp.errors import NotFound
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import CleanText
from hybrid_mcp.tools.context import LentApp
from hybrid_mcp.tts.interface import Voice
from hybrid_mcp.tts.studio import folded

_SHOWN = 200
"""Voices in one answer; VOICEVOX alone has more than a hundred styles."""


class VoiceEntry(BaseModel):
    """One voice: give its id, or its speaker and style, to synthesize_voice."""

    id: str
    name: str
    language: str
    engine: str
    credit: str
    """To be named when its sound is published."""
    licence: str


class VoiceAnswer(BaseModel):
    """Who can speak now."""

    voices: list[VoiceEntry]
    total: int
    usual: dict[str, str]
    """Who reads each language when no voice is named."""
    passed_over: list[str]
    """Engines that cannot be used now, and why."""


async def list_voices(
    app: LentApp,
    query: Annotated[CleanText, Field(max_length=80, description="Part of a speaker's or style's name.")] = "",
    engine: Annotated[CleanText, Field(max_length=40, description="Only this engine's, e.g. voicevox.")] = "",
    language: Annotated[Language | None, Field(description="Only this language's.")] = None,
) -> VoiceAnswer:
    """Say which voices can be used now, by engine, with the credit each needs; and which engines do not answer.

    Use it before choosing a voice or a cast. Names are speaker/style, such as ずんだもん/あまあま.
    """
    engines = {folded(one.name): one.name for one in app.studio.engines}
    if engine and folded(engine) not in engines:
        remedy = Bilingual(
            ja="HYBRID_MCP_TTS__ORDER に加えたエンジンが使えます。",
            en="Engines can be used that are in HYBRID_MCP_TTS__ORDER.",
        )
        raise NotFound.named(Bilingual(ja="音声エンジン", en="speech engine"), engine, engines.values(), remedy=remedy)
    only = engines.get(folded(engine), "")
    roll = await app.studio.roll()
    speaking = app.settings.language
    wanted = folded(query)
    found = [
        voice
        for voice in roll.voices
        if only in ("", voice.engine)
        and language in (None, voice.language)
        and wanted in folded(f"{voice.id} {voice.name_ja} {voice.name_en}")
    ]
    spoken = [one for one in get_args(Language) if any(voice.language == one for voice in roll.voices)]
    return VoiceAnswer(
        voices=[VoiceEntry(**described(voice, speaking)) for voice in found[:_SHOWN]],
        total=len(found),
        usual={one: (await app.studio.usual(one)).voice.id for one in spoken},
        passed_over=[passed.text(speaking) for passed in roll.passed],
    )


def described(voice: Voice, language: Language) -> dict[str, str]:
    """A voice in the words of the interface."""
    return {
        "id": voice.id,
        "name": Bilingual(ja=voice.name_ja, en=voice.name_en).in_(language),
        "language": voice.language,
        "engine": voice.engine,
        "credit": voice.credit,
        "licence": voice.licence,
    }

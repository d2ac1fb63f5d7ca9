"""The tool `synthesize_voice`."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

from hybrid_mcp import languages
from hybrid_mcp.app import App
from hybrid_mcp.episode.cast import lines_of_script, lines_of_text
from hybrid_mcp.episode.formats import AudioFormat
from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.assemble import PAUSE_AFTER_LINE, PAUSE_AFTER_SECTION
from hybrid_mcp.script.keep import kept
from hybrid_mcp.script.model import CleanText
from hybrid_mcp.tools.context import LentApp, Progress
from hybrid_mcp.tts.interface import Prosody
from hybrid_mcp.tts.speak import require_language

Pause = Annotated[float, Field(ge=0, le=10)]


class SpeechAnswer(BaseModel):
    """A spoken text or script: an episode folder."""

    audio_id: str
    folder: str
    path: str
    """The recording in the format asked for."""
    wav_path: str
    srt_path: str
    vtt_path: str
    report_path: str
    timeline_path: str
    engine: str
    voices: list[str]
    credits: list[str]
    """To be named when the sound is published."""
    duration_seconds: float
    lines: int
    subtitle_cues: int
    note: str


async def synthesize_voice(
    ctx: Context[App],
    app: LentApp,
    text: Annotated[CleanText, Field(max_length=1_000_000, description="Text to speak; or use script_id.")] = "",
    script_id: Annotated[CleanText, Field(max_length=64, description="Script to speak; or use text.")] = "",
    voice: Annotated[
        CleanText, Field(max_length=80, description="Voice id, see voices://; default: the server's.")
    ] = "",
    cast: Annotated[
        dict[str, str] | None,
        Field(description="Voice id for each speaker of the script; others get voice.", max_length=20),
    ] = None,
    speed: Annotated[float, Field(ge=0.5, le=2, description="1 is the voice's own tempo.")] = 1.0,
    pitch: Annotated[float, Field(ge=-12, le=12, description="Semitones up or down.")] = 0.0,
    volume: Annotated[float, Field(gt=0, le=2, description="Gain; 1 leaves it.")] = 1.0,
    pause_scale: Annotated[float, Field(ge=0, le=3, description="Pauses inside sentences; 1 leaves them.")] = 1.0,
    line_pause: Annotated[Pause, Field(description="Seconds after a line or sentence.")] = PAUSE_AFTER_LINE,
    section_pause: Annotated[Pause, Field(description="Seconds after a section.")] = PAUSE_AFTER_SECTION,
    format: Annotated[AudioFormat, Field(description="A WAV master is always made too.")] = "wav",  # noqa: A002
    language: Annotated[Language | None, Field(description="Language of text; default: told from it.")] = None,
) -> SpeechAnswer:
    """Speak Japanese text or a stored script; make audio, exactly timed subtitles and a report, all as files.

    Returns absolute paths of the recording, .srt, .vtt and report.html. The same request is answered from what was
    made before. The embedded voice (Open JTalk) speaks Japanese only; English words in Japanese text are read as words.
    """
    from hybrid_mcp.episode.build import Narration, narrate  # noqa: PLC0415  (numpy and jinja2: not at start-up)

    prosody = Prosody(speed, pitch, volume, pause_scale)
    if bool(text) == bool(script_id):
        raise InvalidInput(
            ja="text か script_id のどちらか一方を渡してください。", en="Give either text or script_id, one of them."
        )
    if cast and not script_id:
        raise InvalidInput(
            ja="cast は script_id と一緒に使います。text には voice を使ってください。",
            en="cast goes with script_id. For text use voice.",
        )
    wanted = voice or app.settings.tts.voice
    _require_length(len(text), app.settings.tts.max_characters)
    if script_id:
        script = kept(app.artifacts, script_id)
        _require_length(sum(len(line.text) for line in script.lines), app.settings.tts.max_characters)
        spoken = require_language(app.speech, language or script.language)
        title = script.title
        lines = lines_of_script(script, app.speech, wanted, cast or {}, line_pause, section_pause)
    else:
        script = None
        spoken = require_language(app.speech, language or languages.detect(text))
        title, lines = lines_of_text(text, app.speech, wanted, spoken, line_pause)
    artifact = await narrate(
        app.speech,
        app.artifacts,
        Narration(title, lines, spoken, prosody, line_pause, format, script),
        at_once=app.speech.parallel,
        report_language=app.settings.language,
        on_spoken=Progress(ctx),
    )
    made = artifact.summary
    return SpeechAnswer(
        audio_id=artifact.id,
        folder=str(artifact.folder),
        path=str(artifact.path(made["audio"])),
        wav_path=str(artifact.path("narration.wav")),
        srt_path=str(artifact.path("narration.srt")),
        vtt_path=str(artifact.path("narration.vtt")),
        report_path=str(artifact.path("report.html")),
        timeline_path=str(artifact.path("timeline.json")),
        engine=made["engine"],
        voices=made["voices"],
        credits=made["credits"],
        duration_seconds=made["duration_seconds"],
        lines=made["lines"],
        subtitle_cues=made["cues"],
        note=_note(format).in_(app.settings.language),
    )


def _require_length(characters: int, limit: int) -> None:
    if characters > limit:
        raise InvalidInput(
            ja=f"{characters:,} 文字は長すぎます (上限 {limit:,})。章ごとに分けるか、"
            "HYBRID_MCP_TTS__MAX_CHARACTERS を大きくしてください。",
            en=f"{characters:,} characters are too many (limit {limit:,}). Split them, or raise HYBRID_MCP_TTS__MAX_CHARACTERS.",
        )


def _note(audio_format: AudioFormat) -> Bilingual:
    if audio_format in ("wav", "flac"):
        return Bilingual(
            ja="時刻は WAV に対してフレーム単位で正確です。", en="Times are exact against the WAV, to a frame."
        )
    return Bilingual(
        ja=f"時刻は WAV に対して正確です。{audio_format} には数十ミリ秒のエンコーダー遅延が加わります。",
        en=f"Times are exact against the WAV; {audio_format} adds some tens of milliseconds of encoder delay.",
    )

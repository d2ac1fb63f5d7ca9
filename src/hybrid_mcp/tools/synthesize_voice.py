"""The tool `synthesize_voice`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from hybrid_mcp import languages
from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Artifact
from hybrid_mcp.choosing import Passed
from hybrid_mcp.episode.formats import AudioFormat
from hybrid_mcp.errors import InvalidInput, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import PAUSE_AFTER_LINE, PAUSE_AFTER_SECTION, CleanText, Script
from hybrid_mcp.tools.asking import Choice, can_ask, choice, chosen
from hybrid_mcp.tools.context import LentApp, Progress
from hybrid_mcp.tts.interface import Prosody, Voice

SampleRate = Literal[16000, 22050, 24000, 32000, 44100, 48000]
Pause = Annotated[float, Field(ge=0, le=10)]


_SPOKEN = Bilingual(ja="{total} 文のうち {done} 文を読み上げました", en="{done} of {total} sentences spoken")


_MOST_CHOICES = 20
"""Voices that somebody can be asked to choose from; where a name fits more of them, it says nothing."""


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
    passed_over: list[str] = []
    """Engines that would have come first, and why they did not speak."""
    note: str


@dataclass(frozen=True, slots=True)
class _Matter:
    """What is to be spoken: a script, or else the text."""

    script: Script | None
    language: Language


async def _matter(
    app: LentApp, text: str, script_id: str, cast: dict[str, str] | None, language: Language | None
) -> _Matter:
    from hybrid_mcp.script.keep import kept

    if bool(text) == bool(script_id):
        raise InvalidInput(
            ja="text か script_id のどちらか一方を渡してください。", en="Give either text or script_id, one of them."
        )
    if cast and not script_id:
        raise InvalidInput(
            ja="cast は script_id と一緒に使います。text には voice を使ってください。",
            en="cast goes with script_id. For text use voice.",
        )
    script = kept(app.artifacts, script_id) if script_id else None
    characters = len(text) if script is None else sum(len(line.text) for line in script.lines)
    _require_length(characters, app.settings.tts.max_characters)
    return _Matter(script, spoken_language(language or (script.language if script else languages.detect(text))))


_GivenMatter = Annotated[_Matter, Resolve(_matter)]


def _asked_for(voice: str, cast: dict[str, str] | None) -> dict[str, str]:
    """The names of voices in a request, by the names of their questions."""
    names = dict.fromkeys(name for name in (voice, *(cast or {}).values()) if name)
    return {f"voice_{number}": name for number, name in enumerate(names, 1)}


async def _whose_voice(
    ctx: Context[App], app: LentApp, matter: _GivenMatter, voice: str, cast: dict[str, str] | None
) -> Elicit[BaseModel] | None:
    """The question whose voice is meant, where a name leaves it open and somebody can say."""
    if not (voice or cast) or not can_ask(ctx):
        return None
    speaking = app.settings.language
    questions: dict[str, Choice] = {}
    for question, name in _asked_for(voice, cast).items():
        meant = [one for one in await app.studio.meant(name) if one.language == matter.language]
        if 1 < len(meant) <= _MOST_CHOICES:
            labels = {one.id: f"{Bilingual(one.name_ja, one.name_en).in_(speaking)}, {one.engine}" for one in meant}
            title = Bilingual(ja=f"「{name}」の声", en=f"Voice for {name!r}")
            questions[question] = Choice(title.in_(speaking), labels)
    if not questions:
        return None
    told = Bilingual(
        ja="同じ名前、または同じ書き出しの声がいくつかあります。どの声で読み上げますか。",
        en="Several voices have this name, or begin with it. Which one shall speak?",
    )
    return choice(told.in_(speaking), questions)


async def _meant_voices(
    answer: Annotated[ElicitationResult[BaseModel], Resolve(_whose_voice)],
    voice: str,
    cast: dict[str, str] | None,
) -> dict[str, str]:
    """The voices that were chosen, by the names that left them open."""
    refused = Bilingual(
        ja="声が選ばれなかったので、何も読み上げていません。list_voices の id で声を指定してください。",
        en="No voice was chosen, so nothing was spoken. Name the voice by its id from list_voices.",
    )
    given = chosen(answer, refused)
    return {name: given[question] for question, name in _asked_for(voice, cast).items() if question in given}


async def synthesize_voice(
    ctx: Context[App],
    app: LentApp,
    matter: _GivenMatter,
    meant: Annotated[dict[str, str], Resolve(_meant_voices)],
    text: Annotated[CleanText, Field(max_length=1_000_000, description="Text to speak; or use script_id.")] = "",
    script_id: Annotated[CleanText, Field(max_length=64, description="Script to speak; or use text.")] = "",
    voice: Annotated[
        CleanText,
        Field(max_length=80, description="Name from list_voices, e.g. ずんだもん/あまあま; default: the server's."),
    ] = "",
    cast: Annotated[
        dict[str, str] | None,
        Field(description="Voice of each speaker of the script, of any engine; others get voice.", max_length=20),
    ] = None,
    speed: Annotated[float, Field(ge=0.5, le=2, description="1 is the voice's own tempo.")] = 1.0,
    pitch: Annotated[float, Field(ge=-12, le=12, description="Semitones up or down.")] = 0.0,
    volume: Annotated[float, Field(gt=0, le=2, description="Gain; 1 leaves it.")] = 1.0,
    pause_scale: Annotated[float, Field(ge=0, le=3, description="Pauses inside sentences; 1 leaves them.")] = 1.0,
    intonation: Annotated[float, Field(ge=0, le=2, description="Melody; 1 leaves it (VOICEVOX).")] = 1.0,
    pause: Annotated[
        Pause | None, Field(description="Seconds of pauses inside sentences; default: the voice's.")
    ] = None,
    lead_in: Annotated[Pause | None, Field(description="Silence before a sentence; default: the voice's.")] = None,
    lead_out: Annotated[Pause | None, Field(description="Silence after a sentence; default: the voice's.")] = None,
    line_pause: Annotated[Pause, Field(description="Seconds after a line or sentence.")] = PAUSE_AFTER_LINE,
    section_pause: Annotated[Pause, Field(description="Seconds after a section.")] = PAUSE_AFTER_SECTION,
    format: Annotated[AudioFormat, Field(description="A WAV master is always made too.")] = "wav",  # noqa: A002
    sample_rate: Annotated[SampleRate | None, Field(description="Hz; default: the voices' own.")] = None,
    stereo: Annotated[bool, Field(description="Two equal channels.")] = False,
    language: Annotated[Language | None, Field(description="Language of text; default: told from it.")] = None,
) -> SpeechAnswer:
    """Speak text or a stored script; make audio, exactly timed subtitles and a report, all as files.

    Returns absolute paths of the recording, .srt, .vtt and report.html. The same request is answered from what was
    made before. list_voices says who can speak what. Readings can be given in the text: 漢字《かな》, 箸《ハ'シ》.
    """
    from hybrid_mcp.episode.build import Narration, narrate
    from hybrid_mcp.episode.cast import lines_of_script, lines_of_text, require_language, voices_of_script

    del script_id, language  # `matter` is made of them
    prosody = Prosody(speed, pitch, volume, pause_scale, intonation, pause, lead_in, lead_out)
    script, spoken = matter.script, matter.language
    voice = meant.get(voice, voice)
    cast = {speaker: meant.get(name, name) for speaker, name in (cast or {}).items()}

    async def narrated(first: Voice) -> Artifact:
        require_language(first, spoken)
        if script is not None:
            title = script.title
            voices = await voices_of_script(script, app.studio, first, cast, asked=bool(voice))
            lines = lines_of_script(script, voices, line_pause, section_pause)
        else:
            title, lines = lines_of_text(text, first, spoken, line_pause)
        own = max((line.voice.sample_rate for line in lines), default=first.sample_rate)
        return await narrate(
            app.studio,
            app.artifacts,
            Narration(
                title, lines, spoken, prosody, line_pause, format, sample_rate or own, 2 if stereo else 1, script
            ),
            report_language=app.settings.language,
            on_spoken=Progress(ctx, _SPOKEN),
        )

    passed: tuple[Passed, ...] = ()
    if voice:
        artifact = await narrated(await app.studio.named(voice))
    elif cast or (script and any(role.voice for role in script.cast)):
        # Who was cast is not replaced by somebody else.
        usual = await app.studio.usual(spoken)
        artifact, passed = await narrated(usual.voice), usual.passed
    else:
        artifact, usual = await app.studio.by_usual(spoken, narrated)
        passed = usual.passed
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
        passed_over=[one.text(app.settings.language) for one in passed],
        note=_note(format, estimated=made["estimated"]).in_(app.settings.language),
    )


def spoken_language(detected: str) -> Language:
    """The language a text is spoken in; one without letters is read as Japanese.

    Raises:
        UnsupportedLanguage: no engine we know speaks it.
    """
    if detected in ("ja", "und"):
        return "ja"
    if detected == "en":
        return "en"
    raise UnsupportedLanguage(
        ja=f"この文章の言語 ({detected}) を話せる声がありません。日本語か英語の文章を渡してください。"
        'ローマ字だけの日本語なら language="ja" を指定してください。',
        en=f"No voice speaks the language of this text ({detected}). Send Japanese or English text; "
        'if it is Japanese written in Latin letters, say so with language="ja".',
    )


def _require_length(characters: int, limit: int) -> None:
    if characters > limit:
        raise InvalidInput(
            ja=f"{characters:,} 文字は長すぎます (上限 {limit:,})。章ごとに分けるか、"
            "HYBRID_MCP_TTS__MAX_CHARACTERS を大きくしてください。",
            en=f"{characters:,} characters are too many (limit {limit:,}). Split them, or raise HYBRID_MCP_TTS__MAX_CHARACTERS.",
        )


def _note(audio_format: AudioFormat, *, estimated: bool) -> Bilingual:
    exact = (
        Bilingual(
            ja="行の時刻は音の長さから測ったもので、行の中の句の時刻は推定です (このエンジンは教えてくれません)。",
            en="Times of lines are measured; those of phrases inside a line are estimated, as this engine does not tell.",
        )
        if estimated
        else Bilingual(
            ja="時刻は WAV に対してフレーム単位で正確です。", en="Times are exact against the WAV, to a frame."
        )
    )
    if audio_format in ("wav", "flac"):
        return exact
    return Bilingual(
        ja=f"{exact.ja}{audio_format} には数十ミリ秒のエンコーダー遅延が加わります。",
        en=f"{exact.en} {audio_format} adds some tens of milliseconds of encoder delay.",
    )

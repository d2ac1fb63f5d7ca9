"""The steps from lines to an episode's folder."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from hybrid_mcp.artifacts import Artifact, Artifacts, Draft, artifact_id
from hybrid_mcp.episode import subtitles
from hybrid_mcp.episode.formats import MIME, AudioFormat
from hybrid_mcp.episode.master import Master, encode
from hybrid_mcp.episode.report import AudioEmbed, report
from hybrid_mcp.episode.timeline import ChapterCue, Timeline
from hybrid_mcp.languages import Language
from hybrid_mcp.script.markdown import markdown
from hybrid_mcp.script.model import Script
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import LineCue, PhraseCue, Prosody, Voice
from hybrid_mcp.tts.speak import OnSpoken, SpokenLine, speak
from hybrid_mcp.tts.studio import Studio

_LAYOUT = 4
"""Raised when the files of an episode change, so that old folders are not taken for new ones."""
_EMBED_SECONDS = 15 * 60
"""Longest recording that is put into the report itself (about 4 MB); a longer one is linked."""
_PEAKS = 1200


@dataclass(frozen=True, slots=True)
class Narration:
    """What is to be spoken, and how."""

    title: str
    lines: tuple[SpokenLine, ...]
    language: Language
    prosody: Prosody
    sentence_pause: float
    """Seconds between the sentences of a line."""
    audio_format: AudioFormat
    sample_rate: int
    channels: int
    script: Script | None = None
    """The script the lines come from, when they do."""


async def narrate(
    studio: Studio,
    artifacts: Artifacts,
    narration: Narration,
    *,
    report_language: Language,
    on_spoken: OnSpoken,
) -> Artifact:
    """Speak a narration into an episode folder, or find it spoken.

    Raises:
        InvalidInput: nothing has a sound.
        EngineError: the engine failed.
        StorageError: the folder could not be written.
    """
    voices = tuple(dict.fromkeys(line.voice for line in narration.lines))
    made_from = {
        "layout": _LAYOUT,
        "engines": await studio.identity(voices),
        "report": report_language,
        "script": narration.script.id if narration.script else None,
        **asdict(dataclasses.replace(narration, script=None)),
    }
    episode = artifact_id("audio", made_from)
    async with artifacts.making(episode) as draft:
        if isinstance(draft, Draft):
            await _make(studio, draft, narration, voices, report_language, on_spoken)
    return artifacts.get(episode, "audio")


async def _make(
    studio: Studio,
    draft: Draft,
    narration: Narration,
    voices: Sequence[Voice],
    report_language: Language,
    on_spoken: OnSpoken,
) -> None:
    terms = {voice: await studio.terms(voice) for voice in voices}
    credits_ = list(dict.fromkeys(_credit(voice, terms[voice]) for voice in voices if voice.credit))
    await studio.prepare(voices)
    wav = draft.folder / "narration.wav"
    with Master(wav, narration.sample_rate, narration.channels) as master:
        cues, estimated = await _record(studio, narration, master, on_spoken)
    engines = ", ".join(dict.fromkeys(voice.version for voice in voices))
    timeline = Timeline(master.sample_rate, master.length, tuple(cues), _chapters(narration.script, cues))
    if narration.audio_format != "wav":
        copy = draft.folder / f"narration.{narration.audio_format}"
        await in_thread(partial(encode, wav, copy, narration.audio_format))

    def write() -> int:
        """Everything but the sound; the number of cues."""
        shown = subtitles.cues(_timed(timeline), narration.language, timeline.duration)
        draft.write_text("narration.srt", subtitles.srt(shown))
        draft.write_text("narration.vtt", subtitles.vtt(shown))
        draft.write_text("credits.txt", _credits(credits_, terms))
        draft.write_text("timeline.json", json.dumps(timeline.to_json(), ensure_ascii=False, indent=1) + "\n")
        if narration.script is not None:
            draft.write_text("script.json", narration.script.model_dump_json(indent=2) + "\n")
            draft.write_text("script.md", markdown(narration.script))
        page = report(
            script=narration.script,
            timeline=timeline,
            peaks=master.peaks(_PEAKS),
            audio=_embedded(wav, timeline.duration),
            credits=credits_,
            voices=[voice.id for voice in voices],
            engine=engines,
            files=sorted([*(path.name for path in draft.folder.iterdir()), "report.html", "manifest.json"]),
            language=report_language,
        )
        draft.write_text("report.html", page)
        return len(shown)

    cue_count = await in_thread(write)
    draft.summary |= {
        "title": narration.title,
        "engine": engines,
        "voices": [voice.id for voice in voices],
        "credits": credits_,
        "language": narration.language,
        "duration_seconds": round(timeline.duration, 3),
        "sample_rate": timeline.sample_rate,
        "lines": len(timeline.lines),
        "cues": cue_count,
        "estimated": estimated,
        "audio": f"narration.{narration.audio_format}",
        "mime_type": MIME[narration.audio_format],
        "script_id": narration.script.id if narration.script else None,
        "spoken_text": "\n".join(cue.text for cue in timeline.lines),
    }


async def _record(
    studio: Studio, narration: Narration, master: Master, on_spoken: OnSpoken
) -> tuple[list[LineCue], bool]:
    """Write every line to the master; their cues, placed in it, and whether any engine left places to be guessed."""
    cues: list[LineCue] = []
    estimated = False
    lines = speak(
        studio,
        narration.lines,
        narration.prosody,
        language=narration.language,
        sentence_pause=narration.sentence_pause,
        sample_rate=narration.sample_rate,
        on_spoken=on_spoken,
    )
    async with contextlib.aclosing(lines):
        async for line in lines:
            cues.append(_moved(line.cue, master.length))
            estimated = estimated or line.estimated
            master.write(line.samples)
    return cues, estimated


def _credit(voice: Voice, terms: str) -> str:
    """What is named where the sound is published; a licence without terms of its own is part of it."""
    return f"{voice.credit} ({voice.licence})" if voice.licence and not terms else voice.credit


def _credits(lines: Sequence[str], terms: Mapping[Voice, str]) -> str:
    """What must be named, and under which terms the voices may be used."""
    named = "\n".join(lines) or "クレジットは設定されていません / No credit is configured."
    told = dict.fromkeys(text.strip() for text in terms.values() if text.strip())
    return "\n\n----\n\n".join([named, *told]) + "\n"


def _moved(cue: LineCue, by: int) -> LineCue:
    phrases = tuple(PhraseCue(phrase.text, phrase.start + by, phrase.end + by) for phrase in cue.phrases)
    return dataclasses.replace(cue, start=cue.start + by, end=cue.end + by, phrases=phrases)


def _chapters(script: Script | None, cues: Sequence[LineCue]) -> tuple[ChapterCue, ...]:
    """One chapter a section that is heard; the first starts at 0, as video sites ask."""
    if script is None:
        return ()
    starts = {cue.id: cue.start for cue in cues}
    heard = [
        (section.title, min(starts[line.id] for line in section.lines if line.id in starts))
        for section in script.sections
        if any(line.id in starts for line in section.lines)
    ]
    return tuple(ChapterCue(title, start if number else 0) for number, (title, start) in enumerate(heard))


def _timed(timeline: Timeline) -> list[subtitles.Timed]:
    return [
        subtitles.Timed(
            phrase.text,
            timeline.seconds(phrase.start),
            timeline.seconds(phrase.end),
            break_after=phrase is line.phrases[-1],
        )
        for line in timeline.lines
        for phrase in line.phrases
    ]


def _embedded(wav: Path, seconds: float) -> AudioEmbed:
    """A small MP3, which every browser plays, or a link to the master."""
    if seconds > _EMBED_SECONDS:
        return AudioEmbed(href=wav.name)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "narration.mp3"
        encode(wav, copy, "mp3", bit_rate=40_000)
        return AudioEmbed(data=copy.read_bytes(), mime=MIME["mp3"])

"""Who reads what: lines to be spoken out of a script or a text."""

from __future__ import annotations

from collections.abc import Mapping

from hybrid_mcp.errors import NotFound
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Script
from hybrid_mcp.script.sentences import sentences
from hybrid_mcp.tts.interface import SpeechEngine, Voice
from hybrid_mcp.tts.speak import SpokenLine, voice_named


def lines_of_script(
    script: Script,
    engine: SpeechEngine,
    voice: str,
    cast: Mapping[str, str],
    line_pause: float,
    section_pause: float,
) -> tuple[SpokenLine, ...]:
    """The lines of a script, each with its speaker's voice.

    The one who explains most has `voice`; each further speaker the next voice of that language, in turn.

    Raises:
        NotFound: a voice or a speaker of the cast does not exist.
    """
    voices = _voices(script, engine, voice, cast)
    return tuple(
        SpokenLine(
            line.id,
            line.speaker,
            line.text,
            voices[line.speaker],
            section_pause if line is section.lines[-1] else line_pause,
        )
        for section in script.sections
        for line in section.lines
    )


def lines_of_text(
    text: str, engine: SpeechEngine, voice: str, language: Language, line_pause: float
) -> tuple[str, tuple[SpokenLine, ...]]:
    """A title for a text, and its sentences, read by one voice.

    Raises:
        NotFound: the voice does not exist.
    """
    reader = voice_named(engine, voice)
    found = sentences(text, language)
    title = found[0] if found else ""
    lines = tuple(
        SpokenLine(f"t-{number}", reader.name_ja if language == "ja" else reader.name_en, sentence, reader, line_pause)
        for number, sentence in enumerate(found, 1)
    )
    return (title if len(title) <= 40 else title[:39] + "…"), lines


def _voices(script: Script, engine: SpeechEngine, voice: str, cast: Mapping[str, str]) -> dict[str, Voice]:
    spoken: dict[str, int] = {}
    for line in script.lines:
        spoken[line.speaker] = spoken.get(line.speaker, 0) + len(line.text)
    for speaker in cast:
        if speaker not in spoken:
            raise NotFound.named(Bilingual(ja="話者", en="speaker"), speaker, spoken)
    first = voice_named(engine, voice)
    others = [other for other in engine.voices if other.language == first.language and other is not first]
    ranked = sorted(spoken, key=lambda speaker: -spoken[speaker])
    chosen = {speaker: [first, *others][place % (len(others) + 1)] for place, speaker in enumerate(ranked)}
    return chosen | {speaker: voice_named(engine, name) for speaker, name in cast.items()}

"""Who reads what: lines to be spoken out of a script or a text."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from hybrid_mcp.errors import NotFound, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.model import Script
from hybrid_mcp.script.sentences import sentences
from hybrid_mcp.tts.interface import Voice
from hybrid_mcp.tts.speak import SpokenLine
from hybrid_mcp.tts.studio import Studio


async def voices_of_script(
    script: Script, studio: Studio, first: Voice, cast: Mapping[str, str], *, asked: bool
) -> dict[str, Voice]:
    """The voice of every speaker of a script; `first` speaks its language.

    What `cast` says comes first, then what the script's own cast says, unless a voice was `asked` for. Of the
    rest, the one who says most has `first`; each further speaker another voice of that engine, in turn.

    Raises:
        NotFound: a voice or a speaker of the cast does not exist.
        UnsupportedLanguage: a voice of the cast speaks another language.
    """
    cast = {unicodedata.normalize("NFC", speaker).strip(): name for speaker, name in cast.items()}
    spoken: dict[str, int] = {}
    for line in script.lines:
        spoken[line.speaker] = spoken.get(line.speaker, 0) + len(line.text)
    for speaker in cast:
        if speaker not in spoken:
            raise NotFound.named(Bilingual(ja="話者", en="speaker"), speaker, spoken)
    own = {} if asked else {role.name: role.voice for role in script.cast if role.voice and role.name in spoken}
    given = {speaker: await studio.named(name) for speaker, name in {**own, **cast}.items()}
    for speaker, voice in given.items():
        require_language(voice, first.language, speaker)
    free = [voice for voice in (first, *await studio.casting(first)) if voice not in given.values()] or [first]
    left = sorted((speaker for speaker in spoken if speaker not in given), key=lambda speaker: -spoken[speaker])
    return {speaker: free[place % len(free)] for place, speaker in enumerate(left)} | given


def require_language(voice: Voice, language: str, speaker: str = "") -> None:
    """Refuse a voice that speaks another language than `language`; `speaker` is who was to have it.

    Raises:
        UnsupportedLanguage: with the remedy.
    """
    if voice.language == language:
        return
    who = Bilingual(ja=f"{speaker}の声" if speaker else "声", en=f"The voice of {speaker}," if speaker else "The voice")
    raise UnsupportedLanguage(
        ja=f"{who.ja} {voice.id} が話すのは {voice.language} で、この文章は {language} です。list_voices で {language} の声を選ぶか、"
        f'文章の言語が違うなら language="{voice.language}" を指定してください。',
        en=f"{who.en} {voice.id} speaks {voice.language}, and this text is {language}. Choose a voice for {language} "
        f'from list_voices; if the text is in fact {voice.language}, say language="{voice.language}".',
    )


def lines_of_script(
    script: Script, voices: Mapping[str, Voice], line_pause: float, section_pause: float
) -> tuple[SpokenLine, ...]:
    """The lines of a script, each with its speaker's voice."""
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


def lines_of_text(text: str, voice: Voice, language: Language, line_pause: float) -> tuple[str, tuple[SpokenLine, ...]]:
    """A title for a text, and its sentences, read by one voice."""
    found = sentences(text, language)
    title = found[0] if found else ""
    name = voice.name_ja if language == "ja" else voice.name_en
    lines = tuple(
        SpokenLine(f"t-{number}", name, sentence, voice, line_pause) for number, sentence in enumerate(found, 1)
    )
    return (title if len(title) <= 40 else title[:39] + "…"), lines

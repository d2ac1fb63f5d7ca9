"""The verb: speak lines one after the other, several at once, and say where each stands."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from hybrid_mcp.errors import InvalidInput, NotFound, UnsupportedLanguage
from hybrid_mcp.languages import Bilingual, Language
from hybrid_mcp.script.phrasing import Utterance, utterances
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import LineCue, PhraseCue, Prosody, Samples, Speech, SpeechEngine, Voice

OnSpoken = Callable[[int, int], Awaitable[None]]
"""Called with utterances spoken so far, and in all."""


@dataclass(frozen=True, slots=True)
class SpokenLine:
    """A line to be spoken, and the pause that follows it."""

    id: str
    speaker: str
    text: str
    voice: Voice
    pause: float
    """Seconds of silence after the line."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A spoken line, with everything that stands before the next one."""

    samples: Samples
    cue: LineCue
    """Places counted from the start of `samples`."""


def voice_named(engine: SpeechEngine, asked: str) -> Voice:
    """The voice with this id.

    Raises:
        NotFound: naming the nearest voices.
    """
    for voice in engine.voices:
        if voice.id == asked:
            return voice
    raise NotFound.named(Bilingual(ja="声", en="voice"), asked, [voice.id for voice in engine.voices])


def require_language(engine: SpeechEngine, language: str) -> Language:
    """`language` when some voice of the engine speaks it; text without letters (`und`) suits any voice.

    Raises:
        UnsupportedLanguage: with the remedy.
    """
    spoken = sorted({voice.language for voice in engine.voices})
    if language == "und":
        language = engine.voices[0].language
    if language in spoken:
        return "ja" if language == "ja" else "en"
    raise UnsupportedLanguage(
        ja=f"この文章の言語 ({language}) を話せる声がありません。今ある声の言語: {', '.join(spoken)}。"
        '日本語の文章を渡してください。ローマ字だけの日本語なら language="ja" を指定してください。',
        en=f"No installed voice speaks the language of this text ({language}). Voices speak: {', '.join(spoken)}. "
        'Send Japanese text; if it is Japanese written in Latin letters, say so with language="ja".',
    )


async def speak(
    engine: SpeechEngine,
    lines: Sequence[SpokenLine],
    prosody: Prosody,
    *,
    language: Language,
    sentence_pause: float,
    at_once: int,
    on_spoken: OnSpoken,
) -> AsyncGenerator[Spoken]:
    """Yield the lines in order while up to `at_once` utterances are being spoken ahead.

    Memory holds only what is ahead. Closing the iterator, or cancelling, stops the rest.

    Raises:
        InvalidInput: nothing in the lines has a sound.
        EngineError: the engine failed.
    """
    planned = await in_thread(lambda: [utterances(line.text, language) for line in lines])
    total = sum(len(parts) for parts in planned)
    if total == 0:
        raise InvalidInput(
            ja="読み上げられる文字がありません (記号や絵文字だけです)。言葉を含む文章を渡してください。",
            en="There is nothing to speak (only symbols or emoji). Send text that contains words.",
        )
    waiting = ((part, line.voice) for line, parts in zip(lines, planned, strict=True) for part in parts)

    def begin(count: int) -> list[asyncio.Task[Speech]]:
        return [asyncio.create_task(engine.speak(part, voice, prosody)) for part, voice in islice(waiting, count)]

    ahead = deque(begin(at_once + 1))  # one more than can run, so that no worker waits for us
    done = 0
    try:
        for line, parts in zip(lines, planned, strict=True):
            speeches: list[Speech] = []
            for _ in parts:
                speeches.append(await ahead.popleft())
                ahead.extend(begin(1))
                done += 1
                await on_spoken(done, total)
            if speeches:
                yield _joined(line, parts, speeches, engine.sample_rate, sentence_pause)
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


def _joined(
    line: SpokenLine, parts: Sequence[Utterance], speeches: Sequence[Speech], sample_rate: int, sentence_pause: float
) -> Spoken:
    """One line out of its sentences, with the pauses between them and after it."""
    import numpy as np  # noqa: PLC0415  (80 ms that no other tool needs)

    sounds: list[Samples] = []
    cues: list[PhraseCue] = []
    place = 0
    for number, (part, speech) in enumerate(zip(parts, speeches, strict=True), 1):
        cues += [
            PhraseCue(phrase.shown, place + start, place + end)
            for phrase, (start, end) in zip(part, speech.bounds, strict=True)
        ]
        pause = line.pause if number == len(parts) else sentence_pause
        silence = np.zeros(round(pause * sample_rate), np.float32)
        sounds += [speech.samples, silence]
        place += len(speech.samples) + len(silence)
    cue = LineCue(line.id, line.speaker, line.voice.id, line.text, cues[0].start, cues[-1].end, tuple(cues))
    return Spoken(np.concatenate(sounds), cue)

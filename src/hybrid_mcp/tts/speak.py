"""The verb: speak lines one after the other, several at once, and say where each stands."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Language
from hybrid_mcp.script import ruby
from hybrid_mcp.script.phrasing import Utterance, utterances
from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import LineCue, PhraseCue, Prosody, Samples, Speech, Voice
from hybrid_mcp.tts.rates import in_rate
from hybrid_mcp.tts.studio import Studio

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
    estimated: bool
    """Whether places inside its sentences are guessed, see `Speech.estimated`."""


async def speak(
    studio: Studio,
    lines: Sequence[SpokenLine],
    prosody: Prosody,
    *,
    language: Language,
    sentence_pause: float,
    sample_rate: int,
    on_spoken: OnSpoken,
) -> AsyncGenerator[Spoken]:
    """Yield the lines in order, at `sample_rate`, while the engines speak ahead, as many sentences as they can at once.

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
        return [asyncio.create_task(studio.speak(part, voice, prosody)) for part, voice in islice(waiting, count)]

    # One more than can run, so that no engine waits for us.
    ahead = deque(begin(studio.parallel(line.voice for line in lines) + 1))
    done = 0
    try:
        for line, parts in zip(lines, planned, strict=True):
            speeches: list[Speech] = []
            for _ in parts:
                speeches.append(await in_rate(await ahead.popleft(), sample_rate))
                ahead.extend(begin(1))
                done += 1
                await on_spoken(done, total)
            if speeches:
                yield _joined(line, parts, speeches, sample_rate, sentence_pause)
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
    cue = LineCue(line.id, line.speaker, line.voice.id, ruby.shown(line.text), cues[0].start, cues[-1].end, tuple(cues))
    return Spoken(np.concatenate(sounds), cue, any(speech.estimated for speech in speeches))

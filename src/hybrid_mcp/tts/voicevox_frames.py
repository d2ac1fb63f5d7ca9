"""How long VOICEVOX will speak, known before it does.

Its engine (`tts_engine.py`) counts in frames, 93.75 a second, 256 samples of 24 kHz each:

1. A voiced last mora of a question gets another one of 0.15 s behind it, if upspeak is on.
2. Pauses become `pauseLength` seconds long, if it is given, then `pauseLengthScale` times as long;
   silence of `prePhonemeLength` and `postPhonemeLength` seconds is put around.
3. Every phoneme, pause and silence is divided by `speedScale`, and rounded to whole frames, halves to even.

The sum over the phonemes is the length of the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hybrid_mcp.tts.voicevox_query import AccentPhrase, AudioQuery, Mora

_UPSPEAK = 0.15
"""Seconds of the mora with which a question rises."""


@dataclass(frozen=True, slots=True)
class PhraseFrames:
    """Frames of an accent phrase."""

    moras: tuple[int, ...]
    """Of each mora, the rise of a question last."""
    pause: int
    """Of the pause behind it."""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a whole query, in order."""

    before: int
    phrases: tuple[PhraseFrames, ...]
    after: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.before + sum(sum(phrase.moras) + phrase.pause for phrase in self.phrases) + self.after


def frames(query: AudioQuery, *, frame_rate: float, upspeak: bool) -> Frames:
    """Frames of everything in `query`; `upspeak`: whether the engine is asked to let questions rise."""

    def count(seconds: float) -> int:
        return round(seconds / query.speed_scale * frame_rate)

    def of_mora(mora: Mora) -> int:
        consonant = 0 if mora.consonant_length is None else count(mora.consonant_length)
        return consonant + count(mora.vowel_length)

    def of_phrase(phrase: AccentPhrase) -> PhraseFrames:
        moras = [of_mora(mora) for mora in phrase.moras]
        if upspeak and phrase.is_interrogative and phrase.moras and phrase.moras[-1].pitch > 0:
            moras.append(count(_UPSPEAK))
        pause = 0
        if phrase.pause_mora is not None:
            length = phrase.pause_mora.vowel_length if query.pause_length is None else query.pause_length
            pause = count(length * query.pause_length_scale)
        return PhraseFrames(tuple(moras), pause)

    return Frames(
        count(query.pre_phoneme_length),
        tuple(of_phrase(phrase) for phrase in query.accent_phrases),
        count(query.post_phoneme_length),
    )


def bounds(counted: Frames, shares: Sequence[int]) -> list[tuple[int, int]]:
    """First frame and end of each phrase; `shares` says of how many accent phrases each consists.

    Pauses inside a phrase belong to it, the one behind it does not. A phrase of none stands where the one
    before it ends.
    """
    places: list[tuple[int, int]] = []
    here = end = counted.before
    rest = iter(counted.phrases)
    for share in shares:
        start = here if share else end
        for _ in range(share):
            phrase = next(rest)
            end = here + sum(phrase.moras)
            here = end + phrase.pause
        places.append((start, end))
    return places


def placed(
    counted: Frames, shares: Sequence[int], samples: int, per_frame: float
) -> tuple[tuple[tuple[int, int], ...], bool]:
    """First sample and end of each phrase in a sound of `samples`, and whether they are estimated.

    An engine that speaks our frames keeps them within one. One that takes its own time (AivisSpeech) is
    believed only in its length: the phrases share it as predicted, or mora by mora if nothing was predicted.
    """
    exact = abs(samples - counted.total * per_frame) <= per_frame
    if not exact:
        counted = _by_moras(counted) if not any(sum(phrase.moras) for phrase in counted.phrases) else counted
        per_frame = samples / max(counted.total, 1)
    places = bounds(counted, shares)
    return tuple((_at(start, per_frame, samples), _at(end, per_frame, samples)) for start, end in places), not exact


def _at(frame: int, per_frame: float, samples: int) -> int:
    return min(round(frame * per_frame), samples)


def _by_moras(counted: Frames) -> Frames:
    """Every mora as long as the others, for engines that predict nothing."""
    even = [PhraseFrames((1,) * len(phrase.moras), 0) for phrase in counted.phrases]
    return Frames(0, tuple(even), 0)

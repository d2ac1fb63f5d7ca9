"""Labels to sound with HTS, and the place of every phrase in it.

HTS gives no durations, but at speed 1 synthesising any run of labels alone gives exactly the frames
it has in the whole (FACTS.md), so the place of every phrase is known to one 5 ms frame. At other
speeds the engine rounds over what it is given; each breath is then synthesised by itself and joined,
its loudness taken from the speed-1 rendering because HTS normalises variance over what it is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_mcp.tts.interface import Prosody, Samples

if TYPE_CHECKING:
    from pyopenjtalk.htsengine import HTSEngine

FRAME = 240
"""Samples of one HTS frame: 5 ms at 48 kHz (`HTSEngine.get_fperiod()`)."""
_FRAMES_PER_SECOND = 200
_FULL_SCALE = 32768.0


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive labels: a phrase, or (`phrase` is None) a silence of the voice."""

    labels: tuple[str, ...]
    phrase: int | None


def runs_of(phrases: Sequence[str], pauses: Sequence[bool], oj: Any) -> list[Run]:
    """The labels of an utterance, as runs of one phrase or one silence each.

    Every phrase is analysed by itself, so that its labels can be counted; they are chained with the
    feature of a 、 where the voice pauses (`pauses`: after which phrases), and labelled as one
    sentence, which keeps the intonation. `oj` is the pyopenjtalk module.
    """
    comma = next(feature for feature in oj.run_frontend("あ、い") if feature["string"] == "、")
    features: list[Any] = []
    alone: list[list[str]] = []
    paused = False
    for phrase, pause in zip(phrases, pauses, strict=True):
        own = oj.run_frontend(phrase)
        while own and own[0]["pos"] == "記号" and own[0]["mora_size"] == 0:
            own.pop(0)
        while own and own[-1]["pos"] == "記号" and own[-1]["mora_size"] == 0 and own[-1]["string"] not in "?？":
            own.pop()
        alone.append(list(oj.make_label(own)) if own else [])
        if len(alone[-1]) > 2:
            features += [comma, *own] if features and paused else own
            paused = pause
    counts = [max(0, len(labels) - 2) for labels in alone]  # without the silence at both ends
    sounds = [index for index, count in enumerate(counts) if count]
    if not sounds:
        return []
    labels = oj.make_label(features)
    if len(labels) != 2 + sum(counts) + sum(pauses[index] for index in sounds[:-1]):
        # Chaining joined or split a pause that we counted: then each phrase is a sentence of its own, and exact.
        return [run for index in sounds for run in _sentence(alone[index], index)]
    runs = [Run((labels[0],), None)]
    position = 1
    for index in sounds:
        runs.append(Run(tuple(labels[position : position + counts[index]]), index))
        position += counts[index]
        if pauses[index] and index != sounds[-1]:
            runs.append(Run((labels[position],), None))
            position += 1
    runs.append(Run((labels[-1],), None))
    return runs


def _sentence(labels: Sequence[str], phrase: int) -> list[Run]:
    return [Run((labels[0],), None), Run(tuple(labels[1:-1]), phrase), Run((labels[-1],), None)]


def render(
    runs: Sequence[Run], phrases: int, hts: HTSEngine, semitones: float, prosody: Prosody
) -> tuple[Samples, tuple[tuple[int, int], ...]]:
    """The sound of the runs, and the bounds of every phrase in it."""

    def synthesize(labels: Sequence[str], speed: float) -> Samples:
        hts.set_speed(speed)
        hts.add_half_tone(semitones)
        # Vowels held for seconds make the filter overflow: such samples are silence, not noise at full scale.
        sound: Samples = np.nan_to_num(hts.synthesize(list(labels))).clip(-_FULL_SCALE, _FULL_SCALE).astype(np.float32)
        return sound

    whole = synthesize([label for run in runs for label in run.labels], 1.0)
    lengths = [len(synthesize(run.labels, 1.0)) for run in runs]
    pieces = np.split(whole, np.cumsum(lengths)[:-1]) if runs else []
    if prosody.speed != 1.0:
        pieces = [
            piece
            for breath in _breaths(runs)
            for piece in _share(
                synthesize([label for run in runs[breath] for label in run.labels], prosody.speed), pieces[breath]
            )
        ]
    bounds = [(0, 0)] * phrases
    place = 0
    placed: list[Samples] = []
    for number, (run, piece) in enumerate(zip(runs, pieces, strict=True)):
        placed_piece = piece if run.phrase is not None else _silence(piece, number, len(runs), prosody)
        if run.phrase is not None:
            bounds[run.phrase] = (place, place + len(placed_piece))
        placed.append(placed_piece)
        place += len(placed_piece)
    # A phrase without labels of its own ends where its predecessor ends.
    for index in range(1, phrases):
        if bounds[index] == (0, 0):
            bounds[index] = (bounds[index - 1][1], bounds[index - 1][1])
    sound = np.concatenate(placed) if placed else np.zeros(0, np.float32)
    return np.clip(sound * np.float32(prosody.volume / _FULL_SCALE), -1.0, 1.0), tuple(bounds)


def _breaths(runs: Sequence[Run]) -> Iterator[slice]:
    """The runs that have no silence between them, and each silence by itself."""
    start = 0
    for number in range(1, len(runs) + 1):
        if number == len(runs) or runs[number].phrase is None or runs[number - 1].phrase is None:
            yield slice(start, number)
            start = number


def _share(samples: Samples, model: Sequence[Samples]) -> list[Samples]:
    """`samples` at the loudness of `model`, cut into pieces of the same proportions, at whole frames."""
    whole = np.concatenate(model)
    loud, wanted = float(np.sqrt(np.mean(samples**2))), float(np.sqrt(np.mean(whole**2)))
    if loud > 0:
        samples = samples * np.float32(wanted / loud)
    frames = len(samples) // FRAME
    cuts = [round(end / len(whole) * frames) * FRAME for end in np.cumsum([len(piece) for piece in model])[:-1]]
    return np.split(samples, cuts)


def _silence(samples: Samples, number: int, runs: int, prosody: Prosody) -> Samples:
    """The silence of run `number`, as long as is asked for."""
    own = len(samples) / (FRAME * _FRAMES_PER_SECOND)
    if number == 0:
        seconds = own if prosody.lead_in is None else prosody.lead_in
    elif number == runs - 1:
        seconds = own if prosody.lead_out is None else prosody.lead_out
    else:
        seconds = (own if prosody.pause is None else prosody.pause) * prosody.pause_scale
    return _stretch_silence(samples, round(seconds * _FRAMES_PER_SECOND))


def _stretch_silence(samples: Samples, frames: int) -> Samples:
    """A silence made longer with silence in its middle, or shorter from its middle, to so many frames."""
    wanted, half = frames * FRAME, len(samples) // 2
    if wanted >= len(samples):
        return np.insert(samples, half, np.zeros(wanted - len(samples), np.float32))
    cut = (len(samples) - wanted) // 2
    return np.concatenate([samples[: half - cut], samples[half + (len(samples) - wanted - cut) :]])

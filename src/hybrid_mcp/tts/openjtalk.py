"""Open JTalk in process: the Japanese voice that needs no server.

HTS gives no durations, but at speed 1 synthesising any run of labels alone gives exactly the frames
it has in the whole (FACTS.md), so the place of every phrase is known to one 5 ms frame. At other
speeds the engine rounds over what it is given; each breath is then synthesised by itself and joined,
its loudness taken from the speed-1 rendering because HTS normalises variance over what it is given.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from hybrid_mcp.errors import EngineError
from hybrid_mcp.tts.interface import Phrase, Prosody, Samples, Speech, Voice

if TYPE_CHECKING:
    from pyopenjtalk.htsengine import HTSEngine

SAMPLE_RATE = 48_000
FRAME = 240
"""Samples of one HTS frame: 5 ms (`HTSEngine.get_fperiod()`)."""
_FULL_SCALE = 32768.0
_CREDIT = 'HTS Voice "Mei": © 2009-2018 Nagoya Institute of Technology, Department of Computer Science (MMDAgent Project Team)'


def _voices(engine: str) -> tuple[Voice, ...]:
    """The one voice in the wheel, and the same voice lower and higher, so that a dialogue can be told apart."""
    kinds = (
        ("mei", "メイ", "Mei", 0.0),
        ("mei-low", "メイ (低め)", "Mei, lower", -4.0),
        ("mei-high", "メイ (高め)", "Mei, higher", 3.0),
    )
    return tuple(Voice(key, ja, en, "ja", engine, _CREDIT, "CC BY 3.0", shift) for key, ja, en, shift in kinds)


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive labels: a phrase, or (`phrase` is None) a silence of the voice."""

    labels: tuple[str, ...]
    phrase: int | None


class OpenJTalk:
    """A `SpeechEngine`. Every worker has an HTS engine of its own; the module's global one serialises."""

    def __init__(self, workers: int = 0) -> None:
        self.name = f"Open JTalk (pyopenjtalk-plus {version('pyopenjtalk-plus')})"
        self.sample_rate = SAMPLE_RATE
        self.voices = _voices(self.name)
        self.parallel = workers or os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self.parallel, thread_name_prefix="openjtalk")
        self._idle: queue.SimpleQueue[HTSEngine] = queue.SimpleQueue()
        # The front end shares one dictionary and one tagger; it takes a hundredth of the synthesis.
        self._front_end = threading.Lock()

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """See `SpeechEngine.speak`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._speak, phrases, voice, prosody)

    async def close(self) -> None:
        """See `SpeechEngine.close`."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        import pyopenjtalk  # noqa: PLC0415  (0.4-1.6 s, 60 MB)
        from pyopenjtalk.htsengine import HTSEngine  # noqa: PLC0415

        try:
            with self._front_end:
                runs = _runs(phrases, pyopenjtalk)
            try:
                hts = self._idle.get_nowait()
            except queue.Empty:
                hts = HTSEngine(pyopenjtalk.DEFAULT_HTS_VOICE)
            try:
                samples, bounds = _render(runs, len(phrases), hts, voice.semitones + prosody.pitch, prosody)
            finally:
                self._idle.put(hts)
        except RuntimeError as error:
            raise EngineError(
                ja=f"Open JTalk がこの文を読めませんでした ({error})。文を短くするか、記号を減らしてください。",
                en=f"Open JTalk could not speak this sentence ({error}). Shorten it or remove symbols.",
            ) from error
        samples = np.clip(samples * (prosody.volume / _FULL_SCALE), -1.0, 1.0).astype(np.float32)
        return Speech(samples, SAMPLE_RATE, bounds)


def _runs(phrases: Sequence[Phrase], oj: Any) -> list[_Run]:
    """The labels of an utterance, as runs of one phrase or one silence each.

    Every phrase is analysed by itself, so that its labels can be counted; they are chained with the
    feature of a 、 where the voice pauses, and labelled as one sentence, which keeps the intonation.
    """
    comma = next(feature for feature in oj.run_frontend("あ、い") if feature["string"] == "、")
    features: list[Any] = []
    counts: list[int] = []
    pauses: list[bool] = []
    for phrase in phrases:
        own = oj.run_frontend(phrase.spoken)
        while own and own[0]["pos"] == "記号" and own[0]["mora_size"] == 0:
            own.pop(0)
        while own and own[-1]["pos"] == "記号" and own[-1]["mora_size"] == 0 and own[-1]["string"] not in "?？":
            own.pop()
        labels = oj.make_label(own) if own else []
        if features and counts[-1] and pauses[-1] and len(labels) > 2:
            features.append(comma)
        features += own
        counts.append(max(0, len(labels) - 2))  # without the silence at both ends
        pauses.append(phrase.pause_after)
    labels = oj.make_label(features) if features else []
    sounds = [index for index, count in enumerate(counts) if count]
    gaps = sum(pauses[index] for index in sounds[:-1])
    if len(labels) != 2 + sum(counts) + gaps or not sounds:
        # Some symbol made a pause we did not count: keep the line exact, and its phrases within it.
        whole = _Run(tuple(labels[1:-1]), sounds[0] if sounds else None)
        return [_Run((labels[0],), None), whole, _Run((labels[-1],), None)] if len(labels) > 2 else []
    runs = [_Run((labels[0],), None)]
    position = 1
    for index in sounds:
        runs.append(_Run(tuple(labels[position : position + counts[index]]), index))
        position += counts[index]
        if pauses[index] and index != sounds[-1]:
            runs.append(_Run((labels[position],), None))
            position += 1
    runs.append(_Run((labels[-1],), None))
    return runs


def _render(
    runs: Sequence[_Run], phrases: int, hts: HTSEngine, semitones: float, prosody: Prosody
) -> tuple[Samples, tuple[tuple[int, int], ...]]:
    """The sound of the runs, and the bounds of every phrase in it."""

    def synthesize(labels: Sequence[str], speed: float) -> Samples:
        hts.set_speed(speed)
        hts.add_half_tone(semitones)
        return hts.synthesize(list(labels)).astype(np.float32)

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
        inner_pause = run.phrase is None and 0 < number < len(runs) - 1
        sound = _stretch_silence(piece, prosody.pause_scale) if inner_pause else piece
        if run.phrase is not None:
            bounds[run.phrase] = (place, place + len(sound))
        placed.append(sound)
        place += len(sound)
    # A phrase without labels of its own ends where its predecessor ends.
    for index in range(1, phrases):
        if bounds[index] == (0, 0):
            bounds[index] = (bounds[index - 1][1], bounds[index - 1][1])
    return (np.concatenate(placed) if placed else np.zeros(0, np.float32)), tuple(bounds)


def _breaths(runs: Sequence[_Run]) -> Iterator[slice]:
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


def _stretch_silence(samples: Samples, scale: float) -> Samples:
    """A pause made longer with silence in its middle, or shorter from its middle, by whole frames."""
    frames = round(len(samples) / FRAME * scale)
    wanted, half = frames * FRAME, len(samples) // 2
    if wanted >= len(samples):
        return np.insert(samples, half, np.zeros(wanted - len(samples), np.float32))
    cut = (len(samples) - wanted) // 2
    return np.concatenate([samples[: half - cut], samples[half + (len(samples) - wanted - cut) :]])

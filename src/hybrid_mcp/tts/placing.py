"""Where the phrases of a sentence stand in its sound, when the engine does not tell: guessed from its silences."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from hybrid_mcp.tts.interface import Prosody, Samples

_FRAME = 0.01
"""Seconds over which loudness is measured."""
_QUIET = 0.01
"""Share of the loudest frame below which a frame is silent: −40 dB."""
_FAINTEST = 1e-4
"""Loudness below which everything is silent: −80 dB of full scale."""
_SHORTEST_GAP = 5
"""Frames of silence that may be a pause between phrases; the stops inside words are shorter."""


def placed(
    samples: Samples, rate: int, weights: Sequence[float], prosody: Prosody
) -> tuple[Samples, tuple[tuple[int, int], ...]]:
    """The sound as loud, and with as much silence around it, as is asked for; and the bounds of its phrases.

    The first phrase starts and the last one ends where the sound does, which is measured. Between two phrases
    the cut is expected where their weights say, and made in the nearest silence that is not too far away.

    Args:
        samples: a spoken sentence.
        rate: samples per second.
        weights: how long each phrase is in relation to the others; 0 for one without a sound.
        prosody: its `volume`, `lead_in` and `lead_out` are applied.
    """
    quiet = _quiet_frames(samples, rate)
    if quiet.all():
        return samples, ((0, 0),) * len(weights)
    frame = round(_FRAME * rate)
    loud = np.flatnonzero(~quiet)
    start, end = int(loud[0]) * frame, min((int(loud[-1]) + 1) * frame, len(samples))
    gaps = [(first * frame, last * frame) for first, last in _runs(quiet) if start < first * frame < last * frame < end]
    lead_in = start if prosody.lead_in is None else round(prosody.lead_in * rate)
    lead_out = len(samples) - end if prosody.lead_out is None else round(prosody.lead_out * rate)
    moved = lead_in - start
    bounds = tuple((first + moved, last + moved) for first, last in _bounds(start, end, weights, gaps))
    front = np.zeros(max(0, moved), np.float32)
    back = np.zeros(max(0, end + lead_out - len(samples)), np.float32)
    kept = samples[max(0, -moved) : end + lead_out]
    sound = np.concatenate([front, kept, back]) * np.float32(prosody.volume)
    return sound.clip(-1.0, 1.0), bounds


def _quiet_frames(samples: Samples, rate: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    frame = round(_FRAME * rate)
    padded = np.concatenate([samples, np.zeros(-len(samples) % frame, np.float32)])
    loudness = np.sqrt(np.mean(padded.reshape(-1, frame) ** 2, axis=1))
    return np.asarray(loudness < max(float(loudness.max(initial=0.0)) * _QUIET, _FAINTEST))


def _runs(quiet: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """First frame and end of every silence that is long enough to be a pause."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= _SHORTEST_GAP]


def _bounds(start: int, end: int, weights: Sequence[float], gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    sounding = [index for index, weight in enumerate(weights) if weight > 0]
    lengths = [weights[index] for index in sounding]
    scale = (end - start) / (sum(lengths) or 1.0)
    bounds = [(start, start)] * len(weights)
    begin = start
    for place, (index, reached) in enumerate(zip(sounding, accumulate(lengths), strict=True)):
        if place == len(sounding) - 1:
            bounds[index] = (begin, end)
            break
        expected = max(begin, start + round(reached * scale))
        reach = min(lengths[place], lengths[place + 1]) * scale / 2
        near = [gap for gap in gaps if gap[0] > begin and abs((gap[0] + gap[1]) / 2 - expected) <= reach]
        stop, following = min(near, key=lambda gap: abs((gap[0] + gap[1]) / 2 - expected), default=(expected, expected))
        bounds[index] = (begin, stop)
        begin = following
    # A phrase without a sound stands where its predecessor ends.
    for index in range(1, len(weights)):
        if weights[index] <= 0:
            bounds[index] = (bounds[index - 1][1], bounds[index - 1][1])
    return bounds

"""Engines speak at rates of their own; a master has one."""

from __future__ import annotations

import dataclasses

from hybrid_mcp.threads import in_thread
from hybrid_mcp.tts.interface import Speech


async def in_rate(speech: Speech, sample_rate: int) -> Speech:
    """The same speech at another rate; places are moved to the nearest sample."""
    if speech.sample_rate == sample_rate:
        return speech
    if not len(speech.samples):  # FFmpeg takes no frame of nothing
        return dataclasses.replace(speech, sample_rate=sample_rate)
    return await in_thread(lambda: _resampled(speech, sample_rate))


def _resampled(speech: Speech, sample_rate: int) -> Speech:
    import av  # noqa: PLC0415  (FFmpeg; 0.2 s)
    import numpy as np  # noqa: PLC0415

    ratio = sample_rate / speech.sample_rate
    length = round(len(speech.samples) * ratio)
    converter = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
    frame = av.AudioFrame.from_ndarray(np.atleast_2d(speech.samples), format="flt", layout="mono")
    frame.sample_rate = speech.sample_rate
    pieces = [piece.to_ndarray()[0] for given in (frame, None) for piece in converter.resample(given)]
    samples = np.concatenate([*pieces, np.zeros(length, np.float32)])[:length].clip(-1.0, 1.0)
    bounds = tuple((round(start * ratio), round(end * ratio)) for start, end in speech.bounds)
    return dataclasses.replace(speech, samples=samples, sample_rate=sample_rate, bounds=bounds)

"""How much faster several Open JTalk workers are than one, alternately in the same run.

Run: python benchmarks/speaking_at_once.py
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time

from hybrid_mcp.script.phrasing import utterances
from hybrid_mcp.tts.interface import Prosody
from hybrid_mcp.tts.openjtalk import OpenJTalk

TEXT = "深層学習は、1986年に提案された誤差逆伝播法によって、大きく発展しました。" * 12


async def speak(engine: OpenJTalk) -> tuple[float, float]:
    """Seconds taken, and seconds of sound."""
    began = time.perf_counter()
    speeches = await asyncio.gather(
        *(engine.speak(part, engine.voices[0], Prosody()) for part in utterances(TEXT, "ja"))
    )
    return time.perf_counter() - began, sum(len(speech.samples) for speech in speeches) / engine.sample_rate


async def main() -> None:
    """Compare one worker with one per core, medians of five."""
    cores = os.cpu_count() or 1
    engines = {workers: OpenJTalk(workers) for workers in (1, cores)}
    taken: dict[int, list[float]] = {workers: [] for workers in engines}
    sound = 0.0
    for turn in range(6):
        for workers, engine in engines.items():
            seconds, sound = await speak(engine)
            if turn:  # the first loads the dictionaries
                taken[workers].append(seconds)
    for engine in engines.values():
        await engine.close()
    medians = {workers: statistics.median(times) for workers, times in taken.items()}
    for workers, median in medians.items():
        print(f"{workers} workers: {median:.2f} s for {sound:.1f} s of sound, real-time factor {median / sound:.3f}")
    print(f"{cores} workers are {medians[1] / medians[cores]:.2f} x as fast as one")


if __name__ == "__main__":
    asyncio.run(main())

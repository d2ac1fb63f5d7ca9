"""How little speaking adds to a VOICEVOX engine: n sentences of t seconds, k at a time, against n * t / k.

The engine is scripted (tests/peers) and takes exactly t for a sound, however long it is; one round before warms it up.

Run: python benchmarks/speaking_voicevox.py
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from peers.voicevox import voicevox_engine

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Outgoing, TextToSpeech
from hybrid_mcp.egress import Egress
from hybrid_mcp.tts.interface import Prosody
from hybrid_mcp.tts.speak import SpokenLine, speak
from hybrid_mcp.tts.studio import Studio
from hybrid_mcp.tts.voicevox import Voicevox

SENTENCES = 24
SECONDS = 0.5
AT_ONCE = (1, 2, 4)
TEXT = "深層学習は、誤差逆伝播法によって、大きく発展しました。"


async def spoken(studio: Studio) -> float:
    """Seconds from asking to the last line."""
    voice = (await studio.roll()).voices[0]
    lines = [SpokenLine(str(number), "", TEXT, voice, 0.5) for number in range(SENTENCES)]

    async def ignore(done: int, total: int) -> None:
        del done, total

    began = time.perf_counter()
    async for _ in speak(
        studio,
        lines,
        Prosody(),
        language="ja",
        sentence_pause=0.3,
        sample_rate=voice.sample_rate,
        on_spoken=ignore,
    ):
        pass
    return time.perf_counter() - began


async def main() -> None:
    """Print the ratio for several numbers of sentences at a time."""

    async def take(kana: str) -> None:
        del kana
        await asyncio.sleep(seconds)

    for parallel in AT_ONCE:
        seconds = 0.0
        async with voicevox_engine(before=take) as engine:
            backend = Backend("voicevox", parallel=parallel, deadline=60)
            voicevox = Voicevox("voicevox", engine.url, TextToSpeech(parallel=parallel), Egress(Outgoing()), backend)
            studio = Studio([voicevox])
            await spoken(studio)
            seconds = SECONDS
            taken = await spoken(studio)
            await voicevox.close()
        least = math.ceil(SENTENCES / parallel) * SECONDS
        print(
            f"{parallel} at a time: {taken:.2f} s for {SENTENCES} sentences of {SECONDS} s, "
            f"{taken / least:.3f} x the least possible {least:.2f} s; at once {engine.most_at_once}"
        )


if __name__ == "__main__":
    asyncio.run(main())

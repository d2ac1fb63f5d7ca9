"""Open JTalk in process: the Japanese voice that needs no server."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import EngineError
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.telemetry import Measured
from hybrid_mcp.tts.interface import Prosody, Speech, Voice

if TYPE_CHECKING:
    from pyopenjtalk.htsengine import HTSEngine

NAME = "openjtalk"
SAMPLE_RATE = 48_000
_CREDIT = 'HTS Voice "Mei": © 2009-2018 Nagoya Institute of Technology, Department of Computer Science (MMDAgent Project Team)'


def _voices(version: str) -> tuple[Voice, ...]:
    """The one voice in the wheel, and the same voice lower and higher, so that a dialogue can be told apart."""
    kinds = (
        ("mei", "メイ", "Mei", 0.0),
        ("mei-low", "メイ (低め)", "Mei, lower", -4.0),
        ("mei-high", "メイ (高め)", "Mei, higher", 3.0),
    )
    return tuple(
        Voice(key, ja, en, "ja", NAME, version, _CREDIT, "CC BY 3.0", SAMPLE_RATE, speaker=key, semitones=shift)
        for key, ja, en, shift in kinds
    )


class OpenJTalk:
    """A `SpeechEngine`. Every worker has an HTS engine of its own; the module's global one serialises.

    It cannot change its intonation: `Prosody.intonation` is left aside.
    """

    name = NAME

    def __init__(self, workers: int = 0, measured: Measured = nullcontext) -> None:
        self.version = f"Open JTalk (pyopenjtalk-plus {version('pyopenjtalk-plus')})"
        self.parallel = workers or os.cpu_count() or 1
        self._measured = measured
        self._voices = _voices(self.version)
        self._threads = ThreadPoolExecutor(self.parallel, thread_name_prefix="openjtalk")
        self._idle: queue.SimpleQueue[HTSEngine] = queue.SimpleQueue()
        # The front end shares one dictionary and one tagger; it takes a hundredth of the synthesis.
        self._front_end = threading.Lock()

    async def check(self) -> Health:
        """See `SpeechEngine.check`: it is in this process."""
        return Health(self.version)

    async def voices(self) -> tuple[Voice, ...]:
        """See `SpeechEngine.voices`."""
        return self._voices

    async def prepare(self, voices: Sequence[Voice]) -> None:
        """See `SpeechEngine.prepare`: every worker loads at its first sentence, which costs it 0.1 s."""

    async def terms(self, voice: Voice) -> str:
        """See `SpeechEngine.terms`: the licence says all."""
        del voice
        return ""

    async def identity(self) -> str:
        """See `SpeechEngine.identity`."""
        from hybrid_mcp.lexicon.version import readings_version  # noqa: PLC0415  (65 ms of tables)

        return f"{self.version} e2k {version('e2k')} readings {readings_version()}"

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        """See `SpeechEngine.speak`."""
        with self._measured(
            "speak"
        ):  # waiting for a worker included: all of an hour's sentences may be asked for at once
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._speak, phrases, voice, prosody)

    async def close(self) -> None:
        """See `SpeechEngine.close`."""
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        import pyopenjtalk  # noqa: PLC0415  (0.4-1.6 s, 60 MB)
        from pyopenjtalk.htsengine import HTSEngine  # noqa: PLC0415

        from hybrid_mcp.lexicon.english import kana  # noqa: PLC0415  (tables: not at start-up)
        from hybrid_mcp.script import ruby  # noqa: PLC0415
        from hybrid_mcp.tts import hts  # noqa: PLC0415  (numpy)

        try:
            with self._front_end:
                runs = hts.runs_of(
                    [kana(ruby.plain(phrase.spoken)) for phrase in phrases],
                    [p.pause_after for p in phrases],
                    pyopenjtalk,
                )
            try:
                engine = self._idle.get_nowait()
            except queue.Empty:
                engine = HTSEngine(pyopenjtalk.DEFAULT_HTS_VOICE)
            try:
                samples, bounds = hts.render(runs, len(phrases), engine, voice.semitones + prosody.pitch, prosody)
            finally:
                self._idle.put(engine)
        except RuntimeError as error:
            raise EngineError(
                ja=f"Open JTalk がこの文を読めませんでした ({error})。文を短くするか、記号を減らしてください。",
                en=f"Open JTalk could not speak this sentence ({error}). Shorten it or remove symbols.",
            ) from error
        return Speech(samples, SAMPLE_RATE, bounds)

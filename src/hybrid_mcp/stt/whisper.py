"""Hearing with faster-whisper: Whisper on CTranslate2, int8, on the CPU."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import DeadlineExceeded, EngineError, HybridError, ModelMissing, NotFound
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.stt.decoding import RATE, Limits, decode
from hybrid_mcp.stt.interface import OnHeard, Segment, Transcript, Word
from hybrid_mcp.stt.spoken import code_of, unheard
from hybrid_mcp.telemetry import Measured
from hybrid_mcp.threads import ended, in_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WEIGHTS = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_BLOCK = 240 * RATE
"""Samples heard at once. faster-whisper's spectrogram takes about 1 MB a second: 30 minutes in one piece
took 2 GB, five minutes 0.35 GB (measured)."""
_TAIL = 60 * RATE
"""Samples at the end of a block among which the longest pause is looked for, to cut there."""
_SILENCE = 2.0
"""Seconds of silence that are taken out before Whisper listens (faster-whisper's default)."""
_TEMPERATURES = [0.0, 0.2, 0.4]
"""Whisper's retries of a window it doubts; its further ones took 20 s over 10 s of silence and invented words (measured)."""


class FasterWhisper:
    """A Whisper model, loaded at first use. One recording at a time; others wait their turn."""

    def __init__(
        self,
        model: str,
        folder: Callable[[], Path],
        *,
        max_bytes: int,
        max_seconds: float,
        deadline_base: float,
        deadline_factor: float,
        threads: int = 0,
        fetches: bool = False,
        measured: Measured = contextlib.nullcontext,
    ) -> None:
        """Nothing is opened yet.

        Args:
            model: what the model is called, e.g. `base`.
            folder: finds the folder of a CTranslate2 Whisper model with its tokenizer. Called in a thread at
                first use, and again after a failure: weights that were fetched meanwhile are found.
            max_bytes: largest file that is read.
            max_seconds: longest recording that is heard, in seconds.
            deadline_base: seconds any recording is given.
            deadline_factor: further seconds per second of recording.
            threads: CPU threads; 0 means all cores.
            fetches: whether `folder` fetches a model that is not here.
            measured: around each recording that is heard.
        """
        self.name = f"faster-whisper {version('faster-whisper')} {model}"
        self._folder = folder
        self._fetches = fetches
        self._threads = threads or os.cpu_count() or 1
        self._limits = Limits(max_bytes, max_seconds)
        self._deadline_base = deadline_base
        self._deadline_factor = deadline_factor
        self._measured = measured
        self._turn = asyncio.Lock()
        self._found: _Found | None = None
        self._model: Any = None
        self._thread: ThreadPoolExecutor | None = None

    async def check(self) -> Health:
        """See `Recognizer.check`. A model of the hub counts as being here: it comes at the first use."""
        if not self._fetches:
            await self.identity()
        return Health(self.name)

    async def identity(self) -> str:
        """The name and a fingerprint of the weights: two folders of one name are two models.

        Raises:
            ModelMissing: the weights are not here.
            NotFound: the model hub knows no model of this name.
            EngineError: the weights cannot be read.
        """
        found = self._found
        if found is None:  # else it is known even while a recording is heard
            async with self._turn:
                found = await self._find()
        return f"{self.name} {found.fingerprint}"

    async def recognize(self, audio: Path, *, language: str | None, on_heard: OnHeard) -> Transcript:
        """Hear the first audio stream of `audio`.

        `language` is one of Whisper's codes (`ja`, `en`), or what `spoken.code_of` makes one of; or None
        to find it out from the first speech. `on_heard` is called when the recording is decoded, at every
        segment, and at least every four minutes of recording. Silence gives no segments; with
        `language` None its language is `und`. Damaged audio is heard as far as it can be decoded.
        Cancelling stops at the next segment and waits for that (seconds).

        Raises:
            MediaRefused: not a recording, nothing in it decodes, or it exceeds a limit.
            NotFound: the model does not know the language.
            ModelMissing: the weights are not here.
            DeadlineExceeded: base + factor x duration passed; the recognition has stopped.
            EngineError: the weights are damaged, or the engine failed.
        """
        spoken = code_of(language)
        async with self._turn:
            with self._measured("recognize"):
                await self._load()
                if spoken is not None and spoken not in self._model.supported_languages:
                    raise unheard(language or "", self._model.supported_languages)
                return await self._hear(audio, spoken, on_heard)

    async def close(self) -> None:
        """Free the model, after the recording that is being heard."""
        async with self._turn:
            if self._thread is None:
                return
            await in_thread(self._drop, self._thread)
            self._thread.shutdown()
            self._thread = None

    async def _hear(self, audio: Path, spoken: str | None, on_heard: OnHeard) -> Transcript:
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[tuple[float, float] | None] = asyncio.Queue()
        run = _Run(lambda end, whole: loop.call_soon_threadsafe(heard.put_nowait, (end, whole)))
        work = loop.run_in_executor(self._thread, run.hear, self._model, audio, self._limits, spoken)
        work.add_done_callback(lambda _: heard.put_nowait(None))
        begun = loop.time()
        duration = 0.0
        try:
            async with asyncio.timeout(self._deadline_base) as limit:
                while (news := await heard.get()) is not None:
                    if news[1] != duration:
                        duration = news[1]
                        limit.reschedule(begun + self._deadline(duration))
                    await on_heard(*news)
        except TimeoutError as error:
            if not limit.expired():  # on_heard's own
                raise
            raise self._late(duration) from error
        finally:
            run.stop.set()
            await ended(work)
        with _engine_errors():
            work.result()
        return Transcript(
            language=run.language,
            language_probability=run.language_probability,
            duration=round(run.duration, 3),
            segments=tuple(run.segments),
            engine=self.name,
        )

    def _deadline(self, duration: float) -> float:
        return self._deadline_base + self._deadline_factor * duration

    def _late(self, duration: float) -> DeadlineExceeded:
        given = self._deadline(duration)
        return DeadlineExceeded(
            ja=f"{duration:.0f} 秒の録音の文字起こしが {given:g} 秒以内に終わりませんでした。録音を短く分けるか、"
            "HYBRID_MCP_STT__DEADLINE_BASE または HYBRID_MCP_STT__DEADLINE_FACTOR を増やしてください。",
            en=f"Hearing {duration:.0f} seconds of audio was not finished within {given:g} seconds. Split the "
            "recording, or raise HYBRID_MCP_STT__DEADLINE_BASE or HYBRID_MCP_STT__DEADLINE_FACTOR.",
        )

    async def _find(self) -> _Found:
        if self._found is None:
            self._found = await in_thread(lambda: _look(self._folder))
        return self._found

    async def _load(self) -> None:
        if self._model is not None:
            return
        found = await self._find()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        try:
            await in_thread(lambda: self._open(found.folder), self._thread)
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            self._found = None  # other weights may stand there at the next try
            raise _unreadable(found.folder, error) from error

    def _open(self, folder: Path) -> None:
        from faster_whisper import WhisperModel  # noqa: PLC0415  (loads CTranslate2 and FFmpeg)

        for name in ("config.json", "tokenizer.json"):
            json.loads((folder / name).read_bytes())  # the tokenizer's own error is a bare Exception
        self._model = WhisperModel(
            str(folder),
            device="cpu",
            compute_type="int8",  # loses nothing against float32 and is twice as fast (FACTS, speech to text)
            cpu_threads=self._threads,
            local_files_only=True,
        )

    def _drop(self) -> None:
        self._model = self._found = None


def from_hub(name: str) -> Path:
    """The folder of a model that faster-whisper knows by `name` (`small`, `owner/name`), fetched if it is not here.

    Raises:
        NotFound: there is no model of this name; names the nearest.
        ModelMissing: it is not here, and the model hub is out of reach.
    """
    from faster_whisper import available_models, download_model  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    known = available_models()
    if name not in known and "/" not in name:
        raise NotFound.named(
            Bilingual(ja="Whisper のモデル", en="Whisper model"),
            name,
            known,
            remedy=Bilingual(ja="HYBRID_MCP_STT__MODEL を直してください。", en="Correct HYBRID_MCP_STT__MODEL."),
        )
    try:
        return Path(download_model(name))
    except (HfHubHTTPError, OSError, ValueError) as error:  # ValueError: not cached, and the hub is out of reach
        raise ModelMissing(
            ja=f"Whisper のモデル {name} を取得できません ({type(error).__name__})。ネットワークを確かめるか、"
            "HYBRID_MCP_STT__MODEL に base かモデルのフォルダを指定してください。",
            en=f"The Whisper model {name} cannot be fetched ({type(error).__name__}). Check the network, or set "
            "HYBRID_MCP_STT__MODEL to base or to a model's folder.",
        ) from error


@dataclass(frozen=True, slots=True)
class _Found:
    folder: Path
    fingerprint: str


def _look(where: Callable[[], Path]) -> _Found:
    folder = where()
    missing = [name for name in _WEIGHTS if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(_VOCABULARIES[0])
    if missing:  # without the tokenizer faster-whisper would go looking for one on the network
        raise ModelMissing(
            ja=f"音声認識の重み {', '.join(missing)} が {folder} にありません。そこに置くか、HYBRID_MCP_STT__MODEL を"
            "直してください (base なら `hybrid-mcp models fetch` で取得できます)。",
            en=f"The weights for hearing ({', '.join(missing)}) are not in {folder}. Put them there, or correct "
            "HYBRID_MCP_STT__MODEL (base is fetched by `hybrid-mcp models fetch`).",
        )
    try:
        # Hashing model.bin too would take seconds; its size tells models of one family apart.
        config, size = (folder / "config.json").read_bytes(), (folder / "model.bin").stat().st_size
    except OSError as error:
        raise _unreadable(folder, error) from error
    return _Found(folder, hashlib.sha256(b"%d " % size + config).hexdigest()[:16])


def _unreadable(folder: Path, error: Exception) -> EngineError:
    return EngineError(
        ja=f"音声認識のモデル {folder} を読み込めません ({error})。ファイルが壊れているか、メモリが足りません。内蔵の"
        "モデルなら `hybrid-mcp models fetch` が壊れたファイルを取り直します。ご自分のモデルは置き直してください。",
        en=f"The model for hearing, {folder}, cannot be loaded ({error}): a file is damaged or memory is short. "
        "Damaged files of the embedded model are fetched anew by `hybrid-mcp models fetch`; put your own model "
        "there again.",
    )


class _Stopped(Exception):
    """The recognition was told to stop."""


@dataclass(slots=True)
class _Run:
    """One recognition: filled in the engine's thread, read when that has ended."""

    tell: Callable[[float, float], object]
    stop: threading.Event = field(default_factory=threading.Event)
    language: str = "und"
    language_probability: float = 0.0
    duration: float = 0.0
    segments: list[Segment] = field(default_factory=list)

    def hear(self, model: Any, audio: Path, limits: Limits, language: str | None) -> None:
        with contextlib.suppress(_Stopped):
            samples = decode(audio, limits, self._check)
            self.duration = len(samples) / RATE
            self.tell(0.0, self.duration)
            if language is not None:
                self.language, self.language_probability = language, 1.0
            for start, block in self._blocks(samples):
                if block is not None:
                    self._hear_block(model, block, start / RATE, language)
                    language = self.language
            self.tell(self.duration, self.duration)

    def _check(self) -> None:
        if self.stop.is_set():
            raise _Stopped

    def _blocks(self, samples: NDArray[np.int16]) -> Iterator[tuple[int, NDArray[np.float32] | None]]:
        """Cut the recording at pauses: where each block starts, and its samples unless it is silent."""
        import numpy as np  # noqa: PLC0415
        from faster_whisper.vad import VadOptions, get_speech_timestamps  # noqa: PLC0415

        pauses = VadOptions(min_silence_duration_ms=300, speech_pad_ms=0)
        start = 0
        while start < len(samples):
            self._check()
            block = samples[start : start + _BLOCK].astype(np.float32) / np.float32(32768)
            speech = get_speech_timestamps(block, pauses)
            if start + len(block) < len(samples):
                block = block[: _pause(speech, len(block))]
            yield start, block if any(stretch["start"] < len(block) for stretch in speech) else None
            start += len(block)
            self.tell(start / RATE, self.duration)

    def _hear_block(self, model: Any, block: NDArray[np.float32], offset: float, language: str | None) -> None:
        segments, info = model.transcribe(
            block,
            language=language,
            beam_size=5,
            temperature=_TEMPERATURES,
            # Taking up the last window's text let one mistake spread: two minutes of Japanese came
            # out with a character error rate of .33 instead of .18 (English .02 and .03).
            condition_on_previous_text=False,
            word_timestamps=True,
            vad_filter=True,
            vad_parameters={"min_silence_duration_ms": int(_SILENCE * 1000)},
        )
        if language is None:
            self.language, self.language_probability = info.language, float(info.language_probability)
        for segment in segments:
            self._check()
            words = [
                Word(word.word, *self._within(offset, word.start, word.end), round(float(word.probability), 4))
                for word in segment.words or ()
            ]
            for stretch in _stretches(words):
                text = "".join(word.text for word in stretch).strip()
                if text:
                    self.segments.append(Segment(text, stretch[0].start, stretch[-1].end, tuple(stretch)))
            start, end = self._within(offset, segment.start, segment.end)
            if not words and segment.text.strip():  # what could not be aligned
                self.segments.append(Segment(segment.text.strip(), start, end, ()))
            self.tell(end, self.duration)

    def _within(self, offset: float, start: float, end: float) -> tuple[float, float]:
        """Times in the whole recording as plain floats; Whisper's last ones may lie behind its end."""
        first = min(max(float(start) + offset, 0.0), self.duration)
        return round(first, 3), round(min(max(float(end) + offset, first), self.duration), 3)


def _stretches(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Cut a segment where the voice detector took silence out: Whisper did not hear that pause."""
    stretch: list[Word] = []
    for word in words:
        if stretch and word.start - stretch[-1].end >= _SILENCE:
            yield stretch
            stretch = []
        stretch.append(word)
    if stretch:
        yield stretch


def _pause(speech: list[dict[str, int]], length: int) -> int:
    """Where to cut a block: inside the longest pause of its last minute, or else at its end."""
    ends = [0, *(stretch["end"] for stretch in speech)]
    starts = [*(stretch["start"] for stretch in speech), length]
    earliest = length - _TAIL
    pauses = [(max(end, earliest), start) for end, start in zip(ends, starts, strict=True) if start > earliest]
    end, start = max(pauses, key=lambda pause: pause[1] - pause[0], default=(length, length))
    return (end + start) // 2 if end < start else length


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn what faster-whisper and CTranslate2 raise into our words."""
    try:
        yield
    except HybridError:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:
        raise EngineError(ja=f"faster-whisper が失敗しました: {error}", en=f"faster-whisper failed: {error}") from error

"""Hearing with faster-whisper: Whisper on CTranslate2, int8, on the CPU."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_mcp.errors import DeadlineExceeded, EngineError, HybridError, MediaRefused, ModelMissing, NotFound
from hybrid_mcp.languages import Bilingual
from hybrid_mcp.stt.interface import OnHeard, Segment, Transcript, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
"""Samples per second Whisper was trained on."""
_WEIGHTS = ("model.bin", "config.json", "tokenizer.json")
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_FORMATS = "wav,w64,aiff,flac,mp3,ogg,mov,matroska,aac,ac3,eac3,amr,caf,asf,au,avi,flv,mpeg,mpegts,ape,tta,wv,dsf,voc"
"""FFmpeg's demuxers of recordings. Playlists and scripts (hls, concat, dash …) would open other files or addresses."""
_RATES = range(4_000, 768_001)
_CHANNELS = range(1, 33)
"""Sample rates and channel counts that recorders make; outside them a header is damaged or hostile."""
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
        model: Path | str,
        *,
        threads: int = 0,
        max_bytes: int = 500_000_000,
        max_seconds: float = 3 * 3600.0,
        deadline_base: float = 120.0,
        deadline_factor: float = 3.0,
    ) -> None:
        """Nothing is opened yet.

        Args:
            model: the folder of a CTranslate2 Whisper model with its tokenizer (called by the folder's name
                without `whisper-`); or a name (`small`, `large-v3`, `owner/name`) that faster-whisper
                fetches from the model hub at first use.
            threads: CPU threads; 0 means all cores.
            max_bytes: largest file that is read.
            max_seconds: longest recording that is heard, in seconds.
            deadline_base: seconds any recording is given.
            deadline_factor: further seconds per second of recording.
        """
        called = model if isinstance(model, str) else model.name.removeprefix("whisper-")
        self.name = f"faster-whisper {version('faster-whisper')} {called}"
        self._source = model
        self._threads = threads or os.cpu_count() or 1
        self._limits = _Limits(max_bytes, max_seconds)
        self._deadline_base = deadline_base
        self._deadline_factor = deadline_factor
        self._turn = asyncio.Lock()
        self._model: Any = None
        self._thread: ThreadPoolExecutor | None = None

    async def recognize(self, audio: Path, *, language: str | None, on_heard: OnHeard) -> Transcript:
        """Hear the first audio stream of `audio`.

        `language` is one of Whisper's codes (`ja`, `en`; a region as in `ja-JP` is ignored), or None to
        find it out from the first speech. `on_heard` is called when the recording is decoded, at every
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
        async with self._turn:
            await self._load()
            spoken = self._language(language)
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
                await _ended(work)
            with _engine_errors():
                work.result()
            return Transcript(
                language=run.language,
                language_probability=run.language_probability,
                duration=round(run.duration, 3),
                segments=tuple(run.segments),
                engine=self.name,
            )

    async def close(self) -> None:
        """Free the model, after the recording that is being heard."""
        async with self._turn:
            if self._thread is None:
                return
            work = asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
            await _ended(work)
            self._thread.shutdown()
            self._thread = None

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

    def _language(self, asked: str | None) -> str | None:
        if asked is None:
            return None
        code = re.split(r"[-_]", asked.strip().lower(), maxsplit=1)[0]
        known = self._model.supported_languages
        if code not in known:
            raise NotFound.named(
                Bilingual(ja="聞き取れる言語", en="language to hear called"),
                asked,
                known,
                remedy=Bilingual(
                    ja="ja や en のような ISO 639-1 の符号で指定するか、省略してください (自動で判定します)。",
                    en="Give an ISO 639-1 code such as ja or en, or leave it out to have it found.",
                ),
            )
        return code

    async def _load(self) -> None:
        if self._model is not None:
            return
        if isinstance(self._source, Path):
            _check_folder(self._source)
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._open)
        await _ended(work)
        try:
            work.result()
        except HybridError:
            raise
        except (RuntimeError, ValueError, OSError, MemoryError) as error:
            raise EngineError(
                ja=f"音声認識のモデル {self._source} を読み込めません ({error})。ファイルが壊れているか、メモリが"
                "足りません。フォルダを消して `hybrid-mcp models fetch` で取り直してください。",
                en=f"The model for hearing, {self._source}, cannot be loaded ({error}): a file is damaged or "
                "memory is short. Delete its folder and run `hybrid-mcp models fetch`.",
            ) from error

    def _open(self) -> None:
        from faster_whisper import WhisperModel  # noqa: PLC0415  (loads CTranslate2 and FFmpeg)

        folder = self._source if isinstance(self._source, Path) else _fetched(self._source)
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
        self._model = None


def _check_folder(folder: Path) -> None:
    missing = [name for name in _WEIGHTS if not (folder / name).is_file()]
    if not any((folder / name).is_file() for name in _VOCABULARIES):
        missing.append(_VOCABULARIES[0])
    if missing:  # without the tokenizer faster-whisper would go looking for one on the network
        raise ModelMissing(
            ja=f"音声認識の重み {', '.join(missing)} が {folder} にありません。"
            "`hybrid-mcp models fetch` で取得してください。",
            en=f"The weights for hearing ({', '.join(missing)}) are not in {folder}. "
            "Fetch them with `hybrid-mcp models fetch`.",
        )


def _fetched(name: str) -> Path:
    """The folder of a model that faster-whisper knows by name, fetched if it is not here yet."""
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
        folder = Path(download_model(name))
    except (HfHubHTTPError, OSError, ValueError) as error:  # ValueError: not cached, and the hub is out of reach
        raise ModelMissing(
            ja=f"Whisper のモデル {name} を取得できません ({type(error).__name__})。ネットワークを確かめるか、"
            "HYBRID_MCP_STT__MODEL に base かモデルのフォルダを指定してください。",
            en=f"The Whisper model {name} cannot be fetched ({type(error).__name__}). Check the network, or set "
            "HYBRID_MCP_STT__MODEL to base or to a model's folder.",
        ) from error
    _check_folder(folder)
    return folder


@dataclass(frozen=True, slots=True)
class _Limits:
    max_bytes: int
    max_seconds: float


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

    def hear(self, model: Any, audio: Path, limits: _Limits, language: str | None) -> None:
        with contextlib.suppress(_Stopped):
            samples = _decode(audio, limits, self._check)
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


def _decode(audio: Path, limits: _Limits, check: Callable[[], None]) -> NDArray[np.int16]:
    """The first audio stream as 16 kHz mono.

    faster_whisper's own decoder gives up at the first damaged packet and has no limits.

    Raises:
        MediaRefused: not a recording, nothing decodes, or a limit is exceeded.
    """
    import av  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    if not audio.is_file():
        raise MediaRefused(
            ja=f"{audio} は読めるファイルではありません。", en=f"{audio} is not a file that can be read."
        )
    samples = bytearray()
    most = int(limits.max_seconds * RATE) * 2
    damaged = False
    try:
        with audio.open("rb") as file:
            _check_size(audio, os.fstat(file.fileno()).st_size, limits)
            with av.open(file, metadata_errors="ignore", options={"format_whitelist": _FORMATS}) as container:
                stream = _stream(audio, container, limits)
                for piece in _pieces(container, stream):
                    check()
                    if piece is None:
                        damaged = True
                        continue
                    samples += piece
                    if len(samples) > most:
                        raise _too_long(audio, limits)
    except av.error.FFmpegError as error:
        raise MediaRefused(
            ja=f"{audio.name} は音声として読めません。wav、mp3、flac、m4a、ogg、mp4 などの録音を指定してください。",
            en=f"{audio.name} is not audio that can be read. Give a recording such as wav, mp3, flac, m4a, ogg or mp4.",
        ) from error
    except OSError as error:
        raise MediaRefused(
            ja=f"{audio} を読めません ({error.strerror})。", en=f"{audio} cannot be read ({error.strerror})."
        ) from error
    if not samples:
        if damaged:
            raise MediaRefused(
                ja=f"{audio.name} の音声は壊れていて、どこも復号できません。書き出し直してください。",
                en=f"The audio in {audio.name} is damaged: none of it can be decoded. Export it again.",
            )
        raise MediaRefused(
            ja=f"{audio.name} の音声は長さが 0 です。",
            en=f"The audio in {audio.name} has no length: it holds no sound.",
        )
    return np.frombuffer(samples, dtype=np.int16)


def _pieces(container: Any, stream: Any) -> Iterator[bytes | None]:
    """16-bit mono samples at RATE, as they are decoded; None for every packet that could not be."""
    import av  # noqa: PLC0415

    resampler: Any = None
    came: tuple[str, str, int] | None = None
    packets = container.demux(stream)
    while True:
        try:
            frames = next(packets).decode()
        except StopIteration:
            break
        except av.error.EOFError:
            break
        except av.error.FFmpegError:
            yield None
            continue
        for frame in frames:
            frame.pts = None  # damaged files have jumps in time that the resampler would fill
            kind = (frame.format.name, frame.layout.name, frame.sample_rate)
            if kind != came:  # chained files change in the middle
                if resampler is not None:
                    yield from (last.to_ndarray().tobytes() for last in resampler.resample(None))
                resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
                came = kind
            yield from (part.to_ndarray().tobytes() for part in resampler.resample(frame))
    if resampler is not None:
        yield from (last.to_ndarray().tobytes() for last in resampler.resample(None))


def _check_size(audio: Path, size: int, limits: _Limits) -> None:
    if size == 0:
        raise MediaRefused(ja=f"{audio.name} は空のファイルです。", en=f"{audio.name} is an empty file.")
    if size > limits.max_bytes:
        raise MediaRefused(
            ja=f"{audio.name} は {size} バイトで、上限の {limits.max_bytes} バイトを超えています。圧縮するか、"
            "HYBRID_MCP_STT__MAX_BYTES を増やしてください。",
            en=f"{audio.name} has {size} bytes, more than the limit of {limits.max_bytes}. Compress it, or raise "
            "HYBRID_MCP_STT__MAX_BYTES.",
        )


def _stream(audio: Path, container: Any, limits: _Limits) -> Any:
    """The first audio stream, if what the file says of it is within reason."""
    if not container.streams.audio:
        raise MediaRefused(
            ja=f"{audio.name} に音声がありません (映像や画像だけのファイルです)。",
            en=f"There is no audio stream in {audio.name}: it holds only pictures.",
        )
    stream = container.streams.audio[0]
    rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if rate not in _RATES or channels not in _CHANNELS:
        raise MediaRefused(
            ja=f"{audio.name} の見出しが壊れています ({rate} Hz、{channels} チャンネル)。書き出し直してください。",
            en=f"The header of {audio.name} is damaged ({rate} Hz, {channels} channels). Export it again.",
        )
    claims = [container.duration / 1_000_000] if container.duration else []
    if stream.duration and stream.time_base:
        claims.append(float(stream.duration * stream.time_base))
    if claims and min(claims) > limits.max_seconds:
        raise _too_long(audio, limits)
    return stream


def _too_long(audio: Path, limits: _Limits) -> MediaRefused:
    return MediaRefused(
        ja=f"{audio.name} は上限の {limits.max_seconds:g} 秒より長い録音です。短く分けるか、"
        "HYBRID_MCP_STT__MAX_SECONDS を増やしてください。",
        en=f"{audio.name} is longer than the limit of {limits.max_seconds:g} seconds. Split it, or raise "
        "HYBRID_MCP_STT__MAX_SECONDS.",
    )


@contextlib.contextmanager
def _engine_errors() -> Iterator[None]:
    """Turn what faster-whisper and CTranslate2 raise into our words."""
    try:
        yield
    except HybridError:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:
        raise EngineError(ja=f"faster-whisper が失敗しました: {error}", en=f"faster-whisper failed: {error}") from error


async def _ended(work: asyncio.Future[None]) -> None:
    """Wait until the thread has stopped, also when cancelled meanwhile: only then may another begin."""
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as error:
            cancelled = error
    work.exception()  # marks it as seen, for whoever leaves by another error
    if cancelled is not None:
        raise cancelled

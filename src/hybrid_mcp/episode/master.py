"""The master recording: written line by line, so that hours never sit in memory; and its compressed copies."""

from __future__ import annotations

import wave
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import numpy as np

from hybrid_mcp.artifacts import storage_errors
from hybrid_mcp.errors import EngineError, InvalidInput
from hybrid_mcp.tts.interface import Samples

if TYPE_CHECKING:
    from av import AudioStream

_CODECS: dict[str, tuple[str, int]] = {
    # format: (FFmpeg encoder, bit rate). Speech is transparent at these rates; 0 is lossless.
    "flac": ("flac", 0),
    "mp3": ("libmp3lame", 96_000),
    "opus": ("libopus", 48_000),
    "m4a": ("aac", 96_000),
}
_PEAK_SECONDS = 0.02
_MOST_BYTES = (1 << 32) - 64
"""Bytes of sound a WAV can hold: its lengths are 32-bit numbers (RIFF), and its header is one of what they count."""


class Master:
    """A 16-bit WAV file being written, and the peaks of what was written."""

    def __init__(self, path: Path, sample_rate: int, channels: int = 1) -> None:
        """Open the file. Of two `channels` both carry the same: engines speak in mono."""
        self.sample_rate = sample_rate
        self._channels = channels
        self.length = 0
        """Samples written so far."""
        with storage_errors():
            self._file = wave.open(str(path), "wb")  # noqa: SIM115  (closed by __exit__)
        self._file.setnchannels(channels)
        self._file.setsampwidth(2)
        self._file.setframerate(sample_rate)
        self._peaks: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with storage_errors():
            self._file.close()

    def write(self, samples: Samples) -> None:
        """Append samples."""
        if not len(samples):
            return
        if (self.length + len(samples)) * 2 * self._channels > _MOST_BYTES:
            raise InvalidInput(
                ja="録音が 4 GB を超えます。WAV に入りきらないので、章ごとに分けるか、間を短くしてください。",
                en="The recording would exceed 4 GB, which a WAV cannot hold. Split it, or make its pauses shorter.",
            )
        with storage_errors():
            whole = (samples * 32767).round().astype("<i2")
            self._file.writeframesraw(whole.repeat(self._channels).tobytes())
        self.length += len(samples)
        starts = np.arange(0, len(samples), max(1, round(self.sample_rate * _PEAK_SECONDS)))
        self._peaks += np.maximum.reduceat(np.abs(samples), starts).tolist()

    def peaks(self, count: int) -> list[float]:
        """At most `count` peaks, 0–1, evenly spaced over the whole."""
        if not self._peaks:
            return []
        starts = np.unique(np.linspace(0, len(self._peaks), min(count, len(self._peaks)), endpoint=False).astype(int))
        return [round(peak, 4) for peak in np.maximum.reduceat(np.array(self._peaks), starts).tolist()]


def encode(master: Path, target: Path, audio_format: str, bit_rate: int | None = None) -> None:
    """Write a compressed copy of a WAV file. Blocking: call it in a thread.

    Lossy formats put their encoder's delay before the first sample (MP3 about 50 ms, AAC about 45 ms;
    players that read the header skip it), so times are exact in WAV and FLAC.

    Raises:
        StorageError: the copy could not be written.
        EngineError: FFmpeg refused.
    """
    import av  # noqa: PLC0415  (FFmpeg; 0.2 s)

    encoder, usual_rate = _CODECS[audio_format]
    container = {"m4a": "mp4", "opus": "ogg"}.get(audio_format, audio_format)
    try:
        with storage_errors(), av.open(str(master)) as source, av.open(str(target), "w", format=container) as sink:
            read = source.streams.audio[0]
            layout = "stereo" if read.channels == 2 else "mono"
            # Opus knows five rates only; FFmpeg resamples into the nearest of them.
            rate_written = 48_000 if encoder == "libopus" else read.rate
            written = cast("AudioStream", sink.add_stream(encoder, rate=rate_written, layout=layout))
            if rate := bit_rate or usual_rate:
                written.bit_rate = rate
            for frame in source.decode(read):
                sink.mux(written.encode(frame))
            sink.mux(written.encode(None))
    except av.FFmpegError as error:
        raise EngineError(
            ja=f'{audio_format} への変換に失敗しました ({error})。format="wav" なら変換なしで使えます。',
            en=f'Encoding to {audio_format} failed ({error}). format="wav" needs no encoding.',
        ) from error

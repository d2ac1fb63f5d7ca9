"""Decoding recordings with FFmpeg (PyAV) into what Whisper listens to: 16 kHz mono."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_mcp.errors import MediaRefused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 16_000
"""Samples per second Whisper was trained on."""
_FORMATS = "wav,w64,aiff,flac,mp3,ogg,mov,matroska,aac,ac3,eac3,amr,caf,asf,au,avi,flv,mpeg,mpegts,ape,tta,wv,dsf,voc"
"""FFmpeg's demuxers of recordings. Playlists and scripts (hls, concat, dash …) would open other files or addresses."""
_RATES = range(4_000, 768_001)
_CHANNELS = range(1, 33)
"""Sample rates and channel counts that recorders make; outside them a header is damaged or hostile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still decoded."""

    max_bytes: int
    """Largest file, in bytes."""
    max_seconds: float
    """Longest recording, in seconds."""


def decode(audio: Path, limits: Limits, check: Callable[[], None]) -> NDArray[np.int16]:
    """The first audio stream as 16-bit mono samples, RATE a second. Blocks: call it in a thread.

    What is damaged is left out. `check` is called at every piece and stops the decoding by raising.
    (faster_whisper's own decoder gives up at the first damaged packet and has no limits.)

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


def _check_size(audio: Path, size: int, limits: Limits) -> None:
    if size == 0:
        raise MediaRefused(ja=f"{audio.name} は空のファイルです。", en=f"{audio.name} is an empty file.")
    if size > limits.max_bytes:
        raise MediaRefused(
            ja=f"{audio.name} は {size} バイトで、上限の {limits.max_bytes} バイトを超えています。圧縮するか、"
            "HYBRID_MCP_STT__MAX_BYTES を増やしてください。",
            en=f"{audio.name} has {size} bytes, more than the limit of {limits.max_bytes}. Compress it, or raise "
            "HYBRID_MCP_STT__MAX_BYTES.",
        )


def _stream(audio: Path, container: Any, limits: Limits) -> Any:
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


def _too_long(audio: Path, limits: Limits) -> MediaRefused:
    return MediaRefused(
        ja=f"{audio.name} は上限の {limits.max_seconds:g} 秒より長い録音です。短く分けるか、"
        "HYBRID_MCP_STT__MAX_SECONDS を増やしてください。",
        en=f"{audio.name} is longer than the limit of {limits.max_seconds:g} seconds. Split it, or raise "
        "HYBRID_MCP_STT__MAX_SECONDS.",
    )

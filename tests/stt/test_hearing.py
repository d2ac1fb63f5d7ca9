"""FasterWhisper with real weights and real human speech."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import re
import shutil
import struct
import wave
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from peers.web import Web

from hybrid_mcp import models
from hybrid_mcp.artifacts import Artifacts
from hybrid_mcp.config import Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import DeadlineExceeded, EngineError, HybridError, MediaRefused, ModelMissing, NotFound
from hybrid_mcp.stt import whisper
from hybrid_mcp.stt.decoding import RATE, Limits, decode
from hybrid_mcp.stt.interface import Transcript
from hybrid_mcp.stt.score import character_error_rate, word_error_rate
from hybrid_mcp.stt.transcribe import transcribe
from hybrid_mcp.stt.whisper import FasterWhisper

pytestmark = pytest.mark.slow

Samples = NDArray[np.int16]
BRIEF = "ja_38833628.wav"


def engine_of(folder: Path | Callable[[], Path], name: str = "base", **limits: Any) -> FasterWhisper:
    defaults: dict[str, Any] = {
        "max_bytes": 500_000_000,
        "max_seconds": 3600.0,
        "deadline_base": 120.0,
        "deadline_factor": 3.0,
        "threads": 1,
    }
    return FasterWhisper(name, folder if callable(folder) else lambda: folder, **{**defaults, **limits})


@pytest.fixture
async def engine(models_dir: Path) -> AsyncIterator[FasterWhisper]:
    made = engine_of(models_dir / "whisper-base")
    yield made
    await made.close()


@pytest.fixture(scope="session")
def said(speech_dir: Path) -> dict[str, tuple[str, str]]:
    """File name -> language and words, as the README beside the recordings has them."""
    rows = re.findall(
        r"^\| (\S+\.(?:wav|flac)) \| (\w\w) \| (.+?) \|", (speech_dir / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert rows
    return {name: (language, words) for name, language, words in rows}


class Watch:
    """Remembers progress; says when the first segment was heard."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        self.decoded = asyncio.Event()
        self.segment = asyncio.Event()

    async def __call__(self, end: float, whole: float) -> None:
        self.seen.append((end, whole))
        (self.segment if end else self.decoded).set()


async def hear(engine: FasterWhisper, audio: Path, language: str | None = None) -> Transcript:
    return await engine.recognize(audio, language=language, on_heard=Watch())


async def refusal(engine: FasterWhisper, audio: Path) -> str:
    with pytest.raises(MediaRefused) as refused:
        await hear(engine, audio)
    assert refused.value.text("ja") != refused.value.text("en")
    return refused.value.text("en")


def samples_of(path: Path) -> Samples:
    return decode(path, Limits(10**9, 10**6), lambda: None)


def wav(samples: Samples | bytes, rate: int = RATE, channels: int = 1) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples if isinstance(samples, bytes) else samples.tobytes())
    return made.getvalue()


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def encode(path: Path, samples: Samples, codec: str, form: str, rate: int = 48_000) -> Path:
    with av.open(str(path), "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        resampler = av.AudioResampler(format=stream.format, layout=stream.layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE
        size = stream.codec_context.frame_size or 1024
        fifo = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            part.pts = None
            fifo.write(part)
        while (piece := fifo.read(size) or fifo.read(size, partial=True)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def wordless(transcript: Transcript, language: str) -> None:
    assert transcript.segments == ()
    assert transcript.text == ""
    assert transcript.language == language


async def test_japanese_speech_is_written_down(
    engine: FasterWhisper, speech_dir: Path, said: dict[str, tuple[str, str]]
) -> None:
    names = [name for name, (language, _) in said.items() if language == "ja"]
    heard = [await hear(engine, speech_dir / name) for name in names]
    assert {transcript.language for transcript in heard} == {"ja"}
    assert all(transcript.language_probability > 0.8 for transcript in heard)
    words = "".join(said[name][1] for name in names)
    assert character_error_rate(words, "".join(transcript.text for transcript in heard)) < 0.35


async def test_english_speech_is_written_down(
    engine: FasterWhisper, speech_dir: Path, said: dict[str, tuple[str, str]]
) -> None:
    names = [name for name, (language, _) in said.items() if language == "en"]
    heard = [await hear(engine, speech_dir / name) for name in names]
    assert {transcript.language for transcript in heard} == {"en"}
    words = " ".join(said[name][1] for name in names)
    # "mister" is read in one recording and written "Mr." by any listener.
    text = " ".join(transcript.text for transcript in heard).replace("Mr.", "mister")
    assert word_error_rate(words, text) < 0.15


async def test_words_have_times_in_order_within_their_recording(engine: FasterWhisper, speech_dir: Path) -> None:
    transcript = await hear(engine, speech_dir / "jfk.flac", "en")
    assert transcript.duration == pytest.approx(11.0, abs=0.01)
    assert transcript.engine == engine.name == "faster-whisper 1.2.1 base"
    for segment in transcript.segments:
        assert "".join(word.text for word in segment.words).strip() == segment.text
        times = [time for word in segment.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert 0 <= segment.start <= segment.end <= transcript.duration
        assert all(0 <= word.probability <= 1 for word in segment.words)
        assert {type(value) for word in segment.words for value in (word.start, word.end, word.probability)} == {float}
    assert json.loads(json.dumps(transcript.to_json()))["language"] == "en"


async def test_a_pause_in_the_speech_shows_in_the_times(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    one, other = samples_of(speech_dir / "librivox_0930.wav"), samples_of(speech_dir / "jfk.flac")
    quiet = np.zeros(RATE * 20, np.int16)
    path = put(tmp_path, "two.wav", wav(np.concatenate([quiet, one, quiet, other])))
    transcript = await hear(engine, path, "en")
    first, second = transcript.segments[0], next(s for s in transcript.segments if "fellow" in s.text)
    assert 19 < first.start < 22
    assert 42 < second.start < 46


@pytest.mark.parametrize("language", [None, "ja", "ja-JP", "日本語"])
async def test_silence_gives_no_words(engine: FasterWhisper, tmp_path: Path, language: str | None) -> None:
    path = put(tmp_path, "silence.wav", wav(np.zeros(RATE * 10, np.int16)))
    wordless(await hear(engine, path, language), "ja" if language else "und")


@pytest.mark.parametrize("language", [None, "en"])
async def test_faint_noise_gives_no_words(engine: FasterWhisper, tmp_path: Path, language: str | None) -> None:
    noise = np.random.default_rng(7).normal(0, 60, RATE * 10).astype(np.int16)
    wordless(await hear(engine, put(tmp_path, "noise.wav", wav(noise)), language), language or "und")


@pytest.mark.parametrize("length", [1, 15, 400, 1600])
async def test_a_recording_of_an_instant_gives_no_words(engine: FasterWhisper, tmp_path: Path, length: int) -> None:
    transcript = await hear(engine, put(tmp_path, "click.wav", wav(np.full(length, 9000, np.int16))))
    assert transcript.segments == ()


async def test_a_recording_longer_than_a_block_is_heard_whole(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    monkeypatch.setattr(whisper, "_BLOCK", 20 * RATE)
    monkeypatch.setattr(whisper, "_TAIL", 8 * RATE)
    names = [name for name, (language, _) in said.items() if language == "ja"]
    quiet = np.zeros(RATE, np.int16)
    parts = [part for name in names for part in (samples_of(speech_dir / name), quiet)]
    silence = np.zeros(25 * RATE, np.int16)
    path = put(tmp_path, "long.wav", wav(np.concatenate([silence, *parts, silence])))
    watch = Watch()
    transcript = await engine.recognize(path, language=None, on_heard=watch)
    assert transcript.language == "ja"
    assert character_error_rate("".join(said[name][1] for name in names), transcript.text) < 0.35
    starts = [segment.start for segment in transcript.segments]
    assert starts == sorted(starts)
    assert 24 < starts[0] < 28
    ends = [end for end, _ in watch.seen]
    assert ends == sorted(ends)
    assert watch.seen[-1] == (transcript.duration, transcript.duration)


def test_a_block_ends_in_the_longest_pause_of_its_last_minute() -> None:
    second = RATE

    def speech(*stretches: tuple[float, float]) -> list[dict[str, int]]:
        return [{"start": int(start * second), "end": int(end * second)} for start, end in stretches]

    length = 240 * second
    assert whisper._pause(speech((0, 190), (191, 200), (204, 240)), length) == 202 * second
    assert whisper._pause(speech((0, 100), (110, 240)), length) == length
    assert whisper._pause(speech((0, 239)), length) == int(239.5 * second)
    assert whisper._pause([], length) == 210 * second


async def test_progress_begins_when_decoded_and_ends_at_the_end(engine: FasterWhisper, speech_dir: Path) -> None:
    watch = Watch()
    transcript = await engine.recognize(speech_dir / BRIEF, language="ja", on_heard=watch)
    assert watch.seen[0][0] == 0
    assert watch.seen[0][1] == pytest.approx(transcript.duration, abs=0.001)
    assert {segment.end for segment in transcript.segments} <= {end for end, _ in watch.seen}
    assert all(one[0] <= other[0] for one, other in itertools.pairwise(watch.seen))


@pytest.mark.parametrize(
    ("codec", "form", "rate"),
    [
        ("libmp3lame", "mp3", 44_100),
        ("flac", "flac", 96_000),
        ("libopus", "ogg", 48_000),
        ("libopus", "webm", 48_000),
        ("aac", "ipod", 44_100),
        ("aac", "adts", 44_100),
        ("pcm_s16le", "wav", 8_000),
        ("pcm_s16be", "aiff", 22_050),
    ],
)
async def test_every_common_format_is_heard_whatever_its_name(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path, codec: str, form: str, rate: int
) -> None:
    path = encode(tmp_path / "recording", samples_of(speech_dir / "librivox_0930.wav"), codec, form, rate)
    transcript = await hear(engine, path, "en")
    assert transcript.duration == pytest.approx(3.29, abs=0.2)
    assert "amiable" in transcript.text


async def test_both_channels_of_a_recording_are_heard(engine: FasterWhisper, speech_dir: Path, tmp_path: Path) -> None:
    one = samples_of(speech_dir / "librivox_0930.wav")
    right_only = np.stack([np.zeros_like(one), one], axis=1).astype(np.int16)
    transcript = await hear(engine, put(tmp_path, "stereo.wav", wav(right_only, channels=2)), "en")
    assert "amiable" in transcript.text


async def test_the_sound_of_a_video_is_heard(engine: FasterWhisper, speech_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    sound = samples_of(speech_dir / "librivox_0930.wav")
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=10)
        pictures.width = pictures.height = 64
        pictures.pix_fmt = "yuv420p"
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        for _ in range(30):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(pictures.encode(None))
        for start in range(0, len(sound) - 1024, 1024):
            floats = (sound[start : start + 1024].astype(np.float32) / 32768).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(floats, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert "amiable" in (await hear(engine, path, "en")).text


async def test_a_file_that_is_no_recording_is_refused(engine: FasterWhisper, tmp_path: Path) -> None:
    junk = np.random.default_rng(3).bytes(30_000)
    for name, content in (
        ("text.wav", b"this is a text and no recording\n" * 50),
        ("junk.mp3", junk),
        ("page.wav", b"<html><body>404</body></html>"),
        ("riff.wav", b"RIFF"),
    ):
        assert "is not audio" in await refusal(engine, put(tmp_path, name, content))


async def test_a_picture_or_a_silent_film_is_refused(engine: FasterWhisper, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    assert "no audio stream" in await refusal(engine, path)


async def test_playlists_cannot_reach_other_files(engine: FasterWhisper, speech_dir: Path, tmp_path: Path) -> None:
    target = put(tmp_path, "secret.wav", (speech_dir / BRIEF).read_bytes())
    for name, content in (
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n"),
        ("list.wav", f"ffconcat version 1.0\nfile {target.name}\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
        ("list.mpd", f'<?xml version="1.0"?><MPD><Period><BaseURL>{target}</BaseURL></Period></MPD>'),
    ):
        assert "is not audio" in await refusal(engine, put(tmp_path, name, content.encode()))


async def test_an_empty_file_and_a_recording_without_length_are_refused(engine: FasterWhisper, tmp_path: Path) -> None:
    assert "empty" in await refusal(engine, put(tmp_path, "empty.wav", b""))
    assert "no length" in await refusal(engine, put(tmp_path, "zero.wav", wav(b"")))


async def test_what_is_not_a_file_is_refused(engine: FasterWhisper, tmp_path: Path) -> None:
    await refusal(engine, tmp_path)
    await refusal(engine, tmp_path / "missing.wav")


@pytest.mark.parametrize(
    ("at", "form", "value"),
    [
        (24, "<I", 1_000_000_000),
        (24, "<I", 4_000_000_000),
        (24, "<I", 1),
        (24, "<I", 0),
        (22, "<H", 60_000),
        (22, "<H", 0),
    ],
)
async def test_absurd_rates_and_channel_counts_are_refused(
    engine: FasterWhisper, tmp_path: Path, at: int, form: str, value: int
) -> None:
    content = bytearray(wav(np.zeros(RATE, np.int16)))
    struct.pack_into(form, content, at, value)
    await refusal(engine, put(tmp_path, "absurd.wav", bytes(content)))


async def test_a_recording_over_a_limit_is_refused(models_dir: Path, tmp_path: Path) -> None:
    path = put(tmp_path, "long.wav", wav(np.zeros(RATE * 3, np.int16)))
    cases: list[tuple[dict[str, Any], str]] = [
        ({"max_seconds": 2.9}, "MAX_SECONDS"),
        ({"max_bytes": 90_000}, "MAX_BYTES"),
    ]
    for limits, setting in cases:
        engine = engine_of(models_dir / "whisper-base", **limits)
        assert f"HYBRID_MCP_STT__{setting}" in await refusal(engine, path)
        await engine.close()
    engine = engine_of(models_dir / "whisper-base", max_seconds=3, max_bytes=path.stat().st_size)
    assert (await hear(engine, path)).duration == 3
    await engine.close()


async def test_a_length_the_file_lies_about_is_limited_while_decoding(models_dir: Path, tmp_path: Path) -> None:
    content = bytearray(encode(tmp_path / "true.flac", np.zeros(RATE * 5, np.int16), "flac", "flac", RATE).read_bytes())
    # STREAMINFO: 36 bits of sample count end at byte 26 of the file; say one second.
    content[21] &= 0xF0
    struct.pack_into(">I", content, 22, RATE)
    path = put(tmp_path, "lie.flac", bytes(content))
    engine = engine_of(models_dir / "whisper-base", max_seconds=2)
    assert "MAX_SECONDS" in await refusal(engine, path)
    await engine.close()


@pytest.mark.parametrize("name", ["jfk.flac", "librivox_0870.wav"])
async def test_a_truncated_recording_is_heard_as_far_as_it_goes(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path, name: str
) -> None:
    content = (speech_dir / name).read_bytes()
    transcript = await hear(engine, put(tmp_path, name, content[: len(content) // 2]), "en")
    assert transcript.segments
    assert transcript.duration < (await asyncio.to_thread(samples_of, speech_dir / name)).size / RATE * 0.7


async def test_a_recording_damaged_in_the_middle_is_heard_before_and_after(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    content = bytearray((speech_dir / "jfk.flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = np.random.default_rng(1).bytes(4000)
    text = (await hear(engine, put(tmp_path, "damaged.flac", bytes(content)), "en")).text.lower()
    assert "fellow" in text
    assert "your country" in text


async def test_a_recording_of_which_nothing_decodes_is_refused(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    content = bytearray((speech_dir / "jfk.flac").read_bytes())
    content[8000:] = bytes(len(content) - 8000)
    await refusal(engine, put(tmp_path, "zeros.flac", bytes(content)))


async def test_an_unknown_language_is_refused_with_the_nearest(engine: FasterWhisper, speech_dir: Path) -> None:
    with pytest.raises(NotFound) as refused:
        await hear(engine, speech_dir / BRIEF, "jp")
    assert re.search(r"\bja\b", refused.value.text("en"))
    assert "ISO 639-1" in refused.value.text("ja")
    with pytest.raises(NotFound):
        await hear(engine, speech_dir / BRIEF, "klingon")


async def test_cancelling_stops_hearing_and_the_next_recording_is_heard(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    speech = samples_of(speech_dir / "jfk.flac")
    path = put(tmp_path, "long.wav", wav(np.tile(speech, 30)))
    watch = Watch()
    task = asyncio.create_task(engine.recognize(path, language="en", on_heard=watch))
    async with asyncio.timeout(90):
        await watch.segment.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert watch.seen[-1][0] < 200
    assert not engine._turn.locked()
    assert (await hear(engine, speech_dir / BRIEF, "ja")).segments


async def test_a_caller_that_fails_while_listening_stops_the_recognition(
    engine: FasterWhisper, speech_dir: Path
) -> None:
    async def hang_up(end: float, whole: float) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await engine.recognize(speech_dir / "jfk.flac", language="en", on_heard=hang_up)
    assert not engine._turn.locked()


async def test_the_deadline_ends_a_recognition(models_dir: Path, speech_dir: Path) -> None:
    engine = engine_of(models_dir / "whisper-base", deadline_base=0.001, deadline_factor=0.001)
    with pytest.raises(DeadlineExceeded, match="HYBRID_MCP_STT__DEADLINE_FACTOR"):
        await hear(engine, speech_dir / "jfk.flac")
    assert not engine._turn.locked()
    await engine.close()


async def test_the_deadline_grows_with_the_recording(models_dir: Path, speech_dir: Path) -> None:
    engine = engine_of(
        models_dir / "whisper-base", deadline_base=60, deadline_factor=-10
    )  # absurd, so that it passes at once
    with pytest.raises(DeadlineExceeded, match="11 seconds of audio was not finished within -50 seconds"):
        await hear(engine, speech_dir / "jfk.flac", "en")
    await engine.close()


async def test_recordings_asked_for_at_once_are_heard_one_after_the_other(
    engine: FasterWhisper, speech_dir: Path
) -> None:
    async with asyncio.timeout(100):
        one, other = await asyncio.gather(hear(engine, speech_dir / BRIEF), hear(engine, speech_dir / "jfk.flac"))
    assert one.language == "ja"
    assert other.language == "en"


async def test_missing_weights_are_named_with_the_remedy(tmp_path: Path, speech_dir: Path) -> None:
    engine = engine_of(tmp_path / "whisper-base")
    with pytest.raises(ModelMissing, match=r"model\.bin.*HYBRID_MCP_STT__MODEL.*hybrid-mcp models fetch"):
        await hear(engine, speech_dir / BRIEF)
    await engine.close()


async def test_weights_that_are_fetched_while_the_server_runs_are_found(
    models_dir: Path, speech_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "whisper-base"
    engine = engine_of(partial(models.path_of, models.WHISPER_BASE, tmp_path), threads=0)  # each core has one
    with pytest.raises(ModelMissing, match="hybrid-mcp models fetch"):
        await engine.identity()
    shutil.copytree(models_dir / "whisper-base", folder)
    model = (folder / "model.bin").read_bytes()
    put(folder, "model.bin", model[:-1])
    with pytest.raises(ModelMissing, match="hybrid-mcp models fetch"):  # half-copied
        await hear(engine, speech_dir / BRIEF, "ja")
    put(folder, "model.bin", model)
    assert (await hear(engine, speech_dir / BRIEF, "ja")).segments
    await engine.close()


async def test_two_models_of_one_name_are_told_apart_wherever_they_lie(models_dir: Path, tmp_path: Path) -> None:
    here = models_dir / "whisper-base"

    async def identity(name: str, config: bytes) -> str:
        folder = tmp_path / name
        folder.mkdir()
        for path in here.iterdir():
            (folder / path.name).symlink_to(path)
        (folder / "config.json").unlink()
        return await engine_of(put(folder, "config.json", config).parent).identity()

    config = (here / "config.json").read_bytes()
    engine = engine_of(here)
    known = await engine.identity()
    assert known.startswith(engine.name)
    assert await identity("copied", config) == known
    assert await identity("tuned", config + b" ") != known


@pytest.mark.parametrize("damaged", ["model.bin", "config.json", "tokenizer.json"])
async def test_damaged_weights_are_an_engine_error(
    models_dir: Path, tmp_path: Path, speech_dir: Path, damaged: str
) -> None:
    for path in (models_dir / "whisper-base").iterdir():
        if path.suffix in (".bin", ".json", ".txt"):
            (tmp_path / path.name).symlink_to(path)
    content = (tmp_path / damaged).read_bytes()
    (tmp_path / damaged).unlink()
    put(tmp_path, damaged, content[: len(content) // 2])
    engine = engine_of(tmp_path)
    with pytest.raises(EngineError, match="damaged"):
        await hear(engine, speech_dir / BRIEF)
    await engine.close()


async def test_a_model_name_nobody_knows_is_refused_with_the_nearest(speech_dir: Path) -> None:
    engine = engine_of(partial(whisper.from_hub, "bass"), "bass")
    assert engine.name.endswith(" bass")
    with pytest.raises(NotFound, match="base"):
        await hear(engine, speech_dir / BRIEF)
    await engine.close()


async def test_a_closed_engine_opens_again_when_it_is_asked(engine: FasterWhisper, speech_dir: Path) -> None:
    await hear(engine, speech_dir / BRIEF, "ja")
    await engine.close()
    await engine.close()
    assert (await hear(engine, speech_dir / BRIEF, "ja")).segments


async def test_nothing_is_ever_written_to_stdout(
    models_dir: Path, speech_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = engine_of(models_dir / "whisper-base")
    await hear(engine, speech_dir / BRIEF)
    with pytest.raises(HybridError):
        await hear(engine, put(tmp_path, "junk.mp3", b"ID3" + bytes(5000)))
    await engine.close()
    assert capfd.readouterr().out == ""


async def test_a_real_recording_becomes_files_and_is_found_again(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    artifacts = Artifacts(tmp_path / "data")
    artifacts.open()

    async def run(watch: Watch) -> Any:
        return await transcribe(
            engine,
            artifacts,
            str((speech_dir / "ja_38852485.wav").resolve()),
            allowed_roots=[speech_dir],
            egress=Egress(Outgoing()),
            language="ja",
            max_bytes=10_000_000,
            on_heard=watch,
        )

    first, again = Watch(), Watch()
    heard = await run(first)
    assert first.seen
    assert await run(again) == heard
    assert not again.seen
    srt = heard.artifact.read_text("transcript.srt")
    assert srt.startswith("1\n00:00:0")
    assert "ブランコ" in srt.replace("プ", "ブ")
    assert heard.artifact.summary["duration"] == heard.transcript.duration
    assert sorted(path.name for path in heard.artifact.folder.iterdir()) == [
        "manifest.json",
        "transcript.json",
        "transcript.srt",
        "transcript.txt",
        "transcript.vtt",
    ]


async def test_a_recording_behind_a_url_is_written_down(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    artifacts = Artifacts(tmp_path / "data")
    artifacts.open()
    async with Web(tmp_path).open() as web:
        heard = await transcribe(
            engine,
            artifacts,
            web.gives("/jfk.flac", (speech_dir / "jfk.flac").read_bytes(), content_type="audio/flac"),
            allowed_roots=[],
            egress=Egress(web.outgoing()),
            language=None,
            max_bytes=10_000_000,
            on_heard=Watch(),
        )
    assert heard.transcript.language == "en"
    assert "ask not what your country can do for you" in heard.transcript.text


async def test_a_cancelled_recognition_writes_nothing_afterwards(
    engine: FasterWhisper, speech_dir: Path, tmp_path: Path
) -> None:
    artifacts = Artifacts(tmp_path / "data")
    artifacts.open()
    path = put(tmp_path, "long.wav", wav(np.tile(samples_of(speech_dir / "jfk.flac"), 30)))
    watch = Watch()
    task = asyncio.create_task(
        transcribe(
            engine,
            artifacts,
            str(path),
            allowed_roots=[tmp_path],
            egress=Egress(Outgoing()),
            language="en",
            max_bytes=100_000_000,
            on_heard=watch,
        )
    )
    async with asyncio.timeout(90):
        await watch.segment.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told = len(watch.seen)
    # The engine's one thread is free again: what it was hearing is over, not waiting to go on.
    assert engine._thread is not None
    engine._thread.submit(lambda: None).result(timeout=60)
    await asyncio.sleep(0)
    assert len(watch.seen) == told
    assert list(artifacts.root.iterdir()) == []


async def test_a_refused_recording_is_named_as_the_caller_knows_it(engine: FasterWhisper, tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path / "data")
    artifacts.open()
    path = put(tmp_path, "会議.wav", b"no recording at all" * 20)
    with pytest.raises(MediaRefused, match=r"会議\.wav is not audio"):
        await transcribe(
            engine,
            artifacts,
            str(path),
            allowed_roots=[tmp_path],
            egress=Egress(Outgoing()),
            language=None,
            max_bytes=1000,
            on_heard=Watch(),
        )
    assert list(artifacts.root.iterdir()) == []

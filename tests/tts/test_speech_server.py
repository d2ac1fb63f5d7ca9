"""The adapter of `/v1/audio/speech` servers, against a scripted one."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import stamina
from conftest import held
from hypothesis import given
from hypothesis import strategies as st
from peers.scripted import Reply, Scripted
from peers.speech import COMMA, EDGE, RATE, WORD, error, hum, sends, speech_server, wav

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Outgoing, SpeechServer
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import (
    AnswerUnusable,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    KeyMissing,
    KeyRefused,
    ModelMissing,
)
from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.script.phrasing import utterances
from hybrid_mcp.secrets.environment import Environment
from hybrid_mcp.tts.interface import Prosody, Speech, SpeechEngine
from hybrid_mcp.tts.openai import OpenAISpeech
from hybrid_mcp.tts.placing import placed

TEXT = "Deep learning, once a dream, is everywhere."
KEY = "key-of-somebody"
Open = Callable[..., OpenAISpeech]


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    """Attempts follow each other at once."""
    with stamina.set_testing(testing=True, attempts=3):
        yield


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPEECH_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "of-somebody-else")
    monkeypatch.setenv("OPENAI_ORG_ID", "organization-of-somebody-else")


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    async with held(speech_server()) as running:
        yield running


@pytest.fixture
async def opened(server: Scripted, tmp_path: Path) -> AsyncIterator[Open]:
    """Makes adapters, and closes them."""
    made: list[OpenAISpeech] = []

    def make(*, deadline: float = 30, **settings: Any) -> OpenAISpeech:
        configured = SpeechServer(**{"url": server.url, "voices": ("alloy", "nova"), **settings})
        guard = Backend("speech", parallel=configured.parallel, deadline=deadline, remember=0)
        made.append(OpenAISpeech(configured, Environment([tmp_path / ".env.hybrid"]), Egress(Outgoing()), guard))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


def phrases_of(text: str) -> tuple[Phrase, ...]:
    return tuple(Phrase(part, part, pause_after=part.endswith(",")) for part in text.split("|"))


async def say(engine: SpeechEngine, text: str = TEXT, prosody: Prosody | None = None, voice: int = 0) -> Speech:
    async with asyncio.timeout(60):
        return await engine.speak(phrases_of(text), (await engine.voices())[voice], prosody or Prosody())


async def refusal(engine: SpeechEngine, kind: type[EngineError]) -> str:
    with pytest.raises(kind) as refused:
        await say(engine)
    return said(refused.value)


def said(refused: EngineError) -> str:
    """What is said in English; never what was to be spoken, nor the key."""
    ja, en = refused.text("ja"), refused.text("en")
    assert ja != en
    assert "dream" not in ja + en
    assert KEY not in ja + en
    return en


async def until(happened: Callable[[], bool]) -> None:
    while not happened():  # noqa: ASYNC110  (the server tells nobody)
        await asyncio.sleep(0)


def error_of(samples: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    assert len(samples) == len(expected)
    return float(np.abs(samples - expected).max())


# Speaking


async def test_a_sentence_is_spoken_as_the_server_sends_it(server: Scripted, opened: Open) -> None:
    speech = await say(opened())
    assert speech.sample_rate == RATE
    assert error_of(speech.samples, hum(TEXT)) < 0.001
    assert speech.bounds == ((round(EDGE * RATE), len(speech.samples) - round(EDGE * RATE)),)
    assert not speech.estimated
    [request] = server.requests
    assert request.body == {"input": TEXT, "model": "tts-1", "voice": "alloy", "response_format": "wav"}
    assert "authorization" not in request.headers
    assert "openai-organization" not in request.headers


async def test_phrases_are_placed_in_the_pauses_that_can_be_heard(opened: Open) -> None:
    speech = await say(opened(), "Deep learning,|once a dream,|is everywhere.")
    assert speech.estimated
    edge, pause = round(EDGE * RATE), round(COMMA * RATE)
    words = [round((count * WORD + (count - 1) * 0.02) * RATE) for count in (2, 3, 2)]
    at = edge
    for (start, end), length in zip(speech.bounds, words, strict=True):
        assert start == pytest.approx(at, abs=RATE // 50)
        assert end == pytest.approx(at + length, abs=RATE // 50)
        at += length + pause


@pytest.mark.parametrize(
    ("text", "language", "asked"),
    [
        ("In 2021, researchers measured 30 patients.", "en", "In 2021, researchers measured 30 patients."),
        ("Was it (in 2021) 3.5 kg?", "en", "Was it, in 2021, 3.5 kilograms?"),
        ('She said: "yes, we can!"', "en", "She said: yes, we can!"),
        ("本当に、効きましたか？", "ja", "本当に、効きましたか？"),
    ],
)
async def test_a_sentence_is_asked_for_as_one_text_with_its_punctuation(
    server: Scripted, opened: Open, text: str, language: Language, asked: str
) -> None:
    engine = opened(language=language)
    [voice, _] = await engine.voices()
    [phrases] = utterances(text, language)
    speech = await engine.speak(phrases, voice, Prosody())
    assert len(speech.bounds) == len(phrases)
    assert server.requests[0].body["input"] == asked


async def test_a_text_without_a_sound_is_silence_and_nobody_is_asked(server: Scripted, opened: Open) -> None:
    speech = await say(opened(), "…|—!")
    assert len(speech.samples) == 0
    assert speech.bounds == ((0, 0), (0, 0))
    assert server.requests == []


@pytest.mark.parametrize(("speed", "asked"), [(1.0, None), (1.5, 1.5), (0.1, 0.25), (9.0, 4.0)])
async def test_the_speed_is_asked_of_the_server_within_its_limits(
    server: Scripted, opened: Open, speed: float, asked: float | None
) -> None:
    speech = await say(opened(), prosody=Prosody(speed=speed))
    assert server.requests[0].body.get("speed") == asked
    assert len(speech.samples) == len(hum(TEXT, asked or 1.0))


async def test_volume_and_the_silence_around_a_sentence_are_as_asked(opened: Open) -> None:
    usual = await say(opened())
    ((first, last),) = usual.bounds
    sound = usual.samples[first:last]
    for lead_in, lead_out in ((0.0, 0.0), (0.5, 0.25), (0.05, 1.0)):
        speech = await say(opened(), prosody=Prosody(lead_in=lead_in, lead_out=lead_out, volume=0.5))
        ((start, end),) = speech.bounds
        assert start == round(lead_in * RATE)
        assert len(speech.samples) - end == round(lead_out * RATE)
        assert error_of(speech.samples[start:end], sound * 0.5) < 0.001
    loud = await say(opened(), prosody=Prosody(volume=2.0))
    assert np.abs(loud.samples).max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF, 10_000_000])
async def test_a_header_written_before_the_length_was_known_is_no_obstacle(
    server: Scripted, opened: Open, size: int
) -> None:
    sound = wav(hum(TEXT))
    streamed = sound[:4] + size.to_bytes(4, "little") + sound[8:40] + size.to_bytes(4, "little") + sound[44:]
    server.script = [sends(streamed)]
    speech = await say(opened())
    assert error_of(speech.samples, hum(TEXT)) < 0.001


@pytest.mark.parametrize(("codec", "form", "rate"), [("flac", "flac", 44_100), ("libmp3lame", "mp3", 24_000)])
async def test_another_format_and_rate_are_read_as_they_are(
    server: Scripted, opened: Open, codec: str, form: str, rate: int
) -> None:
    sound = hum(TEXT, rate=rate)
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="stereo")
        both = np.repeat((sound * 32767).astype(np.int16), 2)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = rate
        frames = av.AudioResampler(stream.format, stream.layout, rate, frame_size=stream.frame_size or 4096)
        for piece in [*frames.resample(frame), *frames.resample(None), None]:
            container.mux(stream.encode(piece))
    server.script = [sends(file.getvalue(), "application/octet-stream")]
    speech = await say(opened())
    assert speech.sample_rate == rate
    assert len(speech.samples) == pytest.approx(len(sound), abs=rate // 10)


async def test_several_sentences_are_spoken_at_once_but_not_more_than_configured(
    server: Scripted, opened: Open
) -> None:
    engine = opened(parallel=2)
    assert engine.parallel == 2
    server.script = [Reply((), end="never"), Reply((), end="never")]
    waiting = [asyncio.create_task(say(engine)) for _ in range(3)]
    async with asyncio.timeout(30):
        await until(lambda: len(server.requests) == 2)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert (await waiting[2]).bounds  # it had to wait for the first to be dropped
        assert len(server.requests) == 3
        waiting[1].cancel()
        await asyncio.wait(waiting)


# Voices


async def test_the_voices_are_those_of_the_settings(opened: Open) -> None:
    engine = opened(language="ja", credit="A voice of ours", model="tts-2")
    voices = await engine.voices()
    assert [voice.id for voice in voices] == ["speech:alloy", "speech:nova"]
    assert {(voice.engine, voice.language, voice.credit, voice.version) for voice in voices} == {
        ("speech", "ja", "A voice of ours", "speech server (tts-2)")
    }
    assert await engine.terms(voices[0]) == ""


async def test_the_voice_asked_for_speaks(server: Scripted, opened: Open) -> None:
    await say(opened(), voice=1)
    assert server.requests[0].body["voice"] == "nova"


async def test_another_model_or_server_is_another_identity_and_holds_no_password(opened: Open) -> None:
    one = await opened(url="https://user:secret@a.example/v1?token=secret").identity()
    assert "secret" not in one
    other = await opened(url="https://b.example/v1").identity()
    another = await opened(url="https://b.example/v1", model="kokoro").identity()
    assert len({one, other, another}) == 3


async def test_preparing_loads_the_client_and_asks_nobody(server: Scripted, opened: Open) -> None:
    engine = opened()
    await engine.prepare(await engine.voices())
    assert server.requests == []


# Whether it is there


async def test_a_server_that_answers_is_there_and_names_its_models(opened: Open) -> None:
    assert (await opened().check()).models == ("tts-1",)


@pytest.mark.parametrize("reply", [error(404, "Not Found"), error(500, "?"), Reply((b"[1]",)), Reply((b"<html>",))])
async def test_a_server_without_a_list_of_models_is_there_all_the_same(
    server: Scripted, opened: Open, reply: Reply
) -> None:
    server.script = [reply]
    assert (await opened().check()).models == ()


async def test_a_gateway_without_a_server_behind_it_is_not_there(server: Scripted, opened: Open) -> None:
    server.script = [error(502, "Bad Gateway")]
    with pytest.raises(EngineUnavailable, match="502"):
        await opened().check()


async def test_without_an_address_it_says_how_to_configure_one(opened: Open) -> None:
    engine = opened(url="")
    for ask in (engine.check, engine.voices, engine.identity):
        with pytest.raises(EngineUnavailable, match="HYBRID_MCP_SPEECH__URL"):
            await ask()


async def test_an_address_where_nobody_answers_is_named(opened: Open) -> None:
    engine = opened(url="http://127.0.0.1:1/v1")
    with pytest.raises(EngineUnavailable) as refused:
        await engine.check()
    assert "HYBRID_MCP_SPEECH__URL" in said(refused.value)
    assert "HYBRID_MCP_SPEECH__URL" in await refusal(engine, EngineUnavailable)


# Keys


async def test_the_key_is_asked_for_at_every_call(
    server: Scripted, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = opened()
    for key in ("first", "second"):
        monkeypatch.setenv("SPEECH_API_KEY", key)
        await engine.check()
        await say(engine)
    given = [request.headers["authorization"] for request in server.requests]
    assert given == ["Bearer first", "Bearer first", "Bearer second", "Bearer second"]


async def test_a_wrong_key_a_missing_one_and_one_that_is_none_are_told_apart(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speech_server(key="right") as server:
        engine = opened(url=server.url)
        with pytest.raises(KeyMissing, match="SPEECH_API_KEY"):
            await engine.check()
        assert "SPEECH_API_KEY" in await refusal(engine, KeyMissing)
        monkeypatch.setenv("SPEECH_API_KEY", KEY)
        with pytest.raises(KeyRefused) as refused:
            await engine.check()
        assert "SPEECH_API_KEY" in said(refused.value)
        assert "401" in await refusal(engine, KeyRefused)
        assert len(server.requests) == 4  # a refused key is not tried again
        monkeypatch.setenv("SPEECH_API_KEY", "鍵")
        await refusal(engine, KeyRefused)
        monkeypatch.setenv("SPEECH_API_KEY", "right")
        assert (await say(engine)).bounds


@pytest.mark.parametrize("reply", [error(429, "Quota", code="insufficient_quota"), error(402, "Pay")])
async def test_an_account_out_of_credit_is_not_asked_again(
    server: Scripted, opened: Open, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setenv("SPEECH_API_KEY", KEY)
    server.script = [reply]
    assert "credit" in await refusal(opened(), KeyRefused)
    assert len(server.requests) == 1


# Errors


async def test_a_model_or_voice_the_server_does_not_have_is_named_with_its_setting(opened: Open) -> None:
    assert "HYBRID_MCP_SPEECH__MODEL" in await refusal(opened(model="tts-9"), ModelMissing)
    assert "HYBRID_MCP_SPEECH__VOICES" in await refusal(opened(voices=("nobody",)), ModelMissing)


@pytest.mark.parametrize(
    "reply",
    [
        error(500, f"I cannot say {TEXT}"),
        error(503, "Loading"),
        error(429, "Too many requests", retry_after="0"),
        Reply((wav(hum(TEXT))[:1000],), headers={"content-type": "audio/wav"}, end="cut"),
        Reply((), end="cut"),
    ],
)
async def test_a_server_that_fails_for_a_moment_is_asked_again(server: Scripted, opened: Open, reply: Reply) -> None:
    server.script = [reply, reply]
    speech = await say(opened())
    assert error_of(speech.samples, hum(TEXT)) < 0.001
    assert len(server.requests) == 3


async def test_a_server_that_keeps_failing_is_unavailable(server: Scripted, opened: Open) -> None:
    server.script = [error(500, f"I cannot say {TEXT}")] * 3
    assert "500" in await refusal(opened(), EngineUnavailable)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        sends(b""),
        sends(b'{"error": "none"}', "application/json"),
        sends(b"<html>Not a speech server</html>", "text/html"),
        sends(wav(hum(TEXT))[:30]),
        sends(wav(hum(TEXT), rate=300)),
        sends(wav(hum(TEXT))[:20] + b"\xfd\xfe" + wav(hum(TEXT))[22:]),  # a codec of nobody's
    ],
)
async def test_an_answer_that_is_no_audio_is_refused(server: Scripted, opened: Open, reply: Reply) -> None:
    server.script = [reply]
    assert "not audio" in await refusal(opened(), AnswerUnusable)


async def test_an_answer_far_too_long_for_a_sentence_is_cut(
    server: Scripted, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hybrid_mcp.tts.openai._MOST_BYTES", 20_000)
    server.script = [Reply((bytes(10_000),) * 3, end="never")]
    assert "too long" in await refusal(opened(), AnswerUnusable)
    async with asyncio.timeout(30):
        await server.left.wait()


async def test_little_that_unpacks_to_far_too_much_is_refused(server: Scripted, opened: Open) -> None:
    file, minutes, rate = io.BytesIO(), 12, 8_000
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 60 * rate), np.int16), format="s16", layout="mono")
        frame.sample_rate = rate
        for one in [*[frame] * minutes, None]:
            container.mux(stream.encode(one))
    assert len(file.getvalue()) < 200_000
    server.script = [sends(file.getvalue(), "audio/flac")]
    assert "too long" in await refusal(opened(), AnswerUnusable)


@pytest.mark.parametrize(("status", "kind"), [(404, EngineUnavailable), (302, EngineUnavailable), (418, EngineError)])
async def test_an_address_with_something_else_behind_it_is_explained(
    server: Scripted, opened: Open, status: int, kind: type[EngineError]
) -> None:
    server.script = [error(status, f"{TEXT}")]
    assert "HYBRID_MCP_SPEECH__" in await refusal(opened(), kind)
    assert len(server.requests) == 1


async def test_a_sentence_that_never_comes_ends_at_the_deadline(server: Scripted, opened: Open) -> None:
    server.script = [Reply((b"RIFF",), end="never")]
    await refusal(opened(deadline=0.3), DeadlineExceeded)
    async with asyncio.timeout(30):
        await server.left.wait()


async def test_cancelling_a_sentence_closes_its_connection(server: Scripted, opened: Open) -> None:
    server.script = [Reply((b"RIFF",), end="never")]
    task = asyncio.create_task(say(opened()))
    async with asyncio.timeout(30):
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()


# Placing


@given(
    weights=st.lists(st.sampled_from([0.0, 1.0, 3.0, 20.0]), min_size=1, max_size=8).filter(any),
    tones=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=8),
    lead_in=st.sampled_from([None, 0.0, 0.3]),
    lead_out=st.sampled_from([None, 0.0, 0.3]),
)
def test_phrases_stand_in_order_inside_the_sound(
    weights: list[float], tones: list[tuple[int, int]], lead_in: float | None, lead_out: float | None
) -> None:
    pieces = [
        np.full(centiseconds * 80, level, np.float32)
        for pair in tones
        for centiseconds, level in zip(pair, (0.5, 0), strict=True)
    ]
    samples = np.concatenate([np.zeros(100, np.float32), *pieces])
    sound, bounds = placed(samples, 8000, weights, Prosody(lead_in=lead_in, lead_out=lead_out))
    assert len(bounds) == len(weights)
    before = 0
    for (start, end), weight in zip(bounds, weights, strict=True):
        assert before <= start <= end <= len(sound)
        assert weight or start == end
        before = end
    if samples.any():
        assert np.flatnonzero(sound)[0] >= bounds[0][0]
        assert np.flatnonzero(sound)[-1] < bounds[-1][1]

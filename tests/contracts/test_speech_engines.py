"""What every speech engine keeps, whichever product is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
import pytest
from conftest import held
from peers.speech import speech_server
from peers.voicevox import voicevox_engine

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Outgoing, SpeechServer, TextToSpeech
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import EngineUnavailable
from hybrid_mcp.languages import Language
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.script.phrasing import Utterance, utterances
from hybrid_mcp.secrets.interface import Secret, SecretName
from hybrid_mcp.tts.interface import Prosody, SpeechEngine, Voice
from hybrid_mcp.tts.openai import OpenAISpeech
from hybrid_mcp.tts.openjtalk import OpenJTalk
from hybrid_mcp.tts.voicevox import Voicevox

pytestmark = pytest.mark.slow

SENTENCES: dict[Language, str] = {
    "ja": "本研究では、最新の技術について、詳しく調査を行いました。",
    "en": "In this study, we looked at new methods, and found that they work.",
}
OUT = Egress(Outgoing())


class NoKeys:
    async def get(self, name: SecretName) -> Secret | None:
        del name
        return None


def voicevox_at(url: str) -> Voicevox:
    guard = Backend("voicevox", parallel=2, deadline=30, remember=0)
    return Voicevox("voicevox", url, TextToSpeech(patience=0), OUT, guard)


def speech_at(url: str) -> OpenAISpeech:
    guard = Backend("speech", parallel=2, deadline=30, remember=0)
    return OpenAISpeech(SpeechServer(url=url, voices=("alloy", "nova")), NoKeys(), OUT, guard)


@asynccontextmanager
async def open_jtalk() -> AsyncIterator[SpeechEngine]:
    yield OpenJTalk(workers=2)


@asynccontextmanager
async def voicevox() -> AsyncIterator[SpeechEngine]:
    async with voicevox_engine() as engine:
        yield voicevox_at(engine.url)


@asynccontextmanager
async def speech() -> AsyncIterator[SpeechEngine]:
    async with speech_server() as server:
        yield speech_at(server.url)


KINDS: dict[str, Callable[[], AbstractAsyncContextManager[SpeechEngine]]] = {
    "openjtalk": open_jtalk,
    "voicevox": voicevox,
    "speech": speech,
}


@pytest.fixture(params=KINDS)
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[SpeechEngine]:
    async with held(KINDS[request.param]()) as made:
        yield made
        await made.close()


@pytest.fixture
async def voice(engine: SpeechEngine) -> Voice:
    return (await engine.voices())[0]


@pytest.fixture
def sentence(voice: Voice) -> Utterance:
    language: Language = "ja" if voice.language == "ja" else "en"
    [phrases] = utterances(SENTENCES[language], language)
    return phrases


async def test_it_says_that_it_is_there_and_who_speaks(engine: SpeechEngine) -> None:
    await engine.check()
    voices = await engine.voices()
    assert len({voice.id for voice in voices}) == len(voices) >= 2
    assert {voice.engine for voice in voices} == {engine.name}
    assert all(voice.version and voice.speaker and voice.sample_rate >= 16_000 for voice in voices)
    assert await engine.identity() == await engine.identity() != ""
    assert engine.parallel >= 1


async def test_phrases_follow_each_other_inside_a_sound_that_is_neither_silent_nor_clipped(
    engine: SpeechEngine, voice: Voice, sentence: Utterance
) -> None:
    await engine.prepare([voice])
    speech = await engine.speak(sentence, voice, Prosody())
    assert speech.samples.dtype == np.float32
    assert speech.samples.ndim == 1
    assert 0.01 < np.abs(speech.samples).max() <= 1
    assert 0.5 < len(speech.samples) / speech.sample_rate < 20
    assert len(speech.bounds) == len(sentence)
    before = 0
    for start, end in speech.bounds:
        assert before <= start < end <= len(speech.samples)
        before = end


async def test_the_same_sentence_sounds_the_same_and_faster_is_shorter(
    engine: SpeechEngine, voice: Voice, sentence: Utterance
) -> None:
    first, second = [await engine.speak(sentence, voice, Prosody()) for _ in range(2)]
    assert np.array_equal(first.samples, second.samples)
    fast = await engine.speak(sentence, voice, Prosody(speed=1.5))
    assert len(first.samples) / len(fast.samples) == pytest.approx(1.5, rel=0.08)


async def test_silence_around_a_sentence_is_as_long_as_asked(
    engine: SpeechEngine, voice: Voice, sentence: Utterance
) -> None:
    usual = await engine.speak(sentence, voice, Prosody(lead_in=0.0, lead_out=0.0))
    wide = await engine.speak(sentence, voice, Prosody(lead_in=0.5, lead_out=0.3))
    longer = (len(wide.samples) - len(usual.samples)) / usual.sample_rate
    assert longer == pytest.approx(0.8, abs=0.03)
    assert np.abs(wide.samples[: round(0.4 * wide.sample_rate)]).max() < 0.01


async def test_volume_is_a_gain(engine: SpeechEngine, voice: Voice, sentence: Utterance) -> None:
    usual, soft = [await engine.speak(sentence, voice, Prosody(volume=gain)) for gain in (0.5, 0.25)]
    assert np.abs(soft.samples).max() == pytest.approx(np.abs(usual.samples).max() / 2, rel=0.05)


async def test_symbols_alone_are_silence_of_no_length(engine: SpeechEngine, voice: Voice) -> None:
    speech = await engine.speak((Phrase("…", "…", pause_after=True),), voice, Prosody())
    assert len(speech.samples) == 0
    assert speech.bounds == ((0, 0),)


async def test_sentences_are_spoken_at_once_and_a_cancelled_one_disturbs_nobody(
    engine: SpeechEngine, voice: Voice, sentence: Utterance
) -> None:
    alone = await engine.speak(sentence, voice, Prosody())
    tasks = [asyncio.create_task(engine.speak(sentence, voice, Prosody())) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    async with asyncio.timeout(60):
        others = await asyncio.gather(*tasks[1:])
    assert all(np.array_equal(other.samples, alone.samples) for other in others)


@pytest.mark.parametrize("make", [voicevox_at, speech_at])
async def test_a_server_that_is_not_there_is_said_to_be_away(make: Callable[[str], SpeechEngine]) -> None:
    engine = make("http://127.0.0.1:9")  # discard: nobody listens
    with pytest.raises(EngineUnavailable, match="HYBRID_MCP_"):
        await engine.check()
    await engine.close()

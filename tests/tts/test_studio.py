"""Several engines as one: whom a name means, who reads when nobody is named, and why not the first choice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import numpy as np
import pytest

from hybrid_mcp.backend import Health
from hybrid_mcp.errors import EngineUnavailable, NotFound, UnsupportedLanguage
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.tts.interface import Prosody, Speech, Voice
from hybrid_mcp.tts.rates import in_rate
from hybrid_mcp.tts.speak import SpokenLine, speak
from hybrid_mcp.tts.studio import Studio


class Tones:
    """A speech engine of tones, as long as the text; it can be switched off."""

    def __init__(self, name: str, *voices: Voice, rate: int = 24_000, parallel: int = 2) -> None:
        self.name = name
        self.parallel = parallel
        self.on = True
        self.said: list[str] = []
        self._voices = voices
        self._rate = rate

    async def check(self) -> Health:
        if not self.on:
            raise EngineUnavailable(ja=f"{self.name} は起動していません。", en=f"{self.name} is not running.")
        return Health("1")

    async def voices(self) -> tuple[Voice, ...]:
        return self._voices

    async def prepare(self, voices: Sequence[Voice]) -> None:
        pass

    async def identity(self) -> str:
        return f"{self.name} 1"

    async def terms(self, voice: Voice) -> str:
        return ""

    async def speak(self, phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        del prosody
        self.said.append(voice.id)
        lengths = [len(phrase.spoken) * self._rate // 10 for phrase in phrases]
        ends = np.cumsum(lengths).tolist()
        tone = np.sin(np.arange(sum(lengths)) * 2 * np.pi * 440 / self._rate).astype(np.float32) * 0.5
        return Speech(tone, self._rate, tuple(zip([0, *ends[:-1]], ends, strict=True)))

    async def close(self) -> None:
        pass


def voice(engine: str, speaker: str, style: str = "ノーマル", *, language: str = "ja", key: str = "1") -> Voice:
    return Voice(
        id=f"{engine}:{speaker}/{style}",
        name_ja=f"{speaker} ({style})",
        name_en=f"{speaker} ({style})",
        language=language,
        engine=engine,
        version=f"{engine} 1",
        credit=f"{engine}:{speaker}",
        licence="free",
        sample_rate=24_000,
        speaker=speaker,
        style=style,
        key=key,
    )


@pytest.fixture
def first() -> Tones:
    return Tones(
        "one",
        voice("one", "あおい", key="0"),
        voice("one", "あおい", "ささやき", key="1"),
        voice("one", "みどり", key="2"),
    )


@pytest.fixture
def second() -> Tones:
    return Tones("two", voice("two", "あおい", key="7"), voice("two", "Kai", language="en", key="8"), rate=48_000)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("one:あおい/ささやき", "one:あおい/ささやき"),
        ("あおい", "one:あおい/ノーマル"),
        ("あおい/ささやき", "one:あおい/ささやき"),
        ("あおい（ささやき）", "one:あおい/ささやき"),
        ("あおい　ささやき", "one:あおい/ささやき"),
        ("two:あおい", "two:あおい/ノーマル"),
        ("one:2", "one:みどり/ノーマル"),
        ("アオイ/ささやき", "one:あおい/ささやき"),
        ("KAI", "two:Kai/ノーマル"),
    ],
)
async def test_a_voice_is_found_by_the_names_people_use(first: Tones, second: Tones, asked: str, meant: str) -> None:
    assert (await Studio([first, second]).named(asked)).id == meant


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("あおい", ["one:あおい/ノーマル", "two:あおい/ノーマル"]),
        ("アオイ (ノーマル)", ["one:あおい/ノーマル", "two:あおい/ノーマル"]),
        ("あおい/ささやき", ["one:あおい/ささやき"]),
        ("two:あおい/ノーマル", ["two:あおい/ノーマル"]),
        ("one:あ", ["one:あおい/ノーマル", "one:あおい/ささやき"]),
        ("ONE", ["one:あおい/ノーマル", "one:みどり/ノーマル"]),
        ("ささ", ["one:あおい/ささやき"]),
        ("くろ", []),
        ("/", []),
    ],
)
async def test_a_name_may_mean_several_voices(first: Tones, second: Tones, asked: str, meant: list[str]) -> None:
    assert [one.id for one in await Studio([first, second]).meant(asked)] == meant


async def test_a_misspelt_voice_is_answered_with_the_nearest_ones(first: Tones, second: Tones) -> None:
    with pytest.raises(NotFound, match=r"Nearest: .*あおい/ささやき"):
        await Studio([first, second]).named("あおい/ささやく")


async def test_a_voice_of_an_engine_that_is_away_says_so(first: Tones, second: Tones) -> None:
    first.on = False
    with pytest.raises(NotFound, match="one cannot be used now: one is not running"):
        await Studio([first, second]).named("みどり")


async def test_who_reads_when_nobody_is_named_follows_the_order_and_says_why_not_the_first(
    first: Tones, second: Tones
) -> None:
    studio = Studio([first, second])
    usual = await studio.usual("ja")
    assert (usual.voice.id, usual.passed) == ("one:あおい/ノーマル", ())
    first.on = False
    usual = await studio.usual("ja")
    assert usual.voice.id == "two:あおい/ノーマル"
    assert [passed.text("en") for passed in usual.passed] == ["one: one is not running."]
    first.on = True
    assert (await studio.usual("ja")).voice.id == "one:あおい/ノーマル"


async def test_the_configured_voice_reads_and_when_it_is_away_that_is_said(first: Tones, second: Tones) -> None:
    studio = Studio([first, second], "みどり")
    assert (await studio.usual("ja")).voice.id == "one:みどり/ノーマル"
    first.on = False
    usual = await studio.usual("ja")
    assert usual.voice.id == "two:あおい/ノーマル"
    assert any("みどり" in passed.why.en for passed in usual.passed)


async def test_a_language_nobody_speaks_is_refused_with_the_remedy(first: Tones) -> None:
    with pytest.raises(UnsupportedLanguage, match="HYBRID_MCP_SPEECH__URL"):
        await Studio([first]).usual("en")


async def test_further_speakers_get_other_speakers_before_other_styles(first: Tones) -> None:
    others = await Studio([first]).casting((await first.voices())[0])
    assert [one.id for one in others] == ["one:みどり/ノーマル"]


async def test_lines_of_two_engines_come_in_order_at_one_rate(first: Tones, second: Tones) -> None:
    studio = Studio([first, second])
    readers = [(await first.voices())[0], (await second.voices())[0]]
    lines = [SpokenLine(f"l{number}", "x", "これは文です。", readers[number % 2], 0.5) for number in range(6)]

    async def ignore(done: int, total: int) -> None:
        pass

    spoken = [
        line
        async for line in speak(
            studio, lines, Prosody(), language="ja", sentence_pause=0.2, sample_rate=48_000, on_spoken=ignore
        )
    ]
    assert [line.cue.id for line in spoken] == [line.id for line in lines]
    assert [line.cue.voice for line in spoken] == [line.voice.id for line in lines]
    assert len({len(line.samples) for line in spoken}) == 1
    assert {line.cue.end - line.cue.start for line in spoken} == {spoken[1].cue.end - spoken[1].cue.start}


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
async def test_another_rate_keeps_length_pitch_and_places(first: Tones, rate: int) -> None:
    phrases = (Phrase("あいうえお", "あいうえお", pause_after=True), Phrase("かき", "かき", pause_after=True))
    speech = await first.speak(phrases, (await first.voices())[0], Prosody())
    other = await in_rate(speech, rate)
    assert other.sample_rate == rate
    assert len(other.samples) / rate == pytest.approx(len(speech.samples) / 24_000, abs=1 / rate)
    assert other.bounds[1][1] == len(other.samples)
    assert [start / rate for start, _ in other.bounds] == pytest.approx(
        [start / 24_000 for start, _ in speech.bounds], abs=1 / rate
    )
    spectrum = np.abs(np.fft.rfft(other.samples))
    assert np.argmax(spectrum) * rate / len(other.samples) == pytest.approx(440, abs=3)


async def test_what_has_no_sound_has_none_at_another_rate() -> None:
    silence = Speech(np.zeros(0, np.float32), 24_000, ((0, 0), (0, 0)))
    other = await in_rate(silence, 48_000)
    assert (other.sample_rate, len(other.samples), other.bounds) == (48_000, 0, silence.bounds)


async def test_the_first_line_is_there_while_the_second_is_still_being_spoken(first: Tones) -> None:
    go_on = asyncio.Event()
    usual = first.speak

    async def speaking(phrases: tuple[Phrase, ...], voice: Voice, prosody: Prosody) -> Speech:
        if "二" in phrases[0].spoken:
            await go_on.wait()
        return await usual(phrases, voice, prosody)

    first.speak = speaking  # type: ignore[method-assign]
    reader = (await first.voices())[0]
    lines = [SpokenLine(f"l{number}", "x", text, reader, 0.5) for number, text in enumerate(("一行目。", "二行目。"))]

    async def ignore(done: int, total: int) -> None:
        pass

    spoken = speak(
        Studio([first]), lines, Prosody(), language="ja", sentence_pause=0.2, sample_rate=24_000, on_spoken=ignore
    )
    async with contextlib.aclosing(spoken):
        async with asyncio.timeout(30):
            assert (await anext(spoken)).cue.id == "l0"
        go_on.set()
        assert (await anext(spoken)).cue.id == "l1"

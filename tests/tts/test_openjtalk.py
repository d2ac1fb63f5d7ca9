"""Open JTalk itself: what it says, and that its frames are exact."""

import asyncio

import numpy as np
import pytest

from hybrid_mcp.script.model import Phrase
from hybrid_mcp.script.phrasing import utterances
from hybrid_mcp.tts.hts import FRAME
from hybrid_mcp.tts.interface import Prosody, Speech
from hybrid_mcp.tts.openjtalk import SAMPLE_RATE, OpenJTalk

pytestmark = pytest.mark.slow

SENTENCE = "本研究では、最新の技術について調査を行いました。"


async def say(engine: OpenJTalk, text: str, prosody: Prosody | None = None, voice: int = 0) -> Speech:
    [phrases] = utterances(text, "ja")
    return await engine.speak(phrases, (await engine.voices())[voice], prosody or Prosody())


def loud(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples**2))) if len(samples) else 0.0


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.25, 2.0])
@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        "深層学習は、1986年に提案された誤差逆伝播法によって、大きく発展しました。",
        "候補遺伝子をレトロウイルスでマウスの線維芽細胞に導入しES細胞に似た細胞だけが生き残る仕組みを用いて調べました",
        "本当でしょうか？",
        "「はい」、と（小さく）言った…。",
    ],
)
async def test_phrases_tile_the_line_in_whole_frames_with_silence_between(
    open_jtalk: OpenJTalk, text: str, speed: float
) -> None:
    speech = await say(open_jtalk, text, Prosody(speed=speed))
    assert speech.sample_rate == SAMPLE_RATE
    assert len(speech.samples) % FRAME == 0
    assert np.abs(speech.samples).max() <= 1
    before = 0
    for start, end in speech.bounds:
        assert start % FRAME == end % FRAME == 0
        assert before <= start < end <= len(speech.samples)
        # What lies between two phrases, and before the first, is the voice's own silence.
        assert loud(speech.samples[before:start]) < 0.003
        assert loud(speech.samples[start:end]) > 0.02
        before = end
    assert loud(speech.samples[before:]) < 0.003


async def test_faster_is_shorter_in_proportion_and_as_loud(open_jtalk: OpenJTalk) -> None:
    usual, fast = await say(open_jtalk, SENTENCE), await say(open_jtalk, SENTENCE, Prosody(speed=1.5))
    assert len(usual.samples) / len(fast.samples) == pytest.approx(1.5, abs=0.03)
    assert loud(fast.samples) == pytest.approx(loud(usual.samples), rel=0.1)


async def test_a_long_breath_is_cut_for_the_screen_and_every_piece_is_timed(open_jtalk: OpenJTalk) -> None:
    text = "候補遺伝子をレトロウイルスでマウスの線維芽細胞に導入してES細胞に似た細胞だけが生き残る仕組みを用いて詳しく調べました。"
    [phrases] = utterances(text, "ja")
    assert len(phrases) > 1
    assert [phrase.pause_after for phrase in phrases[:-1]] == [False] * (len(phrases) - 1)
    speech = await open_jtalk.speak(phrases, (await open_jtalk.voices())[0], Prosody())
    assert all(before[1] == after[0] for before, after in zip(speech.bounds, speech.bounds[1:], strict=False))


async def test_the_same_line_sounds_the_same_every_time(open_jtalk: OpenJTalk) -> None:
    first, *others = await asyncio.gather(*(say(open_jtalk, SENTENCE, Prosody(speed=1.1)) for _ in range(4)))
    for other in others:
        assert np.array_equal(first.samples, other.samples)


async def test_volume_is_a_gain_and_never_leaves_full_scale(open_jtalk: OpenJTalk) -> None:
    usual, soft, full = [await say(open_jtalk, SENTENCE, Prosody(volume=gain)) for gain in (1.0, 0.5, 2.0)]
    assert np.allclose(soft.samples, usual.samples * 0.5, atol=1e-6)
    assert np.abs(full.samples).max() <= 1


async def test_pauses_inside_a_line_scale_and_speech_stays_as_long(open_jtalk: OpenJTalk) -> None:
    usual, tight, wide = [await say(open_jtalk, SENTENCE, Prosody(pause_scale=scale)) for scale in (1.0, 0.0, 2.0)]
    (first, second), (tight_first, tight_second), (_, wide_second) = usual.bounds, tight.bounds, wide.bounds
    pause = second[0] - first[1]
    assert tight_second[0] == tight_first[1]
    assert wide_second[0] - first[1] == pytest.approx(2 * pause, abs=FRAME)
    assert tight_second[1] - tight_second[0] == second[1] - second[0]


async def test_pauses_and_the_silence_around_a_sentence_are_as_long_as_asked(open_jtalk: OpenJTalk) -> None:
    asked = Prosody(pause=0.3, pause_scale=2.0, lead_in=0.5, lead_out=0.0)
    usual, speech = await say(open_jtalk, SENTENCE), await say(open_jtalk, SENTENCE, asked)
    (first, second), own = speech.bounds, usual.bounds
    assert first[0] == round(0.5 * SAMPLE_RATE)
    assert second[0] - first[1] == round(0.6 * SAMPLE_RATE)
    assert second[1] == len(speech.samples)
    assert first[1] - first[0] == own[0][1] - own[0][0]


async def test_voices_differ_in_pitch(open_jtalk: OpenJTalk) -> None:
    pitches = [_pitch((await say(open_jtalk, "あーーーー。", voice=voice)).samples) for voice in (1, 0, 2)]
    assert pitches == sorted(pitches)
    assert pitches[1] / pitches[0] == pytest.approx(2 ** (4 / 12), rel=0.06)


async def test_symbols_alone_give_silence_of_no_length(open_jtalk: OpenJTalk) -> None:
    speech = await open_jtalk.speak((Phrase("…", "…", pause_after=True),), (await open_jtalk.voices())[0], Prosody())
    assert len(speech.samples) == 0


def _pitch(samples: np.ndarray) -> float:
    """Fundamental frequency of the middle of a vowel, by autocorrelation."""
    middle = samples[len(samples) // 2 - 4800 : len(samples) // 2 + 4800]
    lags = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    shortest, longest = SAMPLE_RATE // 500, SAMPLE_RATE // 80
    return SAMPLE_RATE / (shortest + int(np.argmax(lags[shortest:longest])))

"""VOICEVOX's adapter, against a scripted engine that checks requests and keeps the rule of durations by itself."""

import asyncio
import math
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from conftest import held
from hypothesis import given
from hypothesis import strategies as st
from peers.scripted import Reply, Scripted, serving
from peers.voicevox import SPEAKERS, ScriptedEngine, voicevox_engine
from pydantic import ValidationError

from hybrid_mcp.backend import Backend
from hybrid_mcp.config import Outgoing, TextToSpeech
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import DeadlineExceeded, EngineError, EngineUnavailable, HybridError, InvalidInput
from hybrid_mcp.script.model import Phrase
from hybrid_mcp.script.phrasing import utterances
from hybrid_mcp.tts.interface import LineCue, Prosody, Speech
from hybrid_mcp.tts.speak import SpokenLine, speak
from hybrid_mcp.tts.studio import Studio
from hybrid_mcp.tts.voicevox import Voicevox
from hybrid_mcp.tts.voicevox_frames import frames
from hybrid_mcp.tts.voicevox_query import AccentPhrase, AudioQuery, Manifest, Mora

pytestmark = pytest.mark.slow

FRAME = 256
SENTENCE = "深層学習は、1986年に提案された方法によって、大きく発展しました。"


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with held(voicevox_engine()) as running:
        yield running


@pytest.fixture
async def adapters() -> AsyncIterator[list[Voicevox]]:
    made: list[Voicevox] = []
    yield made
    for adapter in made:
        await adapter.close()


@pytest.fixture
def voicevox(engine: ScriptedEngine, adapters: list[Voicevox]) -> Voicevox:
    return adapter(engine.url, adapters)


def adapter(
    url: str,
    made: list[Voicevox],
    *,
    parallel: int = 2,
    deadline: float = 60,
    patience: float = 30,
    failures: int = 3,
    rest: float = 0.01,
    remember: float = 3,
) -> Voicevox:
    settings = TextToSpeech(parallel=parallel, deadline=deadline, patience=patience)
    backend = Backend("voicevox", parallel=parallel, deadline=deadline, failures=failures, rest=rest, remember=remember)
    made.append(Voicevox("voicevox", url, settings, Egress(Outgoing()), backend))
    return made[-1]


async def say(voicevox: Voicevox, text: str, prosody: Prosody | None = None, voice: int = 0) -> Speech:
    [phrases] = utterances(text, "ja")
    return await voicevox.speak(phrases, (await voicevox.voices())[voice], prosody or Prosody())


def is_silent(samples: np.ndarray) -> bool:
    return not len(samples) or float(np.abs(samples).max()) < 1e-3


# What it offers


async def test_voices_are_speakers_in_their_talking_styles(voicevox: Voicevox) -> None:
    voices = await voicevox.voices()
    assert [voice.id for voice in voices] == [
        "voicevox:朝霧ソラ/ノーマル",
        "voicevox:朝霧ソラ/ささやき",
        "voicevox:夕凪リク/ノーマル",
        "voicevox:夕凪リク/はきはき",
        "voicevox:夕凪リク/のんびり",
        "voicevox:宵待ハル/ノーマル",
        "voicevox:宵待ハル/よろこび",
    ]
    whisper = voices[1]
    assert (whisper.speaker, whisper.style, whisper.key) == ("朝霧ソラ", "ささやき", "11")
    assert (whisper.credit, whisper.sample_rate, whisper.language) == ("VOICEVOX:朝霧ソラ", 24_000, "ja")
    assert "0.25.2" in whisper.version


async def test_voices_that_would_share_an_id_are_told_apart(adapters: list[Voicevox]) -> None:
    twin = replace_styles(SPEAKERS[0], [(1, "ノーマル"), (2, "ノーマル")])
    async with voicevox_engine(speakers=(twin,)) as engine:
        voices = await adapter(engine.url, adapters).voices()
    assert len({voice.id for voice in voices}) == 2
    assert [voice.key for voice in voices] == ["1", "2"]


async def test_what_must_be_named_is_the_brand_and_the_speaker(adapters: list[Voicevox]) -> None:
    async with voicevox_engine(brand="AivisSpeech", rate=44_100) as engine:
        [voice, *_] = await adapter(engine.url, adapters).voices()
    assert (voice.credit, voice.sample_rate) == ("AivisSpeech:朝霧ソラ", 44_100)


async def test_the_catalogue_is_asked_once_until_the_engine_is_another(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters, remember=0)
    for _ in range(3):
        await voicevox.voices()
    assert len(engine.asked("/speakers")) == 1
    engine.version, engine.speakers = "0.26.0", SPEAKERS[:1]
    assert len(await voicevox.voices()) == 2
    assert "0.26.0" in await voicevox.identity()


async def test_voices_installed_while_the_engine_runs_are_there_a_minute_later(engine: ScriptedEngine) -> None:
    now = 1000.0
    backend = Backend("voicevox", parallel=1, deadline=60)
    voicevox = Voicevox("voicevox", engine.url, TextToSpeech(), Egress(Outgoing()), backend, clock=lambda: now)
    try:
        engine.speakers = SPEAKERS[:1]
        assert len(await voicevox.voices()) == 2
        engine.speakers = SPEAKERS
        now += 59
        assert len(await voicevox.voices()) == 2
        now += 2
        assert len(await voicevox.voices()) == 7
    finally:
        await voicevox.close()


async def test_terms_are_the_speakers_and_the_engines_without_portraits(
    engine: ScriptedEngine, voicevox: Voicevox
) -> None:
    terms = await voicevox.terms((await voicevox.voices())[0])
    assert "VOICEVOX:朝霧ソラ" in terms
    assert "どなたでも使えます" in terms
    [asked] = engine.asked("/speaker_info")
    assert asked.params["resource_format"] == "url"


async def test_what_the_user_taught_the_engine_changes_what_its_sound_depends_on(
    engine: ScriptedEngine, voicevox: Voicevox
) -> None:
    before = await voicevox.identity()
    assert before == await voicevox.identity()
    engine.taught = {"word": {"surface": "海馬", "pronunciation": "カイバ"}}
    assert await voicevox.identity() != before


async def test_each_voice_is_prepared_once(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    first, second, *_ = await voicevox.voices()
    await voicevox.prepare([first, second, first])
    assert [request.params for request in engine.asked("/initialize_speaker")] == [
        {"speaker": 10, "skip_reinit": True},
        {"speaker": 11, "skip_reinit": True},
    ]


async def test_an_engine_that_knows_neither_preparation_nor_dictionary_nor_terms_will_do(
    adapters: list[Voicevox],
) -> None:
    async with voicevox_engine(lacking={"/initialize_speaker", "/user_dict", "/speaker_info"}) as engine:
        voicevox = adapter(engine.url, adapters)
        voices = await voicevox.voices()
        await voicevox.prepare(voices)
        assert await voicevox.identity()
        assert await voicevox.terms(voices[0]) == "台本どおりのエンジンです。\nどなたでも使えます。"


# How it speaks


@pytest.mark.parametrize(
    "prosody",
    [
        Prosody(),
        Prosody(speed=0.5),
        Prosody(speed=0.83),
        Prosody(speed=1.25),
        Prosody(speed=2.0),
        Prosody(pause_scale=0.0),
        Prosody(pause_scale=1.7, speed=1.1),
        Prosody(pause=0.5),
        Prosody(pause=0.24, pause_scale=2.0, speed=1.3),
        Prosody(lead_in=0.0, lead_out=0.0),
        Prosody(lead_in=0.08, lead_out=0.24),
        Prosody(lead_in=0.4, lead_out=1.2, speed=1.7),
    ],
    ids=str,
)
async def test_every_phrase_stands_where_it_was_predicted_to_the_sample(
    engine: ScriptedEngine, voicevox: Voicevox, prosody: Prosody
) -> None:
    for text in (
        SENTENCE,
        "本当でしょうか？",
        "被験者（24名、平均22.5歳）は海馬（脳の一部）活動を示した。",
        "候補遺伝子をマウスの線維芽細胞に導入して生き残る仕組みを用いて詳しく調べました。",
        "箸《ハ'シ》を、橋《ハシ'》の端《ハシ'/デ'ス？》で。",
    ):
        speech = await say(voicevox, text, prosody)
        asked = AudioQuery.model_validate(engine.asked("/synthesis")[-1].body)
        assert len(speech.samples) == frames(asked, frame_rate=93.75, upspeak=True).total * FRAME
        check_places(speech, text)


def check_places(speech: Speech, text: str) -> None:
    [phrases] = utterances(text, "ja")
    assert not speech.estimated
    assert len(speech.bounds) == len(phrases)
    before = 0
    for (start, end), phrase in zip(speech.bounds, phrases, strict=True):
        assert before <= start < end <= len(speech.samples)
        assert start % FRAME == end % FRAME == 0
        assert is_silent(speech.samples[before:start]), phrase  # the engine's own pause and nothing else
        assert not is_silent(speech.samples[start : start + 2 * FRAME]), phrase
        assert not is_silent(speech.samples[end - 2 * FRAME : end]), phrase
        before = end
    assert is_silent(speech.samples[before:])


async def test_seconds_of_silence_last_as_long_at_any_speed(voicevox: Voicevox) -> None:
    for speed in (0.5, 1.0, 2.0):
        speech = await say(voicevox, "はい、そうです。", Prosody(speed=speed, lead_in=0.32, lead_out=0.64, pause=0.48))
        (start, end), (after, last) = speech.bounds
        assert (start, after - end, len(speech.samples) - last) == (30 * FRAME, 45 * FRAME, 60 * FRAME)


async def test_a_sentence_of_breaths_is_analysed_in_one_go(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    await say(voicevox, "東京は、晴れです。")
    assert [request.params["text"] for request in engine.asked("/audio_query")] == ["東京は、晴れです"]
    assert not engine.asked("/accent_phrases")


async def test_phrases_without_a_pause_are_analysed_one_by_one_and_sung_together(
    engine: ScriptedEngine, voicevox: Voicevox
) -> None:
    text = "候補遺伝子をマウスの線維芽細胞に導入して生き残る仕組みを用いて詳しく調べました。"
    [phrases] = utterances(text, "ja")
    speech = await say(voicevox, text)
    assert [request.params["text"] for request in engine.asked("/accent_phrases")] == [one.spoken for one in phrases]
    [together] = engine.asked("/mora_data")
    assert not any(phrase.get("pause_mora") for phrase in together.body)
    assert all(before[1] == after[0] for before, after in zip(speech.bounds, speech.bounds[1:], strict=False))


async def test_latin_words_are_read_in_kana(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    await say(voicevox, "DNAを調べた。")
    [asked] = engine.asked("/audio_query")
    assert asked.params["text"] == "ディーエヌエーを調べた"


async def test_a_reading_with_accents_is_given_as_kana_with_accents(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    await say(voicevox, "赤い箸《は'し》を持つ。")
    assert [(one.params["text"], one.params["is_kana"]) for one in engine.asked("/accent_phrases")] == [
        ("赤い", False),
        ("ハ'シ", True),
        ("を持つ", False),
    ]
    [synthesis] = engine.asked("/synthesis")
    spoken = {"".join(mora["text"] for mora in one["moras"]): one["accent"] for one in synthesis.body["accent_phrases"]}
    assert spoken["ハシ"] == 1


async def test_a_reading_the_engine_cannot_read_is_the_callers_and_not_repeated_in_logs(
    adapters: list[Voicevox], engine: ScriptedEngine
) -> None:
    engine.broken["/accent_phrases"] = [400]
    with pytest.raises(InvalidInput, match="katakana") as caught:
        await say(adapter(engine.url, adapters), "箸《ハ'シ》。")
    assert "ハ" not in str(caught.value)


async def test_a_question_rises_only_if_the_engine_lets_it(adapters: list[Voicevox]) -> None:
    lengths = []
    for rises in (True, False):
        async with voicevox_engine(features={"interrogative_upspeak": rises}) as engine:
            speech = await say(adapter(engine.url, adapters), "行きますか？")
            [asked] = engine.asked("/synthesis")
            assert asked.params["enable_interrogative_upspeak"] is rises
            assert not speech.estimated
            lengths.append(len(speech.samples))
    assert lengths[0] - lengths[1] == 14 * FRAME  # 0.15 s


async def test_a_semitone_is_a_semitone_for_every_mora(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    await say(voicevox, "海馬です。")
    await say(voicevox, "海馬です。", Prosody(pitch=12))
    usual, higher = (
        [mora["pitch"] for phrase in request.body["accent_phrases"] for mora in phrase["moras"]]
        for request in engine.asked("/synthesis")
    )
    assert 0 in usual  # です ends voiceless
    for low, high in zip(usual, higher, strict=True):
        assert np.exp(high) == pytest.approx(2 * np.exp(low) if low else 1)
    assert all(request.body["pitchScale"] == 0 for request in engine.asked("/synthesis"))


async def test_volume_and_melody_are_passed_on(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    usual = await say(voicevox, "海馬です。")
    soft = await say(voicevox, "海馬です。", Prosody(volume=0.5, intonation=1.4))
    assert np.abs(soft.samples).max() == pytest.approx(np.abs(usual.samples).max() / 2, abs=1e-3)
    assert engine.asked("/synthesis")[-1].body["intonationScale"] == 1.4


async def test_what_has_no_sound_is_silence_of_no_length(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    [voice, *_] = await voicevox.voices()
    [phrases] = utterances("あ。", "ja")
    speech = await voicevox.speak((replace(phrases[0], shown="…", spoken="…"),), voice, Prosody())
    assert (len(speech.samples), speech.bounds) == (0, ((0, 0),))
    assert not engine.asked("/synthesis")


@pytest.mark.parametrize(
    ("lacking", "prosody"),
    [
        ("adjust_speed_scale", Prosody(speed=1.2)),
        ("adjust_volume_scale", Prosody(volume=0.8)),
        ("adjust_mora_pitch", Prosody(pitch=2)),
    ],
)
async def test_what_an_engine_cannot_change_is_refused_not_ignored(
    adapters: list[Voicevox], lacking: str, prosody: Prosody
) -> None:
    async with voicevox_engine(features={lacking: False}) as engine:
        voicevox = adapter(engine.url, adapters)
        with pytest.raises(InvalidInput, match="cannot change"):
            await say(voicevox, "はい。", prosody)
        assert (await say(voicevox, "はい。")).samples.size


async def test_pauses_of_an_engine_older_than_their_scale_are_changed_in_the_query(adapters: list[Voicevox]) -> None:
    async with voicevox_engine(features={"adjust_pause_length": False}) as engine:
        voicevox = adapter(engine.url, adapters)
        speech = await say(voicevox, "はい、そうです。", Prosody(pause=0.48, pause_scale=2, speed=1.5))
        assert "pauseLength" not in engine.asked("/synthesis")[0].body
        (_, end), (start, _) = speech.bounds
        assert start - end == 90 * FRAME
        assert not speech.estimated


async def test_an_engine_that_takes_its_own_time_is_believed_in_its_length(adapters: list[Voicevox]) -> None:
    aivis = {
        "adjust_mora_pitch": False,
        "adjust_phoneme_length": False,
        "adjust_pause_length": False,
        "interrogative_upspeak": False,
    }
    async with voicevox_engine(brand="AivisSpeech", rate=44_100, features=aivis, drawl=1.31) as engine:
        voicevox = adapter(engine.url, adapters)
        speech = await say(voicevox, "はい、そうです。", Prosody(pitch=12))
        [asked] = engine.asked("/synthesis")
        with pytest.raises(InvalidInput, match="pauses"):
            await say(voicevox, "はい、そうです。", Prosody(pause_scale=2))
    assert asked.body["pitchScale"] == pytest.approx(1)
    assert speech.estimated
    (start, end), (after, last) = speech.bounds
    assert 0 < start < end < after < last < len(speech.samples)
    # It drawls evenly, so that shares as predicted are right.
    assert is_silent(speech.samples[end + FRAME : after - FRAME])
    assert not is_silent(speech.samples[after + FRAME : last - FRAME])


@pytest.mark.parametrize("form", [{"channels": 2}, {"width": 3}, {"rate": 48_000}, {"cut": 20}], ids=str)
async def test_a_sound_in_another_form_is_refused(
    engine: ScriptedEngine, voicevox: Voicevox, form: dict[str, int]
) -> None:
    def other(wav: bytes) -> bytes:
        file = BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(form.get("channels", 1))
            out.setsampwidth(form.get("width", 2))
            out.setframerate(form.get("rate", 24_000))
            out.writeframes(wav[44:644])
        return file.getvalue()[: form.get("cut")]

    engine.sound = other
    with pytest.raises(EngineError, match="16-bit PCM"):
        await say(voicevox, "はい。")


async def test_a_sound_that_ends_in_half_a_sample_is_refused(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    engine.sound = lambda wav: wav[:-1]
    with pytest.raises(EngineError, match="16-bit PCM"):
        await say(voicevox, "はい。")


# Several at once


async def test_as_many_sentences_at_once_as_configured_and_never_more(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters, parallel=3)
    engine.hold()
    speaking = [asyncio.create_task(say(voicevox, f"文章、{number}番です。")) for number in range(8)]
    await engine.until(lambda: engine.at_once == 3)
    engine.release()
    await asyncio.gather(*speaking)
    assert engine.most_at_once == 3
    assert len(engine.spoken) == 8


async def test_answers_that_come_back_out_of_order_stay_with_their_sentences(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    texts = ["一です。", "長い長い二番目の文です。", "三番です。"]
    voicevox = adapter(engine.url, adapters, parallel=3)
    alone = [await say(voicevox, text) for text in texts]
    in_order = list(engine.spoken)
    engine.spoken.clear()

    async def last_first(kana: str) -> None:
        await engine.until(lambda: set(in_order[in_order.index(kana) + 1 :]) <= set(engine.spoken))

    engine.before = last_first
    together = await asyncio.gather(*(say(voicevox, text) for text in texts))
    assert engine.spoken == in_order[::-1]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert one.bounds == other.bounds


async def test_lines_come_in_order_though_their_sounds_do_not(engine: ScriptedEngine, adapters: list[Voicevox]) -> None:
    voicevox = adapter(engine.url, adapters, parallel=3)
    alone = await told(voicevox, "一二三")
    in_order = list(engine.spoken)
    engine.spoken.clear()

    async def last_first(kana: str) -> None:
        await engine.until(lambda: set(in_order[in_order.index(kana) + 1 :]) <= set(engine.spoken))

    engine.before = last_first
    again = await told(voicevox, "一二三")
    assert engine.spoken == in_order[::-1]
    assert again == alone
    assert [cue.id for cue in again] == ["一", "二", "三"]


async def told(voicevox: Voicevox, words: str) -> list[LineCue]:
    async def ignore(done: int, total: int) -> None:
        del done, total

    [voice, *_] = await voicevox.voices()
    lines = [SpokenLine(word, "", f"文章、{word}です。", voice, 0.5) for word in words]
    telling = speak(
        Studio([voicevox]),
        lines,
        Prosody(),
        language="ja",
        sentence_pause=0.3,
        sample_rate=24_000,
        on_spoken=ignore,
    )
    return [line.cue async for line in telling]


async def test_an_engine_that_pauses_elsewhere_is_asked_phrase_by_phrase(
    engine: ScriptedEngine, voicevox: Voicevox
) -> None:
    [voice, *_] = await voicevox.voices()
    # Two pauses of the engine's own inside, one of them at a mark nobody speaks.
    phrases = (Phrase("東京・大阪、", "東京・大阪", True), Phrase("京都（府）", "京都、府", True))
    speech = await voicevox.speak(phrases, voice, Prosody())
    assert [request.params["text"] for request in engine.asked("/accent_phrases")] == ["東京・大阪", "京都、府"]
    (_, end), (start, _) = speech.bounds
    assert start - end == 29 * FRAME  # the engine's pause
    assert is_silent(speech.samples[end:start])
    assert not speech.estimated


# Trouble


async def test_an_engine_that_hangs_is_left_at_its_deadline_and_sees_it(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters, deadline=1)
    engine.hold()
    with pytest.raises(DeadlineExceeded, match="voicevox"):
        await say(voicevox, "はい。")
    await engine.until(lambda: engine.dropped == 1)
    engine.release()
    assert (await say(adapter(engine.url, adapters), "はい。")).samples.size


async def test_cancelling_reaches_the_engine(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    engine.hold()
    speaking = asyncio.create_task(say(voicevox, "はい。"))
    await engine.until(lambda: engine.at_once == 1)
    speaking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await speaking
    await engine.until(lambda: engine.dropped == 1)


async def test_a_restart_in_the_middle_of_work_is_waited_for(engine: ScriptedEngine, adapters: list[Voicevox]) -> None:
    # Failures enough that the guard lets it rest, which must not end the waiting either.
    voicevox = adapter(engine.url, adapters, parallel=2, failures=2, remember=0)
    [voice, *_] = await voicevox.voices()

    def begin(text: str) -> asyncio.Task[Speech]:
        [phrases] = utterances(text, "ja")
        return asyncio.create_task(voicevox.speak(phrases, voice, Prosody()))

    engine.hold()
    speaking = [begin("文章、一番です。"), begin("文章、二番です。"), begin("文章、三番です。")]
    await engine.until(lambda: engine.at_once == 2)
    await engine.die()
    with pytest.raises(EngineUnavailable):
        await voicevox.check()
    speaking.append(begin("留守の間に始めた文です。"))
    await asyncio.sleep(0)  # it begins
    with pytest.raises(EngineUnavailable):
        await voicevox.check()
    await engine.start()
    engine.release()
    speeches = await asyncio.gather(*speaking)
    assert all(speech.samples.size for speech in speeches)
    await voicevox.voices()
    assert len(engine.asked("/speakers")) == 2  # it may have come back with others


async def test_an_engine_that_is_back_is_asked_although_the_guard_lets_it_rest(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters, failures=1, rest=3600, remember=0, patience=5)
    await voicevox.voices()
    engine.hold()
    speaking = asyncio.create_task(say(voicevox, "はい。"))
    await engine.until(lambda: engine.at_once == 1)
    await engine.die()
    await engine.start()
    engine.release()
    assert (await speaking).samples.size


async def test_an_engine_that_stays_away_is_named_with_what_to_do(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters, patience=0.3)
    await voicevox.voices()
    await engine.die()
    with pytest.raises(EngineUnavailable) as caught:
        await say(voicevox, "はい。")
    for language in ("ja", "en"):
        text = caught.value.text("ja" if language == "ja" else "en")
        assert engine.url in text
        assert "VOICEVOX" in text


async def test_without_patience_it_is_tried_once(engine: ScriptedEngine, adapters: list[Voicevox]) -> None:
    engine.broken["/audio_query"] = [503]
    voicevox = adapter(engine.url, adapters, patience=0)
    with pytest.raises(EngineUnavailable):
        await say(voicevox, "はい。")
    assert len(engine.asked("/audio_query")) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_overloaded_engine_is_asked_again(engine: ScriptedEngine, voicevox: Voicevox, status: int) -> None:
    engine.broken["/synthesis"] = [status, status]
    assert (await say(voicevox, "はい。")).samples.size
    assert len(engine.asked("/synthesis")) == 3


async def test_an_engine_that_stumbles_is_asked_once_more_and_not_for_ever(
    engine: ScriptedEngine, voicevox: Voicevox
) -> None:
    engine.broken["/synthesis"] = [500]
    assert (await say(voicevox, "はい。")).samples.size
    engine.broken["/synthesis"] = [500, 500]
    with pytest.raises(EngineError, match="HTTP 500") as caught:
        await say(voicevox, "はい。")
    assert not isinstance(caught.value, EngineUnavailable)


async def test_the_engines_own_words_are_passed_on(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    [voice, *_] = await voicevox.voices()
    [phrases] = utterances("はい。", "ja")
    with pytest.raises(EngineError, match="該当する話者"):
        await voicevox.speak(phrases, replace(voice, key="999"), Prosody())


async def test_nobody_at_the_address_is_unavailable_and_said_at_once(
    engine: ScriptedEngine, adapters: list[Voicevox]
) -> None:
    voicevox = adapter(engine.url, adapters)
    await engine.die()
    for ask in (voicevox.check, voicevox.voices, voicevox.identity):
        with pytest.raises(EngineUnavailable, match="does not answer"):
            await ask()


@pytest.mark.parametrize("url", ["127.0.0.1:50021", "ftp://127.0.0.1", "http://[", ""])
async def test_an_address_that_is_none_is_the_settings_fault(adapters: list[Voicevox], url: str) -> None:
    with pytest.raises(EngineError, match="HYBRID_MCP_TTS__ENGINES") as caught:
        await adapter(url, adapters).check()
    assert not isinstance(caught.value, EngineUnavailable)


async def test_somebody_else_at_the_address_is_recognised(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    engine.version = {"ollama": "1"}  # type: ignore[assignment]
    with pytest.raises(EngineError, match="not VOICEVOX's API"):
        await voicevox.check()


async def test_a_sound_without_end_is_not_kept(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    engine.sound = lambda wav: wav + bytes(65 << 20)
    with pytest.raises(EngineError, match="not VOICEVOX's API"):
        await say(voicevox, "はい。")


async def test_an_answer_without_end_is_not_kept(engine: ScriptedEngine, voicevox: Voicevox) -> None:
    engine.version = "0" * (17 << 20)
    with pytest.raises(EngineError, match="not VOICEVOX's API"):
        await voicevox.check()


@pytest.mark.parametrize("status", [200, 422, 500])
async def test_an_answer_too_deep_to_be_read_is_an_error_of_the_engine(adapters: list[Voicevox], status: int) -> None:
    async with serving(Scripted(), lambda _: Reply((b"[" * 200_000,), status)) as server:
        with pytest.raises(EngineError, match="voicevox"):
            await adapter(server.url, adapters).check()


async def test_no_error_repeats_the_text_or_a_password(engine: ScriptedEngine, adapters: list[Voicevox]) -> None:
    url = engine.url.replace("http://", "http://user:hunter2@")
    errors: list[HybridError] = []
    for path, status in (("/audio_query", 422), ("/audio_query", 418), ("/synthesis", 404), ("/audio_query", 503)):
        engine.broken[path] = [status]
        with pytest.raises(HybridError) as caught:
            await say(adapter(url, adapters, patience=0), "海馬の秘密。")
        errors.append(caught.value)
    for error in errors:
        for text in (error.message.ja, error.message.en, repr(error), repr(error.__cause__)):
            assert "海馬" not in text
            assert "hunter2" not in text


# The rule of durations itself


def query(lengths: list[float], *, pitch: float = 5.0, question: bool = False, **settings: float) -> AudioQuery:
    moras = [Mora(text="ア", vowel="a", vowel_length=length, pitch=pitch) for length in lengths]
    usual = {"speed_scale": 1.0, "pre_phoneme_length": 0.0, "post_phoneme_length": 0.0} | settings
    return AudioQuery(
        accent_phrases=[AccentPhrase(moras=moras, accent=1, is_interrogative=question)],
        pitch_scale=0,
        intonation_scale=1,
        volume_scale=1,
        output_sampling_rate=24_000,
        output_stereo=False,
        **usual,
    )


def test_halves_of_frames_are_rounded_to_even() -> None:
    # 0.24 s are 22.5 frames, 0.4 s are 37.5
    counted = frames(query([0.24, 0.4]), frame_rate=93.75, upspeak=False)
    assert counted.phrases[0].moras == (22, 38)


def test_only_a_voiced_question_rises() -> None:
    for pitch, question, upspeak in ((0.0, True, True), (5.0, False, True), (5.0, True, False)):
        counted = frames(query([0.1], pitch=pitch, question=question), frame_rate=93.75, upspeak=upspeak)
        assert counted.total == 9
    assert frames(query([0.1], question=True), frame_rate=93.75, upspeak=True).total == 9 + 14


@given(st.lists(st.floats(0.01, 0.4), min_size=1, max_size=12), st.floats(0.5, 2), st.floats(0, 1))
def test_every_phoneme_is_rounded_by_itself(lengths: list[float], speed: float, silence: float) -> None:
    asked = query(lengths, speed_scale=speed, pre_phoneme_length=silence)
    counted = frames(asked, frame_rate=93.75, upspeak=False)
    alone = [frames(query([one], speed_scale=speed), frame_rate=93.75, upspeak=False).total for one in lengths]
    assert counted.phrases[0].moras == tuple(alone)
    assert counted.total == counted.before + sum(alone)


@pytest.mark.parametrize(
    "manifest", [{"rate": 0}, {"rate": -24_000}, {"rate": 4_000_000_000}], ids=["none", "backwards", "far too fast"]
)
async def test_voices_of_an_impossible_rate_are_not_offered(adapters: list[Voicevox], manifest: dict[str, int]) -> None:
    async with voicevox_engine(**manifest) as engine:
        with pytest.raises(EngineError, match="not VOICEVOX's API"):
            await adapter(engine.url, adapters).voices()


@pytest.mark.parametrize("length", [math.nan, math.inf, -1.0, 1e9])
def test_a_mora_of_impossible_length_is_none(length: float) -> None:
    with pytest.raises(ValidationError):
        Mora(text="ア", vowel="a", vowel_length=length, pitch=5)


@pytest.mark.parametrize("rate", [0, -93.75, 1e-300, math.nan, math.inf])
def test_frames_of_impossible_length_are_none(rate: float) -> None:
    manifest = {"name": "", "brand_name": "", "default_sampling_rate": 24_000, "supported_features": {}}
    assert Manifest.model_validate(manifest | {"frame_rate": 93.75})
    with pytest.raises(ValidationError):
        Manifest.model_validate(manifest | {"frame_rate": rate})


def replace_styles(speaker: dict[str, object], styles: list[tuple[int, str]]) -> dict[str, object]:
    return speaker | {"styles": [{"id": key, "name": name, "type": "talk"} for key, name in styles]}

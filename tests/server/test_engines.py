"""Engines outside this process, through the official client: who speaks, why not the first choice, and what to do."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import connected, held
from mcp import Client
from mcp.types import TextContent
from peers.speech import speech_server
from peers.voicevox import ScriptedEngine, voicevox_engine

from hybrid_mcp.config import LanguageModels, Settings, SpeechServer, TextToSpeech, Watching

pytestmark = pytest.mark.slow


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    async with held(voicevox_engine()) as one:
        yield one


@pytest.fixture
async def another() -> AsyncIterator[ScriptedEngine]:
    async with held(voicevox_engine(brand="AivisSpeech", version="1.2.0")) as one:
        yield one


@pytest.fixture
async def client(settings: Settings, engine: ScriptedEngine, another: ScriptedEngine) -> AsyncIterator[Client]:
    changed = settings.model_copy(
        update={
            "tts": TextToSpeech(
                order=("voicevox", "aivis", "openjtalk"),
                engines={"voicevox": engine.url, "aivis": another.url},
                patience=0,
            ),
            "watching": Watching(remember=0, rest=0),
        }
    )
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(held(connected(changed)))


async def good(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, [block.text for block in answer.content if isinstance(block, TextContent)]
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


async def test_the_first_engine_that_runs_speaks_and_the_answer_says_why_not_the_first(
    client: Client, engine: ScriptedEngine, another: ScriptedEngine
) -> None:
    first = await good(client, "synthesize_voice", text="最初の文です。")
    assert first["voices"] == ["voicevox:朝霧ソラ/ノーマル"]
    assert (first["passed_over"], first["credits"]) == ([], ["VOICEVOX:朝霧ソラ"])
    await engine.die()
    second = await good(client, "synthesize_voice", text="次の文です。")
    assert second["voices"] == ["aivis:朝霧ソラ/ノーマル"]
    assert [text.split(" ")[0] for text in second["passed_over"]] == ["voicevox:"]
    assert "Start the engine" in second["passed_over"][0]
    await another.die()
    third = await good(client, "synthesize_voice", text="三つ目の文です。")
    assert third["voices"] == ["mei"]
    assert len(third["passed_over"]) == 2
    await engine.start()
    assert (await good(client, "synthesize_voice", text="戻りました。"))["voices"] == ["voicevox:朝霧ソラ/ノーマル"]


async def test_a_dialogue_is_spoken_by_voices_of_three_engines(
    client: Client, example: dict[str, Any], engine: ScriptedEngine, another: ScriptedEngine
) -> None:
    cast = [
        {"name": "先生", "voice": "宵待ハル/よろこび", "notes": "落ち着いて説明する"},
        {"name": "生徒", "voice": "aivis:夕凪リク"},
        {"name": "通りすがり", "voice": "mei"},
    ]
    script = await good(
        client, "generate_script", paper=example["ja"], style="dialogue", cast=cast, target_minutes=0.5, detail="full"
    )
    speakers = {line["speaker"] for section in script["script"]["sections"] for line in section["lines"]}
    assert speakers == {"先生", "生徒", "通りすがり"}
    spoken = await good(client, "synthesize_voice", script_id=script["script_id"])
    assert set(spoken["voices"]) == {"voicevox:宵待ハル/よろこび", "aivis:夕凪リク/ノーマル", "mei"}
    assert engine.spoken
    assert another.spoken
    timeline = json.loads(Path(spoken["timeline_path"]).read_text(encoding="utf-8"))
    voices = {"先生": "voicevox:宵待ハル/よろこび", "生徒": "aivis:夕凪リク/ノーマル", "通りすがり": "mei"}
    assert all(line["voice"] == voices[line["speaker"]] for line in timeline["lines"])
    with wave.open(spoken["wav_path"]) as wav:
        assert (wav.getframerate(), wav.getnframes()) == (48_000, timeline["length"])
    terms = (Path(spoken["folder"]) / "credits.txt").read_text(encoding="utf-8")
    assert "利用には「VOICEVOX:宵待ハル」と書いてください。" in terms
    assert "HTS Voice" in terms
    other = await good(client, "synthesize_voice", script_id=script["script_id"], cast={"生徒": "夕凪リク/のんびり"})
    assert "voicevox:夕凪リク/のんびり" in other["voices"]
    assert other["audio_id"] != spoken["audio_id"]


async def test_readings_rate_and_stereo_are_as_asked(client: Client, engine: ScriptedEngine) -> None:
    made = await good(
        client, "synthesize_voice", text="橋《ハシ'》と箸《ハ'シ》。", sample_rate=44_100, stereo=True, lead_in=0.5
    )
    assert engine.asked("/accent_phrases")
    assert any(request.params.get("is_kana") for request in engine.asked("/accent_phrases"))
    with wave.open(made["wav_path"]) as wav:
        assert (wav.getframerate(), wav.getnchannels()) == (44_100, 2)
        frames = wav.readframes(wav.getnframes())
    assert frames[0::4] == frames[2::4]
    assert frames[1::4] == frames[3::4]
    assert "橋と箸。" in Path(made["srt_path"]).read_text(encoding="utf-8")
    assert not any(frames[: round(0.4 * 44_100) * 4])


async def test_voices_are_listed_by_engine_and_name(client: Client, another: ScriptedEngine) -> None:
    listed = await good(client, "list_voices")
    assert listed["total"] == len(listed["voices"]) == 17
    assert listed["usual"] == {"ja": "voicevox:朝霧ソラ/ノーマル"}
    found = await good(client, "list_voices", query="りく", engine="Aivis")
    assert {voice["name"] for voice in found["voices"]} == {
        "夕凪リク (ノーマル)",
        "夕凪リク (はきはき)",
        "夕凪リク (のんびり)",
    }
    await another.die()
    listed = await good(client, "list_voices")
    assert listed["total"] == 10
    assert "aivis" in listed["passed_over"][0]
    away = await good(client, "list_voices", engine="aivis")
    assert (away["voices"], away["passed_over"]) == ([], listed["passed_over"])


async def test_an_unknown_voice_is_answered_with_the_nearest(client: Client) -> None:
    answer = await client.call_tool("synthesize_voice", {"text": "はい。", "voice": "夕凪リク/のんびる"})
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    assert "夕凪リク/のんびり" in answer.content[0].text


async def test_the_doctor_says_what_answers_and_what_to_do(client: Client, another: ScriptedEngine) -> None:
    await another.die()
    said = await good(client, "doctor")
    assert said["healthy"]
    engines = {(one["engine"], one["job"]): one for one in said["engines"]}
    assert engines["voicevox", "speak"]["state"] == "ready"
    assert engines["voicevox", "speak"]["version"] == "0.25.2"
    assert engines["voicevox", "speak"]["latency_ms"] > 0
    assert engines["aivis", "speak"]["state"] == "away"
    assert "HYBRID_MCP_TTS__ENGINES" in engines["aivis", "speak"]["detail"]
    uses = {job["job"]: job["uses"] for job in said["jobs"]}
    assert uses == {
        "write": "extractive",
        "local": "embedded",
        "speak ja": "voicevox:朝霧ソラ/ノーマル",
        "speak en": None,
        "hear": "whisper",
        "keep": "disk",
    }


async def test_check_prints_the_same_for_programs_and_never_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: ScriptedEngine
) -> None:
    monkeypatch.setenv("CLAUDE_API_KEY", "sk-ant-secret-0123456789")
    monkeypatch.setenv("HYBRID_MCP_TTS__ORDER", "voicevox,openjtalk")
    monkeypatch.setenv("HYBRID_MCP_TTS__ENGINES", f"voicevox={engine.url}")
    monkeypatch.setenv("HYBRID_MCP_LANGUAGE", "ja")

    async def check(*arguments: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "hybrid_mcp",
            "check",
            *arguments,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert b"secret-0123456789" not in out + err
        return process.returncode, out.decode()

    status, out = await check("--json")
    said = json.loads(out)
    assert status == 0
    assert said["keys"] == {"claude_api_key": "CLAUDE_API_KEY"}
    assert {one["engine"]: one["state"] for one in said["engines"]}["voicevox"] == "ready"
    status, out = await check()
    assert status == 0
    assert "日本語を話す" in out
    monkeypatch.setenv("HYBRID_MCP_TTS__ORDER", "voicebox")
    status, _ = await check()
    assert status == 1


async def test_an_english_paper_is_narrated_by_a_speech_server_and_its_lines_are_measured(
    settings: Settings, example: dict[str, Any]
) -> None:
    async with speech_server() as server:
        changed = settings.model_copy(
            update={
                "tts": TextToSpeech(order=("openjtalk", "speech")),
                "speech": SpeechServer(url=server.url, voices=("nova", "alloy"), credit="Nova of nobody"),
            }
        )
        async with connected(changed) as client:
            script = await good(client, "generate_script", paper=example["en"], style="dialogue", target_minutes=1)
            made = await good(client, "synthesize_voice", script_id=script["script_id"])
            listed = await good(client, "list_voices", language="en")
    assert listed["usual"] == {"ja": "mei", "en": "speech:nova"}
    assert set(made["voices"]) == {"speech:nova", "speech:alloy"}
    assert made["credits"] == ["Nova of nobody"]
    assert "estimated" in made["note"]
    timeline = json.loads(Path(made["timeline_path"]).read_text(encoding="utf-8"))
    assert len(timeline["lines"]) == script["lines"]
    with wave.open(made["wav_path"]) as wav:
        assert wav.getnframes() == timeline["length"]
        sound = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
    for line in timeline["lines"]:  # where a line begins and ends there is sound, and silence before
        assert np.abs(sound[line["start"] : line["start"] + 480]).max() > 1000
        assert np.abs(sound[line["end"] - 480 : line["end"]]).max() > 1000
        assert np.abs(sound[max(0, line["start"] - 1200) : line["start"] - 240]).max(initial=0) < 1000


async def test_a_client_that_cancels_frees_the_engine_and_leaves_nothing(
    client: Client, settings: Settings, engine: ScriptedEngine
) -> None:
    engine.hold()
    call = asyncio.create_task(client.call_tool("synthesize_voice", {"text": "一つ目の文です。二つ目の文です。"}))
    await engine.until(lambda: engine.at_once == 2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await engine.until(lambda: engine.dropped == 2)
    assert not [path for path in (settings.data_dir / "artifacts").iterdir() if path.name.startswith("audio-")]
    engine.release()
    assert (await good(client, "synthesize_voice", text="一つ目の文です。二つ目の文です。"))["lines"] == 2


async def test_an_engine_that_is_gone_in_the_middle_is_replaced_unless_it_was_asked_for(
    client: Client, engine: ScriptedEngine
) -> None:
    async def die(kana: str) -> None:
        del kana
        dying.append(asyncio.create_task(engine.die()))
        await asyncio.Event().wait()

    dying: list[asyncio.Task[None]] = []
    engine.before = die
    made = await good(client, "synthesize_voice", text="途中で消えます。")
    await asyncio.gather(*dying)
    assert made["voices"] == ["aivis:朝霧ソラ/ノーマル"]
    assert "does not answer" in made["passed_over"][0]
    dying.clear()
    await engine.start()
    answer = await client.call_tool("synthesize_voice", {"text": "途中で消えます。", "voice": "voicevox:朝霧ソラ"})
    await asyncio.gather(*dying)
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    assert "Start the engine" in answer.content[0].text


async def test_a_cast_voice_of_another_language_is_refused_with_the_role(
    settings: Settings, example: dict[str, Any]
) -> None:
    async with speech_server() as server:
        changed = settings.model_copy(
            update={"tts": TextToSpeech(order=("openjtalk", "speech")), "speech": SpeechServer(url=server.url)}
        )
        async with connected(changed) as client:
            cast = [{"name": "先生", "voice": "alloy"}, {"name": "生徒"}]
            script = await good(client, "generate_script", paper=example["ja"], cast=cast)
            answer = await client.call_tool("synthesize_voice", {"script_id": script["script_id"]})
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    assert "先生, speech:alloy speaks en" in answer.content[0].text


async def test_the_doctor_follows_the_order_of_the_writers(settings: Settings) -> None:
    changed = settings.model_copy(update={"llm": LanguageModels(writers=("extractive", "claude"), local=("embedded",))})
    async with connected(changed) as client:
        found = await good(client, "doctor")
    [write] = [job for job in found["jobs"] if job["job"] == "write"]
    assert (write["uses"], write["passed_over"]) == ("extractive", [])

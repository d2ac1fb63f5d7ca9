"""What a client gets from the tools: over the official client, in memory, with real engines."""

import base64
import errno
import json
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, TextContent, TextResourceContents

from hybrid_mcp.config import Settings
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server


async def good(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, said(answer)
    assert isinstance(answer.structured_content, dict)
    # Some hosts show a model only one of the two: both say the same.
    assert json.loads(said(answer)) == answer.structured_content
    return answer.structured_content


async def bad(client: Client, name: str, **arguments: Any) -> str:
    answer = await client.call_tool(name, arguments)
    assert answer.is_error
    text = said(answer)
    assert "Error executing tool" not in text, "a crash, not an explanation"
    return text


def said(answer: CallToolResult) -> str:
    return "".join(block.text for block in answer.content if isinstance(block, TextContent))


# --- scripts ---


async def test_a_paper_becomes_a_script_in_files_and_a_resource(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"], style="educational")
    script = json.loads(Path(made["path"]).read_text(encoding="utf-8"))
    assert script["id"] == made["script_id"]
    assert sum(len(section["lines"]) for section in script["sections"]) == made["lines"]
    assert Path(made["markdown_path"]).read_text(encoding="utf-8").startswith("# 【論文で学ぶ】")
    assert made["script"] is None
    assert made["complaints"] == []
    assert 0.6 < made["grounded_share"] < 1
    [content] = (await client.read_resource(f"script://{made['script_id']}")).contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text) == script


async def test_the_whole_script_comes_only_on_request(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["en"], detail="full")
    assert made["script"]["language"] == "en"
    assert made["script"]["source"][0]["text"] == example["en"]["title"]


async def test_a_title_and_content_do_without_a_paper(client: Client) -> None:
    made = await good(
        client,
        "generate_script",
        title="AI技術の最新動向",
        content="生成AIが広がった。企業の40%が導入した。",
        style="news",
    )
    assert made["title"] == "【研究ニュース】AI技術の最新動向"


async def test_a_draft_with_good_evidence_is_stored_without_complaints(client: Client, example: dict[str, Any]) -> None:
    prompt = await client.get_prompt(
        "write_script",
        {"title": example["ja"]["title"], "abstract": example["ja"]["abstract"], "authors": "高橋和利、山中伸弥",
         "publication_year": "2006", "target_minutes": "2"},
    )  # fmt: skip
    [message] = prompt.messages
    assert isinstance(message.content, TextContent)
    text = message.content.text
    assert "[4] (abstract) これまで、" in text
    assert "about 640 Japanese characters" in text
    source_id = text.split('<source id="')[1].split('"')[0]
    draft = {
        "title": "体の細胞を巻き戻す",
        "hook": "体の細胞を、時間を巻き戻すように変えた研究があります。",
        "sections": [
            {
                "title": "結果",
                "lines": [
                    {"text": "さて、結果です。"},
                    {"text": "24種類の候補から、わずか4つの因子が選ばれました。", "evidence": [6, 8]},
                ],
            }
        ],
    }
    saved = await good(client, "save_script", source_id=source_id, draft=draft, written_by="test model", language="ja")
    assert saved["complaints"] == []
    assert saved["engine"] == "test model"
    assert saved["source_id"] == source_id


async def test_a_draft_with_wrong_figures_is_stored_with_complaints_that_name_line_and_remedy(
    client: Client, example: dict[str, Any]
) -> None:
    draft = {
        "title": "t",
        "hook": "h",
        "sections": [
            {
                "title": "s",
                "lines": [
                    {"text": "42種類の候補を選びました。", "evidence": [6]},
                    {"text": "4つの因子で細胞が得られました。", "evidence": [9]},
                    {"text": "BERTを使いました。", "evidence": [7]},
                    {"text": "以上です。", "evidence": [99]},
                ],
            }
        ],
    }
    saved = await good(client, "save_script", paper=example["ja"], draft=draft, language="ja")
    first, second, third, fourth = saved["complaints"]
    assert first.startswith("line 1 (l-")
    assert "42" in first
    assert "nowhere in the source" in first
    assert "line 2" in second
    assert "[8]" in second
    assert "'BERT'" in third
    assert "Evidence [99]" in fourth
    assert Path(saved["path"]).is_file()


# --- voice ---


@pytest.mark.slow
async def test_a_script_becomes_an_episode_folder(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"], style="dialogue", target_minutes=1)
    reports: list[tuple[float, float | None]] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total))

    answer = await client.call_tool("synthesize_voice", {"script_id": made["script_id"]}, progress_callback=show)
    assert isinstance(answer.structured_content, dict)
    speech = answer.structured_content
    folder = Path(speech["folder"])
    assert {path.name for path in folder.iterdir()} == {
        "credits.txt", "manifest.json", "narration.srt", "narration.vtt", "narration.wav", "report.html", "script.json", "script.md",
        "timeline.json",
    }  # fmt: skip
    assert set(speech["voices"]) == {"mei", "mei-low"}
    assert "Nagoya Institute of Technology" in speech["credits"][0]
    assert reports[-1][0] == reports[-1][1]
    timeline = json.loads((folder / "timeline.json").read_text(encoding="utf-8"))
    with wave.open(speech["wav_path"]) as master:
        assert master.getnframes() == timeline["length"]
        assert master.getframerate() == timeline["sample_rate"]
    assert speech["duration_seconds"] == pytest.approx(timeline["length"] / timeline["sample_rate"], abs=1e-3)
    script = json.loads((folder / "script.json").read_text(encoding="utf-8"))
    assert [line["id"] for line in timeline["lines"]] == [
        line["id"] for section in script["sections"] for line in section["lines"]
    ]
    assert [chapter["title"] for chapter in timeline["chapters"]] == [
        section["title"] for section in script["sections"]
    ]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"manifest.json"}


@pytest.mark.slow
async def test_every_line_sounds_where_the_timeline_says(client: Client) -> None:
    speech = await good(client, "synthesize_voice", text="海馬は、記憶に関わります。では、睡眠はどうでしょうか。")
    timeline = json.loads(Path(speech["timeline_path"]).read_text(encoding="utf-8"))
    with wave.open(speech["wav_path"]) as master:
        samples = np.frombuffer(master.readframes(master.getnframes()), "<i2") / 32768
    heard = np.zeros(len(samples), bool)
    for line in timeline["lines"]:
        assert line["start"] == line["phrases"][0]["start"]
        assert line["end"] == line["phrases"][-1]["end"]
        for phrase in line["phrases"]:
            heard[phrase["start"] : phrase["end"]] = True
            assert np.abs(samples[phrase["start"] : phrase["end"]]).max() > 0.05
    assert np.abs(samples[~heard]).max() < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("audio_format", ["flac", "mp3", "opus", "m4a"])
async def test_other_formats_stand_beside_the_master(client: Client, audio_format: str) -> None:
    speech = await good(client, "synthesize_voice", text="海馬は記憶に関わります。", format=audio_format)
    assert speech["path"].endswith(f"narration.{audio_format}")
    with av.open(speech["path"]) as file:
        seconds = sum(frame.samples for frame in file.decode(audio=0)) / file.streams.audio[0].rate
    assert seconds == pytest.approx(speech["duration_seconds"], abs=0.12)
    assert ("encoder delay" in speech["note"]) == (audio_format != "flac")


@pytest.mark.slow
async def test_a_repeated_request_is_found(client: Client) -> None:
    first = await good(client, "synthesize_voice", text="はい。", speed=1.2)
    made = Path(first["wav_path"]).stat()
    assert await good(client, "synthesize_voice", text="はい。", speed=1.2) == first
    assert Path(first["wav_path"]).stat().st_mtime_ns == made.st_mtime_ns
    other = await good(client, "synthesize_voice", text="はい。", speed=1.3)
    assert other["audio_id"] != first["audio_id"]


@pytest.mark.slow
async def test_a_cast_gives_speakers_their_voices(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"], style="dialogue", target_minutes=0.5)
    speech = await good(
        client, "synthesize_voice", script_id=made["script_id"], cast={"聞き手": "mei-high", "解説": "mei-low"}
    )
    assert set(speech["voices"]) == {"mei-high", "mei-low"}


# --- hearing ---


@pytest.mark.slow
async def test_what_was_spoken_is_heard_back(client: Client, models_dir: Path) -> None:
    speech = await good(
        client,
        "synthesize_voice",
        text="海馬は記憶に関わる重要な場所です。睡眠は、その記憶を固めると考えられています。",
    )
    heard = await good(client, "transcribe", source=f"audio://{speech['audio_id']}", format="srt")
    assert heard["language"] == "ja"
    assert heard["heard_back_error_rate"] < 0.25
    assert "a hint and no verdict" in heard["note"]
    assert "-->" in heard["text"]
    [content] = (await client.read_resource(f"transcript://{heard['transcript_id']}")).contents
    assert isinstance(content, TextResourceContents)
    assert json.loads(content.text)["language"] == "ja"
    again = await good(client, "transcribe", source=speech["wav_path"], format="json")
    assert again["transcript_id"] == heard["transcript_id"]


@pytest.mark.slow
async def test_silence_is_heard_as_silence(client: Client, settings: Settings, models_dir: Path) -> None:
    settings.allowed_roots[0].mkdir(parents=True)
    path = settings.allowed_roots[0] / "silence.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16000 * 8))
    heard = await good(client, "transcribe", source=str(path))
    assert heard["text"] == ""
    assert heard["words"] == 0
    assert "No speech" in heard["note"]


# --- local model ---


@pytest.mark.slow
async def test_the_local_model_answers_in_the_schema(client: Client, models_dir: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"topic": {"type": "string", "enum": ["biology", "physics"]}},
        "required": ["topic"],
    }
    answer = await good(client, "local_llm", prompt="Is a protein biology or physics?", json_schema=schema)
    assert answer["data"]["topic"] in ("biology", "physics")
    assert answer["engine"] == "embedded"


# --- bad input: a clear sentence that says what to do ---

PAPER = {"title": "t", "abstract": "海馬は記憶に関わる。"}


_BAD: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("generate_script", {}, "paper {title, abstract"),
    ("generate_script", {"paper": PAPER, "title": "x"}, "not both"),
    ("generate_script", {"title": "x"}, "both title and content"),
    ("generate_script", {"title": "x", "content": "  "}, "both title and content"),
    ("generate_script", {"paper": {"title": "t"}}, "paper.abstract is required"),
    ("generate_script", {"paper": PAPER | {"journal": "Cell"}}, "no argument paper.journal"),
    ("generate_script", {"paper": PAPER, "stile": "news"}, "no argument stile. Known: "),
    ("generate_script", {"paper": PAPER, "style": "opera"}, "'popular'"),
    ("generate_script", {"paper": PAPER, "language": "fr"}, "'ja' or 'en'"),
    ("generate_script", {"paper": PAPER, "language": "en"}, "write_script"),
    ("generate_script", {"paper": PAPER | {"abstract": "Étude на русском языке."}}, "write_script"),
    ("generate_script", {"paper": PAPER, "target_minutes": 0}, "> 0"),
    ("generate_script", {"paper": PAPER, "target_minutes": 1e9}, "≤ 180"),
    ("generate_script", {"paper": PAPER | {"publication_year": 12}}, "≥ 1500"),
    ("generate_script", {"paper": PAPER | {"abstract": "a\x00b"}}, "U+0000"),
    ("generate_script", {"title": "x", "content": "あ" * 1_000_001}, "limit 1,000,000"),
    ("save_script", {"paper": PAPER}, "draft is required"),
    ("save_script", {"paper": PAPER, "draft": {"title": " ", "hook": "h", "sections": []}}, "title is empty"),
    ("save_script", {"source_id": "source-0", "draft": {"title": "t", "hook": "h", "sections": []}}, "sections is empty"),
    ("synthesize_voice", {}, "either text or script_id"),
    ("synthesize_voice", {"text": "はい", "script_id": "script-0"}, "either text or script_id"),
    ("synthesize_voice", {"text": "はい", "cast": {"a": "mei"}}, "script_id"),
    ("synthesize_voice", {"text": "…🎉！"}, "nothing to speak"),
    ("synthesize_voice", {"text": "🎉🎉"}, "nothing to speak"),
    ("synthesize_voice", {"text": "。。。", "language": "ja"}, "nothing to speak"),
    ("synthesize_voice", {"text": "あ" * 20_001}, "HYBRID_MCP_TTS__MAX_CHARACTERS"),
    ("synthesize_voice", {"text": "あ" * 1_000_001}, "limit 1,000,000"),
    ("synthesize_voice", {"text": "a\x1bb"}, "U+001B"),
    ("synthesize_voice", {"text": "Good morning, everyone."}, "No voice speaks English"),
    ("synthesize_voice", {"text": "这是关于学习的研究。"}, "(zh)"),
    ("synthesize_voice", {"text": "はい", "voice": "meu"}, "Nearest: mei"),
    ("synthesize_voice", {"text": "はい", "speed": 99}, "≤ 2"),
    ("synthesize_voice", {"text": "はい", "speed": "fast"}, "speed"),
    ("synthesize_voice", {"text": "はい", "format": "aiff"}, "'wav'"),
    ("synthesize_voice", {"script_id": "script-0123456789abcdef"}, "no script id"),
    ("synthesize_voice", {"script_id": "../../etc/passwd"}, "no script id"),
    ("transcribe", {"source": ""}, "source is empty"),
    ("transcribe", {"source": "/etc/passwd"}, "HYBRID_MCP_ALLOWED_ROOTS"),
    ("transcribe", {"source": "audio://audio-0123456789abcdef"}, "no audio id"),
    ("transcribe", {"source": "data:audio/wav;base64,%%%"}, "base64"),
    ("transcribe", {"source": "data:audio/wav;base64," + base64.b64encode(b"no audio").decode()}, "audio"),
    ("list_voices", {"engine": "openjtlk"}, "Nearest: openjtalk"),
    ("list_voices", {"engine": "voicevox"}, "HYBRID_MCP_TTS__ORDER"),
    ("local_llm", {"prompt": "海馬とは何ですか。"}, "English"),
    ("local_llm", {"prompt": ""}, "prompt is empty"),
    ("local_llm", {"prompt": "Hi", "max_tokens": 0}, "≥ 1"),
)  # fmt: skip


async def test_bad_input_is_explained(client: Client, subtests: pytest.Subtests) -> None:
    for name, arguments, says in _BAD:
        with subtests.test(name, says=says):
            assert says in await bad(client, name, **arguments)


async def test_an_unknown_id_names_the_nearest(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"])
    wrong = made["script_id"][:-1] + ("0" if made["script_id"][-1] != "0" else "1")
    assert made["script_id"] in await bad(client, "synthesize_voice", script_id=wrong)


async def test_a_speaker_who_does_not_appear_is_named(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"], style="dialogue")
    text = await bad(client, "synthesize_voice", script_id=made["script_id"], cast={"聞きて": "mei"})
    assert "聞き手" in text


async def test_errors_are_japanese_when_the_interface_is(settings: Settings) -> None:
    japanese = settings.model_copy(update={"language": "ja"})
    async with open_app(japanese) as app, Client(build_server(app)) as client:
        assert "どちらか一方" in await bad(client, "synthesize_voice")
        assert "引数 draft が必要です" in await bad(client, "save_script")
        draft = {"title": "t", "hook": "h", "sections": [{"title": "s", "lines": [{"text": "9人", "evidence": [1]}]}]}
        saved = await good(client, "save_script", paper=PAPER, draft=draft)
        assert saved["complaints"][0].startswith("1 行目 (l-")
        assert (await client.list_tools()).tools[0].title == "論文から台本を作る"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "There is no source"),
        ({"title": "t", "abstract": "海馬。", "style": "opera"}, "style must be one of 'popular'"),
        ({"title": "t", "abstract": "海馬。", "language": "fr"}, "language must be one of 'ja' or 'en'"),
        ({"title": "t", "abstract": "海馬。", "target_minutes": "long"}, "target_minutes"),
        ({"title": "t", "abstract": "海馬。", "publication_year": "soon"}, "publication_year"),
        ({"source_id": "source-0123456789abcdef"}, "no source id"),
        ({"title": "t", "abstract": "海馬。", "stlye": "news"}, "Known: style"),
        ({"title": "t", "abstract": "海\x00馬。"}, "U\\+0000"),
    ],
)
async def test_a_bad_prompt_is_explained(client: Client, arguments: dict[str, str], says: str) -> None:
    with pytest.raises(MCPError, match=says):
        await client.get_prompt("write_script", arguments)


@pytest.mark.parametrize("uri", ["script://script-0123456789abcdef", "audio://nothing", "transcript://%2e%2e"])
async def test_a_resource_that_is_not_there_is_refused(client: Client, uri: str) -> None:
    with pytest.raises(MCPError):
        await client.read_resource(uri)


async def test_what_is_damaged_is_told_and_made_anew(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["ja"])
    Path(made["path"]).write_text("{", encoding="utf-8")
    assert f"{made['script_id']} is damaged" in await bad(client, "synthesize_voice", script_id=made["script_id"])
    with pytest.raises(MCPError, match="is damaged"):
        await client.read_resource(f"script://{made['script_id']}")
    assert await good(client, "generate_script", paper=example["ja"]) == made
    assert json.loads(Path(made["path"]).read_text(encoding="utf-8"))["id"] == made["script_id"]


async def test_a_draft_that_is_too_short_is_said_to_be(client: Client, example: dict[str, Any]) -> None:
    draft = {
        "title": "死亡が50%減る",
        "hook": "h",
        "sections": [{"title": " 結果\n ", "lines": [{"text": "はい。", "evidence": [6], "speaker": " 解説 "}]}],
    }
    saved = await good(
        client, "save_script", paper=example["ja"], draft=draft, language="ja", target_minutes=3, detail="full"
    )
    length, title = saved["complaints"]
    assert "3 minutes were asked for" in length
    assert "50% in the title" in title
    assert saved["script"]["sections"][0]["title"] == "結果"
    assert saved["script"]["sections"][0]["lines"][0]["speaker"] == "解説"


async def test_an_english_script_says_that_no_voice_reads_it(client: Client, example: dict[str, Any]) -> None:
    made = await good(client, "generate_script", paper=example["en"])
    assert "No voice speaks English" in made["note"]


async def test_a_full_disk_is_said_and_leaves_nothing(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "narration.wav")

    monkeypatch.setattr(wave.Wave_write, "writeframesraw", full)
    assert "disk is full" in await bad(client, "synthesize_voice", text="はい。")
    assert list((settings.data_dir / "artifacts").iterdir()) == []


# --- what is offered ---


async def test_the_catalogue_is_small_and_every_parameter_described(client: Client) -> None:
    listed = await client.list_tools()
    assert {tool.name for tool in listed.tools} == {
        "generate_script", "save_script", "synthesize_voice", "list_voices", "transcribe", "local_llm", "doctor",
    }  # fmt: skip
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True).encode()) < 24_000
    for tool in listed.tools:
        assert tool.description
        assert tool.output_schema
        assert tool.input_schema["additionalProperties"] is False
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"


async def test_voices_say_their_credit(client: Client) -> None:
    [content] = (await client.read_resource("voices://")).contents
    assert isinstance(content, TextResourceContents)
    voices = json.loads(content.text)["voices"]
    assert {voice["id"] for voice in voices} == {"mei", "mei-low", "mei-high"}
    assert all(voice["credit"] and voice["licence"] for voice in voices)


@pytest.mark.slow
async def test_readings_beside_words_are_read_and_never_shown(client: Client) -> None:
    draft = {
        "title": "箸《ハ'シ》の話",
        "hook": "箸《はし》の話です。",
        "sections": [
            {
                "title": "本題《ほんだい》",
                "lines": [{"text": "橋《ハシ'》ではなく、箸《ハ'シ》を百膳《ひゃくぜん》作った。", "evidence": [2]}],
            }
        ],
    }
    made = await good(client, "save_script", draft=draft, title="箸", content="箸を百膳作った。", detail="full")
    [line] = made["script"]["sections"][0]["lines"]
    assert line["text"] == draft["sections"][0]["lines"][0]["text"]  # type: ignore[index]
    assert "ハシ" in line["spoken"]
    assert "ひゃくぜん" in line["spoken"]
    speech = await good(client, "synthesize_voice", script_id=made["script_id"])
    assert made["title"] == "箸の話"
    assert "《" not in Path(speech["report_path"]).read_text(encoding="utf-8").split("<script")[0]
    for path in (made["markdown_path"], speech["srt_path"], speech["vtt_path"], speech["timeline_path"]):
        text = Path(path).read_text(encoding="utf-8")
        assert "《" not in text
        assert "橋ではなく、" in text.replace("\n", "")


async def test_a_role_whose_voice_is_not_there_is_noted_with_the_remedy(
    client: Client, example: dict[str, Any]
) -> None:
    cast = [{"name": "先生", "voice": "mei"}, {"name": "生徒", "voice": "nobody"}]
    made = await good(client, "generate_script", paper=example["ja"], cast=cast)
    assert "The voice of 生徒: There is no voice 'nobody'" in made["note"]
    assert "先生" not in made["note"]

"""What can be listed and read, over the official client in both eras, with real engines."""

from __future__ import annotations

import base64
import errno
import json
import os
import threading
import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from conftest import ROOT, held, missing
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import BlobResourceContents, Resource, TextResourceContents
from peers.ollama import knows, ollama_server
from peers.voicevox import voicevox_engine

from hybrid_mcp.artifacts import Artifacts, Draft, artifact_id
from hybrid_mcp.config import LanguageModels, OllamaServer, Settings, TextToSpeech
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

Era = Literal["legacy", "auto"]


@pytest.fixture(params=["legacy", "auto"])
async def client(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with held(connected(settings, request.param)) as made:
        yield made


@pytest.fixture
def document() -> Path:
    path = ROOT.parent / "shared" / "data" / "api" / "ollama_openapi.yaml"
    if not path.is_file():
        missing("no API document beside the checkout (../shared/data/api/ollama_openapi.yaml)")
    return path


@asynccontextmanager
async def connected(settings: Settings, era: Era = "auto") -> AsyncIterator[Client]:
    async with open_app(settings) as app, Client(build_server(app), mode=era) as client:
        yield client


async def done(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(name, arguments)
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


async def text(client: Client, uri: str) -> str:
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def made_things(client: Client) -> list[Resource]:
    return [one for one in (await client.list_resources()).resources if not one.uri.endswith("://")]


async def keep(artifacts: Artifacts, number: int) -> str:
    artifact = artifact_id("script", {"number": number})
    async with artifacts.making(artifact) as draft:
        assert isinstance(draft, Draft)
        draft.write_text("script.json", "{}")
        draft.summary["title"] = f"第{number}話"
    return artifact


# --- the list ---


async def test_what_is_always_there_is_listed_before_anything_is_made(client: Client) -> None:
    listed = (await client.list_resources()).resources
    assert [one.uri for one in listed] == ["voices://", "models://", "status://"]
    assert all(one.title and one.description and one.mime_type == "application/json" for one in listed)


async def test_what_was_made_is_listed_at_once_newest_first_with_its_title_and_size(
    client: Client, example: dict[str, Any]
) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    script = await done(client, "generate_script", paper=example["ja"])
    speech = await done(client, "synthesize_voice", text="海馬は場所を覚える。")
    audio, listed = await made_things(client)
    assert (audio.uri, audio.name) == (f"audio://{speech['audio_id']}", speech["audio_id"])
    assert (audio.title, audio.mime_type) == ("海馬は場所を覚える。", "audio/wav")
    assert audio.size == Path(speech["wav_path"]).stat().st_size
    assert (listed.uri, listed.title) == (f"script://{script['script_id']}", script["title"])
    assert listed.annotations is not None
    assert listed.annotations.last_modified is not None
    assert began <= datetime.fromisoformat(listed.annotations.last_modified) <= datetime.now(UTC)
    [content] = (await client.read_resource(audio.uri)).contents
    assert isinstance(content, BlobResourceContents)
    assert json.loads(await text(client, listed.uri))["id"] == script["script_id"]


async def test_of_thousands_the_last_fifty_are_listed_and_sources_are_not(settings: Settings) -> None:
    async with open_app(settings) as app, Client(build_server(app)) as client:
        newest = [await keep(app.artifacts, number) for number in range(60)][-1]
        async with app.artifacts.making(artifact_id("source", {})) as draft:
            assert isinstance(draft, Draft)
        (app.artifacts.root / newest / "script.json").write_text("damaged")
        listed = await made_things(client)
    assert [one.title for one in listed] == [f"第{number}話" for number in range(58, 8, -1)]


async def transcript(artifacts: Artifacts, heard: bytes) -> str:
    artifact = artifact_id("transcript", {})
    async with artifacts.making(artifact) as draft:
        assert isinstance(draft, Draft)
        draft.write_text("transcript.json", "{}")
        (draft.folder / "transcript.txt").write_bytes(heard)
    return artifact


async def test_what_is_damaged_leaves_the_rest_of_the_list_and_is_called_damaged(settings: Settings) -> None:
    async with open_app(settings) as app, Client(build_server(app)) as client:
        damaged = await transcript(app.artifacts, b"\xff")
        await keep(app.artifacts, 1)
        assert [one.title for one in await made_things(client)] == ["第1話"]
        with pytest.raises(MCPError, match=r"transcript\.txt is damaged"):
            await client.read_resource(f"transcript://{damaged}/text")


async def test_half_a_character_in_a_title_is_replaced(settings: Settings) -> None:
    async with open_app(settings) as app, Client(build_server(app)) as client:
        manifest = app.artifacts.root / await keep(app.artifacts, 1) / "manifest.json"
        manifest.write_text(manifest.read_text(encoding="utf-8").replace("第1話", r"\ud800話"), encoding="utf-8")
        assert [one.title for one in await made_things(client)] == ["?話"]


async def test_an_id_is_looked_for_beside_the_loop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[threading.Thread] = []
    scandir = os.scandir

    def watched(path: Path) -> Any:
        looked.append(threading.current_thread())
        return scandir(path)

    async with open_app(settings) as app, Client(build_server(app)) as client:
        newest = await keep(app.artifacts, 1)
        monkeypatch.setattr(os, "scandir", watched)
        with pytest.raises(MCPError, match=f"The newest: {newest}"):
            await client.read_resource("script://script-0000000000000000")
        monkeypatch.undo()
    assert looked
    assert threading.main_thread() not in looked


@pytest.mark.parametrize("kind", ["link", "pipe"])
async def test_what_stands_in_the_place_of_a_file_is_not_read(
    settings: Settings, tmp_path: Path, kind: Literal["link", "pipe"]
) -> None:
    (tmp_path / "secret").write_text("secret")
    async with open_app(settings) as app, Client(build_server(app)) as client:
        script = await keep(app.artifacts, 1)
        path = app.artifacts.root / script / "script.md"  # of which the manifest knows nothing
        if kind == "link":
            path.symlink_to(tmp_path / "secret")
        else:
            os.mkfifo(path)
        with pytest.raises(MCPError, match=r"script\.md is damaged"):
            await client.read_resource(f"script://{script}/markdown")


async def test_a_data_folder_that_cannot_be_listed_leaves_the_rest_of_the_list(
    client: Client, example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await done(client, "generate_script", paper=example["ja"])

    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert [one.uri for one in (await client.list_resources()).resources] == ["voices://", "models://", "status://"]
    monkeypatch.undo()
    assert len(await made_things(client)) == 1


@pytest.mark.slow
async def test_a_transcript_is_titled_by_what_was_heard(settings: Settings, speech_dir: Path, models_dir: Path) -> None:
    del models_dir
    recording = min(speech_dir.rglob("*.wav"), key=lambda path: path.stat().st_size)
    changed = settings.model_copy(update={"allowed_roots": (speech_dir,)})
    async with connected(changed) as client:
        heard = await done(client, "transcribe", source=str(recording))
        [listed] = await made_things(client)
        assert listed.title
        assert heard["text"].startswith(listed.title.rstrip("…"))
        assert await text(client, f"transcript://{heard['transcript_id']}/text") == heard["text"] + "\n"
        assert " --> " in await text(client, f"transcript://{heard['transcript_id']}/srt")
        assert (await text(client, f"transcript://{heard['transcript_id']}/vtt")).startswith("WEBVTT\n")


# --- templates ---


async def test_every_template_has_a_title_a_description_and_a_type(client: Client) -> None:
    templates = (await client.list_resource_templates()).resource_templates
    assert [template.uri_template for template in templates] == [
        "script://{id}",
        "audio://{id}",
        "transcript://{id}",
        "script://{id}/markdown",
        "audio://{id}/srt",
        "audio://{id}/vtt",
        "audio://{id}/report",
        "audio://{id}/file",
        "transcript://{id}/text",
        "transcript://{id}/srt",
        "transcript://{id}/vtt",
        "voices://{+name}",
        "models://{+name}",
    ]
    assert all(template.title and template.description and template.mime_type for template in templates)


async def test_a_script_is_read_as_markdown_and_a_narration_as_subtitles(
    client: Client, example: dict[str, Any]
) -> None:
    script = await done(client, "generate_script", paper=example["ja"])
    assert await text(client, f"script://{script['script_id']}/markdown") == Path(script["markdown_path"]).read_text(
        encoding="utf-8"
    )
    speech = await done(client, "synthesize_voice", text="海馬は場所を覚える。")
    assert (await text(client, f"audio://{speech['audio_id']}/srt")).startswith("1\n00:00:00,")
    assert (await text(client, f"audio://{speech['audio_id']}/vtt")).startswith("WEBVTT\n")
    assert "海馬は場所を覚える。" in await text(client, f"audio://{speech['audio_id']}/report")


@pytest.mark.slow
@pytest.mark.parametrize(("audio_format", "mime_type"), [("wav", "audio/wav"), ("mp3", "audio/mpeg")])
async def test_a_recording_is_read_in_the_format_it_was_asked_for(
    client: Client, audio_format: str, mime_type: str
) -> None:
    speech = await done(client, "synthesize_voice", text="海馬は場所を覚える。", format=audio_format)
    [content] = (await client.read_resource(f"audio://{speech['audio_id']}/file")).contents
    assert isinstance(content, BlobResourceContents)
    assert content.mime_type == mime_type
    assert base64.b64decode(content.blob) == Path(speech["path"]).read_bytes()


@pytest.mark.parametrize(
    "uri",
    [
        "script://script-0000000000000000",
        "script://../../etc/passwd",
        "script://script-0000000000000000/narration.wav",
        "script://audio-0000000000000000/markdown",
        "audio://",
        "voices://nobody",
        "models://nothing",
        "models://%00",
        "nothing://at/all",
        "",
    ],
)
async def test_what_is_not_there_is_refused_in_words(client: Client, uri: str) -> None:
    with pytest.raises(MCPError) as refused:
        await client.read_resource(uri)
    assert refused.value.code == -32602
    assert "Error reading" not in refused.value.message


# --- voices, models, state ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["朝霧ソラ/ささやき", "朝霧ソラ／ささやき", "voicevox:朝霧ソラ/ささやき", "voicevox 11"],
)
async def test_one_voice_is_read_by_any_of_its_names_percent_encoded_or_not(settings: Settings, name: str) -> None:
    async with held(voicevox_engine()) as engine:
        tts = TextToSpeech(order=("voicevox",), engines={"voicevox": engine.url})
        async with connected(settings.model_copy(update={"tts": tts})) as client:
            for uri in (f"voices://{name}", f"voices://{quote(name)}", f"voices://{quote(name, safe='')}"):
                voice = json.loads(await text(client, uri))
                assert voice["id"] == "voicevox:朝霧ソラ/ささやき"
                assert voice["credit"] == "VOICEVOX:朝霧ソラ"
                assert [style["style"] for style in voice["styles"]] == ["ノーマル", "ささやき"]
                assert "と書いてください" in voice["terms"]


async def test_one_model_is_read_by_its_name_with_or_without_its_engine(
    settings: Settings, document: Path, models_dir: Path
) -> None:
    del models_dir
    model = "hf.co/someone/Qwen3:8b"
    async with ollama_server(document, models={model: knows(40960, "completion")}) as server:
        changed = {
            "ollama": OllamaServer(url=server.url),
            "llm": LanguageModels(local=("ollama",), writers=("extractive",)),
        }
        async with connected(settings.model_copy(update=changed)) as client:
            for name in (model, f"ollama:{model}", quote(model, safe="")):
                found = json.loads(await text(client, f"models://{name}"))
                assert (found["engine"], found["name"], found["context_tokens"]) == ("ollama", model, 40960)


async def test_the_state_is_what_the_doctor_says(client: Client) -> None:
    said = await done(client, "doctor")
    read = json.loads(await text(client, "status://"))
    assert [(one["job"], one["uses"]) for one in read["jobs"]] == [(one["job"], one["uses"]) for one in said["jobs"]]
    assert read["healthy"] == said["healthy"]


# --- how long it holds ---


async def test_what_an_artifact_says_may_be_kept_what_engines_say_not_for_long(
    settings: Settings, example: dict[str, Any]
) -> None:
    async with connected(settings) as client:
        script = await done(client, "generate_script", paper=example["ja"])
        artifact = await client.read_resource(f"script://{script['script_id']}")
        voices = await client.read_resource("voices://")
        tools, prompts = await client.list_tools(), await client.list_prompts()
        resources, templates = await client.list_resources(), await client.list_resource_templates()
    assert (artifact.ttl_ms, artifact.cache_scope) == (86_400_000, "private")
    assert (voices.ttl_ms, voices.cache_scope) == (1000 * settings.watching.remember, "private")
    assert (resources.ttl_ms, resources.cache_scope) == (0, "private")
    for fixed in (tools, prompts, templates):
        assert (fixed.ttl_ms, fixed.cache_scope) == (3_600_000, "public")


async def test_the_server_has_a_small_icon_that_is_a_drawing(client: Client) -> None:
    assert client.server_info is not None
    assert client.server_info.icons is not None
    [icon] = client.server_info.icons
    head, _, drawing = icon.src.partition(",")
    assert (head, icon.mime_type, icon.sizes) == ("data:image/svg+xml;base64", "image/svg+xml", ["any"])
    assert ET.fromstring(base64.b64decode(drawing)).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314  (ours)
    assert len(icon.src) < 400

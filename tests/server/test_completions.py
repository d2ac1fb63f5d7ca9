"""What is offered while a person types, over the official client in both eras, with real engines."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import held
from mcp import Client
from mcp.types import Completion, PromptReference, ResourceTemplateReference
from peers.voicevox import voicevox_engine

from hybrid_mcp.app import App
from hybrid_mcp.artifacts import Draft, Kind, artifact_id
from hybrid_mcp.config import Settings, TextToSpeech
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with held(open_app(settings)) as one:
        yield one


@pytest.fixture(params=["legacy", "auto"])
async def client(app: App, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with held(Client(build_server(app), mode=request.param)) as one:
        yield one


@asynccontextmanager
async def with_voicevox(settings: Settings, **peer: Any) -> AsyncIterator[Client]:
    async with held(voicevox_engine(**peer)) as engine:
        tts = TextToSpeech(order=("voicevox", "openjtalk"), engines={"voicevox": engine.url})
        async with (
            held(open_app(settings.model_copy(update={"tts": tts}))) as app,
            Client(build_server(app)) as client,
        ):
            yield client


async def in_template(client: Client, template: str, variable: str, typed: str) -> Completion:
    ref = ResourceTemplateReference(type="ref/resource", uri=template)
    return (await client.complete(ref, {"name": variable, "value": typed})).completion


async def in_prompt(client: Client, prompt: str, argument: str, typed: str) -> Completion:
    ref = PromptReference(type="ref/prompt", name=prompt)
    return (await client.complete(ref, {"name": argument, "value": typed})).completion


async def keep(app: App, kind: Kind, numbers: range) -> list[str]:
    """Artifacts, the last one the newest."""
    made = [artifact_id(kind, {"number": number}) for number in numbers]
    for age, artifact in enumerate(made):
        async with app.artifacts.making(artifact) as draft:
            assert isinstance(draft, Draft)
        os.utime(app.artifacts.root / artifact, (1000 + age, 1000 + age))
    return made


async def test_styles_and_languages_are_completed(client: Client) -> None:
    styles = await in_prompt(client, "write_script", "style", "")
    assert set(styles.values) == {"popular", "educational", "academic", "news", "dialogue", "kids"}
    assert (styles.total, styles.has_more) == (6, False)
    assert (await in_prompt(client, "write_script", "style", "ＮＥ")).values == ["news"]
    assert (await in_prompt(client, "write_script", "language", "j")).values == ["ja"]


async def test_ids_are_completed_newest_first_each_of_its_kind(app: App, client: Client) -> None:
    scripts, sources = await keep(app, "script", range(3)), await keep(app, "source", range(2))
    assert (await in_template(client, "script://{id}", "id", "")).values == scripts[::-1]
    assert (await in_template(client, "script://{id}/markdown", "id", "script-")).values == scripts[::-1]
    assert (await in_prompt(client, "write_script", "source_id", "")).values == sources[::-1]
    assert (await in_template(client, "audio://{id}", "id", "")).values == []
    recordings = await keep(app, "audio", range(2))
    for template in ("audio://{id}/report", "audio://{id}/file"):
        assert (await in_template(client, template, "id", "")).values == recordings[::-1]
    [of_hash] = (await in_template(client, "script://{id}", "id", scripts[0].removeprefix("script-")[:8])).values
    assert of_hash == scripts[0]


async def test_of_more_than_a_hundred_the_first_hundred_come_and_their_number(app: App, client: Client) -> None:
    scripts = await keep(app, "script", range(103))
    completion = await in_template(client, "script://{id}", "id", "script")
    assert completion.values == scripts[:2:-1]
    assert (completion.total, completion.has_more) == (103, True)


async def test_audiences_are_completed_in_both_languages_the_interfaces_first(client: Client) -> None:
    everybody = (await in_prompt(client, "explain_like", "audience", "")).values
    assert everybody[0].isascii()
    assert "高校生" in everybody
    assert (await in_prompt(client, "explain_like", "audience", "a child")).values == ["a child of ten"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "typed",
    [
        "朝霧ソラ/さ",
        "voicevox:朝霧ソラ／さ",
        "あさぎりソラ/ささ",
        "アサギリそら さ",
        "asagirisora さ",
        "ASAGIRI",
        "ささやき",
    ],
)
async def test_a_voice_is_found_by_its_name_its_reading_and_its_style(settings: Settings, typed: str) -> None:
    async with with_voicevox(settings) as client:
        found = (await in_template(client, "voices://{+name}", "name", typed)).values
        assert "voicevox:朝霧ソラ/ささやき" in found
        assert all("朝霧ソラ" in voice for voice in found)
        assert (await client.read_resource(f"voices://{found[0]}")).contents


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "typed"), [("ちび式じい", "chibishiki"), ("ちび式じい", "tibisiki"), ("ずんだもん", "zund")]
)
async def test_latin_letters_are_read_as_either_way_of_writing_japanese(
    settings: Settings, written: str, typed: str
) -> None:
    style = {"name": "ノーマル", "id": 3, "type": "talk"}
    uuid = "00000000-0000-4000-8000-000000000009"
    features = {"permitted_synthesis_morphing": "NOTHING"}
    speaker = {
        "name": written,
        "speaker_uuid": uuid,
        "styles": [style],
        "version": "1",
        "supported_features": features,
    }
    async with with_voicevox(settings, speakers=(speaker,)) as client:
        assert (await in_prompt(client, "write_script", "cast", typed)).values == [written]


async def test_the_last_speaker_of_a_cast_is_completed_and_the_others_stay(client: Client) -> None:
    assert (await in_prompt(client, "write_script", "cast", "Me")).values == ["mei", "mei-low", "mei-high"]
    assert (await in_prompt(client, "write_script", "cast", "先生: 落ち着いて; メイ (低")).values == [
        "先生: 落ち着いて; mei-low"
    ]
    assert (await in_prompt(client, "write_script", "cast", "mei: calm")).values == []


async def test_a_cast_that_nobody_types_is_not_repeated_in_every_value(client: Client) -> None:
    assert (await in_prompt(client, "write_script", "cast", "x;" * 20)).values
    assert not (await in_prompt(client, "write_script", "cast", "x;" * 10_000)).values


async def test_models_are_completed_by_name_and_by_engine(client: Client, models_dir: object) -> None:
    del models_dir
    by_engine = (await in_template(client, "models://{+name}", "name", "embedded:")).values
    assert by_engine
    assert (await in_template(client, "models://{+name}", "name", by_engine[0][:3].upper())).values == by_engine


@pytest.mark.parametrize(
    ("prompt", "argument", "typed"),
    [
        ("nobody", "style", ""),
        ("write_script", "nothing", ""),
        ("write_script", "script_id", ""),
        ("write_script", "title", ""),
        ("write_script", "style", "\0"),
        ("write_script", "style", "p" * 100_000),
        ("write_script", "cast", ";" * 1000),
        ("", "", ""),
    ],
)
async def test_what_cannot_be_completed_is_nothing_and_no_error(
    client: Client, prompt: str, argument: str, typed: str
) -> None:
    completion = await in_prompt(client, prompt, argument, typed)
    assert (completion.total, completion.has_more) == (len(completion.values), False)
    assert (prompt == "write_script" and argument == "cast") or not completion.values


@pytest.mark.parametrize("template", ["script://{name}", "script://script-0000000000000000", "nothing://{id}", "", "{"])
async def test_a_template_nobody_offers_completes_to_nothing(app: App, client: Client, template: str) -> None:
    await keep(app, "script", range(1))
    assert (await in_template(client, template, "id", "")).values == []


async def test_a_disk_that_cannot_be_read_completes_to_nothing(
    app: App, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(app, "script", range(1))

    def refuse(_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert (await in_template(client, "script://{id}", "id", "")).values == []

"""What the person is asked before something is done, in both eras: whose voice is meant, and what may be spent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from conftest import held
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.session import ElicitationFnT
from mcp.types import (
    INTERNAL_ERROR,
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    TextContent,
)
from peers.messages import MessagesServer, messages_server, says
from peers.voicevox import ScriptedEngine, voicevox_engine
from transports import WAYS, Way, reached

from hybrid_mcp.config import ClaudeServer, LanguageModels, Settings, TextToSpeech, Watching
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server

pytestmark = pytest.mark.slow

Era = Literal["legacy", "auto"]
TEXT = "こんにちは。"
FIRST_WITH_FORMS = "2025-06-18"
"""Clients of older versions cannot be asked."""


class Person:
    """Somebody before a client, who gives each answer of a list in turn."""

    def __init__(self, *answers: ElicitResult) -> None:
        self.answers = list(answers)
        self.asked: list[ElicitRequestFormParams] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params)
        return self.answers.pop(0)


def accepts(**content: str | bool) -> ElicitResult:
    return ElicitResult(action="accept", content={**content})


DECLINES = ElicitResult(action="decline")
CANCELS = ElicitResult(action="cancel")


@pytest.fixture(params=["legacy", "auto"])
def era(request: pytest.FixtureRequest) -> Era:
    chosen: Era = request.param
    return chosen


@asynccontextmanager
async def connected(settings: Settings, era: Era, person: ElicitationFnT | None) -> AsyncIterator[Client]:
    async with open_app(settings) as app, Client(build_server(app), mode=era, elicitation_callback=person) as client:
        yield client


def done(answer: CallToolResult) -> dict[str, Any]:
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


def refused(answer: CallToolResult) -> str:
    """Why it was not done, in words of ours."""
    assert answer.is_error
    [text] = answer.content
    assert isinstance(text, TextContent)
    assert "Error executing tool" not in text.text
    assert "Resolver" not in text.text
    return text.text


def options(asked: ElicitRequestFormParams, name: str) -> Mapping[str, str]:
    """What can be chosen, and what each is called."""
    field = asked.requested_schema["properties"][name]
    return dict(zip(field["enum"], field["enumNames"], strict=True))


# --- whose voice ---


@pytest.fixture
async def engines(settings: Settings) -> AsyncIterator[tuple[Settings, ScriptedEngine, ScriptedEngine]]:
    """Two engines whose speakers have the same names."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(held(voicevox_engine()))
        second = await stack.enter_async_context(held(voicevox_engine(brand="AivisSpeech", version="1.2.0")))
        yield (
            settings.model_copy(
                update={
                    "tts": TextToSpeech(
                        order=("voicevox", "aivis", "openjtalk"),
                        engines={"voicevox": first.url, "aivis": second.url},
                        patience=0,
                    ),
                    "watching": Watching(remember=0, rest=0),
                }
            ),
            first,
            second,
        )


Engines = tuple[Settings, ScriptedEngine, ScriptedEngine]


async def test_a_name_that_two_engines_have_is_asked_about(engines: Engines, era: Era) -> None:
    person = Person(accepts(voice_1="aivis:朝霧ソラ/ノーマル"))
    async with connected(engines[0], era, person) as client:
        speech = done(await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "朝霧ソラ"}))
    assert speech["voices"] == ["aivis:朝霧ソラ/ノーマル"]
    [asked] = person.asked
    assert asked.requested_schema["required"] == ["voice_1"]
    assert asked.requested_schema["properties"]["voice_1"]["title"] == "Voice for '朝霧ソラ'"
    assert "title" not in asked.requested_schema
    assert [*options(asked, "voice_1")] == ["voicevox:朝霧ソラ/ノーマル", "aivis:朝霧ソラ/ノーマル"]
    assert [called.rpartition(", ")[2] for called in options(asked, "voice_1").values()] == ["voicevox", "aivis"]


async def test_the_beginning_of_names_is_asked_about_and_a_whole_name_is_not(engines: Engines, era: Era) -> None:
    person = Person(accepts(voice_1="voicevox:宵待ハル/よろこび"))
    async with connected(engines[0], era, person) as client:
        begun = await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "voicevox:宵"})
        assert done(begun)["voices"] == ["voicevox:宵待ハル/よろこび"]
        whole = await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "aivis:朝霧ソラ"})
        assert done(whole)["voices"] == ["aivis:朝霧ソラ/ノーマル"]
    assert len(person.asked) == 1
    assert all(one.startswith("voicevox:宵待ハル/") for one in options(person.asked[0], "voice_1"))


async def test_every_open_name_of_a_cast_is_asked_about_at_once(
    engines: Engines, era: Era, example: dict[str, Any]
) -> None:
    person = Person(accepts(voice_1="aivis:宵待ハル/ノーマル", voice_2="voicevox:夕凪リク/ノーマル"))
    async with connected(engines[0], era, person) as client:
        script = done(
            await client.call_tool(
                "generate_script", {"paper": example["ja"], "style": "dialogue", "target_minutes": 1, "detail": "full"}
            )
        )
        first, second = dict.fromkeys(
            line["speaker"] for section in script["script"]["sections"] for line in section["lines"]
        )
        arguments = {"script_id": script["script_id"], "cast": {first: "宵待ハル", second: "夕凪リク"}}
        speech = done(await client.call_tool("synthesize_voice", arguments))
    assert set(speech["voices"]) == {"aivis:宵待ハル/ノーマル", "voicevox:夕凪リク/ノーマル"}
    assert len(person.asked) == 1


@pytest.mark.parametrize("answer", [DECLINES, CANCELS], ids=["decline", "cancel"])
async def test_without_a_choice_nothing_is_spoken(engines: Engines, era: Era, answer: ElicitResult) -> None:
    settings, first, second = engines
    async with connected(settings, era, Person(answer)) as client:
        why = refused(await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "朝霧ソラ"}))
    assert "nothing was spoken" in why
    assert not [one for engine in (first, second) for one in engine.requests if one.path == "/synthesis"]


@pytest.mark.parametrize(
    "answer", [accepts(voice_1="mei"), accepts(), ElicitResult(action="accept")], ids=["another", "empty", "none"]
)
async def test_an_answer_that_is_none_of_the_choices_is_explained(
    engines: Engines, era: Era, answer: ElicitResult
) -> None:
    async with connected(engines[0], era, Person(answer)) as client:
        why = refused(await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "朝霧ソラ"}))
    assert "none of those that can be chosen" in why


async def test_a_client_that_fails_to_ask_is_told_how_to_do_without(engines: Engines) -> None:
    async def fails(context: ClientRequestContext, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=INTERNAL_ERROR, message="no window")

    # In the newest protocol the question is the client's own affair, and so is failing at it.
    async with connected(engines[0], "legacy", fails) as client:
        why = refused(await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "朝霧ソラ"}))
    assert "by their ids" in why


async def test_who_cannot_be_asked_gets_the_first_engine_and_the_nearest_names(engines: Engines, era: Era) -> None:
    async with connected(engines[0], era, None) as client:
        first = await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "朝霧ソラ"})
        assert done(first)["voices"] == ["voicevox:朝霧ソラ/ノーマル"]
        assert "Nearest" in refused(await client.call_tool("synthesize_voice", {"text": TEXT, "voice": "宵"}))


async def test_a_request_that_cannot_be_served_asks_nothing(engines: Engines, era: Era) -> None:
    person = Person()
    async with connected(engines[0], era, person) as client:
        for wrong in ({}, {"text": TEXT, "script_id": "script-0"}, {"script_id": "script-0000000000000000"}):
            refused(await client.call_tool("synthesize_voice", {**wrong, "voice": "朝霧ソラ"}))
        # Nobody of that name speaks English: nothing is left to choose from.
        refused(await client.call_tool("synthesize_voice", {"text": "Hello there.", "voice": "朝霧ソラ"}))
    assert person.asked == []


# --- what may be spent ---


GOOD = (Path(__file__).parents[1] / "script" / "good_script.ja.json").read_text(encoding="utf-8")
AGREES = accepts(agree=True)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_API_KEY", "sk-test")


def priced(settings: Settings, server: MessagesServer, *, unasked: float = 0.05, **prices: float) -> Settings:
    """Settings whose only model costs what it really does; a script of three minutes costs more than `unasked`."""
    usual = {"price_input": 3, "price_output": 15, "price_cache_read": 0.3, "price_cache_write": 3.75}
    return settings.model_copy(
        update={
            "claude": ClaudeServer(url=server.url, **{**usual, **prices}),
            "llm": LanguageModels(writers=("claude", "extractive"), ask_above_usd=unasked),
            "watching": Watching(remember=0, rest=0),
        }
    )


@pytest.fixture
def order(example: dict[str, Any]) -> dict[str, Any]:
    return {"paper": example["ja"], "target_minutes": 3}


async def test_an_expensive_script_is_asked_about_with_its_price_and_paid_for_once(
    settings: Settings, era: Era, order: dict[str, Any]
) -> None:
    person = Person(AGREES)
    async with messages_server(says(GOOD)) as server, connected(priced(settings, server), era, person) as client:
        script = done(await client.call_tool("generate_script", order))
        assert script["engine"] == "claude/claude-sonnet-5-5"
        # What is written costs nothing, and nobody is asked again.
        again = done(await client.call_tool("generate_script", order))
        assert len(server.chats) == 1
        [chat] = server.chats
    assert again["usage"]["reused"]
    [asked] = person.asked
    about, most = (float(figure) for figure in re.findall(r"\$(\d+\.\d\d)", asked.message))
    # A cent of rounding up, and what the script's length in tokens was taken for.
    assert (1234 * 3 + 2000 * 15) / 1e6 < about < (1234 * 3 + 4000 * 15) / 1e6 + 0.01
    assert most >= 2 * (1234 * 3 + chat.body["max_tokens"] * 15) / 1e6
    assert asked.requested_schema["properties"]["agree"]["type"] == "boolean"
    assert "title" not in asked.requested_schema


@pytest.mark.parametrize("answer", [DECLINES, CANCELS, accepts(agree=False)], ids=["decline", "cancel", "no"])
async def test_what_was_not_agreed_to_is_not_spent(
    settings: Settings, era: Era, order: dict[str, Any], answer: ElicitResult
) -> None:
    async with messages_server() as server, connected(priced(settings, server), era, Person(answer)) as client:
        why = refused(await client.call_tool("generate_script", order))
        assert server.chats == []
    assert "nothing was spent" in why
    assert "engine=extractive is free" in why


async def test_an_answer_that_is_no_yes_is_explained_and_nothing_is_spent(
    settings: Settings, era: Era, order: dict[str, Any]
) -> None:
    odd = Person(accepts(agree="perhaps"))
    async with messages_server() as server, connected(priced(settings, server), era, odd) as client:
        assert "none of those" in refused(await client.call_tool("generate_script", order))
        assert server.chats == []


async def test_who_cannot_be_asked_is_told_the_price_and_how_to_agree(
    settings: Settings, era: Era, order: dict[str, Any]
) -> None:
    async with messages_server(says(GOOD)) as server, connected(priced(settings, server), era, None) as client:
        why = refused(await client.call_tool("generate_script", order))
        assert "nothing was spent" in why
        assert "No more than $0.05" in why
        agreed = float(re.findall(r"max_cost_usd=(\d+\.\d\d)", why)[0])
        too_little = await client.call_tool("generate_script", {**order, "max_cost_usd": agreed - 0.01})
        assert "nothing was spent" in refused(too_little)
        assert server.chats == []
        script = done(await client.call_tool("generate_script", {**order, "max_cost_usd": agreed}))
    assert script["usage"]["cost_usd"] <= agreed


async def test_where_the_person_can_be_asked_a_model_cannot_agree_for_them(
    settings: Settings, era: Era, order: dict[str, Any]
) -> None:
    person = Person(DECLINES, DECLINES)
    async with messages_server() as server:
        async with connected(priced(settings, server), era, person) as client:
            refused(await client.call_tool("generate_script", {**order, "max_cost_usd": 100}))
        # But it can be more careful than the server is.
        async with connected(priced(settings, server, unasked=10), era, person) as client:
            refused(await client.call_tool("generate_script", {**order, "max_cost_usd": 0.05}))
        assert server.chats == []
    assert len(person.asked) == 2


async def test_what_is_cheap_free_or_of_unknown_price_asks_nobody(
    settings: Settings, era: Era, order: dict[str, Any]
) -> None:
    person = Person()
    async with messages_server(says(GOOD), says(GOOD)) as server:
        async with connected(priced(settings, server, unasked=1), era, person) as client:
            assert done(await client.call_tool("generate_script", order))["usage"]["cost_usd"] > 0
        async with connected(priced(settings, server), era, person) as client:
            free = done(await client.call_tool("generate_script", {**order, "engine": "extractive"}))
            assert free["engine"].startswith("extractive/")
        unknown = priced(settings, server, price_input=0, price_output=0)
        async with connected(unknown, era, person) as client:
            script = done(await client.call_tool("generate_script", {**order, "take": 2}))
            assert script["usage"]["cost_usd"] is None
    assert person.asked == []


async def test_a_long_script_is_priced_section_by_section(settings: Settings, example: dict[str, Any]) -> None:
    """One answer is too short for it, so that every section reads its part of the source anew."""
    order = {"paper": example["ja"], "target_minutes": 120}
    person = Person(DECLINES)
    async with messages_server() as server, connected(priced(settings, server), "auto", person) as client:
        refused(await client.call_tool("generate_script", order))
    about, most = (float(figure) for figure in re.findall(r"\$(\d+\.\d\d)", person.asked[0].message))
    # 120 minutes are 38,400 letters, about two tokens each.
    assert about > 76_800 * 15 / 1e6
    # Each section may be asked for twice.
    assert most > 2 * about


@pytest.mark.parametrize("way", [way for way in WAYS if way.split()[1] >= FIRST_WITH_FORMS])
async def test_the_question_comes_over_every_transport(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: dict[str, Any]
) -> None:
    person = Person(AGREES)
    async with messages_server(says(GOOD)) as server:
        for name, value in {
            "LLM__WRITERS": "claude,extractive",
            "LLM__ASK_ABOVE_USD": "0.05",
            "CLAUDE__URL": server.url,
            "CLAUDE__PRICE_INPUT": "3",
            "CLAUDE__PRICE_OUTPUT": "15",
        }.items():
            monkeypatch.setenv(f"HYBRID_MCP_{name}", value)
        async with reached(way, tmp_path / "data", elicitation_callback=person) as client:
            script = done(await client.call_tool("generate_script", order))
    assert script["engine"] == "claude/claude-sonnet-5-5"
    assert len(person.asked) == 1

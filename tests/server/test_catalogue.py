"""Everything the server offers, as the official client sees it: a snapshot to review, and rules over all of it.

`RENEW` is the command that writes the snapshot anew; review its diff as what every client will see.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from mcp import Client
from mcp.types import (
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Resource,
    ResourceTemplate,
    Tool,
)
from pydantic import BaseModel, Field, ValidationError

from hybrid_mcp.config import Settings
from hybrid_mcp.languages import Language
from hybrid_mcp.opening import open_app
from hybrid_mcp.server import build_server
from hybrid_mcp.tools import schemas

Era = Literal["legacy", "auto"]

RENEW = "RENEW_CATALOGUE=1 .venv/bin/python -m pytest tests/server/test_catalogue.py"
CATALOGUE = Path(__file__).parent / "catalogue"
JAPANESE = re.compile(r"[ぁ-ゖァ-ヺ一-鿿]")

# Gemini knows a subset of OpenAPI 3.0 (and is spared `additionalProperties` by every client of its); what is not in
# here makes it refuse all tools at once.
KEYWORDS = {
    "type", "description", "properties", "required", "additionalProperties", "items", "enum", "default", "anyOf",
    "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip
DEEPEST = 5
"""Objects in objects; what OpenAI takes."""
LONGEST_NAME = 64 - len("mcp__hybrid-mcp__")
"""Hosts put the server's name before the tool's and allow 64 characters for both; Cursor 60, with a shorter prefix."""
LONGEST_DESCRIPTION = 1024
"""Characters; OpenAI's limit."""
LARGEST_LIST = 24_000
"""Bytes of a list of tools."""


@asynccontextmanager
async def connected(settings: Settings, language: Language, era: Era) -> AsyncIterator[Client]:
    chosen = settings.model_copy(update={"language": language})
    async with open_app(chosen) as app, Client(build_server(app), mode=era) as client:
        yield client


@pytest.fixture(params=["ja", "en"])
def language(request: pytest.FixtureRequest) -> Language:
    chosen: Language = request.param
    return chosen


@pytest.fixture
async def tools(settings: Settings) -> list[Tool]:
    async with connected(settings, "en", "auto") as client:
        return (await client.list_tools()).tools


def plain(value: BaseModel) -> dict[str, Any]:
    """As it goes over the wire, without what every answer of the newest protocol carries."""
    wire = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {key: inner for key, inner in wire.items() if key not in ("_meta", "resultType", "ttlMs", "cacheScope")}


async def offered(client: Client) -> dict[str, Any]:
    """What the client is told, but for the version of the program."""
    assert client.server_info is not None
    info = plain(client.server_info)
    del info["version"]
    lists: dict[str, ListToolsResult | ListResourcesResult | ListResourceTemplatesResult | ListPromptsResult] = {
        "tools/list": await client.list_tools(),
        "resources/list": await client.list_resources(),
        "resources/templates/list": await client.list_resource_templates(),
        "prompts/list": await client.list_prompts(),
    }
    said = {
        "server": info,
        "instructions": client.instructions,
        "capabilities": plain(client.server_capabilities),
        "cached": {
            method: f"{answer.ttl_ms} ms, {answer.cache_scope}"
            for method, answer in lists.items()
            if "ttl_ms" in answer.model_fields_set
        },
    }
    for answer in lists.values():
        said |= plain(answer)
    return said


def eras_apart(legacy: dict[str, Any], modern: dict[str, Any]) -> dict[str, Any]:
    """One catalogue of both; what differs is told of each."""
    return {
        key: modern[key] if legacy.get(key) == modern[key] else {"legacy": legacy.get(key), "modern": modern[key]}
        for key in modern
    }


def readable(value: Any) -> Any:
    """Long texts as their lines, so that a diff shows which has changed."""
    if isinstance(value, dict):
        return {key: readable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [readable(inner) for inner in value]
    return value.split("\n") if isinstance(value, str) and "\n" in value else value


def below(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all in it, each with where it stands."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from below(inner, f"{path}.{name}")
    for choice in schema.get("anyOf", ()):
        yield from below(choice, f"{path}|")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from below(schema[key], f"{path}[]")


# --- the snapshot ---


async def test_the_catalogue_is_the_reviewed_one(settings: Settings, language: Language) -> None:
    async with connected(settings, language, "legacy") as legacy, connected(settings, language, "auto") as modern:
        assert legacy.protocol_version < modern.protocol_version
        now = eras_apart(await offered(legacy), await offered(modern))
    told = json.dumps(readable(now), ensure_ascii=False, indent=1) + "\n"
    file = CATALOGUE / f"{language}.json"
    if os.environ.get("RENEW_CATALOGUE"):
        file.write_text(told, encoding="utf-8")
    reviewed = file.read_text(encoding="utf-8")
    if told != reviewed:
        changed = difflib.unified_diff(reviewed.splitlines(), told.splitlines(), "reviewed", "now", n=2, lineterm="")
        pytest.fail(f"What clients see has changed. To keep it: {RENEW}\n" + "\n".join(changed), pytrace=False)


async def test_tools_differ_between_the_languages_in_their_titles_alone(settings: Settings) -> None:
    async with connected(settings, "ja", "auto") as japanese, connected(settings, "en", "auto") as english:
        pairs = list(zip((await japanese.list_tools()).tools, (await english.list_tools()).tools, strict=True))
    for ja, en in pairs:
        assert ja.title != en.title
        assert ja.model_copy(update={"title": en.title}) == en


async def test_what_people_read_is_in_their_language(settings: Settings, language: Language) -> None:
    async with connected(settings, language, "auto") as client:
        prompts = (await client.list_prompts()).prompts
        rooms: list[Resource | ResourceTemplate] = [*(await client.list_resources()).resources]
        rooms += (await client.list_resource_templates()).resource_templates
        titles = [tool.title for tool in (await client.list_tools()).tools]
    texts = [*titles, *(text for prompt in prompts for text in (prompt.title, prompt.description))]
    texts += [text for room in rooms for text in (room.title, room.description)]
    texts += [argument.description for prompt in prompts for argument in prompt.arguments or ()]
    assert len(texts) > 30
    for text in texts:
        assert text
        assert bool(JAPANESE.search(text)) == (language == "ja"), text


# --- rules over all tools ---


@pytest.mark.parametrize("era", ["legacy", "auto"])
async def test_a_list_of_tools_is_short(settings: Settings, language: Language, era: Era) -> None:
    async with connected(settings, language, era) as client:
        listed = await client.list_tools()
    assert len(listed.model_dump_json(by_alias=True, exclude_none=True).encode()) <= LARGEST_LIST


def test_every_tool_has_a_name_that_every_host_takes(tools: list[Tool]) -> None:
    assert {tool.name for tool in tools} >= {"generate_script", "save_script", "synthesize_voice", "transcribe"}
    for tool in tools:
        assert re.fullmatch(rf"[a-z_]{{1,{LONGEST_NAME}}}", tool.name)


def test_every_tool_says_what_it_does_and_then_more(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.title
        assert tool.description
        assert len(tool.description) <= LONGEST_DESCRIPTION, tool.name
        summary, _, more = tool.description.partition("\n\n")
        assert re.fullmatch(r"[A-Z][^\n]{20,130}\.", summary), tool.name
        assert len(more) > 60, tool.name


def test_every_hint_of_a_tool_is_explicit_and_they_agree(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        assert set(hints) == {"read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint"}
        assert None not in hints.values(), tool.name
        if tool.annotations.read_only_hint:
            assert tool.annotations.idempotent_hint
            assert not tool.annotations.destructive_hint


async def test_what_reads_only_leaves_the_data_directory_as_it_was(settings: Settings, tools: list[Tool]) -> None:
    def there() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in settings.data_dir.rglob("*"))

    reading = [tool.name for tool in tools if tool.annotations and tool.annotations.read_only_hint]
    assert reading
    async with connected(settings, "en", "auto") as client:
        before = there()
        for name in reading:
            assert not (await client.call_tool(name, {})).is_error
        assert there() == before


def test_every_argument_is_described_and_briefly(tools: list[Tool]) -> None:
    for tool in tools:
        for path, schema in below(tool.input_schema):
            for name, inner in schema.get("properties", {}).items():
                assert 10 <= len(inner.get("description", "")) <= 160, f"{tool.name}{path}.{name}"


def test_arguments_are_told_in_words_that_every_client_knows(tools: list[Tool]) -> None:
    for tool in tools:
        top = tool.input_schema
        assert top["type"] == "object"
        assert top["additionalProperties"] is False
        assert "anyOf" not in top  # Claude refuses it
        assert set(top.get("required", ())) <= set(top["properties"])
        for path, schema in below(top):
            where = f"{tool.name}{path}"
            assert set(schema) <= KEYWORDS, where
            assert path.count(".") <= DEEPEST, where
            assert isinstance(schema.get("type", ""), str), where  # Cursor and Gemini refuse a list of types
            assert ("type" in schema) != ("anyOf" in schema), where
            assert schema.get("type") != "null", where
            assert all(isinstance(choice, str) for choice in schema.get("enum", ())), where
            if schema.get("type") == "array":
                assert "type" in schema["items"], where  # VS Code wants items, Gemini no choice among them


def test_every_answer_has_a_schema_without_references(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        assert "$ref" not in json.dumps(tool.output_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)


# --- how schemas are told ---


class Inner(BaseModel):
    """Something in it."""

    name: str
    share: Annotated[float, Field(gt=0, lt=1)] | None = None


class Outer(BaseModel):
    """All of it."""

    first: Inner
    others: list[Inner] = []
    note: str = ""
    hertz: Annotated[Literal[8000, 16000] | None, Field(description="Rate.")] = None
    mood: bool | Literal["low", "high"] | None = None
    anything: dict[str, Any] | None = None
    count: int | None = None


@pytest.mark.parametrize(
    "value",
    [
        {"first": {"name": "a"}},
        {"first": {"name": "a", "share": 0.5}, "others": [{"name": "b"}], "note": "n", "hertz": 8000, "mood": True},
        {"first": {"name": "a"}, "mood": "low", "anything": {"x": [1]}, "count": 3},
    ],
)
def test_what_a_model_takes_its_arguments_allow(value: dict[str, Any]) -> None:
    Outer.model_validate(value)
    jsonschema.validate(value, schemas.for_arguments(Outer.model_json_schema()))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"first": {}},
        {"first": {"name": 1}},
        {"first": {"name": "a", "share": 2}},
        {"first": {"name": "a"}, "others": ["b"]},
        {"first": {"name": "a"}, "mood": "middling"},
        {"first": {"name": "a"}, "hertz": "x"},
    ],
)
def test_what_a_model_refuses_its_arguments_do_not_allow(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Outer.model_validate(value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schemas.for_arguments(Outer.model_json_schema()))


def test_arguments_lose_null_references_open_bounds_and_numbers_to_choose_from() -> None:
    properties = schemas.for_arguments(Outer.model_json_schema())["properties"]
    assert properties["first"] == {
        "description": "Something in it.",
        "properties": {"name": {"type": "string"}, "share": {"maximum": 1, "minimum": 0, "type": "number"}},
        "required": ["name"],
        "type": "object",
    }
    assert properties["note"] == {"type": "string"}
    assert properties["hertz"] == {"description": "Rate. One of 8000, 16000.", "type": "integer"}
    assert properties["anything"] == {"type": "object"}


@pytest.mark.parametrize("changes", [{}, {"count": 3}, {"mood": True, "hertz": 8000}, {"anything": {"x": None}}])
def test_an_answer_fits_its_schema_null_or_not(changes: dict[str, Any]) -> None:
    answer = Outer(first=Inner(name="a")).model_copy(update=changes).model_dump(mode="json")
    jsonschema.validate(answer, schemas.for_answers(Outer.model_json_schema()))


def test_an_answer_of_another_type_does_not_fit_its_schema() -> None:
    answer = Outer(first=Inner(name="a")).model_dump(mode="json") | {"count": "three"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(answer, schemas.for_answers(Outer.model_json_schema()))

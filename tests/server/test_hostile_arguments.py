"""Whatever a client sends is answered in words: arguments from every tool's own schema, and arguments spoilt."""

import base64
import io
import json
import threading
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
import pytest_asyncio
from conftest import held, own_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_jsonschema import from_schema
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_PARAMS, PromptReference, ResourceTemplateReference, TextContent, Tool
from transports import reached

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a schema allows is large and mostly refused: that is what is asked here.
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
few = settings(max_examples=60, suppress_health_check=SUPPRESSED)
many = settings(max_examples=150, suppress_health_check=SUPPRESSED)


@dataclass(frozen=True)
class Server:
    """A connection to a server that has made one of everything."""

    client: Client
    tools: dict[str, Tool]
    arguments: dict[str, st.SearchStrategy[Any]]
    """By tool, what its schema allows."""
    script_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    data_dir = tmp_path_factory.mktemp("fuzz") / "data"
    before = {thread.name for thread in threading.enumerate()}
    with pytest.MonkeyPatch.context() as patch:
        own_environment(patch, data_dir)
        patch.setenv("HYBRID_MCP_ALLOWED_ROOTS", str(data_dir.parent / "allowed"))
        patch.setenv("HYBRID_MCP_LLM__THREADS", "1")  # more of them wait for each other when other tests run beside
        async with held(reached("memory 2026-07-28", data_dir)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            made = await client.call_tool("generate_script", {"title": "記憶", "content": "海馬は記憶に関わる。"})
            assert made.structured_content is not None
            yield Server(
                client,
                tools,
                {name: allowed(tool.input_schema) for name, tool in tools.items()},
                made.structured_content["script_id"],
            )
    assert not list((data_dir / "artifacts").glob(".making-*"))
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith(("openjtalk", "whisper", "llama"))]


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """The engines stay for the next test: `server` looks at what is left when all are done."""
    return iter([None])


def silence() -> str:
    """A recording that is heard in no time."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(16000))
    return f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def allowed(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a schema of ours allows. hypothesis-jsonschema makes the leaves: its objects need an older Hypothesis."""
    if "anyOf" in schema:
        return st.one_of([allowed(choice) for choice in schema["anyOf"]])
    match schema:
        case {"type": "object", "properties": properties}:
            named = {name: allowed(held) for name, held in properties.items()}
            required = {name: named.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=named)
        case {"type": "object"}:
            more = schema.get("additionalProperties", True)
            values = allowed(more) if isinstance(more, dict) else JSON
            return st.dictionaries(st.text(max_size=8), values, max_size=4)
        case {"type": "array", "items": items}:
            return st.lists(allowed(items), min_size=schema.get("minItems", 0), max_size=schema.get("minItems", 0) + 2)
        case _:
            return from_schema(schema)


def short(good: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(good) | st.text(max_size=12)


SCHEMAS: st.SearchStrategy[Any] = st.sampled_from(
    [{}, {"type": "string"}, {"type": "nonsense"}, {"$ref": "#"}, {"$ref": "http://127.0.0.1:1/"}, {"pattern": "("}]
)
FEW_TOKENS: st.SearchStrategy[Any] = st.integers(1, 3)
NOTHING: st.SearchStrategy[dict[str, Any]] = st.just({})
CHEAP: dict[str, Callable[[Server], st.SearchStrategy[dict[str, Any]]]] = {
    "generate_script": lambda _: (
        NOTHING
        | st.fixed_dictionaries({"title": st.just("t"), "content": short(("海馬は、記憶に関わる。", "It is 5%."))})
    ),
    "save_script": lambda _: NOTHING | st.just({"title": "記憶", "content": "海馬は、3つある。"}),
    "synthesize_voice": lambda server: (
        st.fixed_dictionaries({"text": short(("はい。", "漢字《かな》、箸《ハ'シ》。", "A", "…"))})
        | st.fixed_dictionaries({"script_id": short(("script-0123456789abcdef", server.script_id[:-1]))})
    ),
    "list_voices": lambda _: NOTHING,
    "transcribe": lambda _: st.fixed_dictionaries(
        {"source": short((silence(), "audio://audio-0123456789abcdef", "data:,x", "/", "https://[", "file://\x00"))}
    ),
    "local_llm": lambda _: st.fixed_dictionaries(
        {"prompt": short(("Hi.", "海馬とは？")), "max_tokens": FEW_TOKENS}, optional={"json_schema": SCHEMAS}
    ),
    "doctor": lambda _: NOTHING,
}
"""By tool, what is given instead of what its schema allows: what a machine without a graphics card does at once."""


async def answered(server: Server, name: str, arguments: dict[str, Any]) -> str | None:
    """Call a tool; what it says when it refuses."""
    answer = await server.client.call_tool(name, arguments)
    text = answer.content[0]
    assert isinstance(text, TextContent)
    if answer.is_error:
        assert text.text.strip()
        for leaked in ("Error executing tool", "Traceback", "pydantic", "Internal"):
            assert leaked not in text.text
        return text.text
    assert server.tools[name].output_schema is not None
    jsonschema.validate(answer.structured_content, server.tools[name].output_schema)
    assert json.loads(text.text) == answer.structured_content
    assert answer.structured_content is not None
    for key, value in answer.structured_content.items():
        assert not key.endswith(("path", "folder")) or Path(value).exists()
    return None


async def test_an_engine_that_is_not_configured_is_told_with_the_remedy(server: Server) -> None:
    said = await answered(server, "local_llm", {"prompt": "Hi.", "engine": "ollama"})
    assert "HYBRID_MCP_LLM__LOCAL" in str(said)


async def test_every_tool_has_arguments_here(server: Server) -> None:
    assert set(server.tools) == set(CHEAP)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
@few
@given(data=st.data())
async def test_what_a_schema_allows_is_done_or_refused_in_words(
    server: Server, models_dir: Path, name: str, data: st.DataObject
) -> None:
    await answered(server, name, data.draw(server.arguments[name]) | data.draw(CHEAP[name](server)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CHEAP)
@few
@given(data=st.data())
async def test_a_value_of_any_kind_is_read_or_refused_in_words(
    server: Server, models_dir: Path, name: str, data: st.DataObject
) -> None:
    arguments = data.draw(CHEAP[name](server))
    known = sorted(server.tools[name].input_schema["properties"])
    spoilt = data.draw(st.sampled_from([*known, "nonsense"]))
    await answered(server, name, arguments | {spoilt: data.draw(JSON)})


@pytest.mark.parametrize("name", CHEAP)
async def test_a_refusal_names_the_argument(server: Server, name: str) -> None:
    schema = server.tools[name].input_schema
    for argument, allowed in schema["properties"].items():
        wrong: tuple[Any, ...] = ({"a": [{}]}, [[]], 10**400)
        for value in wrong:
            if not jsonschema.Draft202012Validator(allowed).is_valid(value):
                assert argument in str(await answered(server, name, {argument: value}))
    for argument in schema.get("required", ()):
        assert argument in str(await answered(server, name, {}))
    for unknown in ("nonsense", "", " ", "a.b", "__class__", "\ud800", "あ" * 5000):
        said = await answered(server, name, {unknown: 1})
        assert said is not None
        assert len(said) < 1000


HOSTILE = (
    st.sampled_from("|..|../..|%2e%2e%2f|..%2fmanifest|%00|%ff|%zz|a b|{id}|*|\\|C:|//|script-|é|e\u0301|🎉".split("|"))
    | st.sampled_from(("\x00", "a\nb", "\u202e", "あ" * 60_000))
    | st.text(max_size=20)
)


def explained(refused: MCPError) -> None:
    """The caller's mistake, in words."""
    assert refused.error.code == INVALID_PARAMS, refused
    assert refused.error.message
    assert len(refused.error.message) < 1000


@many
@given(data=st.data())
async def test_an_address_of_any_kind_is_read_or_refused_in_words(server: Server, data: st.DataObject) -> None:
    templates = [one.uri_template for one in (await server.client.list_resource_templates()).resource_templates]
    template = data.draw(st.sampled_from([*templates, "nobody://{id}", "{id}"]))
    name = data.draw(HOSTILE | st.just(server.script_id))
    for form in (name, quote(name, safe="", errors="replace")):
        uri = template.replace("{id}", form).replace("{+name}", form)
        try:
            contents = (await server.client.read_resource(uri)).contents
        except MCPError as refused:
            explained(refused)
        else:
            assert contents


@many
@given(data=st.data())
async def test_a_prompt_of_any_kind_is_written_or_refused_in_words(server: Server, data: st.DataObject) -> None:
    prompt = data.draw(st.sampled_from((await server.client.list_prompts()).prompts))
    names = [argument.name for argument in prompt.arguments or ()]
    value = HOSTILE | st.sampled_from([server.script_id, "5", "1e999", "nan", "ja", "news", "a:b;c"])
    arguments = data.draw(st.dictionaries(st.sampled_from([*names, "nonsense"]), value))
    try:
        assert (await server.client.get_prompt(prompt.name, arguments)).messages
    except MCPError as refused:
        explained(refused)


@many
@given(data=st.data())
async def test_a_completion_of_any_kind_is_answered(server: Server, data: st.DataObject) -> None:
    prompts = (await server.client.list_prompts()).prompts
    templates = (await server.client.list_resource_templates()).resource_templates
    refs: list[PromptReference | ResourceTemplateReference] = [
        *(PromptReference(name=prompt.name) for prompt in prompts),
        *(ResourceTemplateReference(uri=template.uri_template) for template in templates),
        PromptReference(name="nonsense"),
        ResourceTemplateReference(uri="nobody://{id}"),
    ]
    names = ["id", "name", "nonsense", *(argument.name for prompt in prompts for argument in prompt.arguments or ())]
    asked = {"name": data.draw(st.sampled_from(names)), "value": data.draw(HOSTILE)}
    completion = (await server.client.complete(data.draw(st.sampled_from(refs)), asked)).completion
    assert len(completion.values) <= 100

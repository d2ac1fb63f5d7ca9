"""One body for every transport and every era of the protocol: what holds in memory holds over the wire.

A server and its connection live for all tests of one way: whatever a test did to them, the next one needs them whole.
"""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from conftest import held, own_environment
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ResourcesListChanged
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    PromptReference,
    ResourceListChangedNotification,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)
from transports import MODERN, WAYS, Way, reached

from hybrid_mcp import __version__

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAPER = {"title": "記憶", "abstract": "海馬は記憶に関わる。"}
"""As short as papers are: speaking it is most of the time these tests take."""
LONG = "海馬は記憶に関わります。" * 200


class Person:
    """Somebody before a client, who takes the last of the choices and sees that lists have changed."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.told = asyncio.Event()

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        [(name, field)] = params.requested_schema["properties"].items()
        self.answered.append(field["enum"][-1])
        return ElicitResult(action="accept", content={name: field["enum"][-1]})

    async def hear(self, message: IncomingMessage) -> None:
        if isinstance(message, ResourceListChangedNotification):
            self.told.set()


class Reached:
    """A connection, who is before it, and where its server keeps what it makes."""

    def __init__(self, way: Way, client: Client, person: Person, data_dir: Path) -> None:
        self.version = way.split()[1]
        self.client = client
        self.person = person
        self.data_dir = data_dir

    def made(self) -> set[str]:
        """Names of everything in the folder of artifacts."""
        return {path.name for path in (self.data_dir / "artifacts").iterdir()}

    async def good(self, name: str, **arguments: Any) -> dict[str, Any]:
        return fine(await self.client.call_tool(name, arguments))


def fine(answer: CallToolResult) -> dict[str, Any]:
    text = answer.content[0]
    assert isinstance(text, TextContent)
    assert not answer.is_error, text.text
    # The text is for clients older than structured content.
    said = json.loads(text.text)
    assert isinstance(said, dict)
    assert answer.structured_content in (None, said)
    return said


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[pytest.param(way, marks=() if way.startswith("memory") else pytest.mark.slow) for way in WAYS],
)
async def there(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Reached]:
    data_dir = tmp_path_factory.mktemp("everywhere") / "data"
    before = {thread.name for thread in threading.enumerate()}
    with pytest.MonkeyPatch.context() as patch:
        own_environment(patch, data_dir)
        patch.setenv("HYBRID_MCP_ALLOWED_ROOTS", str(data_dir.parent / "allowed"))
        person = Person()
        options: dict[str, Any] = {"elicitation_callback": person.answer, "message_handler": person.hear}
        async with held(reached(request.param, data_dir, **options)) as client:
            yield Reached(request.param, client, person, data_dir)
    assert not list((data_dir / "artifacts").glob(".making-*"))
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith(("openjtalk", "whisper", "llama"))]


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """The engines stay for the next test: `there` looks at what is left when all are done."""
    return iter([None])


async def test_the_server_says_who_it_is_and_what_it_can_do(there: Reached) -> None:
    client = there.client
    assert client.protocol_version == there.version
    assert client.server_info is not None
    assert (client.server_info.name, client.server_info.version) == ("hybrid-mcp", __version__)
    assert client.instructions is not None
    assert "generate_script" in client.instructions
    can = client.server_capabilities
    assert can.tools is not None
    assert can.resources is not None
    assert can.prompts is not None
    if there.version < MODERN:  # newer clients ask for notices, and are told what they get
        assert can.resources.list_changed
    # They are the same as long as the server runs.
    assert not can.tools.list_changed
    assert not can.prompts.list_changed


async def test_the_catalogue_is_the_same_everywhere(there: Reached, catalogue: dict[str, Any]) -> None:
    assert await listed(there.client) == catalogue


@pytest.mark.slow
async def test_a_paper_becomes_a_script_and_a_recording_with_progress(there: Reached) -> None:
    script = await there.good("generate_script", paper=PAPER, engine="extractive", target_minutes=0.1)
    heard: list[tuple[float, float | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total))

    answer = await there.client.call_tool(
        "synthesize_voice", {"script_id": script["script_id"]}, progress_callback=progress
    )
    speech = fine(answer)
    done = [progress for progress, _ in heard]
    assert done == sorted(set(done))
    assert {total for _, total in heard} == {done[-1]}
    assert await read(there.client, f"script://{script['script_id']}") == Path(script["path"]).read_bytes()
    assert await read(there.client, f"audio://{speech['audio_id']}/srt") == Path(speech["srt_path"]).read_bytes()


@pytest.mark.slow
async def test_what_was_spoken_is_heard_back(there: Reached, models_dir: Path) -> None:
    speech = await there.good("synthesize_voice", text="睡眠は、記憶を固めると考えられています。")
    heard = await there.good("transcribe", source=f"audio://{speech['audio_id']}", language="ja")
    assert heard["heard_back_error_rate"] < 0.3
    assert json.loads(await read(there.client, f"transcript://{heard['transcript_id']}"))["language"] == "ja"


async def test_another_call_is_answered_while_one_works_and_cancelling_stops_the_work(there: Reached) -> None:
    before = there.made()
    begun = asyncio.Event()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    call = asyncio.create_task(there.client.call_tool("synthesize_voice", {"text": LONG}, progress_callback=progress))
    await begun.wait()
    assert (await there.good("list_voices"))["total"] == 3
    assert not call.done()
    assert len(there.made() - before) == 1  # what is being made
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    while there.made() != before:  # noqa: ASYNC110  (another process removes it)
        await asyncio.sleep(0.01)
    assert (await there.good("list_voices"))["total"] == 3


async def test_two_who_ask_for_the_same_are_given_the_same_and_read_it_whole(there: Reached) -> None:
    one, other = await asyncio.gather(*(there.good("synthesize_voice", text="記憶は眠る間に育ちます。") for _ in "12"))
    assert one == other
    # A short one: the official client takes a megabyte in one event of SSE, where older ones know no limit.
    assert await read(there.client, f"audio://{one['audio_id']}") == Path(one["wav_path"]).read_bytes()


async def test_whose_voice_is_meant_is_asked(there: Reached) -> None:
    answer = await there.client.call_tool("synthesize_voice", {"text": "はい。", "voice": "me"})
    if there.version == "2024-11-05":  # which knows no questions
        assert answer.is_error
        assert "Nearest: mei" in str(answer.content)
    else:
        voices = fine(answer)["voices"]
        assert voices == there.person.answered
        assert voices[0].startswith("mei-")


async def test_what_was_made_is_announced(there: Reached) -> None:
    if there.version < MODERN:
        there.person.told.clear()
        await there.good("generate_script", title="知らせ", content="海馬は記憶に関わる。")
        await there.person.told.wait()
    else:
        async with there.client.listen(resources_list_changed=True) as notices:
            await there.good("generate_script", title="知らせ", content="海馬は記憶に関わる。")
            assert isinstance(await anext(notices), ResourcesListChanged)


async def test_a_prompt_holds_the_source(there: Reached) -> None:
    prompt = await there.client.get_prompt("write_script", PAPER)
    content = prompt.messages[0].content
    assert isinstance(content, TextContent)
    assert PAPER["abstract"] in content.text


async def test_a_completion_is_answered(there: Reached) -> None:
    prompt = PromptReference(name="write_script")
    assert "news" in (await there.client.complete(prompt, {"name": "style", "value": "ne"})).completion.values
    script = await there.good("generate_script", paper=PAPER)
    template = ResourceTemplateReference(uri="script://{id}")
    beginning = script["script_id"][:10]
    assert (
        script["script_id"]
        in (await there.client.complete(template, {"name": "id", "value": beginning})).completion.values
    )


async def test_old_clients_ask_whether_the_server_lives(there: Reached) -> None:
    if there.version < MODERN:
        await there.client.session.send_ping()
    else:
        with pytest.raises(MCPError, match="not found"):
            await there.client.session.send_ping()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("generate_script", {}, "There is no source"),
        ("generate_script", {"stlye": "news"}, "no argument stlye. Known: style"),
        ("generate_script", {"paper": {"title": "t"}}, "paper.abstract is required"),
        ("generate_script", {"paper": ["t"]}, "paper must be an object"),
        ("generate_script", {"title": "x", "content": "あ" * 1_000_001}, "limit 1,000,000"),
        ("generate_script", {"title": "x", "content": "海馬。", "take": 10**400}, "take"),
        ("generate_script", {"title": "x", "content": "海馬。", "target_minutes": 1e300}, "≤ 180"),
        ("generate_script", {"title": "x", "content": "a\x00b"}, "U+0000"),
        ("save_script", {"draft": None}, "draft must be an object"),
        ("synthesize_voice", {"text": None}, "text must be text"),
        ("synthesize_voice", {"text": 5}, "text must be text"),
        ("synthesize_voice", {"text": "はい", "speed": "fast"}, "speed must be a number"),
        ("synthesize_voice", {"script_id": "script-0123456789abcdef"}, "no script id"),
        ("synthesize_voice", {"script_id": "../../etc/passwd"}, "no script id"),
        ("transcribe", {}, "source is required"),
        ("transcribe", {"source": "/etc/passwd"}, "HYBRID_MCP_ALLOWED_ROOTS"),
        ("transcribe", {"source": "file:///etc/passwd"}, "HYBRID_MCP_ALLOWED_ROOTS"),
        ("transcribe", {"source": "audio://../../etc/passwd"}, "no audio id"),
        ("local_llm", {"prompt": "Hi", "max_tokens": -1}, "max_tokens must be ≥ 1"),
        ("doctor", {"verbose": True}, "no argument verbose"),
    ],
)
async def test_bad_input_is_explained(there: Reached, name: str, arguments: dict[str, Any], says: str) -> None:
    answer = await there.client.call_tool(name, arguments)
    assert answer.is_error
    text = answer.content[0]
    assert isinstance(text, TextContent)
    assert says in text.text
    assert "Error executing tool" not in text.text


async def test_what_is_not_there_is_refused_by_name(there: Reached) -> None:
    client = there.client
    with pytest.raises(MCPError, match=r"no tool 'transcibe'\. Nearest: transcribe") as unknown_tool:
        await client.call_tool("transcibe", {})
    with pytest.raises(MCPError, match=r"no prompt 'rite_script'\. Nearest: write_script") as unknown_prompt:
        await client.get_prompt("rite_script")
    assert [refused.value.error.code for refused in (unknown_tool, unknown_prompt)] == [INVALID_PARAMS] * 2
    with pytest.raises(MCPError, match="no argument stlye"):
        await client.get_prompt("write_script", {"stlye": "news"})
    for uri in ("script://script-0123456789abcdef", "audio://..%2F..%2Fetc%2Fpasswd", "file:///etc/passwd", "nothing"):
        with pytest.raises(MCPError):
            await client.read_resource(uri)


# --- what the tests ask with ---


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def catalogue(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What is offered in memory, to the newest client."""
    with pytest.MonkeyPatch.context() as patch:
        own_environment(patch, tmp_path_factory.mktemp("catalogue"))
        async with reached("memory 2026-07-28", tmp_path_factory.mktemp("catalogue")) as client:
            return await listed(client)


async def listed(client: Client) -> dict[str, Any]:
    """What every version of the protocol knows of the catalogue."""
    tools = (await client.list_tools()).tools
    resources = (await client.list_resources()).resources
    templates = (await client.list_resource_templates()).resource_templates
    prompts = (await client.list_prompts()).prompts
    return {
        "tools": {tool.name: (tool.description, tool.input_schema) for tool in tools},
        "resources": {resource.uri: resource.description for resource in resources if "://script-" not in resource.uri},
        "templates": {template.uri_template: template.description for template in templates},
        "prompts": {prompt.name: (prompt.description, prompt.arguments) for prompt in prompts},
    }


async def read(client: Client, uri: str) -> bytes:
    [content] = (await client.read_resource(uri)).contents
    if isinstance(content, TextResourceContents):
        return content.text.encode()
    assert isinstance(content, BlobResourceContents)
    return base64.b64decode(content.blob)

"""What clients are told when something changes, over the official client in both eras, with real engines."""

from __future__ import annotations

import asyncio
import gc
import signal
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import MethodType
from typing import cast

import anyio
import pytest
from conftest import ROOT, held, missing
from mcp import Client
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, ResourcesListChanged, ResourceUpdated, Subscription
from mcp.shared.exceptions import MCPError
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    ResourceListChangedNotification,
    ResourceUpdatedNotification,
)
from peers.ollama import knows, ollama_server
from peers.voicevox import ScriptedEngine, voicevox_engine
from serving import serving

from hybrid_mcp.app import App
from hybrid_mcp.config import LanguageModels, OllamaServer, Settings, TextToSpeech, Watching
from hybrid_mcp.opening import open_app
from hybrid_mcp.resources import HybridServer
from hybrid_mcp.server import build_server

# The official client warns of what only older clients do, and they are who is tested.
pytestmark = pytest.mark.filterwarnings("ignore:resources/(un)?subscribe is removed")

PAPER = {"title": "海馬と場所", "abstract": "海馬は場所を覚える。ネズミで確かめた。"}


class Told:
    """What a client of an older protocol was told."""

    def __init__(self) -> None:
        self.lists = 0
        self.updated: list[str] = []
        self._changed = asyncio.Event()

    async def __call__(self, message: IncomingMessage) -> None:
        match message:
            case ResourceListChangedNotification():
                self.lists += 1
            case ResourceUpdatedNotification():
                self.updated.append(message.params.uri)
        self._changed.set()

    async def until(self, condition: Callable[[Told], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    async with held(open_app(settings)) as one:
        yield one


@pytest.fixture
def server(app: App) -> HybridServer:
    return build_server(app)


@asynccontextmanager
async def old(server: HybridServer) -> AsyncIterator[tuple[Client, Told]]:
    told = Told()
    async with Client(server, mode="legacy", message_handler=told) as client:
        yield client, told


async def make(client: Client, number: int = 0) -> str:
    paper = PAPER | {"title": f"海馬と場所 {number}"}
    answer = await client.call_tool("generate_script", {"paper": paper})
    assert isinstance(answer.structured_content, dict), answer.content
    return str(answer.structured_content["script_id"])


async def next_of(stream: Subscription) -> object:
    async with asyncio.timeout(60):
        return await anext(stream)


def looking(engine: ScriptedEngine, settings: Settings) -> Settings:
    tts = TextToSpeech(order=("voicevox", "openjtalk"), engines={"voicevox": engine.url}, patience=0)
    watching = Watching(remember=0, rest=0, look_every=0.02)
    return settings.model_copy(update={"tts": tts, "watching": watching})


# --- what is possible ---


async def test_an_older_client_learns_that_resources_change_and_tools_and_prompts_do_not(server: HybridServer) -> None:
    async with old(server) as (client, _):
        capabilities = client.server_capabilities
    assert capabilities.resources is not None
    assert (capabilities.resources.list_changed, capabilities.resources.subscribe) == (True, True)
    assert capabilities.tools is not None
    assert capabilities.prompts is not None
    assert (capabilities.tools.list_changed, capabilities.prompts.list_changed) == (False, False)


async def test_a_new_client_learns_the_same_and_is_granted_only_what_can_happen(server: HybridServer) -> None:
    async with Client(server) as client:
        capabilities = client.server_capabilities
        assert capabilities.resources is not None
        assert (capabilities.resources.list_changed, capabilities.resources.subscribe) == (True, True)
        assert capabilities.tools is not None
        assert not capabilities.tools.list_changed
        uris = ("voices://", "voices://mei", "nothing://here", "script://script-0000000000000000", "")
        asked = {"tools_list_changed": True, "prompts_list_changed": True, "resources_list_changed": True}
        async with client.listen(**asked, resource_subscriptions=uris) as stream:
            assert stream.honored.resources_list_changed is True
            assert not stream.honored.tools_list_changed
            assert not stream.honored.prompts_list_changed
            assert stream.honored.resource_subscriptions == [uris[0], uris[1], uris[3]]


# --- the list of resources ---


async def test_every_client_hears_when_one_makes_something_and_no_one_when_it_is_found(server: HybridServer) -> None:
    async with (
        old(server) as (first, told),
        old(server) as (_, told_too),
        Client(server) as new,
        new.listen(resources_list_changed=True) as stream,
    ):
        await make(first)
        assert await next_of(stream) == ResourcesListChanged()
        await told.until(lambda told: told.lists == 1)
        await told_too.until(lambda told: told.lists == 1)
        await make(new)  # found
        await make(new, 1)
        assert await next_of(stream) == ResourcesListChanged()
        await told.until(lambda told: told.lists == 2)
        assert not told.updated


async def test_a_new_client_that_keeps_lists_lists_anew_after_a_notice(server: HybridServer) -> None:
    async with Client(server) as new, Client(server) as other, new.listen(resources_list_changed=True) as stream:
        before = {one.uri for one in (await new.list_resources()).resources}
        script = await make(other)
        await next_of(stream)
        after = {one.uri for one in (await new.list_resources()).resources}
        assert after - before == {f"script://{script}"}


# --- what engines change ---


@pytest.mark.slow
async def test_who_subscribed_hears_when_an_engine_goes_and_comes_back(settings: Settings) -> None:
    uris = ["voices://", "voices://mei", "status://"]
    async with (
        held(voicevox_engine()) as engine,
        held(open_app(looking(engine, settings))) as app,
    ):
        server = build_server(app)
        async with old(server) as (client, told), old(server) as (_, silent), Client(server) as new:
            for uri in uris:
                await client.subscribe_resource(uri)
            async with new.listen(resource_subscriptions=uris) as stream:
                assert "朝霧ソラ" in str(await client.read_resource("voices://"))
                await engine.die()
                heard = {await next_of(stream) for _ in uris}
                assert heard == {ResourceUpdated(uri) for uri in uris}
                await told.until(lambda told: set(told.updated) == set(uris))
                assert "朝霧ソラ" not in str(await client.read_resource("voices://"))
                told.updated.clear()
                await client.unsubscribe_resource("status://")
                await engine.start()
                assert {await next_of(stream) for _ in uris} == heard
                await told.until(lambda told: set(told.updated) == set(uris) - {"status://"})
            assert not silent.updated
            assert not silent.lists


async def test_who_subscribed_hears_of_a_model_that_was_pulled(settings: Settings, models_dir: Path) -> None:
    del models_dir
    document = ROOT.parent / "shared" / "data" / "api" / "ollama_openapi.yaml"
    if not document.is_file():
        missing("no API document beside the checkout (../shared/data/api/ollama_openapi.yaml)")
    async with ollama_server(document, models={}) as peer:
        changed = settings.model_copy(
            update={
                "ollama": OllamaServer(url=peer.url),
                "llm": LanguageModels(writers=("extractive",), local=("ollama",)),
                "watching": Watching(remember=0, rest=0, look_every=0.02),
            }
        )
        async with (
            open_app(changed) as app,
            Client(build_server(app)) as client,
            client.listen(resource_subscriptions=["models://"]) as stream,
        ):
            peer.models["kraken:1b"] = knows(4096, "completion")
            assert await next_of(stream) == ResourceUpdated("models://")
            [content] = (await client.read_resource("models://")).contents
            assert "kraken:1b" in content.model_dump_json()


async def test_nobody_is_told_while_nothing_changes_and_looking_ends_with_the_last_subscriber(
    settings: Settings,
) -> None:
    async with (
        held(voicevox_engine()) as engine,
        held(open_app(looking(engine, settings))) as app,
        old(build_server(app)) as (client, told),
    ):
        await client.subscribe_resource("status://")
        await client.subscribe_resource("status://")
        # The milliseconds in which the engine answers differ every time.
        await engine.until(lambda: len(engine.asked("/version")) >= 20)
        await client.unsubscribe_resource("status://")
        assert not [task for task in asyncio.all_tasks() if "_look_on" in repr(task.get_coro())]
        assert not told.updated


# --- sturdiness ---


@pytest.mark.parametrize(
    "uri", ["nothing://here", "", "voices:", "status://more", "job://1", "voices://" + "あ" * 3000]
)
async def test_what_is_none_of_ours_cannot_be_subscribed_to(server: HybridServer, uri: str) -> None:
    async with old(server) as (client, _):
        with pytest.raises(MCPError, match="no such resource") as refused:
            await client.subscribe_resource(uri)
        assert refused.value.code == -32602
        await client.unsubscribe_resource(uri)  # to what was never subscribed to


async def test_a_session_subscribes_to_a_hundred_resources_at_most(server: HybridServer) -> None:
    async with old(server) as (client, _):
        uris = [f"script://script-{number:016x}" for number in range(130)]
        answers = await asyncio.gather(*map(client.subscribe_resource, uris), return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, MCPError)]
        assert len(refused) == 30
        assert "At most 100" in refused[0].message
        await client.unsubscribe_resource(uris[0])
        await client.subscribe_resource(uris[-1])
    async with Client(server) as new, new.listen(resource_subscriptions=uris) as stream:
        assert stream.honored.resource_subscriptions == uris[:100]


async def test_whether_a_resource_can_be_subscribed_to_is_known_without_listing_what_was_made(
    server: HybridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("what was made was listed")

    monkeypatch.setattr(server.app.artifacts, "recent", refuse)
    uris = ["status://", *(f"nothing://{number}" for number in range(99)), "voices://"]
    async with Client(server) as new, new.listen(resource_subscriptions=uris) as stream:
        assert stream.honored.resource_subscriptions == ["status://"]  # of the first hundred


async def test_each_era_has_its_own_way_to_subscribe(server: HybridServer) -> None:
    async with Client(server) as new:
        with pytest.raises(MCPError) as refused:
            await new.subscribe_resource("voices://")
        assert refused.value.code == -32601
    async with old(server) as (client, _):
        with pytest.raises(ListenNotSupportedError):
            await client.listen(resources_list_changed=True).__aenter__()


async def test_a_client_that_does_not_read_holds_up_no_tool_and_hears_the_rest_once(server: HybridServer) -> None:
    low_level = server._lowlevel_server
    async with create_client_server_memory_streams() as (ours, theirs), anyio.create_task_group() as tasks:
        options = low_level.create_initialization_options()
        tasks.start_soon(low_level.run, theirs[0], theirs[1], options)
        reading, writing = ours
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "deaf", "version": "1"}}
        await writing.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=1, method="initialize", params=hello)))
        answer = await reading.receive()
        assert isinstance(answer, SessionMessage)
        assert isinstance(answer.message, JSONRPCResponse)
        await writing.send(SessionMessage(JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")))
        async with asyncio.timeout(60), old(server) as (client, told):
            for number in range(20):
                await make(client, number)
            await told.until(lambda told: told.lists >= 1)
        await writing.send(SessionMessage(JSONRPCRequest(jsonrpc="2.0", id=2, method="ping")))
        notices = 0
        while True:
            answer = await reading.receive()
            assert isinstance(answer, SessionMessage)
            if isinstance(answer.message, JSONRPCResponse):
                break
            notices += 1
        assert 1 <= notices <= 3  # one in the stream's buffer, one on its way there, one for all the rest
        await writing.aclose()


async def test_a_session_that_is_gone_is_forgotten(server: HybridServer) -> None:
    notices = server.notices
    before = len(notices._listeners)
    async with old(server) as (client, _):
        await client.subscribe_resource("voices://")
        assert len(notices._listeners) == before + 1
        [listener] = notices._listeners.values()
        session = weakref.ref(cast("MethodType", listener).__self__)
        del listener
    assert not notices._listeners
    assert not notices._lookouts["voices://"]._uris
    gc.collect()
    assert session() is None


@pytest.mark.slow
async def test_a_server_that_stops_ends_streams_with_an_answer_and_waits_for_none(tmp_path: Path) -> None:
    async with serving(tmp_path / "data", HYBRID_MCP_SERVE__DRAIN="3600") as served:
        async with Client(served.url) as client, client.listen(resources_list_changed=True) as stream:
            served.process.send_signal(signal.SIGTERM)
            assert [event async for event in stream] == []
        assert await served.process.wait() == 0


async def test_closing_ends_every_stream_with_an_answer(server: HybridServer) -> None:
    notices = server.notices
    async with Client(server) as client, client.listen(resource_subscriptions=["voices://"]) as stream:
        notices.close()
        async with asyncio.timeout(60):
            assert [event async for event in stream] == []
    assert not notices._lookouts["voices://"]._uris

"""What tests share: real models and speech read in place, a data directory of their own, and a clean exit."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import hypothesis
import pytest
from mcp import Client

from hybrid_mcp import models
from hybrid_mcp.config import Settings
from hybrid_mcp.opening import open_app
from hybrid_mcp.script.model import Paper
from hybrid_mcp.secrets.environment import variables_of
from hybrid_mcp.secrets.interface import SecretName
from hybrid_mcp.server import build_server
from hybrid_mcp.tts.openjtalk import OpenJTalk

if TYPE_CHECKING:
    from conformance.node import Node

# A test never judges time; and the same examples run everywhere.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ours")

ROOT = Path(__file__).parents[1]
T = TypeVar("T")


def missing(what: str) -> None:
    """Skip at home, where something may be missing; fail in CI, where nothing may be."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)


@asynccontextmanager
async def held(manager: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave in one task, as anyio wants; pytest-asyncio sets up and tears down in two."""
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def hold() -> None:
        async with manager as value:
            entered.set_result(value)
            await done.wait()

    task = asyncio.create_task(hold())
    # Whatever entering raises must not be waited for in vain.
    task.add_done_callback(lambda _: entered.done() or entered.cancel())
    try:
        yield await entered
    finally:
        done.set()
        await task


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own_environment(monkeypatch, tmp_path / "data")


def own_environment(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    """No test reads or writes what belongs to the person who runs it, except the fetched models."""
    for name in [name for name in os.environ if name.startswith("HYBRID_MCP_") and name != "HYBRID_MCP_MODELS_DIR"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HYBRID_MCP_DATA_DIR", str(data_dir))
    # Nothing can spend money, and nobody's own engines are asked.
    for secret in get_args(SecretName):
        for variable in variables_of(secret):
            monkeypatch.delenv(variable, raising=False)
    # Threads of a model wait for each other by spinning: beside other tests, several are far slower than one.
    monkeypatch.setenv("HYBRID_MCP_LLM__THREADS", "1")
    monkeypatch.setenv("HYBRID_MCP_STT__THREADS", "1")
    # Servers that are started do not compete for a port.
    monkeypatch.setenv("HYBRID_MCP_SERVE__SIDECAR", "false")
    monkeypatch.setenv("HYBRID_MCP_TTS__ORDER", "openjtalk")
    monkeypatch.setenv("HYBRID_MCP_LLM__WRITERS", "extractive")
    monkeypatch.setenv("HYBRID_MCP_LLM__LOCAL", "embedded")


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(tmp_path: Path) -> Iterator[None]:
    """No half-made folder and no thread of an engine survives a test."""
    before = {thread.name for thread in threading.enumerate()}
    yield
    assert not [path for path in tmp_path.rglob(".making-*") if not path.name.endswith("-damaged")]
    left = {thread.name for thread in threading.enumerate()} - before
    assert not [name for name in left if name.startswith(("openjtalk", "whisper", "llama"))]


@pytest.fixture(autouse=True)
async def _leaves_no_task() -> AsyncIterator[None]:
    yield
    others = asyncio.all_tasks() - {asyncio.current_task()}
    # The loop itself closes generators that a library dropped half read, as openai's stream does after its last line.
    closing = [task for task in others if type(task.get_coro()).__name__ == "async_generator_athrow"]
    await asyncio.gather(*closing)
    assert not [task for task in others if not task.done()]


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where the fetched weights are."""
    folder = Settings().models_dir
    for weights in models.ALL:
        if not models.present(weights, folder):
            missing(f"{weights.name} is not in {folder}: run `make models`")
    return folder


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """Real human speech with transcripts, beside the checkout."""
    folder = ROOT.parent / "shared" / "data" / "speech"
    if not folder.is_dir():
        missing("no human speech beside the checkout (../shared/data/speech)")
    return folder


@pytest.fixture(scope="session")
def node() -> Node:
    """Node, and with it programs of others."""
    from conformance.node import find_node  # noqa: PLC0415  (it imports this file)

    return find_node()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a data directory of the test's own, and English errors."""
    return Settings(language="en", data_dir=tmp_path / "data", allowed_roots=(tmp_path / "allowed",))


@pytest.fixture(scope="session")
def example() -> dict[str, dict[str, Any]]:
    """The example papers by language."""
    return {
        language: json.loads((ROOT / "examples" / f"paper.{language}.json").read_text(encoding="utf-8"))
        for language in ("ja", "en")
    }


@pytest.fixture
def japanese_paper(example: dict[str, dict[str, Any]]) -> Paper:
    return Paper.model_validate(example["ja"])


@pytest.fixture
def english_paper(example: dict[str, dict[str, Any]]) -> Paper:
    return Paper.model_validate(example["en"])


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """The official client, connected in memory to a server with real engines."""
    async with held(connected(settings)) as made:
        yield made


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    async with open_app(settings) as app, Client(build_server(app)) as client:
        yield client


@pytest.fixture
async def open_jtalk() -> AsyncIterator[OpenJTalk]:
    engine = OpenJTalk(workers=2)
    yield engine
    await engine.close()

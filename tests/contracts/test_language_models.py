"""What every language model keeps, whichever engine is behind it. Mechanics only: the model is a very small one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from peers.llama import CONTEXT, llama_server
from peers.ollama import PROXIED, ollama_proxy

from hybrid_mcp.backend import Backend, Health
from hybrid_mcp.config import ClaudeServer, OllamaServer, OpenAIServer, Outgoing
from hybrid_mcp.egress import Egress
from hybrid_mcp.errors import EngineUnavailable, InvalidInput
from hybrid_mcp.llm.claude import Claude
from hybrid_mcp.llm.embedded import LlamaCpp
from hybrid_mcp.llm.interface import ChatRequest, LanguageModel, Turn, Watch
from hybrid_mcp.llm.ollama import Ollama
from hybrid_mcp.llm.openai import ChatCompletions
from hybrid_mcp.secrets.interface import Secret, SecretName

pytestmark = pytest.mark.slow

COLOUR = {
    "type": "object",
    "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
HELLO = ChatRequest("Say hello in one short sentence.", max_tokens=24)
ENDLESS = ChatRequest("Count from one to a thousand in words, and never stop.", max_tokens=1000)


class NoKeys:
    async def get(self, name: SecretName) -> Secret | None:
        return None


@dataclass(frozen=True)
class Kind:
    """An implementation before a real peer, and what that peer cannot do."""

    make: Callable[[str], LanguageModel]
    """Of the address of its server."""
    peer: Literal["llama", "proxy"]
    says_truncated: bool = True
    keeps_schemas: bool = True
    refuses_long_prompts: bool = True


def guard(name: str) -> Backend:
    return Backend(name, parallel=2, deadline=60.0, remember=0.0, answer_within=60)


OUT = Egress(Outgoing())
KINDS = {
    "openai": Kind(
        lambda url: ChatCompletions(
            "openai",
            OpenAIServer(url=f"{url}/v1", model="smollm2"),
            NoKeys(),
            "openai_api_key",
            OUT,
            guard("openai"),
        ),
        "llama",
    ),
    "claude": Kind(
        lambda url: Claude(ClaudeServer(url=url, model="smollm2"), NoKeys(), OUT, guard("claude")),
        "llama",
        keeps_schemas=False,  # llama.cpp ignores output_config
    ),
    "ollama": Kind(
        lambda url: Ollama(OllamaServer(url=url, model=PROXIED), OUT, guard("ollama")),
        "proxy",
        says_truncated=False,  # the proxy always says it ended by itself
        refuses_long_prompts=False,  # the proxy tells every failure as Ollama's own
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def llama(models_dir: Path) -> AsyncIterator[str]:
    async with llama_server(models_dir) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(models_dir: Path) -> AsyncIterator[str]:
    async with ollama_proxy(models_dir) as url:
        yield url


@pytest.fixture(params=["embedded", *KINDS])
def kind(request: pytest.FixtureRequest, models_dir: Path) -> Kind:
    if request.param != "embedded":
        return KINDS[request.param]
    weights = models_dir / "smollm2-135m-instruct" / "smollm2-135m-instruct-q4_1.gguf"
    return Kind(
        lambda _: LlamaCpp("smollm2", lambda: weights, context_tokens=CONTEXT, deadline=60.0, threads=1), "llama"
    )


@pytest.fixture
async def model(kind: Kind, llama: str, proxy: str) -> AsyncIterator[LanguageModel]:
    made = kind.make(proxy if kind.peer == "proxy" else llama)
    yield made
    await made.close()


async def test_it_answers_piece_by_piece_and_counts(model: LanguageModel) -> None:
    pieces: list[str] = []

    async def hear(piece: str) -> None:
        pieces.append(piece)

    answer = await model.chat(HELLO, Watch(text=hear))
    assert answer.text.strip()
    assert "".join(pieces) == answer.text
    assert len(pieces) > 1
    assert answer.engine == model.name
    assert answer.model
    assert answer.prompt_tokens > 0
    assert 0 < answer.completion_tokens <= 24
    assert answer.cached_tokens <= answer.prompt_tokens
    assert answer.cost is None


async def test_it_writes_no_more_than_it_may_and_says_that_it_stopped(kind: Kind, model: LanguageModel) -> None:
    answer = await model.chat(replace(ENDLESS, max_tokens=5))
    assert 0 < answer.completion_tokens <= 5
    assert answer.truncated == kind.says_truncated


async def test_it_reads_system_material_and_turns(model: LanguageModel) -> None:
    bare = await model.chat(replace(HELLO, max_tokens=2))
    told = replace(
        HELLO, max_tokens=2, system="Be very brief.", material="A note about squids, octopuses and ink. " * 3
    )
    between = (Turn("user", "Do you know any squids?"), Turn("assistant", "I do know a few of them."))
    head = await model.chat(told)
    whole = await model.chat(replace(told, turns=between))
    assert bare.prompt_tokens < head.prompt_tokens < whole.prompt_tokens


@pytest.mark.parametrize("kind", ["embedded", *(name for name in KINDS if KINDS[name].keeps_schemas)], indirect=True)
async def test_it_keeps_a_schema(model: LanguageModel) -> None:
    answer = await model.chat(ChatRequest("Name a colour.", json_schema=COLOUR, max_tokens=64))
    assert json.loads(answer.text)["colour"] in ("red", "blue")


@pytest.mark.parametrize(
    "kind", ["embedded", *(name for name in KINDS if KINDS[name].refuses_long_prompts)], indirect=True
)
async def test_it_refuses_what_does_not_fit_its_context(model: LanguageModel) -> None:
    with pytest.raises(InvalidInput):
        await model.chat(ChatRequest("squid " * (2 * CONTEXT)))


async def test_it_counts_a_longer_request_as_longer(model: LanguageModel) -> None:
    assert 0 < await model.count(HELLO) < await model.count(replace(HELLO, material="A note about squids. " * 20))


async def test_it_can_be_cancelled_and_asked_again(model: LanguageModel) -> None:
    begun = asyncio.Event()

    async def hear(_: str) -> None:
        begun.set()

    task = asyncio.create_task(model.chat(ENDLESS, Watch(text=hear)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await model.chat(replace(HELLO, max_tokens=3))).completion_tokens <= 3


async def test_it_is_healthy_where_its_engine_is(model: LanguageModel) -> None:
    health = await model.check()
    assert isinstance(health, Health)
    assert not health.models or model.model in health.models


@pytest.mark.parametrize("name", KINDS)
async def test_it_is_unavailable_where_nobody_answers(name: str, unused_tcp_port: int) -> None:
    model = KINDS[name].make(f"http://127.0.0.1:{unused_tcp_port}")
    try:
        with pytest.raises(EngineUnavailable):
            await model.check()
    finally:
        await model.close()


async def test_it_may_be_closed_unused_and_twice(kind: Kind) -> None:
    model = kind.make("http://127.0.0.1:9")
    await model.close()
    await model.close()

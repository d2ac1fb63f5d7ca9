"""Wrong arguments are explained to a model and to people, in their language."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import connected, held
from mcp import Client, MCPError
from mcp.types import TextContent

from hybrid_mcp.config import Settings

PAPER = {"title": "t", "abstract": "海馬は記憶に関わる。"}
ROLES = [{"name": f"役{number}"} for number in range(5)]
NAMES = {f"n{number}": "" for number in range(501)}
PARTS: list[list[list[str]]] = [[[]] * 400] * 400
TWINS = [{"name": "a / b"}, {"name": "a / b"}]


async def said(client: Client, name: str, arguments: dict[str, Any]) -> str:
    answer = await client.call_tool(name, arguments)
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    return answer.content[0].text


@pytest.fixture
async def japanese(settings: Settings) -> AsyncIterator[Client]:
    async with held(connected(settings.model_copy(update={"language": "ja"}))) as made:
        yield made


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("synthesize_voice", {"text": "はい", "format": "aiff"}, "format は 'wav'、'flac'、'mp3'、'opus'、'm4a' のどれかです。"),
        ("synthesize_voice", {"text": "はい", "sample_rate": 1}, "sample_rate は 16000、22050、"),
        ("synthesize_voice", {"text": "はい", "speed": 9}, "speed は 2 以下にしてください。"),
        ("synthesize_voice", {"text": "はい", "speed": 0}, "speed は 0.5 以上にしてください。"),
        ("synthesize_voice", {"text": "はい", "volume": 0}, "volume は 0 より大きくしてください。"),
        ("synthesize_voice", {"text": "はい", "speed": "fast"}, "speed は数にしてください。"),
        ("generate_script", {"paper": PAPER | {"year": 2020}}, "引数 paper.year はありません。使えるのは: publication_year, "),
        (
            "generate_script",
            {"paper": PAPER, "cast": [{"name": "a", "personality": "b"}]},
            "引数 cast.0.personality はありません。使えるのは: name, notes, voice。",
        ),
        ("generate_script", {"paper": PAPER, "cast": ROLES}, "cast は 4 個までです。"),
        ("generate_script", {"paper": PAPER, "cast": TWINS}, "cast: 「a / b」という役が2つあります。別の名前にしてください。"),
        ("generate_script", {"title": "あ" * 501, "content": "い"}, "title が長すぎます (上限 500 文字)。"),
        (
            "generate_script",
            {"paper": PAPER | {"abstract": "a\x00b"}},
            "paper.abstract: 1 文字目に制御文字 U+0000 があります。取り除いてください。",
        ),
        ("generate_script", {"paper": "海馬"}, "paper はオブジェクトにしてください。"),
    ],
)  # fmt: skip
async def test_wrong_arguments_are_explained_in_plain_japanese(
    japanese: Client, name: str, arguments: dict[str, Any], says: str
) -> None:
    text = await said(japanese, name, arguments)
    assert text.startswith(says)
    assert "≤" not in text
    assert " or " not in text


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("synthesize_voice", {"text": "はい", "speed": 9}, "speed must be ≤ 2."),
        ("generate_script", {"paper": PAPER | {"year": 2020}}, "There is no argument paper.year. Known: publication_year, "),
        ("generate_script", {"paper": PAPER, "cast": ROLES}, "cast takes at most 4 items."),
        ("generate_script", {"paper": PAPER, "cast": TWINS}, "cast: two roles are called a / b; give each a name of its own."),
        ("synthesize_voice", {"text": "はい", "txet": 1}, "There is no argument txet. Known: text, "),
        ("local_llm", {"prompt": "Hi", "think": 7}, "think must be"),
    ],
)  # fmt: skip
async def test_wrong_arguments_are_explained_in_plain_english(
    client: Client, name: str, arguments: dict[str, Any], says: str
) -> None:
    text = await said(client, name, arguments)
    assert text.startswith(says)
    assert "/ " not in text.replace("a / b", "")


async def test_a_prompt_is_explained_in_one_language_too(japanese: Client) -> None:
    with pytest.raises(MCPError, match=r"^cast: 「役」という役が2つあります。別の名前にしてください。$"):
        await japanese.get_prompt("write_script", {"title": "t", "abstract": "海馬。", "cast": "役；役"})


@pytest.mark.parametrize("arguments", [NAMES, {"paper": NAMES}, {"cast": [{"voice": NAMES}]}, {"cast": PARTS}])
async def test_very_many_arguments_are_refused_before_any_is_looked_at(
    japanese: Client, arguments: dict[str, Any]
) -> None:
    assert await said(japanese, "generate_script", arguments) == (
        "引数が多すぎます。名前は 1 つのオブジェクトに 500 個、オブジェクトと配列と名前は全部で 130,000 個までです。"
    )


async def test_a_prompt_takes_no_more_names_than_a_tool(client: Client) -> None:
    with pytest.raises(MCPError, match=r"^There are too many arguments: at most 500 names in an object"):
        await client.get_prompt("write_script", NAMES)


async def test_marks_piled_up_without_end_are_refused(client: Client) -> None:
    answer = await client.call_tool("generate_script", {"title": "t", "content": "あ" + "\u0315\u0300" * 20_000})
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    assert "combining marks" in answer.content[0].text

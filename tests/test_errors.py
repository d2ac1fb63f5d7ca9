from __future__ import annotations

from hybrid_mcp.errors import NotFound
from hybrid_mcp.languages import Bilingual


def nearest(asked: str, *known: str) -> str:
    return NotFound.named(Bilingual(ja="声", en="voice"), asked, known).text("en").partition("Nearest: ")[2]


def test_a_name_that_does_not_exist_brings_the_nearest() -> None:
    assert nearest("metan", "zundamon", "mettan") == "mettan."


def test_of_an_endless_name_only_the_beginning_is_compared_with_others() -> None:
    name = "z" * 150
    assert nearest(name + "a" * 1_000_000, *"abcdef", name) == f"{name}."

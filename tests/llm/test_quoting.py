from __future__ import annotations

import pytest

from hybrid_mcp.llm.interface import ChatRequest, Turn
from hybrid_mcp.llm.quoting import quoted


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the model needs more memory", " (the model needs more memory)"),
        ("bad input: the giant squid of the North Atlantic", ""),
        ("squids", ""),
        ("about  the giant\nsquid of the North", ""),
        ("", ""),
    ],
)
def test_a_server_is_quoted_unless_it_repeats_the_request(said: str, shown: str) -> None:
    request = ChatRequest("Sum up.", turns=(Turn("user", "The squids: the giant squid of the North Atlantic."),))
    assert quoted(said, request) == shown

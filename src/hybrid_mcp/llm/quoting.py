"""What a server said about a refusal, without what it was told."""

from __future__ import annotations

from hybrid_mcp.llm.interface import ChatRequest

_LONGEST = 300
_RUN = 20
"""Characters in a row that a refusal and a request do not share by chance."""


def quoted(said: str, request: ChatRequest) -> str:
    """`said` in one line, ready to end a sentence with; empty where it repeats the request, which is nobody else's business."""
    line = " ".join(said.split())[:_LONGEST]
    told = " ".join("\n".join([request.system, *(turn.text for turn in request.conversation())]).split())
    if not line or line in told or any(line[at : at + _RUN] in told for at in range(len(line) - _RUN + 1)):
        return ""
    return f" ({line})"

"""What a server understands of OpenAI's chat completions API: supposed at first, then learned from its refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from hybrid_mcp.llm.interface import ChatRequest

_INVALID_SCHEMA = re.compile(r"invalid.{0,20}schema|schema (error|conversion)|parse grammar", re.IGNORECASE)
_ABOUT_THE_FORMAT = re.compile(r"response.?format|schema|json_object|grammar", re.IGNORECASE)
_AS_TEXT = "Answer with nothing but one JSON value that fits this JSON Schema:\n"


@dataclass(frozen=True, slots=True)
class Dialect:
    """What may be said to one model of one server."""

    limit: Literal["max_tokens", "max_completion_tokens"]
    """What the longest answer is called. OpenAI refuses the former for thinking models, others do not know the latter."""
    other_limit: bool = False
    """Whether the other name was refused before."""
    schema: Literal["json_schema", "json_object", "text"] = "json_schema"
    """How JSON is asked for."""
    lenient: bool = False
    """Whether this very schema was refused as a strict one."""
    temperature: bool = True
    usage: bool = True
    """Whether a stream may be asked to end with the counts of tokens."""
    rest: Literal["none", "minimal", ""] = "none"
    """The effort that means not to think; empty where there is none."""

    def body(self, model: str, request: ChatRequest, *, limit: int, temperature: float | None) -> dict[str, Any]:
        """The request in this dialect, as arguments of `chat.completions.create`."""
        system = [request.system] if request.system.strip() else []
        body: dict[str, Any] = {"model": model, "stream": True, self.limit: limit}
        if self.usage:
            body["stream_options"] = {"include_usage": True}
        if self.temperature and temperature is not None:
            body["temperature"] = temperature
        if effort := self._effort(request.think):
            body["reasoning_effort"] = effort
        if request.tools:
            body["tools"] = [dict(tool) for tool in request.tools]
        if request.json_schema is not None:
            if self.schema == "json_schema":
                strict = not self.lenient and is_strict(request.json_schema)
                form = {"name": "answer", "schema": dict(request.json_schema), "strict": strict}
                body["response_format"] = {"type": "json_schema", "json_schema": form}
            else:
                system.append(_AS_TEXT + json.dumps(request.json_schema, ensure_ascii=False))
            if self.schema == "json_object":
                body["response_format"] = {"type": "json_object"}
        messages = [{"role": "system", "content": "\n\n".join(system)}] if system else []
        body["messages"] = messages + [{"role": turn.role, "content": turn.text} for turn in request.conversation()]
        return body

    def after(self, refusal: str, body: Mapping[str, Any]) -> Dialect | None:
        """What to try after the server refused `body` with these words; None when `body` itself is at fault."""

        def named(parameter: str) -> bool:
            return parameter in body and parameter in refusal

        if "response_format" in body and _ABOUT_THE_FORMAT.search(refusal):
            return self._other_format(refusal, body["response_format"])
        if named(self.limit) and not self.other_limit:
            other: Literal["max_tokens", "max_completion_tokens"] = (
                "max_completion_tokens" if self.limit == "max_tokens" else "max_tokens"
            )
            return replace(self, limit=other, other_limit=True)
        if named("temperature"):
            return replace(self, temperature=False)
        if named("stream_options"):
            return replace(self, usage=False)
        if named("reasoning_effort") and body["reasoning_effort"] == self.rest:
            return replace(self, rest="minimal" if self.rest == "none" else "")
        return None

    def remembered(self) -> Dialect:
        """What of it also holds for other requests."""
        return replace(self, lenient=False)

    def _effort(self, think: bool | str | None) -> str:
        if think is None:
            return ""
        if think is True:
            return "medium"
        return think or self.rest

    def _other_format(self, refusal: str, form: Mapping[str, Any]) -> Dialect | None:
        strict = form["type"] == "json_schema" and form["json_schema"]["strict"]
        if strict and ("strict" in refusal.lower() or _INVALID_SCHEMA.search(refusal)):
            return replace(self, lenient=True)
        if _INVALID_SCHEMA.search(refusal):
            return None
        return replace(self, schema="json_object" if form["type"] == "json_schema" else "text")


def is_strict(schema: Any) -> bool:
    """Whether OpenAI would take a JSON schema as a strict one: every object lists its properties and requires them all."""
    if isinstance(schema, list):
        return all(is_strict(item) for item in schema)
    if not isinstance(schema, Mapping):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        if not all(is_strict(item) for item in properties.values()):
            return False
    return all(is_strict(value) for key, value in schema.items() if key not in ("properties", "const", "enum"))

"""JSON schemas of tools, said so that every client understands them and none reads more than it needs.

Pydantic's own are right, but clients stumble over them: Kiro, opencode and Copilot do not follow `$ref`, Cursor
refuses the values of optional parameters that may be null, Gemini refuses exclusive bounds and numbers to choose from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_NULL = {"type": "null"}


def for_arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's arguments.

    It does not tell of null, which is taken as if the argument were left out. Where it allows more than `schema`
    (a bound itself, numbers that are none of the choices), the tool explains what is wrong with the value.
    """
    return _plain(_inlined(schema, schema))


def for_answers(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's answers: as `schema`, in fewer words. A client checks answers against it."""
    return _brief(_inlined(schema, schema))


def _inlined(node: Any, whole: Mapping[str, Any]) -> Any:
    """`node` with references followed, and without the titles that repeat the names. No model holds itself."""
    if isinstance(node, list):
        return [_inlined(item, whole) for item in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        named = whole["$defs"][node["$ref"].rpartition("/")[2]]
        return _inlined({**named, **{key: value for key, value in node.items() if key != "$ref"}}, whole)
    return {
        key: {name: _inlined(inner, whole) for name, inner in value.items()}
        if key == "properties"
        else _inlined(value, whole)
        for key, value in node.items()
        if key != "$defs" and not (key == "title" and isinstance(value, str))
    }


def _plain(node: Mapping[str, Any]) -> dict[str, Any]:
    plain = _without_noise(_given(node), _plain)
    if plain.get("default", ...) in (None, "", []):
        del plain["default"]  # as if it were left out
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in plain:
            plain[inclusive] = plain.pop(exclusive)
    if plain.get("type") in ("integer", "number") and "enum" in plain:
        numbers = ", ".join(str(number) for number in plain.pop("enum"))
        plain["description"] = f"{plain.get('description', '')} One of {numbers}.".strip()
    return plain


def _given(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node` as it is where something is given: no choice of null."""
    choices = [choice for choice in node.get("anyOf", ()) if choice != _NULL]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    match choices:
        case []:
            return node
        case [only]:
            return {**only, **rest}
        case _:
            return {"anyOf": choices, **rest}


def _brief(node: Mapping[str, Any]) -> dict[str, Any]:
    brief = _without_noise(node, _brief)
    brief.pop("default", None)
    choices = brief.get("anyOf", ())
    if choices and all(choice.keys() == {"type"} for choice in choices):
        del brief["anyOf"]
        brief["type"] = [choice["type"] for choice in choices]
    return brief


def _without_noise(node: Mapping[str, Any], inner: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """`node` with `inner` applied to what it holds, and without the keywords that allow anything."""
    kept: dict[str, Any] = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: inner(held) for name, held in value.items()}
        elif key == "anyOf":
            kept[key] = [inner(choice) for choice in value]
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            if value:
                kept[key] = inner(value)
        elif not (key == "additionalProperties" and value is True):
            kept[key] = value
    return kept

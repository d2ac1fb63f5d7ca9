"""What is wrong with a caller's arguments, in the interface's language."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hybrid_mcp.errors import InvalidInput, Unfit
from hybrid_mcp.languages import Bilingual, Language

_MOST_NAMES = 500
"""In one object. A JSON schema that local_llm is given may have many."""
_MOST_ITEMS = 500
"""Items of an array that are looked into: no array of objects may have more."""
_MOST_PARTS = 130_000
"""Objects, arrays and names in all: the longest script that may be saved has 125,000."""
_TOLD = 5
_NAMED = 8
"""Names that are offered for an unknown one."""
_LONGEST_NAME = 80
"""Characters."""
_LIMITS = {
    "greater_than": Bilingual(ja="{}より大きく", en="> {}"),
    "greater_than_equal": Bilingual(ja="{}以上に", en="≥ {}"),
    "less_than": Bilingual(ja="{}未満に", en="< {}"),
    "less_than_equal": Bilingual(ja="{}以下に", en="≤ {}"),
}
_KINDS = {
    "string": Bilingual(ja="文字列", en="text"),
    "int": Bilingual(ja="整数", en="a whole number"),
    "float": Bilingual(ja="数", en="a number"),
    "bool": Bilingual(ja="true か false", en="true or false"),
    "list": Bilingual(ja="配列", en="an array"),
    "tuple": Bilingual(ja="配列", en="an array"),
    "dict": Bilingual(ja="オブジェクト", en="an object"),
    "model": Bilingual(ja="オブジェクト", en="an object"),
}
"""By the first word of pydantic's names for what is of another type."""


def refuse_crowds(arguments: dict[str, Any]) -> None:
    """Look at the numbers before each name and value is looked at, which takes time that nobody else has meanwhile.

    Raises:
        InvalidInput: `arguments` have more names, or more parts, than any of ours.
    """
    parts: list[dict[str, Any] | list[Any]] = [arguments]
    looked_at = 0
    while parts:
        part = parts.pop()
        looked_at += 1 + len(part) * isinstance(part, dict)
        if looked_at > _MOST_PARTS or (isinstance(part, dict) and len(part) > _MOST_NAMES):
            raise InvalidInput(
                ja=f"引数が多すぎます。名前は 1 つのオブジェクトに {_MOST_NAMES} 個、"
                f"オブジェクトと配列と名前は全部で {_MOST_PARTS:,} 個までです。",
                en=f"There are too many arguments: at most {_MOST_NAMES} names in an object, "
                f"and {_MOST_PARTS:,} objects, arrays and names in all.",
            )
        inside = part.values() if isinstance(part, dict) else part[:_MOST_ITEMS]
        parts.extend(inner for inner in inside if isinstance(inner, (dict, list)))


def explained(error: ValidationError, schema: Mapping[str, Any], language: Language) -> str:
    """What is wrong with the arguments, and what would be right; never the values themselves.

    `schema` is the JSON schema of the arguments, without references: it knows which names an object has.
    """
    details = error.errors(include_url=False)[:_TOLD]
    return " ".join(_explained(detail, schema).in_(language) for detail in details)


def _explained(detail: ErrorDetails, schema: Mapping[str, Any]) -> Bilingual:
    where, fields = _place(schema, detail["loc"], named=detail["type"] in ("missing", "extra_forbidden"))
    limits = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return Bilingual(ja=f"引数 {where} が必要です。", en=f"The argument {where} is required.")
        case "extra_forbidden":
            near = ", ".join(_nearest(_cut(str(detail["loc"][-1])), fields))
            ja, en = (f"使えるのは: {near}。", f" Known: {near}.") if near else ("", "")
            return Bilingual(ja=f"引数 {where} はありません。{ja}", en=f"There is no argument {where}.{en}")
        case "literal_error":
            choices = "、".join(limits["expected"].replace(" or ", ", ").split(", "))
            return Bilingual(
                ja=f"{where} は {choices} のどれかです。", en=f"{where} must be one of {limits['expected']}."
            )
        case "string_too_long" | "too_long":
            most = f"{limits['max_length']:,}"
            if isinstance(detail["input"], str):  # pydantic calls text `too_long` too, once a validator has seen it
                return Bilingual(
                    ja=f"{where} が長すぎます (上限 {most} 文字)。",
                    en=f"{where} is too long (limit {most} characters).",
                )
            return Bilingual(ja=f"{where} は {most} 個までです。", en=f"{where} takes at most {most} items.")
        case "string_too_short" | "too_short":
            return Bilingual(ja=f"{where} が空です。", en=f"{where} is empty.")
        case "value_error":
            said = limits["error"]
            message = said.message if isinstance(said, Unfit) else Bilingual(ja=str(said), en=str(said))
            return Bilingual(ja=f"{where}: {message.ja}。", en=f"{where}: {message.en}.")
        case kind if kind in _LIMITS:
            (limit,) = limits.values()
            shown = int(limit) if float(limit).is_integer() else limit  # 2.0 is how Python writes 2
            return Bilingual(
                ja=f"{where} は {_LIMITS[kind].ja.format(f'{shown} ')}してください。",
                en=f"{where} must be {_LIMITS[kind].en.format(shown)}.",
            )
        case kind if kind.endswith(("_type", "_parsing", "_from_float")) and kind.split("_")[0] in _KINDS:
            wanted = _KINDS[kind.split("_")[0]]
            return Bilingual(ja=f"{where} は{wanted.ja}にしてください。", en=f"{where} must be {wanted.en}.")
        case _:
            return Bilingual(ja=f"{where} の値が正しくありません: {detail['msg']}。", en=f"{where}: {detail['msg']}.")


def _cut(name: str) -> str:
    """A caller's name for something, not longer than anybody reads."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _nearest(asked: str, fields: Iterable[str]) -> Sequence[str]:
    alike = difflib.SequenceMatcher(b=asked)

    def likeness(name: str) -> float:
        alike.set_seq1(name)
        return alike.ratio()

    return sorted(fields, key=likeness, reverse=True)[:_NAMED]


def _place(schema: Mapping[str, Any], location: Sequence[str | int], *, named: bool) -> tuple[str, Iterable[str]]:
    """The location as people write it, and the names of the object it ends in.

    Pydantic puts names of its own into it (`think.bool`) where a value may be of several types. `named` says
    that the last one is of the caller or of the tool all the same.
    """
    nodes, fields = [*_resolved(schema)], dict[str, None]()
    path: list[str] = []
    for left, part in enumerate(location, 1 - len(location)):
        fields = dict.fromkeys(name for node in nodes for name in node.get("properties", ()))
        below = [inner for node in nodes for inner in _below(node, part)]
        if below or (named and not left):
            path.append(_cut(str(part)))
            nodes = [one for inner in below for one in _resolved(inner)]
    return ".".join(path), fields


def _below(node: Mapping[str, Any], part: str | int) -> Iterator[Any]:
    if isinstance(part, int):
        if "items" in node:
            yield node["items"]
    elif part in node.get("properties", ()):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]


def _resolved(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What a node of the schema may be: each choice by itself."""
    for choice in node.get("anyOf", ()):
        yield from _resolved(choice)
    yield node

"""Whether JSON fits a schema. Engines are asked to keep one; not every one enforces all of it (Ollama leaves rules out)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.languages import Bilingual

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_TOLD = 3
"""Places that are named; a model that missed one rule has often missed it everywhere."""
_PATH, _RULE = 100, 60
"""Characters shown of a place and of a rule."""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Refuse what is no JSON Schema, before a model is asked. Blocks.

    Without `$schema`, 2020-12 is meant.

    Raises:
        InvalidInput: saying where it is wrong.
    """
    from jsonschema.exceptions import SchemaError  # noqa: PLC0415  (a tenth of a second)

    try:
        _draft(schema).check_schema(schema)
    except SchemaError as error:
        where = _path("json_schema", error.absolute_path)
        raise InvalidInput(
            ja=f"json_schema は JSON Schema ではありません。{where} を直してください。",
            en=f"json_schema is no JSON Schema. Correct {where}.",
        ) from error


def misfit(data: Any, schema: Mapping[str, Any]) -> Bilingual | None:
    """Where `data` does not fit, by place and rule and without its words; None where it fits. Blocks.

    References that lead out of the schema are never followed: a schema comes from a client, and a fetch would
    ask whatever address it names.
    """
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        errors = list(islice(_draft(schema)(schema, registry=Registry()).iter_errors(data), _TOLD))
    except (Unresolvable, RecursionError, ValueError, ArithmeticError):  # the last two: malformed $id, endless numbers
        return Bilingual(
            ja="json_schema をたどれないので、data が合っているかは確かめていません。$ref の参照先は json_schema の中に置いてください。",
            en="json_schema cannot be followed, so whether data fits was not checked. Keep what a $ref names inside "
            "json_schema.",
        )
    if not errors:
        return None
    places = ", ".join(f"{_path('data', error.absolute_path)} ({_rule(error)})" for error in errors)
    return Bilingual(
        ja=f"data は json_schema に合っていません: {places}。もう一度試すか、別のモデルを使ってください。",
        en=f"data does not fit json_schema: {places}. Try again, or use another model.",
    )


def _draft(schema: Mapping[str, Any]) -> type[Validator]:
    from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415

    try:
        named = schema if isinstance(schema.get("$schema"), str) else {}
        return validator_for(named, default=Draft202012Validator)  # type: ignore[no-any-return, unused-ignore]
    except ValueError:  # its name is no URL
        return Draft202012Validator  # type: ignore[no-any-return, unused-ignore]


def _path(root: str, parts: Iterable[str | int]) -> str:
    path = ".".join((root, *map(str, parts)))
    return path if len(path) <= _PATH else path[: _PATH - 1] + "…"


def _rule(error: Any) -> str:
    value = json.dumps(error.validator_value, ensure_ascii=False)
    return f"{error.validator} {value}" if len(value) <= _RULE else str(error.validator)

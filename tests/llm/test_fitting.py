"""What a schema asks for, and what came."""

from __future__ import annotations

import pytest

from hybrid_mcp.errors import InvalidInput
from hybrid_mcp.llm.fitting import check_schema, misfit

SCHEMA = {
    "type": "object",
    "required": ["title"],
    "properties": {"title": {"type": "string", "maxLength": 5}, "ages": {"items": {"minimum": 0}}},
}


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "nonsense"}, "json_schema.type"),
        ({"properties": {"age": {"minimum": "old"}}}, "json_schema.properties.age.minimum"),
        ({"pattern": "("}, "json_schema.pattern"),
        ({"$schema": ["2020-12"]}, "json_schema.$schema"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "exclusiveMinimum": 1}, "json_schema.exclusiveMinimum"),
        ({"$id": 5}, "json_schema.$id"),
    ],
)
def test_what_is_no_schema_is_refused_with_the_place(schema: dict[str, object], where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_schema(schema)
    assert where in refused.value.message.ja
    assert where in refused.value.message.en


@pytest.mark.parametrize("schema", [{}, SCHEMA, {"$schema": "http://["}, {"$ref": "https://example.org/elsewhere"}])
def test_schemas_of_every_kind_are_let_through(schema: dict[str, object]) -> None:
    check_schema(schema)


def test_what_fits_gives_nothing_to_say() -> None:
    assert misfit({"title": "海馬", "ages": [3]}, SCHEMA) is None


def test_what_does_not_fit_is_told_by_place_and_rule_and_never_quoted() -> None:
    told = misfit({"title": "a secret", "ages": [3, -4]}, SCHEMA)
    assert told is not None
    for text in (told.ja, told.en):
        assert "data.title (maxLength 5)" in text
        assert "data.ages.1 (minimum 0)" in text
        assert "secret" not in text
        assert "-4" not in text


def test_what_is_missing_is_told() -> None:
    told = misfit({}, SCHEMA)
    assert told is not None
    assert 'data (required ["title"])' in told.en


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"$ref": "#/nowhere"}, 1),
        ({"$ref": "#"}, 1),
        ({"$ref": "http://127.0.0.1:9/schema"}, 1),
        ({"$defs": {"a": {"$id": "http://["}}, "$ref": "y"}, 1),
        ({"multipleOf": 0.1}, float("inf")),
    ],
)
def test_a_schema_that_cannot_be_followed_is_said_to_be_unchecked(schema: dict[str, object], data: object) -> None:
    told = misfit(data, schema)
    assert told is not None
    assert "not checked" in told.en

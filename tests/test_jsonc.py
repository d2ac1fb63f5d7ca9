"""Changing JSON that people keep by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_mcp import jsonc

ENTRY = {"command": "/opt/hybrid-mcp", "args": ["serve"]}
HERE = ("servers", "new")

texts = st.text(max_size=8) | st.sampled_from(["//", "/*", "*/", ",]", ',}"', "\\", "日本語"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
others = st.dictionaries(texts.filter(lambda name: name != "new"), values, max_size=3)


@given(
    before=st.dictionaries(texts.filter(lambda name: name != "servers"), values, max_size=3),
    servers=st.none() | others,
    indent=st.sampled_from([None, 1, 2, 4, "\t"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    comment=st.sampled_from(["", "// one, {two}", "/* three\n */", "//\u3000"]),
)
def test_only_the_one_member_changes_and_what_was_there_is_there_again_when_it_is_removed(
    before: dict[str, Any], servers: dict[str, Any] | None, indent: str | int | None, newline: str, comment: str
) -> None:
    document = before if servers is None else {**before, "servers": servers}
    text = json.dumps(document, indent=indent, ensure_ascii=False).replace("\n", newline)
    if comment:
        text = text[:-1] + comment + newline + "}"

    added = jsonc.merged(text, HERE, ENTRY)

    expected = {**document, "servers": {**(servers or {}), "new": ENTRY}}
    assert list(jsonc.loads(added).items()) == list(expected.items())
    if comment:
        assert comment in added
    gone = jsonc.removed(added, HERE)
    assert jsonc.loads(gone) == {**document, "servers": servers or {}}
    if servers:
        assert gone == text


def test_a_new_member_looks_like_its_neighbours() -> None:
    text = '{\n\t"servers": {\n\t\t"old": {"command": "x"}, // mine\n\t\t// the others are gone\n\t}, // all\n}\n'
    assert jsonc.merged(text, HERE, {"command": "y"}) == (
        '{\n\t"servers": {\n\t\t"old": {"command": "x"}, // mine\n\t\t// the others are gone\n'
        '\t\t"new": {\n\t\t\t"command": "y"\n\t\t},\n\t}, // all\n}\n'
    )


def test_an_object_is_changed_only_where_it_differs() -> None:
    text = '{"servers": {"new": {"args": [1,  2], /* why */ "command": "old", "timeout": 60}}}'
    changed = jsonc.merged(text, HERE, {"command": "new", "args": [1, 2], "type": "stdio"})
    assert changed == (
        '{"servers": {"new": {"args": [1,  2], /* why */ "command": "new", "timeout": 60, "type": "stdio"}}}'
    )


def test_of_two_members_with_one_name_the_one_that_counts_is_changed() -> None:
    text = '{"servers": {"first": 1}, "servers": {"second": 2}}'
    assert jsonc.loads(jsonc.merged(text, HERE, 3)) == {"servers": {"second": 2, "new": 3}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"servers": {"a": 1, "new": 2, "b": 3}}', '{"servers": {"a": 1, "b": 3}}'),
        ('{"servers": {"new": 2, "b": 3}}', '{"servers": {"b": 3}}'),
        ('{"servers": {"a": 1, "new": 2}}', '{"servers": {"a": 1}}'),
        ('{"servers": {"new": 2}}', '{"servers": {}}'),
        ('{"servers": {\n  "a": 1, // one\n  "new": 2\n}}', '{"servers": {\n  "a": 1 // one\n}}'),
        ('{"servers": {\n  // one\n  "new": 2\n}}', '{"servers": {\n  // one\n}}'),
    ],
)
def test_removing_takes_the_comma_and_the_line_along(text: str, left: str) -> None:
    assert jsonc.removed(text, HERE) == left


def test_what_is_no_json_is_told_by_its_own_line() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        jsonc.loads('{\n  // fine\n  "a": 1 /* and\n  so */ "b": 2\n}')
    assert (caught.value.lineno, caught.value.msg) == (4, "Expecting ',' delimiter")

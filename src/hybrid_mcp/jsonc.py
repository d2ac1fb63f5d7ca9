"""JSON as people keep it by hand, changed in one place: comments, order, indentation and line ends stay as they are.

The libraries that do this need Node.js, know no comments, or write the whole text anew; the standard library's
decoder tells where a value ends, which is all that is needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STRING = r'"(?:[^"\\\r\n]|\\.)*"'
_COMMENTS = re.compile(rf"{_STRING}|(//[^\r\n]*|/\*.*?\*/)", re.DOTALL)
_TRAILING_COMMAS = re.compile(rf"{_STRING}|(,)(?=\s*[}}\]])")
_WHITE = " \t\r\n"
_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def loads(text: str) -> Any:
    """The value, comments and trailing commas left aside.

    Raises:
        json.JSONDecodeError: it is none; line and column are those of `text`.
    """
    return json.loads(_plain(text))


def merged(text: str, path: tuple[str, ...], value: Any) -> str:
    """`text` with `value` at `path`; where both have an object, only what `value` names is changed.

    `text` is an object, and what lies on the path are objects or not there yet.
    """
    at = _Object.at(text, path[:-1])
    if at is None:
        return merged(text, path[:-1], {path[-1]: value})
    old = at.member(path[-1])
    if old is None:
        return at.with_new(path[-1], value)
    if isinstance(value, Mapping) and isinstance(old.value, Mapping):
        for name, part in value.items():
            text = merged(text, (*path, name), part)
        return text
    return text if old.value == value else replaced(text, path, value)


def replaced(text: str, path: tuple[str, ...], value: Any) -> str:
    """`text` with `value` instead of what is at `path`."""
    at, old = _found(text, path)
    return text[: old.value_start] + at.written(value, _indentation(text, old.start)) + text[old.end :]


def removed(text: str, path: tuple[str, ...]) -> str:
    """`text` without what is at `path`, and without the line it leaves empty."""
    at, old = _found(text, path)
    return at.without(old)


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    value: Any
    start: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """An object inside a text; the numbers are places in that text."""

    text: str
    start: int
    """Of its opening brace."""
    end: int
    """Of its closing brace."""
    members: tuple[_Member, ...]

    @classmethod
    def at(cls, text: str, path: tuple[str, ...]) -> _Object | None:
        """The object at `path`, if there is one."""
        plain = _plain(text)
        found = cls._read(text, plain, _after_blank(plain, 0))
        for name in path:
            member = found.member(name)
            if member is None:
                return None
            found = cls._read(text, plain, member.value_start)
        return found

    @classmethod
    def _read(cls, text: str, plain: str, start: int) -> _Object:
        members = []
        at = _after_blank(plain, start + 1)
        while plain[at] != "}":
            name, name_end = _DECODER.raw_decode(plain, at)
            value_start = _after_blank(plain, _after_blank(plain, name_end) + 1)
            value, end = _DECODER.raw_decode(plain, value_start)
            members.append(_Member(name, value, at, value_start, end))
            at = _after_blank(plain, end)
            if plain[at] == ",":
                at = _after_blank(plain, at + 1)
        return cls(text, start, at, tuple(members))

    def member(self, name: str) -> _Member | None:
        """Of several with one name the last, which is the one that counts."""
        return next((member for member in reversed(self.members) if member.name == name), None)

    def with_new(self, name: str, value: Any) -> str:
        """The whole text, with another member at the end of this object."""
        text, last = self.text, self.members[-1] if self.members else None
        inside = len(text[: self.end].rstrip(_WHITE))  # behind the last member, its comma and its comments
        trailing = "," if last and self._comma_after(last) else ""
        between = "" if trailing or not last else ","
        before = text[: last.end] + between + text[last.end : inside] if last else text[:inside]
        if self._on_one_line:
            return (
                f"{before}{' ' if last else ''}{json.dumps(name)}: {self.written(value, '')}{trailing}{text[inside:]}"
            )
        outer = _indentation(text, self.start)
        inner = _indentation(text, last.start) if last and self._starts_line(last) else outer + _unit(text)
        after = text[inside:] if "\n" in text[inside : self.end] else _newline(text) + outer + text[self.end :]
        return f"{before}{_newline(text)}{inner}{json.dumps(name)}: {self.written(value, inner)}{trailing}{after}"

    def without(self, old: _Member) -> str:
        """The whole text, without one member of this object."""
        text, start, end = self.text, old.start, old.end
        followed = self._comma_after(old)
        index = self.members.index(old)
        if followed:
            end = followed + 1
        elif index and (comma := self._comma_after(self.members[index - 1])):
            text = text[:comma] + text[comma + 1 :]
            start, end = start - 1, end - 1
        elif not index and not (text[self.start + 1 : start] + text[end : self.end]).strip(_WHITE):
            return text[: self.start + 1] + text[self.end :]
        line = text.rfind("\n", 0, start) + 1
        rest = re.compile(r"[ \t]*(?:\r?\n)?").match(text, end)
        if rest and rest[0].endswith("\n") and not text[line:start].strip(_WHITE):
            return text[:line] + text[rest.end() :]
        if followed:
            return text[:start] + text[end:].lstrip(" \t")
        return text[:start].rstrip(" \t") + text[end:]

    def written(self, value: Any, indentation: str) -> str:
        """`value` in the manner of this object, for a line that begins with `indentation`."""
        if self._on_one_line:
            return json.dumps(value, ensure_ascii=False)
        lines = json.dumps(value, ensure_ascii=False, indent=_unit(self.text)).split("\n")
        return (_newline(self.text) + indentation).join(lines)

    @property
    def _on_one_line(self) -> bool:
        if self.members:
            return "\n" not in self.text[self.start : self.end]
        whole = self.text.strip(_WHITE)
        return whole != "{}" and "\n" not in whole

    def _comma_after(self, member: _Member) -> int:
        """Where its comma is; 0 if it has none."""
        bare = _without_comments(self.text)
        at = _after_blank(bare, member.end)
        return at if bare[at] == "," else 0

    def _starts_line(self, member: _Member) -> bool:
        return not self.text[self.text.rfind("\n", 0, member.start) + 1 : member.start].strip()


def _found(text: str, path: tuple[str, ...]) -> tuple[_Object, _Member]:
    at = _Object.at(text, path[:-1])
    member = at.member(path[-1]) if at else None
    if at is None or member is None:
        raise KeyError(path)
    return at, member


def _without_comments(text: str) -> str:
    return _COMMENTS.sub(_blanked, text)


def _plain(text: str) -> str:
    """JSON, every character where it was."""
    return _TRAILING_COMMAS.sub(_blanked, _without_comments(text))


def _blanked(match: re.Match[str]) -> str:
    return re.sub(r"[^\r\n]", " ", match[0]) if match[1] else match[0]


def _after_blank(plain: str, at: int) -> int:
    blank = _BLANK.match(plain, at)
    return blank.end() if blank else at


def _indentation(text: str, at: int) -> str:
    """What the line begins with on which `at` is."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """What one more level is indented by: as the first line that is."""
    first = re.search(r"\n([ \t]+)[^ \t\r\n]", _without_comments(text))
    return first[1] if first else "  "


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"

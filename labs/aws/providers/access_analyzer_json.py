"""JSON with positions: every value knows where it stands, as ``ValidatePolicy`` reports it.

Lines count from 1, columns and offsets from 0, as in AWS's answers (CLI Command Reference, "validate-policy").  Keys
that appear twice are kept, both.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed leaves it out
from typing import Any

MAXIMUM_DEPTH = 100
_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}


class JsonSyntaxError(ValueError):
    """The text is not JSON; ``offset`` is where reading stopped."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


@dataclass(frozen=True)
class Node:
    """A value with its place: ``path`` from the root, ``start`` and ``end`` as offsets."""

    value: Any  # plain Python for scalars, None for an object or a list
    kind: str  # object, list, string, number, boolean, null
    start: int
    end: int
    path: tuple[str | int, ...] = ()
    members: tuple[tuple[str, Node], ...] = ()  # of an object
    items: tuple[Node, ...] = field(default=())  # of a list

    def get(self, key: str) -> Node | None:
        """The first member of this name."""
        return next((node for name, node in self.members if name == key), None)

    def each(self) -> tuple[Node, ...]:
        """The items of a list; a single value stands for itself."""
        return self.items if self.kind == "list" else (self,)

    def plain(self) -> Any:
        """The value without positions."""
        if self.kind == "object":
            return {key: node.plain() for key, node in self.members}
        return [node.plain() for node in self.items] if self.kind == "list" else self.value

    def walk(self) -> Iterator[Node]:
        """This node and everything below."""
        yield self
        for _, node in self.members:
            yield from node.walk()
        for node in self.items:
            yield from node.walk()


class Text:
    """A policy text, parsed, that turns offsets into lines and columns."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def root(self) -> Node:
        """The parsed document.

        :raises JsonSyntaxError: not JSON, or nested deeper than :data:`MAXIMUM_DEPTH`
        """
        node, end = self._value(self._skip(0), (), 0)
        end = self._skip(end)
        if end != len(self.text):
            raise JsonSyntaxError(end)
        return node

    def position(self, offset: int) -> dict[str, int]:
        """``line``, ``column`` and ``offset``."""
        line = bisect.bisect_right(self._lines, offset)
        return {"line": line, "column": offset - self._lines[line - 1], "offset": offset}

    def location(self, node: Node) -> dict[str, Any]:
        """A node's ``path`` and ``span``."""
        path = [{"index": step} if isinstance(step, int) else {"value": step} for step in node.path]
        return {"path": path, "span": {"start": self.position(node.start), "end": self.position(node.end)}}

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def _value(self, at: int, path: tuple[str | int, ...], depth: int) -> tuple[Node, int]:
        if depth > MAXIMUM_DEPTH:
            raise JsonSyntaxError(at)
        first = self.text[at : at + 1]
        if first == "{":
            return self._object(at, path, depth)
        if first == "[":
            return self._list(at, path, depth)
        if first == '"':
            text, end = self._string(at)
            return Node(text, "string", at, end, path), end
        for word, value in _WORDS.items():
            if self.text.startswith(word, at):
                end = at + len(word)
                return Node(value, "null" if value is None else "boolean", at, end, path), end
        number = _NUMBER.match(self.text, at)
        if number is None:
            raise JsonSyntaxError(at)
        return Node(json.loads(number[0]), "number", at, number.end(), path), number.end()

    def _string(self, at: int) -> tuple[str, int]:
        try:
            return scanstring(self.text, at + 1, True)
        except ValueError:
            raise JsonSyntaxError(at) from None

    def _object(self, at: int, path: tuple[str | int, ...], depth: int) -> tuple[Node, int]:
        members: list[tuple[str, Node]] = []
        place = self._skip(at + 1)
        while self.text[place : place + 1] != "}" or members:
            if self.text[place : place + 1] != '"':
                raise JsonSyntaxError(place)
            key, place = self._string(place)
            place = self._expect(":", place)
            node, place = self._value(self._skip(place), (*path, key), depth + 1)
            members.append((key, node))
            place = self._skip(place)
            if self.text[place : place + 1] == "}":
                break
            place = self._skip(self._expect(",", place))
        return Node(None, "object", at, place + 1, path, members=tuple(members)), place + 1

    def _list(self, at: int, path: tuple[str | int, ...], depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        place = self._skip(at + 1)
        while self.text[place : place + 1] != "]" or items:
            node, place = self._value(place, (*path, len(items)), depth + 1)
            items.append(node)
            place = self._skip(place)
            if self.text[place : place + 1] == "]":
                break
            place = self._skip(self._expect(",", place))
        return Node(None, "list", at, place + 1, path, items=tuple(items)), place + 1

    def _expect(self, character: str, at: int) -> int:
        at = self._skip(at)
        if self.text[at : at + 1] != character:
            raise JsonSyntaxError(at)
        return at + 1

"""Policy documents as numbered lines, and which of them belong to which statement.

Pure: takes parsed JSON of any shape, also a malformed one, and never raises for it.  Line numbers count from 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH = 76  # characters; a list or object that fits is kept on one line

#: The elements that a part of a statement's trace looks at (IAM User Guide, "IAM JSON policy element reference").
ELEMENTS = {
    "principal": ("Principal", "NotPrincipal"),
    "action": ("Action", "NotAction"),
    "resource": ("Resource", "NotResource"),
    "condition": ("Condition",),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Lines ``first`` to ``last``, both included."""

    first: int
    last: int

    def __contains__(self, line: int) -> bool:
        return self.first <= line <= self.last


@dataclass(frozen=True, slots=True)
class Layout:
    """A document's lines; ``statements[i]`` is the span of statement i, ``elements[i]`` its top-level keys' spans."""

    lines: tuple[str, ...]
    statements: tuple[Span, ...] = ()
    elements: tuple[Mapping[str, Span], ...] = ()


@dataclass(slots=True)
class _Printer:
    lines: list[str] = field(default_factory=list)
    spans: dict[tuple[str | int, ...], Span] = field(default_factory=dict)

    def put(self, value: Any, path: tuple[str | int, ...], lead: str, tail: str) -> None:
        """Append ``value`` with ``lead`` before its first line and ``tail`` after its last."""
        first = len(self.lines)
        flat = json.dumps(value, ensure_ascii=False)
        if _stays_flat(value, path) and (len(lead) + len(flat) + len(tail) <= WIDTH or not _holds(value)):
            self.lines.append(lead + flat + tail)
        else:
            self._open(value, path, lead, tail)
        self.spans[path] = Span(first, len(self.lines) - 1)

    def _open(self, value: Any, path: tuple[str | int, ...], lead: str, tail: str) -> None:
        indent = " " * (len(lead) - len(lead.lstrip(" ")) + 2)
        pairs = list(value.items()) if isinstance(value, Mapping) else list(enumerate(value))
        opening, closing = ("{", "}") if isinstance(value, Mapping) else ("[", "]")
        self.lines.append(lead + opening)
        for n, (key, item) in enumerate(pairs):
            name = json.dumps(key, ensure_ascii=False) + ": " if isinstance(value, Mapping) else ""
            self.put(item, (*path, key), indent + name, "," if n < len(pairs) - 1 else "")
        self.lines.append(indent[2:] + closing + tail)


def lay_out(document: Any) -> Layout:
    """Pretty-print a policy document and find its statements, whether ``Statement`` is a list or one object."""
    printer = _Printer()
    printer.put(document, (), "", "")
    paths = _statement_paths(document)
    elements = tuple(
        {path[-1]: span for path, span in printer.spans.items() if path[:-1] == where and isinstance(path[-1], str)}
        for where in paths
    )
    return Layout(tuple(printer.lines), tuple(printer.spans[where] for where in paths), elements)


def element_span(layout: Layout, index: int, part: str) -> Span | None:
    """Where statement ``index`` holds the element that ``part`` (``action``, ``condition``, …) was judged by."""
    if not 0 <= index < len(layout.elements):
        return None
    found = layout.elements[index]
    return next((found[name] for name in ELEMENTS.get(part, ()) if name in found), None)


def _statement_paths(document: Any) -> list[tuple[str | int, ...]]:
    if not isinstance(document, Mapping) or "Statement" not in document:
        return []
    body = document["Statement"]
    if isinstance(body, Sequence) and not isinstance(body, str):
        return [("Statement", n) for n in range(len(body))]
    return [("Statement",)]


def _stays_flat(value: Any, path: tuple[str | int, ...]) -> bool:
    """The document, the statement list and each statement are opened; a condition is, so that its keys stand alone."""
    if not path or path == ("Statement",):
        return not _holds(value)
    if path[0] == "Statement" and len(path) == 2 and isinstance(path[1], int):
        return not _holds(value)
    return not (path[-1] == "Condition" and _holds(value))


def _holds(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) and len(value) > 0

"""`lab tools`: what the toolbox has, as text and as data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from labs.toolbox import programs


def as_dicts() -> list[dict[str, Any]]:
    """A row a tool: ``name``, ``wanted``, ``version``, ``source``, ``path`` (None when missing), ``passed_over``."""
    rows = []
    for tool in programs.tools().values():
        seen = programs.survey(tool, thorough=True)
        found = seen.found
        rows.append({
            "name": tool.name, "wanted": tool.version or None, "version": found.version if found else None,
            "source": found.source if found else None, "path": str(found.path) if found else None,
            "passed_over": list(seen.passed_over), "advice": "" if found else _advice(tool)})
    return rows


def _advice(tool: programs.Tool) -> str:
    return tool.advice or f"`lab tools fetch {tool.name}` gets {tool.version}"


def table() -> str:
    """The rows as lines: what it is and where, then its origin, then what was passed over."""
    lines = []
    for row in as_dicts():
        lines.append(f"{row['name']:<24} {row['version'] or 'missing':<9} {row['path'] or row['advice']}")
        if row["source"] not in (None, "PATH"):
            lines.append(f"{'':<24} {row['source']}")
        lines.extend(f"{'':<24} passed over: {reason}" for reason in row["passed_over"])
    return "\n".join(lines)


def fetch(names: list[str], report: Callable[[str], None]) -> Iterator[str]:
    """Make sure of each named tool, by default of each that can be fetched; yields where it is."""
    chosen = names or [tool.name for tool in programs.tools().values() if tool.source]
    for name in chosen:
        programs.tool(name)         # all names are known before the first build begins
    for name in chosen:
        found = programs.ensure(name, report, thorough=True)
        yield f"{name} {found.version} {found.path}"

"""Which curriculum line is taught, lived through and graded where.

``curriculum.toml`` holds ids and titles, and which lines the course claims.  Everything else is read from the cells'
metadata (``metadata.course``: ``lines``, ``minutes``; ``metadata.nbgrader``: ``grade_id``, ``points``) and from the
registry of labs, so that nothing is written down twice.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Any

from labs.errors import PermanentError
from labs.services import state as places


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the curriculum; ``exercises`` maps ids to points, ``minutes`` is for the notebook's exercises."""

    id: str
    title: str
    claimed: bool
    notebook: str | None
    labs: tuple[str, ...]
    exercises: dict[str, float]
    minutes: float

    def as_dict(self) -> dict[str, Any]:
        """JSON form; exercises as a list of id and points."""
        found = [{"id": name, "points": points} for name, points in self.exercises.items()]
        return {**dataclasses.asdict(self), "labs": list(self.labs), "exercises": found}

    def missing(self) -> list[str]:
        """What a claimed line lacks."""
        lacking = {"notebook": not self.notebook, "lab": not self.labs, "exercise": not self.exercises}
        return [name for name, absent in lacking.items() if absent] if self.claimed else []


def rows(root: Path | None = None) -> list[Row]:
    """A row per curriculum line, in order; PermanentError when a notebook names a line there is not."""
    root = root or places.clone()
    course = tomllib.loads((root / "curriculum.toml").read_text(encoding="utf-8"))
    served = _served(root / "notebooks")
    lines = course["lines"]
    unknown = sorted(set(served) - set(lines))
    if unknown:
        raise PermanentError(f"Cells name lines {', '.join(unknown)}, which curriculum.toml does not have.")
    labs = _labs()
    return [_row(name, title, name in course["claimed"], served.get(name), labs) for name, title in lines.items()]


def _row(name: str, title: str, claimed: bool, served: dict[str, Any] | None, labs: dict[str, str]) -> Row:
    if served is None:
        return Row(name, title, claimed, None, (), {}, 0)
    prefix = served["notebook"].rsplit("/", 1)[-1].split("_", 1)[0]
    here = tuple(sorted(lab for lab in labs if lab == prefix or lab in served["labs"]))
    return Row(name, title, claimed, served["notebook"], here, served["exercises"], served["minutes"])


def _labs() -> dict[str, str]:
    from labs import scenarios

    return {name: lab.title for name, lab in scenarios.registry().items()}


def _served(folder: Path) -> dict[str, dict[str, Any]]:
    """By line: the notebook, the labs its metadata names, exercises with points, minutes."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*/*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        labs = notebook["metadata"].get("course", {}).get("labs", [])
        for cell in notebook["cells"]:
            course, graded = cell["metadata"].get("course", {}), cell["metadata"].get("nbgrader", {})
            for line in course.get("lines", []):
                row = found.setdefault(line, {
                    "notebook": str(path.relative_to(folder.parent)), "labs": labs, "exercises": {}, "minutes": 0})
                row["minutes"] += course.get("minutes", 0)
                if graded.get("grade"):
                    row["exercises"][graded["grade_id"]] = graded["points"]
    return found


def table(found: list[Row]) -> str:
    """The rows as text."""
    lines = []
    for row in found:
        exercises = ", ".join(f"{name} ({points:g})" for name, points in row.exercises.items())
        lines.append(f"{row.id:<4} {row.title}")
        if row.notebook:
            lines.append(f"     {row.notebook}, lab {', '.join(row.labs) or '–'}, {exercises}, {row.minutes:g} min")
    return "\n".join(lines)

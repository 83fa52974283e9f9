"""Reading notebooks: answer cells, check cells and the course's metadata.  Reads JSON only; runs nothing.

A submission may hold anything, so every access here checks the shape it finds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.errors import PermanentError

LARGEST = 60 * 2**20  # bytes of a notebook we are willing to parse


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its source as one string, its nbgrader and course metadata (empty when absent or misshapen)."""

    type: str
    source: str
    nbgrader: Mapping[str, Any]
    course: Mapping[str, Any]

    @property
    def grade_id(self) -> str:
        """nbgrader's name of the cell, empty for an ordinary one."""
        found = self.nbgrader.get("grade_id")
        return found if isinstance(found, str) else ""

    @property
    def is_check(self) -> bool:
        """An autograded cell: code, graded, not an answer itself."""
        return self.type == "code" and bool(self.nbgrader.get("grade")) and not self.nbgrader.get("solution")


def read(path: Path) -> list[Cell]:
    """The cells of a notebook file; raises PermanentError when it is not one."""
    try:
        if path.stat().st_size > LARGEST:
            raise PermanentError(f"{path} is larger than {LARGEST >> 20} MB.", "Clear its outputs and save it again.")
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PermanentError(
            f"{path} is not a notebook: {type(error).__name__}: {error}", "Open it in Jupyter and save it again."
        ) from None
    return cells_of(document)


def cells_of(document: Any) -> list[Cell]:
    """The well-formed cells of an nbformat 4 document; raises PermanentError when there is no list of cells."""
    cells = document.get("cells") if isinstance(document, Mapping) else None
    if not isinstance(cells, list):
        raise PermanentError("This is not a notebook of format 4: it has no list of cells.")
    return [_cell(cell) for cell in cells if isinstance(cell, Mapping)]


def _cell(cell: Mapping[str, Any]) -> Cell:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    metadata = _mapping(cell.get("metadata"))
    return Cell(
        str(cell.get("cell_type")),
        source if isinstance(source, str) else "",
        _mapping(metadata.get("nbgrader")),
        _mapping(metadata.get("course")),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def answers(cells: list[Cell], wanted: tuple[str, ...]) -> dict[str, str]:
    """Source by grade id of the wanted answer cells; of duplicates the last counts, as nbgrader has it."""
    return {cell.grade_id: cell.source for cell in cells if cell.type == "code" and cell.grade_id in wanted}


def notebooks_with(exercise_id: str, folders: list[Path]) -> list[Path]:
    """The notebooks in these folders that hold the exercise's check cell."""
    found = []
    for folder in folders:
        for path in sorted(folder.glob("*.ipynb")):
            try:
                cells = read(path)
            except PermanentError:
                continue  # a broken neighbour is not the notebook we look for
            if any(cell.is_check and cell.grade_id == exercise_id for cell in cells):
                found.append(path)
    return found

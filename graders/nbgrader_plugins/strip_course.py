"""Removes from a released notebook what ``metadata.course`` holds for the instructor (rubrics, notes)."""

from __future__ import annotations

from typing import Any

from nbgrader.preprocessors import NbGraderPreprocessor

FOR_LEARNERS = frozenset({"lines", "answers", "minutes"})


class StripCourse(NbGraderPreprocessor):
    """Keeps the keys of ``metadata.course`` named in FOR_LEARNERS, drops every other one."""

    def preprocess_cell(self, cell: Any, resources: Any, cell_index: int) -> tuple[Any, Any]:
        """nbconvert's hook, once a cell."""
        course = cell.metadata.get("course")
        if course is not None:
            kept = {name: course[name] for name in FOR_LEARNERS & set(course)} if isinstance(course, dict) else {}
            cell.metadata["course"] = dict(sorted(kept.items()))
            if not kept:
                del cell.metadata["course"]
        return cell, resources

"""Takes the place of ``nbgrader.preprocessors.Execute`` in ``nbgrader autograde``: no kernel, no learner's output.

Each autograded cell gets the outputs nbgrader's own ``determine_grade`` reads: the verdict's text as standard output
and nothing else for full marks, the points as the cell's result for some, an error for none.  The text is plain text,
so feedback shows it escaped.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbformat.v4 import new_output
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution

from graders import receipts
from graders.exercise import find
from graders.nbgrader_plugins.restored import told_repairs
from graders.notebook import answers, cells_of
from graders.receipts import Judged
from graders.runner import Grader
from graders.verdict import Verdict, number


@functools.cache
def grader() -> Grader:
    """This process's grader; ``lab grade`` fills its memory in parallel before nbgrader asks cell by cell."""
    made = Grader()
    atexit.register(made.close)
    return made


class GradeAnswers(NbGraderPreprocessor):
    """Grades the check cells of a sanitised submission with our grader."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """nbconvert's hook.

        Raises PermanentError when a check cell names no exercise, TemporaryError when no gateway can be had.
        """
        about = resources["nbgrader"]
        student, submitted = about["student"], cells_of(nb)
        judged: dict[str, Judged] = {}
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        for cell in nb.cells:
            if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
                registered = find(cell.metadata.nbgrader["grade_id"])
                sources = answers(submitted, registered.exercise.cells)
                one = judged[registered.exercise.id] = grader().judge_once(registered, sources, student)
                for note in one.verdict.notes:
                    self.log.warning("%s: %s", student, note)
                cell.execution_count = 1
                cell.outputs = outputs(one.verdict, float(cell.metadata.nbgrader["points"]))
                grader().forget(registered, sources, student)
        root = Path(self.parent.parent.coursedir.root)
        receipts.write(root, about["assignment"], student, about["notebook"], judged, told_repairs(nb))
        return nb, resources


def outputs(verdict: Verdict, points: float) -> list[Mapping[str, Any]]:
    """nbformat outputs that say this verdict; ``points`` is what the cell is worth in the gradebook."""
    told = new_output("stream", name="stdout", text=verdict.text())
    share = verdict.points / verdict.max * points
    if verdict.points >= verdict.max:
        return [told]
    if share > 0:
        return [told, new_output("execute_result", data={"text/plain": repr(round(share, 6))}, execution_count=1)]
    said = f"0 of {number(points)} points"
    return [told, new_output("error", ename="NoPoints", evalue=said, traceback=[f"No points yet: {said}."])]

"""``lab exercise new``: the files and cells of an exercise, to be filled in.  They fail the lint until they are."""

from __future__ import annotations

import json
from pathlib import Path

from graders.exercise import EXERCISE_ID
from labs.errors import PermanentError

INIT = '''"""{id}: say in one sentence what is asked."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="{id}",
    points={points},
    lab="{lab}",
    summary="",
    answers={{"answer": {{"type": "object", "description": "say its shape"}}}},
)
'''
CHECK = '''"""What {who} of {id}."""

from collections.abc import Iterator

from graders.exercise import Finding
from graders.live import Live


def check(answer: dict, live: Live) -> Iterator[Finding]:
    """Judge by effect: apply the answer in ``live``, make calls, look at what happened."""
    raise NotImplementedError("{id}: write the {which} check")
'''


def write(root: Path, exercise_id: str, points: float) -> str:
    """Write the folder of a new exercise; returns what to do next, with the notebook's cells.

    Raises PermanentError for a bad id, an exercise that exists, or a lab without notebook.
    """
    if not EXERCISE_ID.fullmatch(exercise_id):
        raise PermanentError(f"{exercise_id!r} is not an exercise id.", "It looks like b1-q4.")
    lab = exercise_id.split("-")[0]
    found = sorted((root / "notebooks").glob(f"*/{lab}_*.ipynb"))
    if not found:
        raise PermanentError(f"No notebook notebooks/*/{lab}_*.ipynb.", "Write the notebook first.")
    folder = root / "graders" / "checks" / found[0].parent.name / exercise_id.replace("-", "_")
    if folder.exists():
        raise PermanentError(f"{folder} exists.", "Choose the next number.")
    (folder / "mutants").mkdir(parents=True)
    (folder / "__init__.py").write_text(INIT.format(id=exercise_id, points=f"{points:g}", lab=lab))
    for which, who in (("public", "learners may see"), ("hidden", "only the instructor sees")):
        (folder / f"{which}.py").write_text(CHECK.format(id=exercise_id, which=which, who=who))
    cells = [_cell(exercise_id, 0), _cell(exercise_id, points)]
    return (
        f"{folder.relative_to(root)} is written: fill in __init__.py, public.py and hidden.py, add three mutants,\n"
        f"put these two cells into {found[0].relative_to(root)}, then run `lab exercise lint {exercise_id}`:\n"
        + json.dumps(cells, indent=1)
    )


def _cell(exercise_id: str, points: float) -> dict[str, object]:
    told: dict[str, object] = {"schema_version": 3, "task": False}
    cell: dict[str, object] = {"cell_type": "code", "execution_count": None, "outputs": []}
    if not points:
        told |= {"grade": False, "grade_id": f"{exercise_id}-answer", "locked": False, "solution": True}
        source = "answer = {}\n### BEGIN SOLUTION\nanswer = {}\n### END SOLUTION"
        return cell | {"metadata": {"nbgrader": told}, "source": source}
    told |= {"grade": True, "grade_id": exercise_id, "locked": True, "points": points, "solution": False}
    course = {"answers": [f"{exercise_id}-answer"], "lines": [], "minutes": 0}
    return cell | {"metadata": {"course": course, "nbgrader": told}, "source": f'check("{exercise_id}")'}

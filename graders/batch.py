"""Grading a section's submissions: answers in parallel, the gradebook by one nbgrader in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graders import quarantine
from graders.exercise import find
from graders.notebook import answers, cells_of
from labs.errors import LabError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one submission: points by exercise as the gradebook has them, or why it could not be graded."""

    student: str
    points: float
    max: float
    exercises: dict[str, float | None]
    problem: str = ""


def grade(section: str, root: Path, jobs: int = 1, told: Callable[[str], None] = lambda line: None) -> list[Outcome]:
    """Autograde every submission of ``section`` below ``root`` (the folder of nbgrader_config.py).

    Raises PermanentError when nobody submitted or the assignment was never generated.
    """
    from nbgrader.apps import NbGraderAPI

    from graders.live import Pool
    from graders.nbgrader_plugins import grade_answers
    from graders.runner import Grader

    api = NbGraderAPI(config=configuration(root))
    api.log.setLevel(logging.ERROR)
    students = sorted(api.get_submitted_students(section))
    known = api.gradebook
    with known:
        generated = section in {assignment.name for assignment in known.assignments}
    if not generated:
        assigned = api.generate_assignment(section)
        if not assigned["success"]:
            raise _failed(f"nbgrader could not generate {section}", assigned)
    with grader_of(grade_answers, Grader(Pool(size=jobs))) as grader:
        with ThreadPoolExecutor(jobs) as workers:
            seen = list(workers.map(lambda student: _ahead(grader, api, section, student), students))
        return [
            _recorded(api, section, student, trouble, told) for student, trouble in zip(students, seen, strict=True)
        ]


class grader_of:
    """For a while, the grader that GradeAnswers uses in this process."""

    def __init__(self, module: Any, grader: Any) -> None:
        self._module, self._grader, self._before = module, grader, module.grader

    def __enter__(self) -> Any:
        self._module.grader = lambda: self._grader
        return self._grader

    def __exit__(self, *_: object) -> None:
        self._module.grader = self._before
        self._grader.close()


def configuration(root: Path) -> Any:
    """The traitlets configuration of ``root/nbgrader_config.py``."""
    from traitlets.config.loader import PyFileConfigLoader

    return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()


def _ahead(grader: Any, api: Any, section: str, student: str) -> str:
    """Judge what this submission answers, so that nbgrader finds the verdicts ready; returns what went wrong, or ""."""
    from graders.nbgrader_plugins.restored import released_notebook, restored

    folder = Path(api.coursedir.format_path(api.coursedir.submitted_directory, student, section))
    names = [
        path.stem
        for path in Path(api.coursedir.format_path(api.coursedir.release_directory, ".", section)).glob("*.ipynb")
    ]
    quarantine.clean(folder, names)
    trouble = []
    for name in sorted(names):
        if not (folder / f"{name}.ipynb").exists():
            continue
        try:
            notebook, _ = restored(folder / f"{name}.ipynb", released_notebook(api.coursedir, section, name))
            cells = cells_of(notebook)
            for cell in cells:
                if cell.is_check and cell.grade_id:
                    registered = find(cell.grade_id)
                    grader.grade_once(registered, answers(cells, registered.exercise.cells), student)
        except LabError as error:  # nbgrader meets the same trouble again and decides what it costs
            trouble.append(str(error))
    return "\n".join(trouble)


def _recorded(api: Any, section: str, student: str, trouble: str, told: Callable[[str], None]) -> Outcome:
    result = api.autograde(section, student)
    if not result["success"]:
        problem = trouble or str(_failed("not graded", result))
        told(f"{student}: {problem.splitlines()[0]}")
        return Outcome(student, 0.0, 0.0, {}, problem)
    with api.gradebook as gradebook:
        submission = gradebook.find_submission(section, student)
        scores = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
        outcome = Outcome(student, submission.score, submission.max_score, dict(sorted(scores.items())))
    told(f"{student}: {outcome.points:g} of {outcome.max:g}")
    return outcome


def _failed(what: str, result: dict[str, Any]) -> LabError:
    from labs.errors import PermanentError

    said = result.get("error") or result.get("log") or ""
    return PermanentError(f"{what}: {said.strip().splitlines()[-1] if said.strip() else 'no reason given'}", said)

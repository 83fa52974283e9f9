"""A small exercise of our own, a course folder around it, and what several tests here need."""

import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
EXERCISES = Path(__file__).resolve().parent / "exercises"
SOLUTION = "evens = []\n### BEGIN SOLUTION\nevens = [0, 2, 4, 6, 8]\n### END SOLUTION"


@pytest.fixture(autouse=True)
def own_exercises(monkeypatch):
    """The exercises of this folder are registered, here and in child processes."""
    import graders.checks
    from graders import exercise

    monkeypatch.setenv("GRADERS_CHECKS", str(EXERCISES))
    monkeypatch.setattr(graders.checks, "__path__", [*graders.checks.__path__, str(EXERCISES)])
    exercise.find.cache_clear()
    yield
    exercise.find.cache_clear()


@pytest.fixture
def registered():
    from graders.exercise import find

    return find("t1-q1")


@pytest.fixture(scope="session")
def grader():
    from graders.runner import Grader

    made = Grader()
    yield made
    made.close()


def source_notebook() -> nbformat.NotebookNode:
    """The notebook t1 with its solution, a check cell and a written answer with a rubric."""
    told = {"schema_version": 3, "task": False}
    cells = [
        nbformat.v4.new_markdown_cell("# Even numbers", id="title"),
        nbformat.v4.new_code_cell(
            SOLUTION,
            id="a1",
            metadata={
                "nbgrader": told | {"grade": False, "grade_id": "t1-q1-answer", "locked": False, "solution": True}
            },
        ),
        nbformat.v4.new_code_cell(
            'check("t1-q1")',
            id="c1",
            metadata={
                "nbgrader": told | {"grade": True, "grade_id": "t1-q1", "locked": True, "points": 3, "solution": False},
                "course": {"lines": ["T1"], "answers": ["t1-q1-answer"], "minutes": 2, "notes": "SECRET note"},
            },
        ),
        nbformat.v4.new_markdown_cell(
            "Because SECRET essay.",
            id="e1",
            metadata={
                "nbgrader": told
                | {"grade": True, "grade_id": "t1-essay", "locked": False, "points": 4, "solution": True},
                "course": {"rubric": ["SECRET rubric"]},
            },
        ),
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


class Course:
    """A course folder on disk with one section, ``t_testing``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "notebooks" / "t_testing").mkdir(parents=True)
        nbformat.write(source_notebook(), self.source)
        shutil.copy(REPOSITORY / "nbgrader_config.py", root)

    @property
    def source(self) -> Path:
        return self.root / "notebooks" / "t_testing" / "t1_evens.ipynb"

    @property
    def released(self) -> Path:
        return self.root / "release" / "t_testing" / "t1_evens.ipynb"

    def submit(self, student: str, answer: str | None = None, raw: str | None = None) -> Path:
        """A submission: the released notebook with this answer, or ``raw`` bytes in its place."""
        path = self.root / "submitted" / student / "t_testing" / "t1_evens.ipynb"
        path.parent.mkdir(parents=True)
        notebook = json.loads(self.released.read_text())
        if answer is not None:
            notebook["cells"][1]["source"] = answer
        path.write_text(raw if raw is not None else json.dumps(notebook))
        return path

    @property
    def environment(self) -> dict[str, str]:
        """For child processes: our packages, no configuration of the user's."""
        return os.environ | {"PYTHONPATH": str(REPOSITORY), "JUPYTER_NO_CONFIG": "1", "HOME": str(self.root)}

    def nbgrader(self, *arguments: str):
        import subprocess

        return subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=110,
        )


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path / "course")

"""``lab check`` and ``lab exercise`` from a terminal."""

import json
import subprocess
import sys

import nbformat
import pytest


@pytest.fixture
def run(course, tmp_path):
    """Run one of our commands in the course's folder, with a state folder of its own."""
    environment = course.environment | {"LABS_HOME": str(tmp_path / "home")}

    def run(command, *arguments):
        call = "g.exercise()" if command == "exercise" else f"typer.run(g.{command})"
        program = f"import typer, graders.cli as g; {call}"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=course.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
        )

    return run


def answered(course, source):
    notebook = nbformat.read(course.source, 4)
    notebook.cells[1].source = source
    nbformat.write(notebook, course.source)


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("evens = [0, 2, 4, 6, 8]", 0, "✓ passed  t1-q1: 2 of 3 points"),
        ("evens = [1]", 1, "✗ failed  only even numbers"),
    ],
)
def test_check_exits_zero_only_on_full_marks(course, run, source, status, said):
    answered(course, source)
    checked = run("check", "t1-q1")
    assert (checked.returncode, said in checked.stdout) == (status, True), checked.stdout + checked.stderr
    assert "lab up grader" in checked.stderr


def test_check_names_what_it_cannot_find(run, tmp_path):
    assert "The exercises here are" in run("check", "t9-q9").stderr
    (tmp_path / "empty.ipynb").write_text(json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    checked = run("check", "t1-q1", "--notebook", str(tmp_path / "empty.ipynb"))
    assert checked.returncode == 1
    assert "no answer cell t1-q1-answer" in checked.stdout


def test_two_notebooks_with_the_exercise_must_be_told_apart(course, run):
    course.source.with_name("copy.ipynb").write_text(course.source.read_text())
    checked = run("check", "t1-q1")
    assert checked.returncode == 2
    assert "copy.ipynb" in checked.stderr
    assert "--notebook" in checked.stderr


def test_the_learners_own_copy_counts_before_the_source_below(course, run, tmp_path):
    own = tmp_path / "workspace" / "t_section"
    own.mkdir(parents=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "workspace").write_text(f"{own.parent}\n")
    answered(course, "evens = [1]")
    (own / "t1.ipynb").write_text(course.source.read_text())
    answered(course, "evens = [0, 2, 4, 6, 8]")
    assert "✗ failed  only even numbers" in run("check", "t1-q1").stdout


def test_new_exercise_fails_the_lint_until_it_is_written(tmp_path, monkeypatch):
    import graders.checks
    from graders.authoring import write
    from graders.lint import lint
    from labs.errors import PermanentError

    notebooks = tmp_path / "notebooks" / "w_section"
    notebooks.mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(), notebooks / "w1_words.ipynb")
    said = write(tmp_path, "w1-q1", 2)
    cells = json.loads(said.split("`:\n", 1)[1])
    assert [cell["metadata"]["nbgrader"]["grade_id"] for cell in cells] == ["w1-q1-answer", "w1-q1"]
    monkeypatch.setattr(graders.checks, "__path__", [*graders.checks.__path__, str(tmp_path / "graders" / "checks")])
    assert any("summary is empty" in problem for problem in lint(tmp_path / "notebooks", "w1-q1"))
    with pytest.raises(PermanentError, match="exists"):
        write(tmp_path, "w1-q1", 2)

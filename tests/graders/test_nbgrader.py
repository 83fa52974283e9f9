"""Stock nbgrader commands on a real course folder give our marks."""

import csv
import json
import subprocess
import sys

import pytest


@pytest.fixture
def released(course):
    made = course.nbgrader("generate_assignment", "t_testing")
    assert made.returncode == 0, made.stderr
    return course


def test_release_holds_no_solution_and_nothing_for_instructors(released):
    text = released.released.read_text()
    assert "SECRET" not in text
    assert "[0, 2, 4, 6, 8]" not in text
    cells = json.loads(text)["cells"]
    assert "".join(cells[1]["source"]) == "evens = []\n# YOUR ANSWER HERE"
    assert cells[2]["metadata"]["course"] == {"answers": ["t1-q1-answer"], "lines": ["T1"], "minutes": 2}
    assert all(not cell.get("outputs") for cell in cells)


def test_whole_workflow(released):
    """Several submissions in one batch: each gets what its answer deserves, a broken one costs only itself."""
    forged = json.loads(released.released.read_text())
    forged["cells"][1]["source"] = "evens = [1]"
    forged["cells"][2]["source"] = "pass  # check removed"
    forged["cells"][2]["metadata"]["nbgrader"]["points"] = 300
    forged["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "✓ passed"}]
    released.submit("ada", "evens = [0, 2, 4, 6, 8]")
    released.submit("bob", "evens = [0, 2, 4, 6, 8, 10]")
    released.submit("cleo")
    released.submit("dan", raw='{"cells": [')
    released.submit("eve", "print('<script>alert(1)</script>')\nraise ValueError('<script>alert(2)</script>')")
    released.submit("fay", raw=json.dumps(forged))
    without_check = json.loads(released.released.read_text())
    without_check["cells"][1]["source"] = "evens = [0, 2, 4, 6, 8]"
    del without_check["cells"][2]
    released.submit("gus", raw=json.dumps(without_check))

    graded = released.nbgrader("autograde", "t_testing")
    assert "dan" in graded.stderr
    feedback = released.nbgrader("generate_feedback", "t_testing")
    assert feedback.returncode == 0, feedback.stderr
    exported = released.nbgrader("export")
    assert exported.returncode == 0, exported.stderr

    with (released.root / "grades.csv").open() as file:
        scores = {row["student_id"]: float(row["raw_score"] or 0) for row in csv.DictReader(file)}
    assert scores == {"ada": 3, "bob": 1, "cleo": 0, "dan": 0, "eve": 0, "fay": 1, "gus": 3}

    page = (released.root / "feedback" / "bob" / "t_testing" / "t1_evens.html").read_text()
    assert "observed: too large: [10]" in page
    assert "Look at the end of the list." in page
    hostile = (released.root / "feedback" / "eve" / "t_testing" / "t1_evens.html").read_text()
    assert "<script>alert(" not in hostile
    assert "&lt;script&gt;alert(2)" in hostile


def test_an_essay_waits_for_a_person(released):
    from nbgrader.api import Gradebook

    path = released.submit("ada", "evens = [0, 2, 4, 6, 8]")
    notebook = json.loads(path.read_text())
    notebook["cells"][3]["source"] = "Because they are divisible by two."
    path.write_text(json.dumps(notebook))
    assert released.nbgrader("autograde", "t_testing").returncode == 0
    with Gradebook(f"sqlite:///{released.root}/gradebook.db") as gradebook:
        assert gradebook.find_grade("t1-essay", "t1_evens", "t_testing", "ada").needs_manual_grade
        assert gradebook.find_grade("t1-q1", "t1_evens", "t_testing", "ada").auto_score == 3


def test_an_unknown_check_cell_is_reported_not_marked(course):
    course.source.write_text(course.source.read_text().replace("t1-q1", "t1-q8"))
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    course.submit("ada", "evens = [0, 2, 4, 6, 8]")
    graded = course.nbgrader("autograde", "t_testing")
    assert graded.returncode != 0
    assert "There is no exercise 't1-q8'" in graded.stderr


def test_lab_grade_gives_the_same_marks_in_parallel(released):
    answers = {"ada": "evens = [0, 2, 4, 6, 8]", "bob": "evens = [2, 4]", "cleo": None, "dan": "evens = [1]"}
    for student, answer in answers.items():
        released.submit(student, answer)
    released.submit("eve", raw="not a notebook")
    command = [sys.executable, "-c", "import typer, graders.cli as g; typer.run(g.grade)"]
    graded = subprocess.run(
        [*command, "t_testing", "--jobs", "3", "--json"],
        cwd=released.root,
        env=released.environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert graded.returncode == 1, graded.stderr
    outcomes = {outcome["student"]: outcome for outcome in json.loads(graded.stdout)}
    assert {name: outcome["exercises"].get("t1-q1") for name, outcome in outcomes.items()} == {
        "ada": 3,
        "bob": 2,
        "cleo": 0,
        "dan": 1,
        "eve": None,
    }
    assert "is not a notebook: JSONDecodeError" in outcomes["eve"]["problem"]
    assert not any(outcomes[name]["problem"] for name in answers)

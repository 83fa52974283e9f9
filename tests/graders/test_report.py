"""What the instructor reads about a section."""

import csv
import json
import subprocess
import sys

import pytest

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def graded(course):
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    long = "# " + "the same reasoning, " * 8
    for student, answer in {
        "ada": f"evens = [0, 2, 4, 6, 8]\n{long}",
        "bob": f"evens = [0, 2, 4, 6, 8]  \n{long}",
        "cleo": "evens = [0, 2, 4, 6, 8, 10]",
        "dan": "evens = [0, 2, 4, 6, 8, 10]",
        "=eve": f"evens = '{HOSTILE}'",
    }.items():
        course.submit(student, answer)
    path = course.root / "submitted" / "dan" / "t_testing" / "t1_evens.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][3]["source"] = "Because."
    del notebook["cells"][2]
    path.write_text(json.dumps(notebook))
    command = [sys.executable, "-W", "ignore", "-c", "import typer, graders.cli as g; typer.run(g.grade)"]

    def lab_grade(*arguments):
        return subprocess.run(
            [*command, *arguments], cwd=course.root, env=course.environment, capture_output=True, text=True, timeout=110
        )

    done = lab_grade("t_testing")
    assert done.returncode == 0, done.stderr
    assert "dan: 1 of 7\n    put right: The check cell t1-q1 was missing; it was put back." in done.stdout
    return course, lab_grade


def test_report_says_what_failed_most_and_what_to_look_at(graded):
    course, lab_grade = graded
    done = lab_grade("report", "t_testing")
    assert done.returncode == 0, done.stderr
    folder = course.root / "report" / "t_testing"
    page = (folder / "index.html").read_text()
    assert "too large: [10] (2 times)" in page
    assert "t1-q1: the same answer as bob" in page
    assert "t1-essay" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    with (folder / "checks.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["check"], first["failed"], first["seen"]) == ("SECRET all of them", "2", "4")
    with (folder / "marks.csv").open(newline="") as file:
        rows = {row["student"]: float(row["t1-q1"]) for row in csv.DictReader(file)}
    assert rows == {"ada": 3, "bob": 3, "cleo": 1, "dan": 1, "'=eve": 0}
    canvas = (folder / "canvas.csv").read_text().splitlines()
    assert canvas[0] == "Student,ID,SIS User ID,SIS Login ID,Section,t_testing"
    assert canvas[1].startswith("    Points Possible,,,,,7")
    with (folder / "moodle.csv").open(newline="") as file:
        assert {row["username"]: float(row["t_testing"]) for row in csv.DictReader(file)} == rows


def test_without_a_graded_submission_it_says_what_to_run(course):
    command = [sys.executable, "-c", "import typer, graders.cli as g; typer.run(g.grade)", "report", "t_testing"]
    done = subprocess.run(command, cwd=course.root, env=course.environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 2
    assert "lab grade t_testing" in done.stderr

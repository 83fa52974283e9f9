"""Receipts: signed, replayed to equal marks, run again to say what differs; batches that are killed and taken up."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from graders import receipts
from graders.exercise import Finding
from graders.receipts import Judged
from graders.verdict import Verdict, score
from labs.errors import PermanentError

FULL = "evens = [0, 2, 4, 6, 8]"


def judged(points=2.0):
    findings = (
        Finding("first", 2.0, True, "seen", "wanted", "look"),
        Finding("second", 1.0, False, "seen", "wanted", "look"),
    )
    return {"t1-q1": Judged(Verdict("t1-q1", points, 3.0, findings), {"t1-q1-answer": FULL}, {"evens": [2]})}


@pytest.fixture
def receipt(tmp_path):
    return receipts.write(tmp_path, "t_testing", "ada", "t1_evens", judged(), ["a repair"])


def test_a_receipt_holds_evidence_and_versions_and_replays_to_equal_marks(receipt, tmp_path):
    said = receipts.read(receipt, tmp_path)
    assert said["exercises"]["t1-q1"]["answer"] == {"evens": [2]}
    assert said["exercises"]["t1-q1"]["verdict"]["findings"][0]["observed"] == "seen"
    assert {"grader", "python", "engine", "graded", "account", "course"} <= set(said)
    assert said["repairs"] == ["a repair"]
    assert receipts.replay(receipt, tmp_path) == [("t1-q1", 2.0, 2.0)]
    assert receipts.kept(tmp_path, "t_testing", "ada", "t1_evens") == judged()


def test_the_key_is_the_owners_and_stays(receipt, tmp_path):
    key = tmp_path / "grading.key"
    assert key.stat().st_mode & 0o077 == 0
    before = key.read_text()
    receipts.write(tmp_path, "t_testing", "bob", "t1_evens", judged(), [])
    assert key.read_text() == before


@pytest.mark.parametrize("field", ["student", "grader", "repairs", "account"])
def test_a_changed_receipt_is_refused(receipt, tmp_path, field):
    said = json.loads(receipt.read_text())
    said[field] = "other"
    receipt.write_text(json.dumps(said))
    with pytest.raises(PermanentError, match="signature"):
        receipts.read(receipt, tmp_path)
    assert receipts.kept(tmp_path, "t_testing", "ada", "t1_evens") == {}


def test_a_raised_mark_is_refused(receipt, tmp_path):
    receipt.write_text(receipt.read_text().replace('"points": 2.0', '"points": 3.0'))
    with pytest.raises(PermanentError, match="signature"):
        receipts.replay(receipt, tmp_path)


def test_another_key_is_refused(receipt, tmp_path, monkeypatch):
    other = tmp_path / "other.key"
    other.write_text("ab" * 32)
    monkeypatch.setenv("LABS_GRADING_KEY", str(other))
    with pytest.raises(PermanentError, match="another key"):
        receipts.read(receipt, tmp_path)
    other.write_text("ab")
    with pytest.raises(PermanentError, match="too short"):
        receipts.read(receipt, tmp_path)
    other.unlink()
    with pytest.raises(PermanentError, match="holds no grading key"):
        receipts.read(receipt, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "x" * 99])
def test_what_is_no_receipt_says_so(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(PermanentError, match=r"r\.json"):
        receipts.read(path, tmp_path)


def test_a_score_is_what_passed_and_never_more_than_there_is():
    findings = judged()["t1-q1"].verdict.findings
    assert score(findings, 3) == 2
    assert score(findings * 5, 3) == 3
    assert score((), 3) == 0


@pytest.fixture
def released(course):
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    return course


def lab_grade(course, *arguments, **options):
    command = [sys.executable, "-W", "ignore", "-c", "import typer, graders.cli as g; typer.run(g.grade)", *arguments]
    return subprocess.run(
        command, cwd=course.root, env=course.environment, capture_output=True, text=True, timeout=110, **options
    )


def test_replay_and_rerun_from_the_command_line(released):
    released.submit("ada", "evens = [2, 4]")
    assert lab_grade(released, "t_testing").returncode == 0
    path = str(receipts.path_of(released.root, "t_testing", "ada", "t1_evens"))
    done = lab_grade(released, "--replay", path)
    assert (done.returncode, done.stdout) == (0, "t1-q1: 2 points\n"), done.stderr
    done = lab_grade(released, "--rerun", path)
    assert (done.returncode, done.stdout) == (0, "t1-q1: 2 points, as before\n"), done.stderr
    with open(path) as file:
        said = json.load(file)
    said["exercises"]["t1-q1"]["sources"]["t1-q1-answer"] = FULL
    said["mac"] = receipts._mac(receipts.key(released.root), said)
    with open(path, "w") as file:
        json.dump(said, file)
    done = lab_grade(released, "--rerun", path)
    assert done.returncode == 1
    assert "points: 2 of 3 before, 3 of 3 now" in done.stdout


def test_nbgrader_autograde_writes_receipts_too(released):
    released.submit("ada", FULL)
    assert released.nbgrader("autograde", "t_testing").returncode == 0
    path = receipts.path_of(released.root, "t_testing", "ada", "t1_evens")
    assert receipts.replay(path, released.root) == [("t1-q1", 3.0, 3.0)]


def test_a_second_run_grades_nothing_twice_and_a_changed_submission_again(released):
    for student in ("ada", "bob"):
        released.submit(student, FULL)
    first = json.loads(lab_grade(released, "t_testing", "--json").stdout)
    assert [(one["points"], one["again"]) for one in first] == [(3.0, True)] * 2
    path = released.root / "submitted" / "bob" / "t_testing" / "t1_evens.ipynb"
    path.write_text(path.read_text().replace("6, 8]", "6, 8, 10]"))
    second = json.loads(lab_grade(released, "t_testing", "--json").stdout)
    assert [(one["points"], one["again"]) for one in second] == [(3.0, False), (1.0, True)]
    third = json.loads(lab_grade(released, "t_testing", "--json", "--anew").stdout)
    assert [(one["points"], one["again"]) for one in third] == [(3.0, True), (1.0, True)]


def test_killed_at_any_moment_it_is_taken_up_without_losing_a_mark(released):
    students = [f"s{number:02}" for number in range(8)]
    for number, student in enumerate(students):
        released.submit(student, f"{FULL}  # {number}" if number % 2 else f"evens = [{number}, 1]")
    command = [sys.executable, "-W", "ignore", "-c", "import typer, graders.cli as g; typer.run(g.grade)", "t_testing"]
    journal = released.root / "receipts" / "t_testing.journal"
    for lines in (1, 4):
        running = subprocess.Popen(
            command, cwd=released.root, env=released.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 60
        while time.monotonic() < end and running.poll() is None:
            if journal.exists() and journal.read_text().count("\n") >= lines:
                break
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    with journal.open("a") as file:
        file.write('{"digest": "half a li')
    done = lab_grade(released, "t_testing", "--json", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert [one["points"] for one in outcomes] == [1.0 if n % 2 == 0 else 3.0 for n in range(8)]
    assert sum(not one["again"] for one in outcomes) >= 1
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{released.root}/gradebook.db") as gradebook:
        marks = [gradebook.find_grade("t1-q1", "t1_evens", "t_testing", student).auto_score for student in students]
    assert marks == [one["points"] for one in outcomes]


def test_values_of_another_student_are_recognised_and_cost_nothing():
    from graders.batch import carried, foreign_values
    from graders.runner import seeded
    from labs.scenarios import registry

    owners = foreign_values(["ada", "bob"], "b_iam_security")
    theirs, _ = seeded(registry()["b1"], "bob")
    copied = {"b1-q2": Judged(Verdict("b1-q2", 1, 1, ()), {"a": f"policy = {{'Resource': '{theirs['bucket']}'}}"}, {})}
    (line,) = carried("ada", copied, owners)
    assert line == f"carries values of bob: {theirs['bucket']}"
    assert carried("bob", copied, owners) == []
    own, _ = seeded(registry()["b1"], "ada")
    honest = {"b1-q2": Judged(Verdict("b1-q2", 1, 1, ()), {"a": json.dumps(own)}, {})}
    assert carried("ada", honest, owners) == []

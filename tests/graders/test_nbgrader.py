"""Stock nbgrader commands on a real course folder give our marks."""

import csv
import json
import os
import re
import shutil
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


def essay(course, student, text, answer="evens = [0, 2, 4, 6, 8]"):
    path = course.submit(student, answer)
    notebook = json.loads(path.read_text())
    notebook["cells"][3]["source"] = text
    path.write_text(json.dumps(notebook))
    return path


def edited(course, change, answer="evens = [0, 2, 4, 6, 8]"):
    notebook = json.loads(course.released.read_text())
    notebook["cells"][1]["source"] = answer
    change(notebook)
    return json.dumps(notebook)


def scores(course):
    assert course.nbgrader("export").returncode == 0
    with (course.root / "grades.csv").open() as file:
        return {row["student_id"]: float(row["raw_score"] or 0) for row in csv.DictReader(file)}


FULL = "evens = [0, 2, 4, 6, 8]"
HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)> [link](javascript:alert(3))
<iframe src="//example.org"></iframe> <svg/onload=alert(4)> <a href="data:text/html,x" onclick="alert(5)">x</a>
<style>*{display:none}</style> <form action="//example.org"><input name=a></form>

`a < b` **bold** $x<y$"""


def test_whole_workflow(released):
    """Several submissions in one batch: each gets what its answer deserves, whatever happened to its files."""
    deep = "[" * 100_000 + "]" * 100_000

    def forge(notebook):
        notebook["cells"][2]["source"] = "pass  # check removed"
        notebook["cells"][2]["metadata"]["nbgrader"]["points"] = 300
        notebook["cells"][2]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "✓ passed"}]

    def print_much(notebook):
        notebook["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 60_000_000}]

    released.submit("ada", FULL)
    released.submit("bob", "evens = [0, 2, 4, 6, 8, 10]")
    released.submit("cleo")
    raw = edited(released, lambda notebook: None)
    released.submit("dan", raw=raw[: raw.index("t1-essay")])
    released.submit("eve", "print('<script>alert(1)</script>')\nraise ValueError('<script>alert(2)</script>')")
    released.submit("fay", raw=edited(released, forge, "evens = [1]"))
    released.submit("gus", raw=edited(released, lambda notebook: notebook["cells"].pop(2)))
    released.submit("hal", raw=edited(released, print_much))
    released.submit(
        "ida", raw=edited(released, lambda notebook: None).replace('"metadata": {}', f'"metadata": {deep}', 1)
    )
    released.submit("jo", raw=edited(released, lambda notebook: notebook.update(nbformat=3)))
    schema = {"schema_version": 77, "grade_id": "t1-q1-answer", "solution": True}
    released.submit("kim", raw=edited(released, lambda n: n["cells"][1].update(metadata={"nbgrader": schema})))
    kernel = {"kernelspec": {"name": "evil", "language": "evil", "display_name": "evil"}}
    released.submit("lea", raw=edited(released, lambda notebook: notebook.update(metadata=kernel)))
    fill = [{"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": "1", "outputs": []} for n in range(4_000)]
    released.submit("mia", raw=edited(released, lambda notebook: notebook["cells"].extend(fill)))
    os.mkfifo(released.submit("ned", FULL).parent / "pipe")
    (released.submit("oli", FULL).parent / "gradebook").symlink_to(released.root / "gradebook.db")
    loop = released.submit("pia", FULL).parent / "loop"
    loop.symlink_to(loop)
    (released.submit("quin", FULL).parent / "timestamp.txt").write_text("yesterday-ish")
    os.mkfifo(path := released.submit("ray").with_suffix(".new"))
    path.rename(path.with_suffix(".ipynb"))
    essay(released, "sue", HOSTILE)

    graded = released.nbgrader("autograde", "t_testing")
    assert graded.returncode == 0, graded.stderr[-3000:]
    feedback = released.nbgrader("generate_feedback", "t_testing")
    assert feedback.returncode == 0, feedback.stderr
    assert scores(released) == {
        "ada": 3, "bob": 1, "cleo": 0, "dan": 3, "eve": 0, "fay": 1, "gus": 3, "hal": 3, "ida": 3, "jo": 3, "kim": 3,
        "lea": 3, "mia": 3, "ned": 3, "oli": 3, "pia": 3, "quin": 3, "ray": 0, "sue": 3,
    }  # fmt: skip

    def page(student):
        return (released.root / "feedback" / student / "t_testing" / "t1_evens.html").read_text()

    assert "observed: too large: [10]" in page("bob")
    assert "Look at the end of the list." in page("bob")
    assert "put right" not in page("ada")
    assert "&lt;script&gt;alert(2)" in page("eve")
    assert "The check cell t1-q1 was changed; the released one counts." in page("fay")
    assert "not a whole notebook" in page("dan")
    assert "pipe is a named pipe; it was set aside." in page("ned")
    assert "holds no time" in page("quin")
    assert "t1_evens.ipynb is a named pipe; it was set aside." in page("ray")
    assert not (released.root / "autograded" / "oli" / "t_testing" / "gradebook").exists()
    harmless(page("eve"))
    harmless(page("sue"))
    assert "<strong>bold</strong>" in page("sue")
    assert "<code>a &lt; b</code>" in page("sue")


def harmless(page):
    """No payload of HOSTILE has become markup."""
    for payload in ("<script>alert", "<img src=x", 'href="javascript:', "<iframe", "<svg/", "<form", 'href="data:'):
        assert payload not in page
    assert not re.search(r"<[^>]*\son(click|error|load)=", page)
    assert "<style>*{display:none}" not in page


def test_marks_by_hand_and_lateness_survive_grading_again(released):
    from nbgrader.api import Gradebook

    with (released.root / "nbgrader_config.py").open("a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    url = f"sqlite:///{released.root}/gradebook.db"
    with Gradebook(url) as gradebook:
        gradebook.update_or_create_assignment("t_testing", duedate="2026-11-20 12:00:00 UTC")
    (essay(released, "ada", "Because.").parent / "timestamp.txt").write_text("2026-11-20 11:00:00 UTC")
    (essay(released, "bob", "Because.").parent / "timestamp.txt").write_text("2026-11-21 11:00:00 UTC")
    assert released.nbgrader("autograde", "t_testing").returncode == 0
    with Gradebook(url) as gradebook:
        for student in ("ada", "bob"):
            grade = gradebook.find_grade("t1-essay", "t1_evens", "t_testing", student)
            grade.manual_score, grade.needs_manual_grade = 2.5, False
            gradebook.db.commit()
    again = released.nbgrader("autograde", "t_testing", "--force")
    assert again.returncode == 0, again.stderr
    with Gradebook(url) as gradebook:
        assert gradebook.find_submission("t_testing", "ada").score == 5.5
        assert gradebook.find_grade("t1-essay", "t1_evens", "t_testing", "bob").manual_score == 2.5
        late = gradebook.find_submission_notebook("t1_evens", "t_testing", "bob")
        assert (late.score, late.late_submission_penalty) == (5.5, 5.5)


def test_from_the_exchange_to_the_marks(released, tmp_path):
    """release_assignment → submissions in the exchange → collect → autograde → generate and release feedback."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    with (released.root / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.Exchange.root = {str(exchange)!r}\nc.ExchangeCollect.check_owner = False\n")
    out = released.nbgrader("release_assignment", "t_testing")
    assert out.returncode == 0, out.stderr
    inbound = exchange / "phase-4-production" / "inbound"
    for student in ("ada", "bob"):
        desk = tmp_path / student
        (desk / "t_testing").mkdir(parents=True)
        shutil.copy(released.root / "nbgrader_config.py", desk)
        answer = FULL if student == "ada" else "evens = [0, 2, 4, 6, 8, 10]"
        (desk / "t_testing" / "t1_evens.ipynb").write_text(edited(released, lambda notebook: None, answer))
        submitted = subprocess.run(
            [sys.executable, "-m", "nbgrader", "submit", "t_testing", "--course", "phase-4-production"],
            cwd=desk, env=released.environment, capture_output=True, text=True,
            timeout=110,
        )  # fmt: skip
        assert submitted.returncode == 0, submitted.stderr
        # nbgrader names it after whoever runs this; it is this student's now
        (folder,) = (path for path in inbound.iterdir() if path.name.partition("+")[0] not in ("ada", "bob"))
        folder = folder.rename(inbound / f"{student}+{folder.name.partition('+')[2]}")
        folder.chmod(0o755)
    os.mkfifo(folder / "pipe")
    (folder / "passwords").symlink_to("/etc/passwd")
    collected = released.nbgrader("collect", "t_testing")
    assert collected.returncode == 0, collected.stderr
    assert sorted(path.name for path in (released.root / "submitted" / "bob" / "t_testing").iterdir()) == [
        "submission_secret.txt",
        "t1_evens.ipynb",
        "timestamp.txt",
    ]
    assert released.nbgrader("autograde", "t_testing").returncode == 0
    assert scores(released) == {"ada": 3, "bob": 1}
    assert released.nbgrader("generate_feedback", "t_testing").returncode == 0
    page = (released.root / "feedback" / "bob" / "t_testing" / "t1_evens.html").read_text()
    assert "passwords" in page
    assert "was left behind" in page
    done = released.nbgrader("release_feedback", "t_testing")
    assert done.returncode == 0, done.stderr


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
    misnamed = released.submit("fay", FULL)
    misnamed.rename(misnamed.with_name("t1_evens (1).ipynb"))
    command = [sys.executable, "-c", "import typer, graders.cli as g; typer.run(g.grade)"]
    graded = subprocess.run(
        [*command, "t_testing", "--jobs", "3", "--json"],
        cwd=released.root,
        env=released.environment,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert graded.returncode == 0, graded.stderr
    outcomes = {outcome["student"]: outcome for outcome in json.loads(graded.stdout)}
    marks = {name: outcome["exercises"].get("t1-q1") for name, outcome in outcomes.items()}
    assert marks == {"ada": 3, "bob": 2, "cleo": 0, "dan": 1, "eve": 0, "fay": 3}
    assert not any(outcome["problem"] for outcome in outcomes.values())

"""Exercises whose answer is a function: called in the worker, judged outside it."""

import json
import re
import subprocess
import sys

import pytest

from graders.exercise import Exercise, Finding, Registered, Returns
from graders.runner import Grader
from graders.testing import judge
from graders.verdict import Verdict

EXERCISE = Exercise(
    "t9-q1", 2, {"double": Returns({"type": "integer"}), "unit": {"type": "string"}}, "Double a number; say of what."
)


def findings(answer, label):
    for one in answer["double"]:
        (number,) = one["arguments"]
        seen = str(one.get("returned", one.get("raised", one.get("refused"))))
        right = one.get("returned") == 2 * number
        yield Finding(f"{label} double({number})", 1, right, seen, str(2 * number), "Add it twice.")


REGISTERED = Registered(
    EXERCISE,
    "t_testing",
    None,
    lambda answer, live: findings(answer, "public"),
    lambda answer, live: findings(answer, "hidden"),
    lambda values: {"double": [[3]]},
    lambda values: {"double": [[-7]]},
)


@pytest.fixture(scope="module")
def grader():
    made = Grader()
    yield made
    made.close()


def grade(grader, source, **options):
    return grader.grade(REGISTERED, {"t9-q1-answer": f"unit = 'g'\n{source}"}, "ada", **options)


def test_each_check_sees_its_own_calls(grader):
    verdict = grade(grader, "def double(n):\n    return n + n")
    assert verdict.points == 2
    assert [finding.name for finding in verdict.findings] == ["public double(3)", "hidden double(-7)"]
    public = grade(grader, "def double(n):\n    return n + n", hidden=False)
    assert [finding.name for finding in public.findings] == ["public double(3)"]


@pytest.mark.parametrize(
    ("source", "points", "seen"),
    [
        ("async def double(n):\n    return n + n", 2, "6"),
        ("double = lambda n: abs(n) * 2", 1, "14"),
        ("def double(n):\n    return n / 0", 0, "ZeroDivisionError: division by zero"),
        ("def double():\n    return 6", 0, "TypeError"),
        ("def double(n):\n    return str(n + n)", 0, "returned: '6' is not of type 'integer'"),
        ("def double(n):\n    return float('nan')", 0, "not finite"),
        ("def double(n):\n    raise SystemExit", 0, "SystemExit"),
        ("def double(n):\n    return (i for i in [1])", 0, "not plain data"),
        ("class I(int):\n    def __eq__(self, o): return True\ndef double(n): return I(1)", 0, "not plain data"),
    ],
)  # fmt: skip
def test_what_a_function_returns_or_raises_is_seen(grader, source, points, seen):
    verdict = grade(grader, source)
    assert verdict.points == points
    assert seen in verdict.text()


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("", "double is not defined"),
        ("double = 6", "double is not a function"),
        ("def double(n):\n    import os\n    os._exit(0)", "ended the process"),
        (
            "import os\nfor fd in range(3, 4096):\n  try: os.write(fd, b'{\"values\": {\"double\": [{\"returned\": 6}]"
            ", \"unit\": \"g\"}, \"refused\": {}, \"errors\": []}\\n')\n  except OSError: pass",
            "double gave no results|the answer is not plain data",
        ),
    ],
)
def test_what_is_no_function_is_a_problem_that_says_so(grader, source, seen):
    verdict = grade(grader, source)
    assert verdict.points == 0
    assert re.search(seen, verdict.text())


def test_a_check_is_tried_against_hand_made_evidence():
    assert judge("t1-q1", {"evens": [0, 2, 4, 6, 8]}).full
    assert judge("t1-q1", {"evens": [0, 2, 4]}).points == 2


def test_one_submission_is_judged_by_a_command_of_its_own(course, tmp_path):
    assert course.nbgrader("generate_assignment", "t_testing").returncode == 0
    path = course.submit("ada", "evens = [2, 4]")
    out = tmp_path / "verdict.json"
    command = [sys.executable, "-W", "ignore", "-m", "graders.judge", str(path), "--student", "ada", "--out", str(out)]
    command += ["--released", str(course.released)]
    done = subprocess.run(command, env=course.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(out.read_text())
    assert Verdict.from_json(told["exercises"]["t1-q1"]["verdict"]).points == 2
    assert told["repairs"] == []

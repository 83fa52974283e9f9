"""Registration and lint: an author's mistakes are errors before anybody is graded."""

import shutil
import uuid

import pytest

from graders import exercise
from graders.exercise import Exercise, Finding, RegistrationError, find
from graders.lint import lint

GOOD = {"id": "t1-q2", "points": 2, "answers": {"x": {"type": "object"}}, "summary": "Say x."}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "t1.q2"},
        {"id": "T1-q2"},
        {"points": 0},
        {"points": True},
        {"answers": {}},
        {"answers": {"2x": {}}},
        {"answers": {"_x": {}}},
        {"summary": " "},
    ],
)
def test_a_malformed_exercise_is_refused(change):
    Exercise(**GOOD)
    with pytest.raises(RegistrationError):
        Exercise(**GOOD | change)


@pytest.mark.parametrize(
    "change", [{"hint": ""}, {"observed": " "}, {"points": -1}, {"points": float("nan")}, {"passed": 1}]
)
def test_a_malformed_finding_is_refused(change):
    good = {"name": "n", "points": 1, "passed": True, "observed": "o", "expected": "e", "hint": "h"}
    Finding(**good)
    with pytest.raises(RegistrationError):
        Finding(**good | change)


def test_find_names_what_there_is():
    assert find("t1-q1").section == "t_testing"
    with pytest.raises(exercise.PermanentError, match="t1-q1"):
        find("t1-q7")


@pytest.fixture
def variant(tmp_path, monkeypatch, registered):
    """A copy of t1-q1 in a folder of its own, for the test to damage."""
    import graders.checks

    folder = tmp_path / "checks" / f"v_{uuid.uuid4().hex}" / "t2_q1"  # a name no other test has imported
    shutil.copytree(registered.folder, folder)
    init = folder / "__init__.py"
    init.write_text(init.read_text().replace("t1-q1", "t2-q1"))
    monkeypatch.setattr(graders.checks, "__path__", [*graders.checks.__path__, str(tmp_path / "checks")])
    return folder


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "hidden.py").unlink(), "no hidden.py"),
        (lambda f: (f / "mutants" / "odd_ones.py").unlink(), "2 mutants"),
        (lambda f: (f / "mutants" / "odd_ones.py").write_text("evens = 1\n"), "must open with a docstring"),
        (
            lambda f: (f / "mutants" / "odd_ones.py").write_text('"""(unclosed"""\nevens = 1\n'),
            "must open with a docstring",
        ),
        (lambda f: (f / "mutants" / "odd_ones.py").write_text('""".*"""\nevens = 1\n'), "matches everything"),
        (lambda f: (f / "mutants" / "odd_ones.py").write_text('"""odd"""\nevens = []\n'), "odd_ones defines nothing"),
        (lambda f: (f / "public.py").write_text("x = 1\n"), "def check"),
        (lambda f: (f / "__init__.py").write_text("x = 1\n"), "EXERCISE = "),
        (
            lambda f: (f / "__init__.py").write_text((f / "__init__.py").read_text().replace('"array"', '"arrow"')),
            "JSON Schema",
        ),
    ],
)
def test_lint_says_what_is_missing(variant, tmp_path, damage, said):
    damage(variant)
    assert any(said in problem for problem in lint(tmp_path, "t2-q1"))


def test_lint_compares_with_the_notebook(course):
    assert lint(course.root / "notebooks", "t1-q1") == []
    text = course.source.read_text()
    for old, new, said in [
        ('"points": 3', '"points": 2', "says 2 points"),
        ('"minutes": 2', '"minutes": 0', "minutes"),
        ("### BEGIN SOLUTION", "# begin", "needs ### BEGIN SOLUTION"),
        ('"T1"', "", "curriculum line"),
    ]:
        course.source.write_text(text.replace(old, new))
        assert any(said in problem for problem in lint(course.root / "notebooks", "t1-q1")), said

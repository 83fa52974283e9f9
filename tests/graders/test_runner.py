"""From sources to verdicts."""

import dataclasses

import pytest

from graders.exercise import Finding, RegistrationError
from graders.verdict import Verdict
from labs.errors import TemporaryError


def graded(grader, registered, source, **options):
    return grader.grade(registered, {"t1-q1-answer": source}, "ada", **options)


def test_the_solution_gets_full_marks(grader, registered):
    verdict = graded(grader, registered, "evens = [0, 2, 4, 6, 8]")
    assert (verdict.points, verdict.max, verdict.full, verdict.complete) == (3, 3, True, True)


def test_partial_points_and_message_together(grader, registered):
    verdict = graded(grader, registered, "evens = [0, 2, 4, 6, 8, 10]")
    assert (verdict.points, verdict.full) == (1, False)
    assert "✗ failed  below ten (1 point)" in verdict.text()
    assert "observed: too large: [10]" in verdict.text()


@pytest.mark.parametrize("source", ["evens = []", "", "# YOUR ANSWER HERE", "evens = 'all'", "raise SystemExit"])
def test_no_answer_no_points(grader, registered, source):
    verdict = graded(grader, registered, source)
    assert verdict.points == 0
    assert not verdict.full
    assert verdict.findings


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("evens = wanted[:5]", "name 'wanted' is not defined"),
        ("evens = wanted[:5]", "alone, with values and nothing from other cells"),
        ("evens = [0, 2", "stops at the line that is named"),
        ("", "Assign it in the answer cell"),
    ],
)
def test_a_cell_that_stops_is_told_what_to_do_next(grader, registered, source, told):
    assert told in graded(grader, registered, source).text()


def test_every_mutant_fails_with_its_own_message(grader, registered):
    for mutant in registered.mutants():
        verdict = graded(grader, registered, mutant.source)
        assert not verdict.full
        assert mutant.pattern.search(verdict.text()), mutant.name


def test_the_public_verdict_shows_and_counts_no_hidden_check(grader, registered):
    verdict = graded(grader, registered, "evens = [2]", hidden=False)
    assert verdict.full
    assert not verdict.complete
    assert "SECRET" not in verdict.text()
    assert "the other 1 are decided by hidden checks" in verdict.text()
    released = dataclasses.replace(registered, hidden=None)
    assert graded(grader, released, "evens = [2]") == verdict


def test_verdicts_survive_json_and_repeat_exactly(grader, registered):
    verdict = graded(grader, registered, "evens = [1]")
    assert Verdict.from_json(verdict.to_json()) == verdict == graded(grader, registered, "evens = [1]")


def checked_by(registered, check):
    return dataclasses.replace(registered, public=check, hidden=None)


def test_a_check_that_breaks_down_costs_only_its_own_points_and_is_noted(grader, registered):
    def check(answer, live):
        yield Finding("first", 1, True, "o", "e", "h")
        raise KeyError("shape nobody thought of")

    verdict = graded(grader, checked_by(registered, check), "evens = [2]")
    assert verdict.points == 1
    assert not verdict.full
    assert "shape nobody thought of" in verdict.notes[0]


def test_what_aws_refuses_is_a_finding(grader, registered):
    from botocore.exceptions import ClientError

    def check(answer, live):
        said = {"Error": {"Code": "MalformedPolicyDocument", "Message": "Syntax errors in policy."}}
        raise ClientError(said, "PutUserPolicy")
        yield

    verdict = graded(grader, checked_by(registered, check), "evens = [2]")
    assert verdict.points == 0
    assert verdict.notes == ()
    assert "Syntax errors in policy." in verdict.text()


def test_our_own_failure_is_raised_and_never_marked(grader, registered):
    tries = []

    def check(answer, live):
        tries.append(1)
        raise ConnectionResetError("gateway gone")
        yield

    with pytest.raises(TemporaryError, match="gateway gone"):
        graded(grader, checked_by(registered, check), "evens = [2]")
    assert len(tries) == 2


def test_a_check_that_yields_something_else_is_an_authors_error(grader, registered):
    with pytest.raises(RegistrationError, match="not a Finding"):
        graded(grader, checked_by(registered, lambda answer, live: [True]), "evens = [2]")


def test_control_characters_cannot_redraw_the_verdict(grader, registered):
    def check(answer, live):
        yield Finding("shown", 1, False, "a\x1b[2Jb\rc", "e", "h")

    text = graded(grader, checked_by(registered, check), "evens = [2]").text()
    assert "\x1b" not in text
    assert "\r" not in text

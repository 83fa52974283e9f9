"""b1-q4: a permissions boundary that its bearer cannot take off."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b1-q4",
    points=4,
    lab="b1",
    summary="Write a permissions boundary under which an administrator can work but not escape.",
    answers={"boundary": POLICY},
)

"""b3-q2: what a generated policy lacks."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b3-q2",
    points=5,
    lab="b3",
    summary="Add to a generated policy what generation cannot see: data events, iam:PassRole, and what happens rarely.",
    answers={"additions": POLICY},
)

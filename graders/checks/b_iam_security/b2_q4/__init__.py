"""b2-q4: ending the sessions that somebody stole, and no others."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b2-q4",
    points=4,
    lab="b2",
    summary="Revoke the sessions that a role issued before a moment.",
    answers={"revocation": POLICY},
)

"""b2-q3: a CI role for one branch of one repository."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b2-q3",
    points=4,
    lab="b2",
    summary="Write the trust policy of a CI role for GitHub's tokens.",
    answers={"ci_trust_policy": POLICY},
)

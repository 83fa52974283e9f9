"""b2-q2: a session policy that narrows a shared role for one service account."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b2-q2",
    points=4,
    lab="b2",
    summary="Write the session policy of an EKS Pod Identity association.",
    answers={"session_policy": POLICY},
)

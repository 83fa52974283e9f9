"""b2-q1: a role that only one service account of one cluster may take."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b2-q1",
    points=4,
    lab="b2",
    summary="Write the trust policy of a pod's role for its service-account token.",
    answers={"trust_policy": POLICY},
)

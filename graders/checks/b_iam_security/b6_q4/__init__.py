"""b6-q4: a role for one service account, through EKS Pod Identity."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b6-q4",
    points=4,
    lab="b6",
    summary="Write the trust policy and the permissions of a role that only the pages' pods get.",
    answers={"trust_policy": POLICY, "role_policy": POLICY},
)

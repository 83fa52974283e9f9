"""b3-q3: the whole policy, tightened and in force."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b3-q3",
    points=5,
    lab="b3",
    summary="Replace a role's every permission by what its job needs, within a budget of wildcards.",
    answers={"policy": POLICY},
)

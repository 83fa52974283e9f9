"""b5-q2: what the rotation function and the shop may do."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b5-q2",
    points=4,
    lab="b5",
    seconds=8,
    summary="Give the rotation function's role and the shop's role what they need and no more.",
    answers={"rotation_policy": POLICY, "shop_policy": POLICY},
)

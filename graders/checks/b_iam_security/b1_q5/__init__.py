"""b1-q5: a trust policy that a vendor's other customers cannot borrow."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b1-q5",
    points=4,
    lab="b1",
    summary="Write a role trust policy for a vendor, safe from a confused deputy.",
    answers={"trust_policy": POLICY},
)

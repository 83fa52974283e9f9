"""b4-q1: a bucket policy that resolves the public finding and keeps the partner's call."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b4-q1",
    points=4,
    lab="b4",
    summary="Repair a bucket policy so that the public finding resolves and the partner still reads its report.",
    answers={"bucket_policy": POLICY},
)

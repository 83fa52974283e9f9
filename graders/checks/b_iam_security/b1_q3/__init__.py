"""b1-q3: a bucket policy for one session of a role with a boundary."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b1-q3",
    points=4,
    lab="b1",
    summary="Write a bucket policy that lets one session of a bounded role read the backups, and nobody else.",
    answers={"bucket_policy": POLICY},
)

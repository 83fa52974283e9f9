"""b1-q2: repair alice's identity policy."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b1-q2",
    points=4,
    lab="b1",
    summary="Repair an identity policy: the work succeeds, everything else stays denied.",
    answers={"policy": POLICY},
)

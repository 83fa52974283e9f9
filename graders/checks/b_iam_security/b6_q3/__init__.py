"""b6-q3: a node role that is worth little to whoever steals it."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b6-q3",
    points=4,
    lab="b6",
    summary="Write the node role's policy so that a pod on the host network finds nothing of worth.",
    answers={"node_policy": POLICY},
)

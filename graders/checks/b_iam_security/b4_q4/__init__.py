"""b4-q4: a policy that makes stolen credentials worthless and leaves the web server at work."""

from graders.checks.b_iam_security.probes import POLICY
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b4-q4",
    points=4,
    lab="b4",
    summary="Contain stolen credentials of an instance without stopping the instance.",
    answers={"containment": POLICY},
)

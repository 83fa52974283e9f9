"""e1-q2: a limit that a request fits into."""

from graders.checks.e_kubernetes.sizes import RESOURCES
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e1-q2",
    points=5,
    lab="e1",
    summary="Give the workload processor time for its requests, and no more than its budget.",
    answers={"processor": RESOURCES},
    seconds=15,
)

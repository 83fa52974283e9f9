"""e1-q1: memory for the peak, and an end for a leak."""

from graders.checks.e_kubernetes.sizes import RESOURCES
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e1-q1",
    points=5,
    lab="e1",
    summary="Give the workload memory for its reports, and no more than its budget.",
    answers={"memory": RESOURCES},
    seconds=15,
)

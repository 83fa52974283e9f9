"""e1-q3: both resources, Guaranteed, in the team's share."""

from graders.checks.e_kubernetes.sizes import RESOURCES
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e1-q3",
    points=6,
    lab="e1",
    summary="Right-size the workload: of the class that is evicted last, within the team's share.",
    answers={"resources": RESOURCES},
    seconds=15,
)

"""e4-q2: a liveness probe that a restart answers."""

from graders.checks.e_kubernetes.trials import PROBE
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e4-q2",
    points=5,
    lab="e4",
    summary="Write a liveness probe that restarts a deadlocked pod and leaves every other pod alone.",
    answers={"liveness_probe": PROBE},
    seconds=12,
)

"""e4-q1: a startup probe that is patient enough, and not for ever."""

from graders.checks.e_kubernetes.trials import PROBE
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e4-q1",
    points=5,
    lab="e4",
    summary="Write a startup probe that lets a slow start finish and ends a start that hangs.",
    answers={"startup_probe": PROBE},
    seconds=8,
)

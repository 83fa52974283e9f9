"""e2-q3: a NodePool that has room for the peak, costs little in the quiet, and has an end."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e2-q3",
    points=6,
    lab="e2",
    summary="Write a NodePool: every pod of the peak runs, the quiet is cheap, and a runaway meets a limit.",
    answers={"pool": {"type": "object", "minProperties": 1, "description": "a NodePool as a Python dict"}},
    seconds=45,
)

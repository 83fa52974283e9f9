"""a2-q2: durability, as functions."""

from graders.exercise import Exercise, Returns

EXERCISE = Exercise(
    id="a2-q2",
    points=4,
    summary="Compute which share of objects is lost, and how many copies a durability needs.",
    answers={
        "lost": Returns({"type": "number", "minimum": 0, "maximum": 1}),
        "copies": Returns({"type": "integer", "minimum": 1, "maximum": 20}),
    },
)

"""a3-q2: an objective that history supports, and a threshold for fast."""

from graders.exercise import Exercise, Returns

EXERCISE = Exercise(
    id="a3-q2",
    points=4,
    summary="Choose the strictest objective that every four weeks of history met, and the latency that it holds for.",
    answers={
        "strictest": Returns({"type": ["number", "null"]}),
        "threshold": Returns({"type": ["number", "null"]}),
    },
)

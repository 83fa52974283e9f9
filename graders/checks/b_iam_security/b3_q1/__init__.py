"""b3-q1: event selectors that show the deploy job's data events and no others."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b3-q1",
    points=4,
    lab="b3",
    summary="Let a trail log the data events of one job, keep its management events, and pay for nothing else.",
    answers={
        "selectors": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object"},
            "description": "a list of advanced event selectors",
        }
    },
)

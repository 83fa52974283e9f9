"""e2-q1: how many pods each autoscaler sets first."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e2-q1",
    points=3,
    lab="e2",
    summary="Predict the first decision of six autoscalers.",
    answers={
        "replicas": {
            "type": "object",
            "patternProperties": {"^case-[1-6]$": {"type": "integer", "minimum": 0, "maximum": 20}},
            "additionalProperties": False,
            "description": 'a dict from case to a whole number, such as {"case-1": 2, "case-2": 4, …}',
        }
    },
    seconds=40,
)

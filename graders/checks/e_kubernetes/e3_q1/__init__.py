"""e3-q1: how many Ready pods each budget lets go."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e3-q1",
    points=3,
    lab="e3",
    summary="Predict what six budgets say under ALLOWED DISRUPTIONS.",
    answers={
        "allowed": {
            "type": "object",
            "patternProperties": {"^case-[1-6]$": {"type": "integer", "minimum": 0, "maximum": 9}},
            "additionalProperties": False,
            "description": 'a dict from case to a whole number, such as {"case-1": 1, "case-2": 0, …}',
        }
    },
    seconds=8,
)

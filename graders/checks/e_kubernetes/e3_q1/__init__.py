"""e3-q1: how many evictions each budget grants."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e3-q1",
    points=3,
    lab="e3",
    summary="Predict how many pods each of six budgets lets go at once.",
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

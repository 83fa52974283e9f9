"""h4-q1: what a client is answered at the end of a short story."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h4-q1",
    points=3,
    lab="h4",
    summary="Predict what real resolvers answer at the end of six stories.",
    answers={
        "answers": {
            "type": "object",
            "patternProperties": {"^case-[1-6]$": {"type": "string", "maxLength": 40}},
            "additionalProperties": False,
            "description": 'a dict from case to an address, "NXDOMAIN" or "NODATA"',
        }
    },
    seconds=8,
)

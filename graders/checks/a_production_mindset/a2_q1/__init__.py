"""a2-q1: series and parallel, from a run."""

from graders.exercise import Exercise

SHARE = {"type": "number", "minimum": 0, "maximum": 1}
NAMES = ("frontend", "backend", "shop", "claimed", "one_each")
EXERCISE = Exercise(
    id="a2-q1",
    points=4,
    lab="a2",
    summary="Availability of two tiers and of the shop, from the record of your own run, and what the formula claims.",
    answers={
        "availability": {
            "type": "object",
            "properties": dict.fromkeys(NAMES, SHARE),
            "required": list(NAMES),
            "additionalProperties": False,
            "description": "a dict of five shares from 0 to 1: " + ", ".join(NAMES),
        }
    },
    seconds=25,
)

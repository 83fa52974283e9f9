"""h3-q1: what clients find out about certificates."""

from graders.exercise import Exercise
from labs.scenarios.h_networking.handshakes import OUTCOMES

EXERCISE = Exercise(
    id="h3-q1",
    points=4,
    lab="h3",
    summary="Predict how eight handshakes end.",
    answers={
        "outcomes": {
            "type": "object",
            "patternProperties": {"^case-[1-8]$": {"enum": list(OUTCOMES)}},
            "additionalProperties": False,
            "description": f'a dict from case to one of {", ".join(OUTCOMES)}, such as {{"case-1": "ok", …}}',
        }
    },
    seconds=10,
)

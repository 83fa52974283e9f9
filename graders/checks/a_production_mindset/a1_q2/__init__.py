"""a1-q2: what customers notice."""

from graders.exercise import Exercise
from labs.scenarios.a_production_mindset.trial import OUTCOMES

EXERCISE = Exercise(
    id="a1-q2",
    points=3,
    lab="a1",
    summary="Review six ways to run the build: what do customers notice?",
    answers={
        "noticed": {
            "type": "object",
            "patternProperties": {"^case-[1-6]$": {"enum": list(OUTCOMES)}},
            "additionalProperties": False,
            "description": 'a dict from case to "nothing", "failed requests", "lost carts" or "both"',
        }
    },
    seconds=20,
)

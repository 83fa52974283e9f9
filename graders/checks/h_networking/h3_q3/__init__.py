"""h3-q3: a certificate of another authority takes over while customers come."""

from graders.exercise import Exercise
from labs.scenarios.h_networking.rotation import STEPS

EXERCISE = Exercise(
    id="h3-q3",
    points=6,
    lab="h3",
    summary="Replace a certificate under load without a failed request, and its record in ACM.",
    answers={
        "plan": {
            "type": "array",
            "items": {"enum": list(STEPS)},
            "minItems": 1,
            "maxItems": 12,
            "description": "a list of steps, each one of the lab's",
        }
    },
    seconds=15,
)

"""h1-q1: where the way of a request ends, and what the browser gets."""

from graders.checks.h_networking.h1_q1.truth import ANSWERS, HOPS
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h1-q1",
    points=3,
    lab="h1",
    summary="Predict for each fault at which hop the way ends, and what the browser gets.",
    answers={
        "predictions": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2, "prefixItems": [
                {"enum": ["", *HOPS]}, {"enum": ["", *ANSWERS]}]},
            "description": "a dict: fault to [hop, what the browser gets], words from the lists in the text",
        }
    },
    seconds=12,
)

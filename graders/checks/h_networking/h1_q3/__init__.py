"""h1-q3: three faults before the ingress, repaired by calls of AWS's API."""

from graders.exercise import Exercise
from labs.scenarios.h_networking.front import CALLS

EXERCISE = Exercise(
    id="h1-q3",
    points=5,
    lab="h1",
    summary="Repair name, entrance and target of the shop's front on AWS.",
    answers={
        "calls": {
            "type": "array",
            "minItems": 1,
            "maxItems": 10,
            "items": {
                "type": "object",
                "required": ["service", "call", "with"],
                "additionalProperties": False,
                "properties": {"service": {"enum": list(CALLS)}, "call": {"type": "string"},
                               "with": {"type": "object"}},
            },
            "description": 'a list of {"service", "call", "with"}: calls of boto3, in order',
        }
    },
    seconds=25,
)

"""b6-q1: predict what eight requests to the instance metadata service get."""

from graders.exercise import Exercise

OUTCOMES = ["credentials", "401", "no answer"]

EXERCISE = Exercise(
    id="b6-q1",
    points=4,
    lab="b6",
    summary="Predict what eight requests for the node role's credentials get.",
    answers={
        "predictions": {
            "type": "object",
            "description": 'a dict such as {"case-1": "credentials", "case-2": "401", "case-3": "no answer", …}',
            "patternProperties": {
                "^case-[1-8]$": {"enum": OUTCOMES, "description": f"one of {', '.join(OUTCOMES)}"}
            },
            "additionalProperties": False,
        }
    },
)

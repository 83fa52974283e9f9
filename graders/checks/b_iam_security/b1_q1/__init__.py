"""b1-q1: predict eight verdicts, and the policy type that decides."""

from graders.exercise import Exercise

TYPES = [
    "identity-based policy",
    "resource-based policy",
    "permissions boundary",
    "session policy",
    "service control policy",
    "resource control policy",
    "VPC endpoint policy",
]
VERDICTS = ["allow", "implicit deny", "explicit deny"]

EXERCISE = Exercise(
    id="b1-q1",
    points=4,
    lab="b1",
    summary="Predict the verdict and the deciding policy type of eight requests.",
    answers={
        "predictions": {
            "type": "object",
            "description": 'a dict such as {"case-1": {"verdict": "allow", "by": "identity-based policy"}, …}',
            "patternProperties": {
                "^case-[1-8]$": {
                    "type": "object",
                    "required": ["verdict", "by"],
                    "properties": {
                        "verdict": {"enum": VERDICTS, "description": f"one of {', '.join(VERDICTS)}"},
                        "by": {"enum": TYPES, "description": f"one of {', '.join(TYPES)}"},
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        }
    },
)

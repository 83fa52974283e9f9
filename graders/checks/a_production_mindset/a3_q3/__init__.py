"""a3-q3: alerts that a bad day sets off, and a good one does not."""

from graders.exercise import Exercise

RULE = {
    "type": "object",
    "properties": {
        "severity": {"enum": ["page", "ticket"]},
        "long": {"type": "number", "minimum": 1, "maximum": 10080},
        "short": {"type": "number", "minimum": 1, "maximum": 10080},
        "burn_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000},
    },
    "required": ["severity", "long", "short", "burn_rate"],
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a3-q3",
    points=8,
    lab="a3",
    summary="Write an alert policy: in time on a fast and on a slow burn, silent on noise and after the recovery.",
    answers={
        "policy": {"type": "array", "items": RULE, "minItems": 1, "maxItems": 6,
                   "description": "a list of rules, each a dict with severity, long, short and burn_rate"},
    },
)

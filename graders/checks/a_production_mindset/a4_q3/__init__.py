"""a4-q3: an alert and a runbook that end outages by themselves."""

from graders.exercise import Exercise

ALERT = {
    "type": "object",
    "properties": {
        "seen_by": {"enum": ["customers", "pods"]},
        "seconds": {"type": "number", "minimum": 0.5, "maximum": 60},
        "failed_share": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    },
    "required": ["seen_by", "seconds", "failed_share"],
    "additionalProperties": False,
    "description": "a dict with seen_by, seconds and failed_share",
}
STEP = {
    "type": "object",
    "properties": {
        "if": {
            "type": "object",
            "properties": {
                "pods_missing": {"type": "boolean"},
                "changed_within": {"type": "number", "minimum": 0, "maximum": 86400},
                "failing": {"enum": ["none", "some", "all"]},
            },
            "additionalProperties": False,
        },
        "do": {"enum": ["rollback", "restart", "scale", "wait"]},
    },
    "required": ["if", "do"],
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a4-q3",
    points=9,
    lab="a4",
    summary="Write an alert and a runbook: every outage ends in time by its own action, and a blip needs none.",
    answers={
        "alert": ALERT,
        "runbook": {"type": "array", "items": STEP, "minItems": 1, "maxItems": 8,
                    "description": "a list of steps, each a dict with if and do"},
    },
    seconds=30,
)

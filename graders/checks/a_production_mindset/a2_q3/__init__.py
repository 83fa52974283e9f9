"""a2-q3: four pods, placed so that no rack is needed."""

from graders.exercise import Exercise

TIER = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer", "minimum": 1, "maximum": 4},
        "spread": {"type": "array", "items": {"type": "object"}, "maxItems": 3},
    },
    "required": ["replicas", "spread"],
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a2-q3",
    points=5,
    lab="a2",
    summary="Place four pods of two tiers so that customers do not notice the loss of a rack.",
    answers={
        "plan": {
            "type": "object",
            "properties": {"frontend": TIER, "backend": TIER},
            "required": ["frontend", "backend"],
            "additionalProperties": False,
            "description": "a dict with frontend and backend, each with replicas and spread, a list of constraints",
        }
    },
    seconds=35,
)

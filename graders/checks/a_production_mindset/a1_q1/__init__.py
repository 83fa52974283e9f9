"""a1-q1: three environments from one base."""

from graders.exercise import Exercise

MERGED = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "behavior": {"const": "merge"},
                   "literals": {"type": "array", "items": {"type": "string"}, "maxItems": 20}},
    "required": ["name", "behavior", "literals"],
    "additionalProperties": False,
}
PATCH = {
    "type": "object",
    "properties": {"target": {"type": "object", "additionalProperties": {"type": "string"}},
                   "patch": {"type": ["string", "object", "array"]}},
    "required": ["patch"],
    "additionalProperties": False,
}
OVERLAY = {
    "type": "object",
    "properties": {
        "replicas": {"type": "array", "maxItems": 2, "items": {
            "type": "object", "properties": {"name": {"type": "string"},
                                             "count": {"type": "integer", "minimum": 0, "maximum": 5}},
            "required": ["name", "count"], "additionalProperties": False}},
        "configMapGenerator": {"type": "array", "items": MERGED, "maxItems": 4},
        "patches": {"type": "array", "items": PATCH, "maxItems": 10},
    },
    "additionalProperties": False,
}
EXERCISE = Exercise(
    id="a1-q1",
    points=6,
    lab="a1",
    summary="Write the overlays of three environments, which differ where they must and nowhere else.",
    answers={
        "overlays": {
            "type": "object",
            "properties": dict.fromkeys(("dev", "staging", "prod"), OVERLAY),
            "required": ["dev", "staging", "prod"],
            "additionalProperties": False,
            "description": "a dict with dev, staging and prod, each a dict of a kustomization's replicas, "
                           "configMapGenerator (name, behavior, literals) and patches (target, patch)",
        },
    },
    seconds=15,
)

"""e3-q2: a budget and a spread under maintenance, and when a rack loses its power."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e3-q2",
    points=6,
    lab="e3",
    summary="Write a budget and topology spread constraints with which neither maintenance nor a lost rack is noticed.",
    answers={
        "budget": {"type": "object", "minProperties": 1, "description": "a PodDisruptionBudget as a Python dict"},
        "spread": {"type": "array", "items": {"type": "object"}, "maxItems": 4,
                   "description": "a list of topologySpreadConstraints, each a dict"},
    },
    seconds=25,
)

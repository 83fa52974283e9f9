"""e3-q3: budgets that block a drain, put right."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e3-q3",
    points=6,
    lab="e3",
    summary="Put three teams' budgets right, so that maintenance ends and one pod of each workload stays Ready.",
    answers={
        "budgets": {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": 6,
            "description": "a list of PodDisruptionBudgets, each a dict: all that shall be there",
        }
    },
    seconds=20,
)

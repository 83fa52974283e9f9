"""a1-q3: a manifest made ready for production."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="a1-q3",
    points=6,
    lab="a1",
    summary="Repair a manifest so that it survives load, a restart and a drain.",
    answers={
        "repair": {"type": "object", "minProperties": 1, "additionalProperties": False,
                   "properties": {"spec": {"type": "object"}, "metadata": {"type": "object"}},
                   "description": "a strategic merge patch of the Deployment, as a dict"},
        "budget": {"type": "object", "minProperties": 1, "description": "a PodDisruptionBudget as a dict"},
    },
    seconds=25,
)

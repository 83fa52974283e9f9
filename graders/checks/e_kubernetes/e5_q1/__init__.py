"""e5-q1: what is wrong with each workload of the room."""

from graders.exercise import Exercise
from labs.scenarios.e_kubernetes.e5 import CAUSES

EXERCISE = Exercise(
    id="e5-q1",
    points=7,
    lab="e5",
    summary="Name the root cause of every broken workload.",
    answers={
        "causes": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"enum": ["", *CAUSES]},
            "description": "a dict: workload to one of the causes in values",
        }
    },
)

"""b6-q7: network policies under which the shop works and an intruder reaches nothing else."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b6-q7",
    points=6,
    lab="b6-cluster",
    summary="Write network policies that allow each workload the connections it needs, and nobody anything else.",
    answers={
        "policies": {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": 20,
            "description": "a list of NetworkPolicies, each a dict",
        }
    },
    seconds=12,
)

"""e5-q2: repairs that bring every workload back, and keep it."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e5-q2",
    points=8,
    lab="e5",
    summary="Write a repair for every workload of the room: a patch, or a whole manifest.",
    answers={
        "repairs": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object"},
            "description": "a dict: workload to a patch of its Deployment, or to a whole manifest",
        }
    },
    seconds=25,
)

"""e2-q2: an autoscaler for a load that comes, pauses and goes."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="e2-q2",
    points=6,
    lab="e2",
    summary="Write an autoscaler that follows the load up within bounds, sits out a lull, and comes down again.",
    answers={
        "autoscaler": {"type": "object", "minProperties": 1,
                       "description": "a HorizontalPodAutoscaler as a Python dict"},
    },
    seconds=60,
)

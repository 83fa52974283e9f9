"""h2-q2: an Ingress of which a controller makes a load balancer of AWS."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h2-q2",
    points=6,
    lab="h2",
    summary="Write an Ingress of the class alb: paths, weights, a header, health checks that fit.",
    answers={
        "ingress": {"type": "object", "minProperties": 1, "description": "an Ingress as a Python dict"},
    },
    seconds=15,
)

"""h2-q1: predict who answers eight requests to an Ingress."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h2-q1",
    points=4,
    lab="h2",
    summary="Predict who answers eight requests to an Ingress.",
    answers={
        "predictions": {
            "type": "object",
            "description": 'a dict such as {"case-1": "storefront", "case-2": "404", …}',
            "patternProperties": {
                "^case-[1-8]$": {"type": "string", "maxLength": 60, "description": "a Service's name, 404 or 503"}
            },
            "additionalProperties": False,
        }
    },
    seconds=6,
)

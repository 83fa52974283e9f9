"""b6-q2: metadata options under which a pod gets nothing and the node still works."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b6-q2",
    points=3,
    lab="b6",
    summary="Choose metadata options that keep the pod network away from the node role's credentials.",
    answers={
        "metadata_options": {
            "type": "object",
            "minProperties": 1,
            "description": "HttpTokens, HttpPutResponseHopLimit (a number) and the like, without the instance",
            "properties": {
                "HttpTokens": {"type": "string"},
                "HttpPutResponseHopLimit": {"type": "integer"},
                "HttpEndpoint": {"type": "string"},
            },
            "additionalProperties": False,
        }
    },
)

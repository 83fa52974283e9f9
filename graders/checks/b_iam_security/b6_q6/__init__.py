"""b6-q6: a level of Pod Security for the namespace, and pods that keep to it."""

from graders.exercise import Exercise

CONTEXT = {"type": "object", "description": "a securityContext as a dict"}
EXERCISE = Exercise(
    id="b6-q6",
    points=6,
    lab="b6-cluster",
    summary="Choose the namespace's Pod Security labels, and security contexts with which the shop's pods pass them.",
    answers={
        "namespace_labels": {
            "type": "object",
            "minProperties": 1,
            "description": "labels pod-security.kubernetes.io/… of the namespace",
            "patternProperties": {
                r"^pod-security\.kubernetes\.io/(enforce|audit|warn)(-version)?$": {"type": "string"},
            },
            "additionalProperties": False,
        },
        "pod_security": CONTEXT,
        "container_security": CONTEXT,
    },
    seconds=8,
)

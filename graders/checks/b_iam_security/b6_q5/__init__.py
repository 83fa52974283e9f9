"""b6-q5: an account in the cluster that may do what its pods do, and no token where none is used."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b6-q5",
    points=6,
    lab="b6-cluster",
    summary="Write the Role of the compromised pod, and give no token to pods that need none.",
    answers={
        "access": {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": 12,
            "description": "a list of Roles, RoleBindings and ServiceAccounts, each a dict: all that you change",
        }
    },
    seconds=8,
)

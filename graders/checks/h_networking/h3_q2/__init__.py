"""h3-q2: a certificate that cert-manager issues and renews."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h3-q2",
    points=6,
    lab="h3",
    summary="Have two hosts served with a certificate of the internal authority that is renewed in time.",
    answers={
        "manifests": {
            "type": "array",
            "items": {"type": "object"},
            "minItems": 1,
            "maxItems": 6,
            "description": "a list of manifests, each a dict: a Certificate, an Ingress",
        }
    },
    seconds=10,
)

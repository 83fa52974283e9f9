"""h1-q2: five faults of one night, repaired, and nothing else opened."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="h1-q2",
    points=8,
    lab="h1",
    summary="Repair the five faults between the browser and the backend.",
    answers={
        "repairs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 12,
            "items": {"type": "object"},
            "description": "a list of manifests, or of parts of objects (without apiVersion) as patches",
        }
    },
    seconds=20,
)

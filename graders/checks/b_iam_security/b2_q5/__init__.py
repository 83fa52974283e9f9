"""b2-q5: the last access keys go, and nothing stops."""

from graders.exercise import Exercise

STEP = {
    "type": "array",
    "items": {"type": "string", "maxLength": 80},
    "maxItems": 40,
    "description": 'a list of steps such as "switch app" or "delete former"',
}
EXERCISE = Exercise(
    id="b2-q5",
    points=4,
    lab="b2",
    summary="Put the steps that retire the last access keys in order.",
    answers={"steps": STEP},
)

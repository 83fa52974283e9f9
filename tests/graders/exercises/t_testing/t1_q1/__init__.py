"""A small exercise for the graders' own tests: list the even numbers below ten."""

from graders.exercise import Exercise

EXERCISE = Exercise(
    id="t1-q1",
    points=3,
    summary="List the even numbers below ten.",
    answers={"evens": {"type": "array", "items": {"type": "integer"}, "description": "a list of whole numbers"}},
)

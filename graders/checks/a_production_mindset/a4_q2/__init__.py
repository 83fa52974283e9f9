"""a4-q2: what to do first, from evidence."""

from graders.exercise import Exercise, Returns

EXERCISE = Exercise(
    id="a4-q2",
    points=5,
    summary="Write the function that names the first mitigation from what is known.",
    answers={"first_action": Returns({"enum": ["rollback", "restart", "scale", "wait"]})},
)

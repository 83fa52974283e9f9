"""b5-q1: the two steps of a rotation that customers do not notice."""

from graders.checks.b_iam_security.shop_checks import SOURCE
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b5-q1",
    points=6,
    lab="b5",
    seconds=10,
    summary="Write createSecret and finishSecret of a rotation with alternating users.",
    answers={"steps": SOURCE},
)

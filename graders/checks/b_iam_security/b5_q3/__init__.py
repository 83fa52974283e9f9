"""b5-q3: how the shop gets its connections while passwords change."""

from graders.checks.b_iam_security.shop_checks import SOURCE
from graders.exercise import Exercise

EXERCISE = Exercise(
    id="b5-q3",
    points=4,
    lab="b5",
    seconds=15,
    summary="Write the function with which the shop connects: cached, refreshed after a rejection, never insistent.",
    answers={"connect_source": SOURCE},
)

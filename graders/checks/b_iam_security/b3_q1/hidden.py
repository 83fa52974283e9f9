"""Everybody else's traffic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b3_q1.calls import Day, of_the_job, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        day = Day(answer["selectors"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    values = day.values
    working = all(one.passed for one in of_the_job(day, 0))
    for name, resource, points in (
        ("the log bucket itself", "logs", 0.8),
        ("the checkout's invocations", "checkout", 0.6),
        ("the shop's orders", "orders", 0.6),
    ):
        yield day.lacks(name, values[resource], points, working)

"""The job's events, and the customers' bucket."""

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
    found = of_the_job(day, 0.25)
    yield from found
    working = all(one.passed for one in found)
    yield day.lacks("the customers' bucket", day.values["photos"], 0.75, working)

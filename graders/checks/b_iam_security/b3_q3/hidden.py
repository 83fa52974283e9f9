"""The end of a month, and every other door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b3_jobs import OTHER_HINT, Job
from graders.checks.b_iam_security.b3_q3.calls import CHECKOUT_HINT, borrowed, creates_another, stops_the_trail
from graders.checks.b_iam_security.probes import judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        job = Job({"deploy": answer["policy"]}, live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        work=[*job.work({}, 0.0), job.monthly(0.2)],
        attacks=[
            *borrowed(job, 0.2),
            creates_another(job, 0.2),
            job.on_checkout("a thief deletes the checkout", "delete_function", 0.2, CHECKOUT_HINT),
            job.passes_owner(0.2),
            job.passes_to_another_service(0.2),
            job.deletes_the_build(0.1),
            job.overwrites_the_build(0.1),
            job.lists(0.1),
            job.on_checkout("a thief calls the checkout", "invoke", 0.1, OTHER_HINT),
            job.sends_an_order(0.1),
            stops_the_trail(job, 0.1),
        ],
    )

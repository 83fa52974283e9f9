"""The end of a month, and more ways in which additions reach too far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b3_jobs import OTHER_HINT, Job, generated
from graders.checks.b_iam_security.probes import judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        job = Job({"generated": generated(live), "additions": answer["additions"]}, live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        work=[*job.work({}, 0.0), job.monthly(0.4)],
        attacks=[
            job.passes_to_another_service(0.4),
            job.overwrites_the_build(0.3),
            job.lists(0.3),
            job.reads("a thief reads a customer's photo", "photos", "customer-1.txt", 0.2, OTHER_HINT),
            job.on_checkout("a thief calls the checkout", "invoke", 0.2, OTHER_HINT),
            job.sends_an_order(0.2),
        ],
    )

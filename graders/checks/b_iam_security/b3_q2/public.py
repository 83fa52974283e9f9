"""A night with the generated policy and the additions, and two ways in which additions reach too far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b3_jobs import FOLDER_HINT, Job, generated
from graders.checks.b_iam_security.probes import judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        job = Job({"generated": generated(live), "additions": answer["additions"]}, live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 3)
        return
    seen = dict.fromkeys(("finds the queue", "lists functions", "deletes the canary"), 0.0)
    yield from judge(
        work=job.work({**seen, "creates the canary": 0.4}, 0.2),
        attacks=[
            job.reads("a thief reads the signing key", "bucket", "keys/signing.pem", 0.8, FOLDER_HINT),
            job.passes_owner(0.8),
        ],
    )

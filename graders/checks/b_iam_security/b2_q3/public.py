"""A push to the main branch, and a fork's job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q3.calls import FORK_HINT, NAME_HINT, Publish
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        publish = Publish(answer["ci_trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        work=[
            Probe(f"a push to main of {publish.repository} takes the role", publish.job(), 1, NAME_HINT),
        ],
        attacks=[
            Probe(
                f"a job of the fork {publish.values['fork']} takes the role",
                publish.job(publish.values["fork"]),
                1,
                FORK_HINT,
            )
        ],
    )

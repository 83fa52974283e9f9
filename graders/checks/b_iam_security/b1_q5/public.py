"""The vendor's call for us, and the same call made for another customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q5.calls import ID_HINT, NAME_HINT, Images
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        images = Images(answer["trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    deputy = images.vendor("deputy")
    ours = images.external_id
    yield from judge(
        work=[
            Probe(
                f"the vendor's deputy assumes the role with external id {ours}",
                images.assume(deputy, ours),
                1,
                NAME_HINT,
            )
        ],
        attacks=[Probe("the deputy assumes it without an external id", images.assume(deputy), 1, ID_HINT)],
    )

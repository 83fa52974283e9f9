"""The two agreed findings, and one that nobody agreed to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q2.calls import Review
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        review = Review(answer["archive_filter"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    values = review.values
    agreed = [
        review.archived("the partner's role and the site bucket", values["site"], values["sync"], 0.5),
        review.archived("the partner's role and the queue", values["queue"], values["sync"], 0.5),
    ]
    yield from agreed
    yield review.active(
        "the contractor's account and the support role",
        values["support"],
        values["contractor_account"],
        1,
        all(one.passed for one in agreed),
        "The filter fits a finding that nobody agreed to: name the principal and the resources that were agreed.",
    )

"""Another customer's external id, and other callers with ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q5.calls import ID_HINT, NAME_HINT, PRINCIPAL_HINT, Images
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding
from labs.scenarios.creation import access_key


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        images = Images(answer["trust_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    ours, deputy, intern, stranger = (
        images.external_id,
        images.vendor("deputy"),
        images.vendor("intern"),
        images.stranger(),
    )
    operator = images.aws.client_as("sts", **access_key(images.aws, images.values["operator"]))
    longer = "StringLike with * takes more than one id: compare with StringEquals."
    yield from judge(
        work=[Probe("the deputy assumes the role for us once more", images.assume(deputy, ours), 0.2, NAME_HINT)],
        attacks=[
            Probe(
                "the deputy assumes it for another customer", images.assume(deputy, "rival-20417cc8a1"), 0.5, ID_HINT
            ),
            Probe("the deputy assumes it with a longer id", images.assume(deputy, f"{ours}-2"), 0.3, longer),
            Probe(
                "the vendor's intern assumes it with our external id", images.assume(intern, ours), 0.4, PRINCIPAL_HINT
            ),
            Probe(
                "a role of a third account assumes it with our external id",
                images.assume(stranger, ours),
                0.4,
                PRINCIPAL_HINT,
            ),
            Probe(
                "a user of our own account assumes it with our external id",
                images.assume(operator, ours),
                0.2,
                PRINCIPAL_HINT,
            ),
        ],
    )

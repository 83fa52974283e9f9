"""Three mistakes that somebody makes after the rule was written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q2.calls import Review
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding

PARTNER_HINT = "The filter fits every principal of the partner: compare the whole ARN of the agreed role."
PUBLIC_HINT = "The filter archives a public bucket: it must name the principal too, not the resource alone."
ROLE_HINT = "The filter trusts this role everywhere: it must name the agreed resources too."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        review = Review(answer["archive_filter"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    values = review.values
    agreed = [review.status(values[name], values["sync"]) for name in ("site", "queue")]
    working = agreed == ["ARCHIVED", "ARCHIVED"]
    review.trainee_gets_the_queue()
    review.site_becomes_public()
    review.partner_gets_the_archive()
    for name, resource, who, points, hint in (
        ("later the partner's trainee gets at the queue", "queue", values["trainee"], 0.7, PARTNER_HINT),
        ("later everybody gets at the site bucket", "site", "*", 0.7, PUBLIC_HINT),
        ("later the partner's role gets at another bucket", "archive", values["sync"], 0.6, ROLE_HINT),
    ):
        yield review.active(name, values[resource], who, points, working, hint)

"""The pages read their file; an intruder in the same pod reads the customers' data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b6_q4.pages import WIDE_HINT, hardened, reading
from graders.checks.b_iam_security.doors import call, judge
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import SECRET


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with hardened(answer, live) as (_, site):
            page = f"{site.values['folder']}/list.json"
            seen = site.intrude("environment", keys=(page, SECRET), role=site.values["pod_role"])["environment"]
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    secret = seen.get("reads", {}).get(SECRET, "not tried")
    yield from judge(
        [reading(f"the pages' pod reads {page}", 1, seen, page, answer["trust_policy"])],
        [call(f"an intruder in that pod reads {SECRET}", 1, secret, "AWS denies this call", WIDE_HINT)],
    )

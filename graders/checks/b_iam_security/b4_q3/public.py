"""The incident as the learner saw it, in a fresh account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q3.calls import Search
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    search = Search(live)
    try:
        records = search.found(answer["lookup"], answer["match"])
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield search.finding("the search finds the event that opened the bucket, and no other", records, 2)

"""The partner's nightly call (it worked before, so it earns nothing by itself), and the finding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q1.calls import WORK_HINT, Site
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        site = Site(answer["bucket_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    call = site.read(site.as_("partner"))
    work = list(judge([Probe(f"the partner reads {site.values['report']}", call, 0, WORK_HINT)], []))
    yield from work
    yield site.resolved(2, working=all(finding.passed for finding in work))

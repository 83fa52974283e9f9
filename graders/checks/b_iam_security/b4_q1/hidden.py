"""Other roles of the partner, other keys, writing, and strangers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q1.calls import WIDE_HINT, WORK_HINT, Site
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        site = Site(answer["bucket_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    site.aws.client("s3").put_object(Bucket=site.name, Key="reports/next-week.csv", Body=b"order,parcel\n")
    partner, instance = site.as_("partner"), site.as_("instance")
    reports = "Reports are agreed: end the Resource with the folder, not with the bucket."
    yield from judge(
        work=[
            Probe("the partner reads next week's report", site.read(partner, "reports/next-week.csv"), 0, WORK_HINT),
            Probe("the web server still writes cart.js", site.write(instance), 0),
        ],
        attacks=[
            Probe("the partner's trainee reads the report", site.read(site.as_("trainee")), 0.6, WIDE_HINT),
            Probe("the partner reads cart.js", site.read(partner, "cart.js"), 0.5, reports),
            Probe(
                "the partner overwrites its report",
                site.write(partner, site.values["report"]),
                0.4,
                "Reading is agreed: name that one action.",
            ),
            Probe(
                "the partner lists the bucket",
                partial(partner.list_objects_v2, Bucket=site.name),
                0.1,
                "Reading objects is agreed: s3:ListBucket would show every name in the bucket.",
            ),
            Probe("a stranger reads the report", site.read(site.stranger()), 0.2, WIDE_HINT),
            Probe("a stranger overwrites cart.js", site.write(site.stranger()), 0.2, WIDE_HINT),
        ],
    )

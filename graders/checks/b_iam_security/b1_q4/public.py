"""The lead's work, and the two plainest ways out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q4.calls import BOUNDARY_HINT, CREATE_HINT, UNBOUNDED_HINT, WORK_HINT, Lead
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        lead = Lead(answer["boundary"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    bucket, role = lead.values["bucket"], lead.values["app_role"]
    yield from judge(
        work=[
            Probe(
                "the lead writes to the media bucket",
                lambda: lead.s3.put_object(Bucket=bucket, Key="banner.txt", Body=b"sale"),
                0.25,
                WORK_HINT,
            ),
            Probe(
                f"the lead creates {role} with the boundary", lambda: lead.create_role(role, lead.arn), 0.5, CREATE_HINT
            ),
            Probe(f"the lead writes a policy for {role}", lambda: lead.grant(role), 0.25, CREATE_HINT),
        ],
        attacks=[
            Probe(
                "the lead creates a role without the boundary",
                lambda: lead.create_role(f"free-{lead.values['suffix']}"),
                0.5,
                UNBOUNDED_HINT,
            ),
            Probe(
                "the lead takes the boundary off",
                lambda: lead.iam.delete_user_permissions_boundary(UserName=lead.name),
                0.5,
                BOUNDARY_HINT,
            ),
        ],
    )

"""More work, and the longer ways out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b1_q4.calls import BOUNDARY_HINT, CREATE_HINT, UNBOUNDED_HINT, WORK_HINT, Lead
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b1 import ADMINISTRATOR, queue_url
from labs.scenarios.b_iam_security.cases import allow, document

EVERYTHING = json.dumps(document(allow("*")))


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        lead = Lead(answer["boundary"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    iam, values = lead.iam, lead.values
    role, free, operator = f"batch-{values['suffix']}", f"free-{values['suffix']}", values["operator"]
    queue = queue_url(lead.aws, values["queue"])
    yield from judge(
        work=[
            Probe(
                "the lead sends an order",
                lambda: lead.sqs.send_message(QueueUrl=queue, MessageBody="1"),
                0.2,
                WORK_HINT,
            ),
            Probe(
                f"the lead creates {role} with the boundary", lambda: lead.create_role(role, lead.arn), 0.2, CREATE_HINT
            ),
        ],
        attacks=[
            Probe(
                "the lead creates a role with another boundary",
                lambda: lead.create_role(free, ADMINISTRATOR),
                0.3,
                UNBOUNDED_HINT,
            ),
            Probe(
                "the lead writes a policy for a role without the boundary",
                lambda: lead.grant(values["images"]),
                0.2,
                UNBOUNDED_HINT,
            ),
            Probe(
                "the lead creates a user without the boundary",
                lambda: iam.create_user(UserName=free),
                0.2,
                UNBOUNDED_HINT,
            ),
            Probe(
                "the lead makes a key for a user without the boundary",
                lambda: iam.create_access_key(UserName=operator),
                0.2,
                "Keys of somebody without the boundary are a way out too.",
            ),
            Probe(
                "the lead rewrites the boundary",
                lambda: iam.create_policy_version(PolicyArn=lead.arn, PolicyDocument=EVERYTHING, SetAsDefault=True),
                0.4,
                BOUNDARY_HINT,
            ),
            Probe(
                "the lead replaces the boundary",
                lambda: iam.put_user_permissions_boundary(UserName=lead.name, PermissionsBoundary=ADMINISTRATOR),
                0.3,
                BOUNDARY_HINT,
            ),
        ],
    )

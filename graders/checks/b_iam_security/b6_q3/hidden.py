"""The rest of the work, and what else a thief would try."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b6_q3.theft import (
    AGENT_HINT,
    CLOSED,
    FILES_HINT,
    NEEDED,
    WIDE_HINT,
    WORK_HINT,
    Theft,
)
from graders.checks.b_iam_security.doors import Tried, call, judge
from graders.checks.b_iam_security.probes import account_of, refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import ensure_role


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    aws, values = account_of(live)
    deploy = f"deploy-{values['suffix']}"
    everybody = {"Effect": "Allow", "Principal": {"AWS": aws.account}, "Action": "sts:AssumeRole"}
    ensure_role(aws, deploy, document(everybody), {"all": document(allow("*"))})
    calls = [
        ("s3", "list_buckets", {}),
        ("ec2", "describe_security_groups", {}),
        ("ecr", "create_repository", {"repositoryName": f"mine-{values['suffix']}"}),
        ("sts", "assume_role", {"RoleArn": f"arn:aws:iam::{aws.account}:role/{deploy}", "RoleSessionName": "me"}),
    ]
    try:
        theft = Theft(answer["node_policy"], live, calls, agent=True)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    names = [
        "lists the account's buckets",
        "describes security groups",
        "creates a repository",
        "assumes the deployment's role",
    ]
    yield from judge(
        [
            call("the node describes subnets", 0.25, theft.subnets, NEEDED, WORK_HINT),
            Tried("the node's agent gets a pod's own credentials", 0.25, theft.agent, theft.agent == "credentials",
                  "credentials", AGENT_HINT),
        ],
        [
            call(f"the thief reads {theft.page}", 0.5, theft.file, CLOSED, FILES_HINT),
            *(call(f"the thief {name}", 0.25, said, CLOSED, WIDE_HINT)
              for name, said in zip(names, theft.more, strict=True)),
        ],
    )

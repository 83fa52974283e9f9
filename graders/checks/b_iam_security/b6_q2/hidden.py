"""A program on the host network that speaks version 1 only, and a pod with an identity of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from graders.checks.b_iam_security.b6_q2.attempts import NODE_HINT, attack, refused
from graders.checks.b_iam_security.doors import Tried, judge
from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import NODE_WORK, pages_policy, pod_trust, site, trust
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import ensure_role


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    aws, values = account_of(live)
    ensure_role(aws, values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]),
                {"node": document(allow(NODE_WORK))})
    ensure_role(aws, values["pod_role"], pod_trust(values), {"pages": pages_policy(values)})
    try:
        there = site(aws, values, **answer["metadata_options"])
    except ClientError as error:
        yield refused(error, 1)
        return
    with there:
        got = there.intrude("environment", role=values["pod_role"], use=False)["environment"]["got"]
        own = Tried("a pod with a role of its own gets that role's credentials", 0, got, got == "credentials",
                    "credentials", NODE_HINT)
        yield from judge([own], [attack(there, 1, 1, host_network=True)])

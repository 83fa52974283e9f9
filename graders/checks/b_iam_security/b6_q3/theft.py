"""A pod with hostNetwork takes the node role's credentials and uses them."""

from __future__ import annotations

from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b6 import (
    HARDENED,
    NODE_CALLS,
    SECRET,
    pages_policy,
    pod_trust,
    site,
    trust,
)
from labs.scenarios.creation import ensure_role

WORK_HINT = (
    "The node's work is missing from the policy, or its Resource is too narrow: three of its "
    "four actions have no resource that could be named."
)
AGENT_HINT = (
    "The node's Pod Identity agent trades pods' tokens for credentials with the node role: that is part of the node's "
    "work."
)
FILES_HINT = (
    "The files are for the pages, not for the node: whatever the node role may read, every pod on the host network may "
    "read."
)
WIDE_HINT = "Some Allow covers more actions than the node's four: a stolen node role can do whatever it names."
NEEDED = "AWS allows this call"
CLOSED = "AWS denies this call"


class Theft:
    """What the stolen credentials of a node role with this policy can do.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any, calls: Any = (), *, agent: bool = False) -> None:
        aws, self.values = account_of(live)
        ensure_role(aws, self.values["node_role"], trust("ec2.amazonaws.com", ["sts:AssumeRole"]), {"node": policy})
        self.page = f"{self.values['folder']}/list.json"
        with site(aws, self.values, **HARDENED) as there:
            seen = there.intrude("v2", keys=(SECRET, self.page), calls=[*NODE_CALLS, *calls], host_network=True)["v2"]
            if agent:
                role = self.values["pod_role"]
                ensure_role(aws, role, pod_trust(self.values), {"pages": pages_policy(self.values)})
                self.agent = there.intrude("environment", role=role, use=False)["environment"]["got"]
        self.secret, self.file = seen["reads"][SECRET], seen["reads"][self.page]
        self.instances, self.subnets, self.registry = seen["calls"][:3]
        self.more = seen["calls"][3:]

"""A program on the host network that speaks version 1 only, and a pod with an identity of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q2.attempts import attack, refused
from graders.checks.b_iam_security.doors import Tried, judge
from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.cluster.metadata import checked
from labs.errors import PermanentError
from labs.scenarios.b_iam_security.b6 import pages_policy, pod_trust, site
from labs.scenarios.creation import ensure_role


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        options = checked(answer["metadata_options"])
    except PermanentError as error:
        yield refused(error, 1)
        return
    aws, values = account_of(live)
    ensure_role(aws, values["pod_role"], pod_trust(values), {"pages": pages_policy(values)})
    with site(aws, values, **options) as there:
        got = there.intrude("environment", role=values["pod_role"], use=False)["environment"]["got"]
        own = Tried("a pod with a role of its own gets that role's credentials", 0, got, got == "credentials",
                    "credentials", "Pod Identity does not pass through the metadata service; leave it as it is.")
        yield from judge([own], [attack(there, 1, 1, host_network=True)])

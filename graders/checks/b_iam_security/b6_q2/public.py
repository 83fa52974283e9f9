"""A pod asks by version 1 and by version 2; the node's agent goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from graders.checks.b_iam_security.b6_q2.attempts import attack, node_agent, refused
from graders.checks.b_iam_security.doors import judge
from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import site


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        there = site(*account_of(live), **answer["metadata_options"])
    except ClientError as error:
        yield refused(error, 2)
        return
    with there:
        yield from judge([node_agent(there)], [attack(there, 1, 1), attack(there, 2, 1)])

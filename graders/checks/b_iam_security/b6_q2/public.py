"""A pod asks by version 1 and by version 2; the node's agent goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b6_q2.attempts import attack, node_agent, refused
from graders.checks.b_iam_security.doors import judge, unsupported
from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.cluster.metadata import checked
from labs.errors import PermanentError
from labs.scenarios.b_iam_security.b6 import site


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        options = checked(answer["metadata_options"])
    except PermanentError as error:
        yield refused(error, 2)
        return
    with site(*account_of(live), **options) as there:
        yield from judge([node_agent(there)], [attack(there, 1, 1), attack(there, 2, 1)])
    yield unsupported()

"""The node's work, and the customers' data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b6_q3.theft import CLOSED, FILES_HINT, NEEDED, WORK_HINT, Theft
from graders.checks.b_iam_security.doors import call, judge
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b6 import SECRET


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        theft = Theft(answer["node_policy"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    yield from judge(
        [
            call("the node describes instances", 0.5, theft.instances, NEEDED, WORK_HINT),
            call("the node logs in to the registry", 0.5, theft.registry, NEEDED, WORK_HINT),
        ],
        [call(f"a pod on the host network reads {SECRET} with the node role", 1, theft.secret, CLOSED, FILES_HINT)],
    )

"""The app's next session, and the stolen one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q4.calls import NEW_HINT, OLD_HINT, Theft
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        theft = Theft(answer["revocation"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    key = theft.values["key"]
    new = {"explicit deny": NEW_HINT}
    yield from judge(
        work=[Probe(f"a session opened afterwards reads {key}", lambda: theft.get(theft.fresh), 1, NEW_HINT, new)],
        attacks=[Probe(f"the stolen session reads {key}", lambda: theft.get(theft.thief), 1, OLD_HINT)],
    )

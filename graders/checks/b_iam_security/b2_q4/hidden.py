"""Whatever else the stolen session could do, and the app's own old session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b2_q4.calls import ALL_HINT, NEW_HINT, OLD_HINT, Theft
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
        work=[
            Probe(f"a session opened afterwards writes {key}", lambda: theft.put(theft.fresh), 0.3, NEW_HINT, new),
            Probe("a session opened afterwards lists", lambda: theft.list(theft.fresh), 0.2, NEW_HINT, new),
        ],
        attacks=[
            Probe(f"the stolen session writes {key}", lambda: theft.put(theft.thief), 0.6, ALL_HINT),
            Probe("the stolen session lists the bucket", lambda: theft.list(theft.thief), 0.5, ALL_HINT),
            Probe(f"an old session of the pod reads {key}", lambda: theft.get(theft.pod), 0.4, OLD_HINT),
        ],
    )

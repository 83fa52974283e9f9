"""The web server's work (it worked before, so it earns nothing by itself), and the thief's call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q4.calls import ALLOW_HINT, WORK_HINTS, Role
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        role = Role(answer["containment"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    egress, attacker = role.values["egress"], role.values["attacker"]
    yield from judge(
        work=[Probe(f"the web server reads cart.js from {egress}", role.read(role.from_(egress)), 0, hints=WORK_HINTS)],
        attacks=[Probe(f"the thief opens the bucket from {attacker}", role.open(role.from_(attacker)), 2, ALLOW_HINT)],
    )

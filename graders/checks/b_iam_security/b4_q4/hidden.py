"""Other addresses, other actions, the server's other work, and its next credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q4.calls import ACTION_HINT, ADDRESS_HINT, WORK_HINTS, Role
from graders.checks.b_iam_security.probes import Probe, judge, refused
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        role = Role(answer["containment"], live)
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    egress, attacker = role.values["egress"], role.values["attacker"]
    last = int(egress.rpartition(".")[2])
    neighbour = f"203.0.113.{last + 1 if last < 250 else last - 1}"
    home, away = role.from_(egress), role.from_(attacker)
    fresh = role.from_(egress, keys=role.new_session())
    wide = "The condition lets a whole network in: other customers of AWS have the addresses next to yours."
    yield from judge(
        work=[
            Probe("the web server writes cart.js", role.write(home), 0, hints=WORK_HINTS),
            Probe("it reads with its next credentials", role.read(fresh), 0, hints=WORK_HINTS),
            Probe("it lists queues", role.from_(egress, "sqs").list_queues, 0, hints=WORK_HINTS),
        ],
        attacks=[
            Probe("the thief opens the bucket from 192.0.2.77", role.open(role.from_("192.0.2.77")), 0.7, ADDRESS_HINT),
            Probe(f"the thief reads cart.js from {attacker}", role.read(away), 0.5, ACTION_HINT),
            Probe(f"the thief lists queues from {attacker}", role.from_(attacker, "sqs").list_queues, 0.3, ACTION_HINT),
            Probe(f"a neighbour at {neighbour} reads cart.js", role.read(role.from_(neighbour)), 0.5, wide),
        ],
    )

"""The next renewal, brought forward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h3_q2.served import Hosts, renewed
from graders.exercise import Finding

WITHIN = 10.0
NEXT = "A renewed certificate is served when the ingress shows the Secret that the Certificate writes."
KEY = "privateKey.rotationPolicy decides whether a renewal keeps the old key."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    hosts = Hosts(live, answer)
    served = hosts.shake(hosts.names[0]).outcome == "ok"
    serial, key = renewed(hosts, WITHIN) if served else (False, False)
    told = "another serial number" if serial else "the same certificate" if served else "none was served before"
    yield Finding("a renewal is served", 1, serial, told, "another serial number", NEXT)
    told = "another key" if key else "no other key"
    yield Finding("a renewal has a key of its own", 1, key, told, "another key", KEY)

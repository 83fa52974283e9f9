"""Is it made, do its targets pass their checks, and do paths lead where they should?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h2_pods import judged
from graders.checks.h_networking.h2_q2.deployed import Deployed, deployed, missing
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with deployed(live, answer) as made:
        yield from judged(live, _looked(made, live))


def _looked(made: Deployed, live: Any) -> Iterator[Finding]:
    if not made.dns_name:
        yield missing(made)
        return
    values, apps = live.values, live.values["apps"]
    yield Finding("the controller makes a load balancer", 1, True, made.dns_name, "a load balancer", "-")
    bad, count = made.unhealthy(), len(made.targets())
    yield Finding(
        "every target passes its health check", 1, not bad and count > 0,
        "; ".join(bad)[:400] or f"{count} targets, all healthy" if count else "no targets", "all healthy",
        "All pods answer 200 at one path only. Which one do the target groups ask for, when nothing is said?")
    below, beside = made.ask("/api/v1"), made.ask("/apis")
    passed = below.who == apps["api"] and beside.who in (apps["web"], apps["next"])
    yield Finding(
        f"/api and below it lead to {apps['api']}, other paths to the shop", 1, passed,
        f"http://{values['host']}/api/v1: {below}; /apis: {beside}", f"{apps['api']}, and one of the two shops",
        "A Prefix is compared element by element. In which order does the load balancer try the rules?")

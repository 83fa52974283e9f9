"""Traffic is moved on purpose: blue is switched off when nobody is led there any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.checks.h_networking.names import NOT_COUNTED
from graders.exercise import Finding
from labs.scenarios.h_networking.switching import switch

EARLY = (
    "A resolver that asked just before the name servers changed keeps its answer for the whole TTL, and the name "
    "servers themselves may take a minute."
)
DEAR = "Blue costs money while it waits. Nobody is led there once the change has spread and the TTL is over."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    aws, values = account_of(live)
    drain, limit = int(answer["drain_seconds"]), int(values["drain_limit"])
    ttl = answer["records"][0]["TTL"]
    if not isinstance(ttl, int) or drain > limit:
        yield Finding("no request fails while traffic moves", 1.5, False, NOT_COUNTED, "no failed request", DEAR)
        yield Finding("blue is switched off soon", 0.5, False, f"after {drain} s", f"after {limit} s at most", DEAR)
        return
    trial = switch(aws, values, ttl, drain)
    passed = not trial.failed and trial.on_green > 0
    yield Finding("no request fails while traffic moves", 1.5, passed, str(trial), "no failed request", EARLY)
    yield Finding("blue is switched off soon", 0.5, passed, f"after {drain} s" if passed else NOT_COUNTED,
                  f"after {limit} s at most", DEAR)

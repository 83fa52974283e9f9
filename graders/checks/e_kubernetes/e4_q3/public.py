"""The dependency goes away for some seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q3.customers import OPEN, closed, open_shop, opened, served
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e4 import E4

AFTER = 2.0


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values = live.values
    with open_shop(live, answer, values["usual_start"], 1) as seen:
        if not opened(seen):
            yield closed(seen)
            return
        since = seen.seconds
        E4.faults["outage"](live.space, values)
        seen.watch(values["outage"])
        E4.faults["outage over"](live.space, values)
        seen.watch(AFTER)
    count = seen.restarts()
    lasted = f"while {values['dependency']} is away for {values['outage']} s"
    yield Finding(f"nothing restarts {lasted}", 1, not count, f"{count} restarts", "0 restarts",
                  "Neither probe that restarts may ask about the dependency.")
    yield served(seen, since, f"the catalogue is served {lasted}", 2, OPEN, not count)

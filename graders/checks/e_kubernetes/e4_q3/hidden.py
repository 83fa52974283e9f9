"""A third pod that starts as slowly as it may, then a deadlock, with customers all the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q3.customers import APP, closed, open_shop, opened, served
from graders.checks.e_kubernetes.trials import NOT_COUNTED, SLACK, allowed, what_restarted
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e4 import deadlock

LOADED = "A pod that listens may not have its catalogue yet. Which endpoint tells the difference?"
LEAVES = "A pod that hangs must fail its readiness probe as well: it leaves the Service before it is restarted."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values = live.values
    with open_shop(live, answer, values["longest_start"], 2) as seen:
        if not opened(seen):
            yield closed(seen)
            return
        since = seen.seconds
        live.space.scale(APP, 3)
        seen.watch(values["longest_start"] + 15.0, lambda now: now.now.ready == 3 or now.restarts())
        seen.watch(1.0)
        three, grown = seen.now.ready, seen.restarts()
        growing = served(seen, since, "customers do not notice a new pod", 1.5, LOADED, three == 3)
        hung, struck = deadlock(live.space, APP), seen.seconds
        limit = values["restarted_within"]
        end = struck + limit + 2 * SLACK
        seen.watch(limit + SLACK, lambda now: hung in now.restarted() or now.seconds > end)
        seen.watch(3.0)
    yield Finding("a third pod becomes Ready", 0.5, three == 3 and not grown, f"{three} Ready, {grown} restarts",
                  "3 Ready, 0 restarts", "The startup probe must be patient enough for the longest start.")
    yield growing
    again = hung in seen.restarted()
    late = [one for one in seen.failed(struck) if one.at > struck + allowed(limit * 0.6, 2.0)]
    told = what_restarted(live.space.pods(APP))
    observed = f"{told}; {len(late)} requests failed later than {limit * 0.6:.0f} s after it"
    yield Finding(
        "a deadlocked pod gets no more customers, and is restarted",
        1,
        growing.passed and again and not late,
        observed if growing.passed else NOT_COUNTED,
        f"restarted within {limit} s, and no request fails later than {limit * 0.6:.0f} s after the deadlock",
        LEAVES,
    )

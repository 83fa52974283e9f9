"""A load pauses and comes back twice as large."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graders.checks.e_kubernetes.e2_q2.scaled import follow, scaled
from graders.checks.e_kubernetes.trials import NOT_COUNTED, not_busy
from graders.exercise import Finding
from labs.cluster.observation import Observation
from labs.scenarios.e_kubernetes.e2 import customers

AGAIN = 12.0
LULL = "The use falls to nothing in a lull. For how long must the autoscaler remember what it wanted before?"
BOUND = "Which field bounds the number of pods, however much the load?"
FIRST = "First let the autoscaler follow the load."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    space, app, lull = live.space, live.values["app"], live.values["lull"]
    with scaled(live, answer) as stands:
        if not stands.passed:
            yield replace(stands, points=0)
            return
        with Observation(space, app) as seen:
            with customers(space, live.values) as asked:
                follow(live, asked)
            peak, began = seen.now.ready, seen.seconds
            seen.watch(lull)
            with customers(space, live.values, 2 * live.values["rate"]) as again:
                again.watch(AGAIN)
            fewest = min((look.ready for look in seen.looks if look.at >= began), default=0)
            largest = max(len(look.pods) for look in seen.looks)
    not_busy(app, seen.starved() or asked.starved() or again.starved())
    risen = peak > live.values["least"]
    observed = f"{peak} Ready before, fewest then: {fewest}" if risen else NOT_COUNTED
    yield Finding(f"a lull of {lull:.0f} s costs no pod", 1, risen and fewest >= peak, observed,
                  "as many Ready as before", LULL if risen else FIRST)
    most = live.values["most"]
    yield Finding(f"twice the load gets no more than {most} pods", 0.5, risen and largest <= most,
                  f"at most {largest} pods" if risen else NOT_COUNTED, f"at most {most}", BOUND if risen else FIRST)
    yield Finding("everybody who comes back gets an answer", 0.5, risen and not again.failed(),
                  again.answers() if risen else NOT_COUNTED,
                  "every request answered", FIRST if not risen else "Are there enough pods, and do they stay?")

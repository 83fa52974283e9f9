"""Customers, a rolling restart, and a drain of everything at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a1_q2.truth import judgeable
from graders.checks.a_production_mindset.a1_q3.repaired import APP, apply, started
from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a1 import database
from labs.scenarios.a_production_mindset.trial import Trial, trial

BASKETS = "What is in a pod's memory goes with the pod, and no other pod knows it. Which store outlives them all?"
RESTART = (
    "Who serves while a pod is replaced? Look at the strategy, at what makes a new pod Ready, and at what an old one "
    "does after SIGTERM."
)
DRAIN = "All are asked to leave at once. What holds evictions back until a replacement is Ready, and lets them end?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    database(live.space)
    apply(live, answer)
    if failed := started(live):
        yield failed
        return
    restart = trial(live.space, APP, "restart")
    judgeable(APP, restart)
    yield baskets(restart)
    yield served(restart, "a rolling restart", RESTART)
    if restart.outcome != "nothing":        # nothing that comes would be counted
        return
    drain = trial(live.space, APP, "drain")
    judgeable(APP, drain)
    yield served(drain, "a drain of all its nodes", DRAIN)


def baskets(made: Trial) -> Finding:
    """Does every customer find what was in the basket?"""
    return Finding("no basket is lost by a restart", 2, made.lost == 0 and made.over,
                   f"{made.lost} of {made.carts} baskets lost", "no basket lost", BASKETS)


def served(made: Trial, what: str, hint: str) -> Finding:
    """Was every request answered, and did it come to its end?"""
    good = made.over and not made.failed
    return Finding(f"{what} ends, and no request fails", 1.5, good and not made.lost, str(made),
                   "ended, every request answered, no basket lost", hint)

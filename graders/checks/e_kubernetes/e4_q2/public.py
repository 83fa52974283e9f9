"""One of two pods deadlocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q2.lives import APP, begin, deadlocked, never_started, started
from graders.checks.e_kubernetes.trials import NOT_COUNTED, what_restarted
from graders.exercise import Finding

LEFT_ALONE = 6.0  # seconds until a probe that fails for healthy pods shows


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with begin(live, answer) as seen:
        if not started(seen):
            yield never_started(seen)
            return
        if seen.watch(LEFT_ALONE, lambda now: now.restarted() or now.seconds > LEFT_ALONE) and seen.restarted():
            yield never_started(seen)
            return
        found = deadlocked(seen, live, 0, 1.5)
        yield found
        alone = found.passed and len(seen.restarted()) == 1
        observed = what_restarted(live.space.pods(APP)) if found.passed else NOT_COUNTED
        yield Finding("its neighbour is left alone", 0.5, alone, observed, "one pod restarted", "Probe the pod itself.")

"""One of two pods deadlocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q2.lives import APP, begin, deadlocked, never_started, started
from graders.checks.e_kubernetes.trials import NOT_COUNTED, what_restarted
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with begin(live, answer) as seen:
        if not started(seen):
            yield never_started(seen)
            return
        found = deadlocked(seen, live, 0, 1.5)
        yield found
        alone = found.passed and len(seen.restarted()) == 1
        observed = what_restarted(live.space.pods(APP)) if found.passed else NOT_COUNTED
        yield Finding("its neighbour is left alone", 0.5, alone, observed, "one pod restarted", "Probe the pod itself.")

"""A pause that is normal, and an outage of the dependency, which a restart cannot repair; then a deadlock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q2.lives import begin, deadlocked, never_started, started, strike
from graders.checks.e_kubernetes.trials import NOT_COUNTED
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e4 import E4

AFTER = 1.5
PATIENT = (
    "During a pause some probes in a row fail. Count how many fit into it, and let one more fail before the restart."
)
NOT_OURS = "Restarting this pod does not bring the dependency back. Liveness asks about the process, not about others."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    values = live.values
    with begin(live, answer) as seen:
        if not started(seen):
            yield never_started(seen)
            return
        E4.faults["outage"](live.space, values)
        paused = strike(seen, live, 0, "stall", str(values["pause"]))
        seen.watch(values["outage"] + AFTER, lambda now: len(now.restarted()) == 2)
        E4.faults["outage over"](live.space, values)
        restarted = seen.restarted()
        others = sum(count for name, count in restarted.items() if name != paused)
        seen.watch(15.0, lambda now: now.now.ready == 2)
        found = deadlocked(seen, live, 1, 1)
    yield found
    yield Finding(
        f"a pause of {values['pause']} s restarts nothing",
        1,
        found.passed and not restarted.get(paused),
        f"{restarted.get(paused, 0)} restarts of the pod that paused" if found.passed else NOT_COUNTED,
        "0 restarts",
        PATIENT if not others else NOT_OURS,
    )
    yield Finding(
        f"{values['outage']} s without {values['dependency']} restart nothing",
        1,
        found.passed and not others,
        f"{others} restarts of the pod that did not pause" if found.passed else NOT_COUNTED,
        "0 restarts",
        NOT_OURS,
    )

"""The longest start that is normal, and a start that hangs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q1.starts import PATIENCE, start
from graders.checks.e_kubernetes.trials import (
    NOT_COUNTED,
    allowed,
    killed_by,
    lived,
    observed,
    running_for,
    what_restarted,
)
from graders.exercise import Finding
from labs.cluster.space import ready, restarts

LATE = 1.5  # seconds: statuses are written in whole ones
WATCHED = 6.0  # seconds longer than such a start may last
IMPATIENT = "A start that hangs is ended after failureThreshold × periodSeconds: make the product shorter."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    longest, limit = live.values["longest_start"], live.values["start_limit"]
    start(live, answer, "longest", longest)
    start(live, answer, "hung", -1)

    def decided(_: Any) -> bool:
        slow, hung = live.space.pods("longest"), live.space.pods("hung")
        if not slow or not hung or not (ready(slow[0]) or restarts(slow[0])):
            return False
        return bool(restarts(hung[0])) or running_for(hung[0]) > limit + WATCHED

    with observed(live, "longest") as seen:
        seen.watch(limit + WATCHED, decided)
    slow, hung = live.space.pods("longest"), live.space.pods("hung")
    held = bool(slow) and ready(slow[0]) and not restarts(slow[0])
    seen_so = ("Ready, " if slow and ready(slow[0]) else "not Ready, ") + what_restarted(slow)
    seen_so += "" if held else killed_by(live, "longest")
    yield Finding(
        f"a pod that needs {longest} s to start becomes Ready", 1.5, held, seen_so, "Ready, without a restart",
        PATIENCE,
    )
    after = lived(hung[0]) if hung else None
    seen_so = f"ended after {after:.0f} s" if after is not None else f"still waiting after {seen.now.at:.0f} s"
    ended = held and after is not None and after <= allowed(limit + LATE, 4.0)
    yield Finding(
        "a start that hangs is ended",
        1.5,
        ended,
        seen_so if held else NOT_COUNTED,
        f"ended and started again within {limit} s",
        IMPATIENT,
    )

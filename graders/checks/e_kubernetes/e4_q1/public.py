"""A start as it usually is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e4_q1.starts import PATIENCE, start
from graders.checks.e_kubernetes.trials import (
    NOT_COUNTED,
    all_ready,
    allowed,
    killed_by,
    observed,
    seconds_to_ready,
    what_restarted,
)
from graders.exercise import Finding

WATCHED = 25.0
LATE = 4.0
PROMPT = "The pod counts as started at the first success: probe often, without a long initialDelaySeconds."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    usual = live.values["usual_start"]
    start(live, answer, "usual", usual)
    with observed(live, "usual") as seen:
        seen.watch(WATCHED, lambda now: all_ready(now, 1) or now.restarted())
    pods = live.space.pods("usual")
    took = seconds_to_ready(pods[0]) if pods else None
    good = took is not None and not seen.restarted()
    seen_so = f"not Ready after {seen.now.at:.0f} s" if took is None else f"Ready {took:.0f} s after its start"
    seen_so += f", {what_restarted(pods)}" + ("" if good else killed_by(live, "usual"))
    yield Finding(
        f"a pod that needs {usual} s to start becomes Ready", 1.5, good, seen_so, "Ready, without a restart", PATIENCE
    )
    soon = good and took is not None and took <= allowed(usual + LATE, 3.0)
    yield Finding(
        "it is Ready soon after it listens",
        0.5,
        soon,
        seen_so if good else NOT_COUNTED,
        f"at most {usual + LATE:.0f} s after its start",
        PROMPT,
    )

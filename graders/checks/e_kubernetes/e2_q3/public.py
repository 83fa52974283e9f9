"""The peak, and the quiet after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e2_q3.roomy import made
from graders.exercise import Finding

RUN = "Which types may the pool use, and does its limit leave room for them?"
PEAK = "The pods that wait are packed together, and each pack gets the cheapest type that holds it. Which types help?"
QUIET = "What says when an empty node goes?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    peak, dear, cheap, within = (live.values[name] for name in ("peak", "peak_price", "quiet_price", "room_within"))
    full, quiet = made(live, answer["pool"], peak, 1).steps
    runs = full["running"] == peak
    yield Finding(f"{peak} pods run within {within} s", 1.5, runs, told(full), f"{peak} running", RUN)
    yield Finding(f"the peak's nodes cost at most {dear:.2f} an hour", 1.5, runs and full["price"] <= dear, told(full),
                  f"at most {dear:.2f}, with every pod running", PEAK if runs else RUN)
    yield Finding(f"{within} s after the peak the nodes cost at most {cheap:.2f} an hour", 1.5,
                  runs and quiet["running"] == 1 and quiet["price"] <= cheap, told(quiet), f"at most {cheap:.2f}",
                  QUIET if runs else RUN)


def told(step: dict[str, Any]) -> str:
    """What there was, in a line."""
    return (f"{step['running']} running, {step['pending']} pending; nodes: {', '.join(step['nodes']) or 'none'}; "
            f"{step['price']:.2f} an hour")

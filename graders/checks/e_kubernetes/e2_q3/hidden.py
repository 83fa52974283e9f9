"""A release that asks for far too many pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e2_q3.public import told
from graders.checks.e_kubernetes.e2_q3.roomy import made
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e2 import RUNAWAY

END = "Nobody else stops a pool: which of its fields bounds all of its nodes together?"
TIGHT = "The limit holds, and leaves no room for the pods that are needed. How many nodes of which types fit below it?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    needed, limit = live.values["needed"], live.values["cpu_limit_m"]
    (step,) = made(live, answer["pool"], RUNAWAY).steps
    ends, enough = step["cpu_m"] <= limit, step["running"] >= needed
    yield Finding(f"{RUNAWAY} pods are asked for: nodes of at most {limit}m, and {needed} pods run", 1.5,
                  ends and enough, f"{step['cpu_m']}m; {told(step)}", f"at most {limit}m, {needed} running",
                  TIGHT if ends else END)

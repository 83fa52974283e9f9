"""The repairs, in a fresh copy of the broken room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e5_q2.room import all_well, finding, repair
from graders.exercise import Finding

POINTS = 5 / 7


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    apps = live.values["apps"]
    repair(live, answer["repairs"])
    all_well(live, [app for app in apps if app in answer["repairs"]])
    for app in apps:
        yield finding(live, app, POINTS)

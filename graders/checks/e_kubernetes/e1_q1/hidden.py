"""Two pods in the team's share, and a report of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import both_run, reports
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    processor = {"requests": {"cpu": "50m"}}  # the share asks for one
    memory = answer["memory"]
    found, pods = both_run(live, {**memory, "requests": {**memory.get("requests", {}), **processor["requests"]}}, 1)
    yield found
    if found.passed:
        yield reports(live, pods, 1)

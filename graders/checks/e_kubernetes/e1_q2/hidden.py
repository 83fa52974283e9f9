"""Two pods in the team's share, and the load again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.sizes import both_run, smooth
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    processor = answer["processor"]
    found, _ = both_run(live, {**processor, "requests": {**processor.get("requests", {}), "memory": "32Mi"}}, 1)
    yield found
    if found.passed:
        yield smooth(live, 1)

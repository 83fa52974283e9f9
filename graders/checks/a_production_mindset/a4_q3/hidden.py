"""One bad pod, and no pods at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.a_production_mindset.a4_q3.played import outage
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from outage(live, answer, "pod", (0.75, 1, 1))
    yield from outage(live, answer, "empty", (0.75, 1, 1))

"""The third team has repaired its pods: now they are held as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e3_q3.teams import finding, maintained
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    left, fewest = maintained(live, answer, sick=False)
    yield finding(live, "sick", left["sick"], fewest["sick"], 1.5, needs=1)

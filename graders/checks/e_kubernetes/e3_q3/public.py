"""Maintenance while the third team's pods are not well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e3_q3.teams import finding, maintained
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    left, fewest = maintained(live, answer, sick=True)
    for why, needs in (("perfect", 1), ("twice", 1), ("sick", 0)):
        yield finding(live, why, left[why], fewest[why], 1.5, needs=needs)

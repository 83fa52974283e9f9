"""The third team has repaired its pods: now they are held as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e3_q3.teams import finding, maintained
from graders.exercise import Finding
from labs.scenarios.e_kubernetes.e3 import BLOCKS


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    left, fewest = maintained(live, answer, sick=False)
    for why in BLOCKS:
        yield finding(live, why, left[why], fewest[why], 0.5, needs=1)

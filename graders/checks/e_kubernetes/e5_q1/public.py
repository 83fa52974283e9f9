"""Three workloads, so that a learner sees how an answer is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.e5_q1.truth import judge
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(answer, live.values, True)

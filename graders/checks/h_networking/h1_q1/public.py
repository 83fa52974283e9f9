"""Two of the faults, so that a learner sees how an answer is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h1_q1.truth import SHOWN, judge
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judge(slice(SHOWN), answer, live)

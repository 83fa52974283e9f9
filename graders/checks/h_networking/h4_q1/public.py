"""The first four stories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h4_q1.truth import compare
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from compare(slice(0, 4), answer, live)

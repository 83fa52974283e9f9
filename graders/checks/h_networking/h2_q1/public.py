"""The first four cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h2_pods import judged
from graders.checks.h_networking.h2_q1.truth import compare
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judged(live, _looked(answer, live))


def _looked(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from compare(slice(0, 4), answer, live)

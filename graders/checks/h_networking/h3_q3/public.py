"""The first site."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h3_q3.rotated import judged
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    yield from judged(live, answer, "first", 1)

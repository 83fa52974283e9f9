"""How far a request from the internet comes through the repaired front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h1_q3.fronted import standing
from graders.checks.h_networking.way import layers
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with standing(live, answer["calls"]) as stands:
        seen = stands.come()
        yield from layers(stands.layers(), seen)

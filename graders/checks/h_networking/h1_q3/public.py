"""How far a request from the internet comes through the repaired front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h1_q3.fronted import layers, standing
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with standing(live, answer["calls"]) as stands:
        yield from layers(stands.come(), stands.healthy())

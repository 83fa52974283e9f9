"""How far a request comes through the repaired night."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h1_q2.night import LAYERS, changed, reached, repaired
from graders.checks.h_networking.way import layers
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    repaired(live, answer["repairs"])
    if away := changed(live):
        yield Finding("the shop is still the shop", 5, False, away, "the same programs, as many of them",
                      "Repair the cause; what runs, how often and how it is probed stays.")
        return
    yield from layers(LAYERS, reached(live))

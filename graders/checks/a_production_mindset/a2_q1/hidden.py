"""What the formula claims, and the shop without redundancy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.exercise import Finding
from labs.scenarios.a_production_mindset.a2 import truths

EXACT = 0.002
CLAIMED = "For each tier 1 − (1 − a₁)(1 − a₂), with the shares of its two pods alone; then the product of the tiers."
ALONE = "Only the first pod of each tier is there, and the shop needs both of them in the same second."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    known, said = truths(live.values["down"], live.values["window"]), answer["availability"]
    for name, what, hint in (("claimed", "what independent pods would give", CLAIMED),
                             ("one_each", "the shop with one pod each", ALONE)):
        right = abs(said[name] - known[name]) <= EXACT
        observed = f"you say {said[name]:.3f}" + ("" if right else ", which does not follow from the plan")
        yield Finding(what, 0.75, right, observed, "what follows from the plan", hint)

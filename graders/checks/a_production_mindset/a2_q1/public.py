"""The plan of the learner's run is played again, with customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.e_kubernetes.trials import not_busy
from graders.exercise import Finding
from labs.errors import TemporaryError
from labs.scenarios.a_production_mindset.a2 import TIERS, play, truths, two_tiers

NEAR = 0.05
"""Of a share: a pod's change is seen a few tenths of a second later, of twelve seconds."""
TIER = "A tier is down only while **both** of its pods are. At which seconds is that? From second 1 to 5 are four."
SHOP = (
    "The shop needs both tiers in the same moment. Multiplying is right only for causes that are independent; count "
    "the seconds instead."
)


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    two_tiers(live.space)
    seen = play(live.space, live.values["down"], live.values["window"])
    planned, said = truths(live.values["down"], live.values["window"]), answer["availability"]
    measured = {tier: seen.share(tier) for tier in TIERS} | {"shop": seen.share()}
    if why := seen.starved():
        not_busy("the tiers", why)
    if worst := {name: share for name, share in measured.items() if abs(share - planned[name]) > NEAR}:
        not_busy("the tiers")
        raise TemporaryError(f"pods went and came too late for the plan: {worst}", 1.0)
    for name, points, hint in (("frontend", 0.75, TIER), ("backend", 0.75, TIER), ("shop", 1, SHOP)):
        yield Finding(f"availability of the {name}", points, abs(said[name] - measured[name]) <= NEAR,
                      f"you say {said[name]:.3f}; customers had {measured[name]:.3f}",
                      f"what customers had, to within {NEAR}", hint)

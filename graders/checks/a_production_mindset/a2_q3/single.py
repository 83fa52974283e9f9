"""Which tiers would be gone with one rack."""

from __future__ import annotations

from labs.cluster.space import Space
from labs.scenarios.a_production_mindset.a2 import TIERS


def single(space: Space) -> list[str]:
    """A line for each tier whose pods all stand on one rack, or that has one pod only."""
    told = []
    for tier in TIERS:
        pods = space.pods(tier)
        if len({each["spec"].get("nodeName") for each in pods}) < 2:
            told.append(f"all {len(pods)} pods of {tier} stand on one rack")
    return told

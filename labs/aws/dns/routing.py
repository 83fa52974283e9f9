"""Which record a routing policy chooses, and why.  Pure, but for chance.

Latency and location are those of us-east-1.  Pages of the Route 53 Developer Guide: "Choosing a routing policy", "How
Amazon Route 53 chooses records when health checking is configured", "How Amazon Route 53 determines the status of
health checks that monitor other health checks".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from labs.aws.dns.zones import Record

Healthy = Callable[[Record], bool]
HERE = "us-east-1"
MOST = 8
"""Multivalue: "responds to each DNS query with up to eight healthy records"."""
_POLICIES = {"Failover": "failover", "Weight": "weighted", "MultiValueAnswer": "multivalue", "Region": "latency",
             "GeoLocation": "geolocation"}  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """The records that answer, of those there were, by which policy; ``healthy`` goes with ``considered``."""

    records: tuple[Record, ...]
    policy: str
    considered: tuple[Record, ...]
    healthy: tuple[bool, ...]

    def told(self) -> list[dict[str, Any]]:
        """Every candidate as JSON: its identifier, its share or role, its health, whether it was chosen."""
        return [{"set": each.get("SetIdentifier"), "weight": each.get("Weight"), "failover": each.get("Failover"),
                 "health_check": each.get("HealthCheckId"), "healthy": healthy, "chosen": each in self.records}
                for each, healthy in zip(self.considered, self.healthy, strict=True)]  # fmt: skip


def policy_of(record: Record) -> str:
    """``simple``, ``weighted``, ``failover`` …"""
    return next((name for key, name in _POLICIES.items() if record.get(key) is not None), "simple")


def choose(records: Sequence[Record], healthy: Healthy, chance: random.Random) -> Choice:
    """What answers for one name and type; where all are unhealthy, as if all were healthy."""
    policy = policy_of(records[0]) if records else "simple"
    states = tuple(policy == "simple" or healthy(each) for each in records)
    up = [each for each, state in zip(records, states, strict=True) if state]
    return Choice(tuple(_chosen(policy, records, up, chance)), policy, tuple(records), states)


def _chosen(policy: str, records: Sequence[Record], up: list[Record], chance: random.Random) -> list[Record]:
    usable = up or list(records)
    if policy == "failover":
        return _failover(records, up)
    if policy == "multivalue":
        return chance.sample(usable, min(MOST, len(usable)))
    if policy == "weighted":
        return _weighted(records, up, chance)
    if policy == "geolocation":
        return _nearest(usable)
    if policy == "latency":
        return ([each for each in usable if each["Region"] == HERE] or usable)[:1]
    return list(records[:1])


def _weighted(records: Sequence[Record], up: list[Record], chance: random.Random) -> list[Record]:
    """ "If all records with a nonzero weight are unhealthy, Route 53 considers the zero-weighted records"."""
    heavy = [each for each in up if int(each["Weight"])]
    usable = heavy or up or list(records)
    weights = [int(each["Weight"]) for each in usable]
    return chance.choices(usable, weights if any(weights) else None)


def _failover(records: Sequence[Record], up: list[Record]) -> list[Record]:
    """ "When both are unhealthy, Route 53 returns the primary record"."""
    for role in ("PRIMARY", "SECONDARY"):
        for each in up:
            if each["Failover"] == role:
                return [each]
    return [each for each in records if each["Failover"] == "PRIMARY"] or list(records[:1])


def _nearest(usable: list[Record]) -> list[Record]:
    for key, value in (("CountryCode", "US"), ("ContinentCode", "NA"), ("CountryCode", "*")):
        for each in usable:
            if each["GeoLocation"].get(key) == value:
                return [each]
    return []

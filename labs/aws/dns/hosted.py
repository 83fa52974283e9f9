"""One hosted zone's answer to a question: wildcards, policies, aliases, health.

Pages of the Route 53 Developer Guide: "Choosing between alias and non-alias records", "How Amazon Route 53 chooses
records when health checking is configured".
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from labs.aws.dns.cache import Step
from labs.aws.dns.routing import Choice, choose
from labs.aws.dns.zones import Record, Zone, plain, within

CHAIN = 8
"""Aliases and CNAMEs that are followed."""
ALIAS_TTL = 60
"""Seconds, of an alias to a load balancer."""
BALANCER = re.compile(r"(dualstack\.)?[^.]+\.(elb\.[^.]+|[^.]+\.elb)\.amazonaws\.com")


class Hosted:
    """Answers from a hosted zone.

    :param healthy: a health check's state by its id
    :param balancer: a load balancer's address, by its DNS name
    """

    def __init__(self, healthy: Callable[[str], bool], balancer: Callable[[str], str], chance: random.Random) -> None:
        self._healthy = healthy
        self._balancer = balancer
        self._chance = chance

    def answer(self, balancers: Mapping[str, bool], zone: Zone, name: str, kind: str) -> Step:
        """What the zone says about a name within it.

        :param balancers: whether a load balancer is healthy, by its DNS name
        """
        why: dict[str, Any] = {"zone": zone.id, "zone_name": zone.name, "private": zone.private,
                               "account": zone.account, "negative_ttl": zone.negative_ttl}
        records = zone.of_name(name)
        if records is None:
            return nothing(zone, name, "NXDOMAIN", {**why, "reason": "the zone has no record of this name"})
        matching = [each for each in records if each["Type"] == kind] or [
            each for each in records if each["Type"] == "CNAME"]  # fmt: skip
        followed: list[str] = []
        for _ in range(CHAIN):
            choice = choose(matching, lambda record: self._is_up(balancers, zone, record), self._chance)
            why |= {"policy": choice.policy, "candidates": choice.told(), "alias": followed,
                    "record": plain(choice.records[0]["Name"]) if choice.records else None}
            if not choice.records or "AliasTarget" not in choice.records[0]:
                return self._written(zone, name, choice, why)
            target = plain(choice.records[0]["AliasTarget"]["DNSName"])
            followed.append(target)
            inner = zone.of_name(target) if within(target, zone.name) else None
            if inner is None:
                return self._to_balancer(zone, name, kind, target, why)
            matching = [each for each in inner if each["Type"] == kind]
        return failed(name, "the aliases go in a circle")

    def _written(self, zone: Zone, name: str, choice: Choice, why: dict[str, Any]) -> Step:
        if not choice.records:
            return nothing(zone, name, "NOERROR", {**why, "reason": "the name has no record of this type"})
        values = tuple(str(one["Value"]) for each in choice.records for one in each["ResourceRecords"])
        ttl = min(int(each["TTL"]) for each in choice.records)
        why |= {"set": choice.records[0].get("SetIdentifier"), "record_ttl": ttl}
        return Step(name, "NOERROR", choice.records[0]["Type"], ttl, values, why=why)

    def _to_balancer(self, zone: Zone, name: str, kind: str, target: str, why: dict[str, Any]) -> Step:
        if kind != "A" or not BALANCER.fullmatch(target):
            return nothing(zone, name, "NOERROR", {**why, "reason": f"the alias's target {target} has no such record"})
        address = self._balancer(target.removeprefix("dualstack."))
        return Step(name, "NOERROR", "A", ALIAS_TTL, (address,), why={**why, "record_ttl": ALIAS_TTL})

    def _is_up(self, balancers: Mapping[str, bool], zone: Zone, record: Record, depth: int = 0) -> bool:
        """By its health check and, where it asks for that, its alias target's health."""
        check = record.get("HealthCheckId")
        if check and not self._healthy(check):
            return False
        alias = record.get("AliasTarget") or {}
        if not alias.get("EvaluateTargetHealth") or depth > CHAIN:
            return True
        target = plain(alias["DNSName"])
        inner = zone.of_type(target, record["Type"])
        if inner:
            return any(self._is_up(balancers, zone, each, depth + 1) for each in inner)
        return balancers.get(target.removeprefix("dualstack."), False)


def nothing(zone: Zone, name: str, status: str, why: dict[str, Any]) -> Step:
    """That a name is not there, or has no record of the type, with the SOA that says how long that holds."""
    _, value = zone.soa
    return Step(name, status, ttl=zone.negative_ttl, soa=(zone.name, zone.negative_ttl, value), why=why)


def failed(name: str, reason: str) -> Step:
    """That nobody could be asked."""
    return Step(name, "SERVFAIL", why={"reason": reason})

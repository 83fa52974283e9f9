"""Hosted zones and their records, as they were read; which zone answers for a name.  Pure.

Names are lower case without the last dot.  Pages of the Route 53 Developer Guide: "Considerations when working with a
private hosted zone" (the most specific private zone decides, and its NXDOMAIN is final), "Using an asterisk (*) in the
names of hosted zones and records", "Routing traffic for subdomains".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

Record = dict[str, Any]
"""A ResourceRecordSet as the API has it."""


def plain(name: Any) -> str:
    """``Shop.Example.COM.`` → ``shop.example.com``; the API's octal escape of ``*`` is undone."""
    return str(name).lower().replace("\\052", "*").rstrip(".")


def within(name: str, apex: str) -> bool:
    """Is ``name`` the zone's apex, or below it?"""
    return name == apex or name.endswith("." + apex)


@dataclass(frozen=True)
class Zone:
    """One hosted zone.  ``vpcs`` are those that a private one is associated with; ``servers`` a public one's."""

    id: str
    name: str
    private: bool = False
    account: str = ""
    vpcs: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    records: Sequence[Record] = field(default=(), compare=False)

    @cached_property
    def _by_name(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self.records:
            found.setdefault(plain(record["Name"]), []).append(record)
        return found

    @cached_property
    def _there(self) -> frozenset[str]:
        """Every name that has records or something below it ("empty non-terminals", RFC 4592)."""
        return frozenset(each for name in self._by_name for each in _upwards(name, self.name))

    def of_name(self, name: str) -> list[Record] | None:
        """The records of a name, else those of the nearest wildcard; None where the name does not exist."""
        if name in self._there:
            return self._by_name.get(name, [])
        for above in _upwards(name, self.name)[1:]:
            if above in self._there:
                return self._by_name.get(f"*.{above}")
        return None

    def of_type(self, name: str, kind: str) -> list[Record]:
        """The records of one name and type; no wildcards."""
        return [each for each in self._by_name.get(name, ()) if each["Type"] == kind]

    @property
    def soa(self) -> tuple[int, str]:
        """(TTL, value) of its SOA record."""
        for each in self.of_type(self.name, "SOA"):
            return int(each["TTL"]), str(each["ResourceRecords"][0]["Value"])
        return 900, f"ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 {DAY}"

    @property
    def negative_ttl(self) -> int:
        """Seconds to remember that there is no such name: the lesser of the SOA's TTL and last field (RFC 2308)."""
        ttl, value = self.soa
        return min(ttl, int(value.split()[-1]))

    def cut(self, name: str) -> str:
        """The name below the apex that is delegated and covers ``name``, closest to the apex; "" for none."""
        below = reversed(_upwards(name, self.name)[:-1])
        return next((each for each in below if self.of_type(each, "NS")), "")

    def delegates(self, name: str) -> frozenset[str]:
        """Name servers of the delegation that covers ``name``; empty for none."""
        found = self.of_type(self.cut(name), "NS")
        return frozenset(plain(one["Value"]) for each in found for one in each["ResourceRecords"])


DAY = 86400


def _upwards(name: str, apex: str) -> list[str]:
    """``name`` and the names above it, up to ``apex``."""
    found = [name]
    while found[-1] != apex and "." in found[-1]:
        found.append(found[-1].partition(".")[2])
    return found


def private(zones: Iterable[Zone], name: str, vpc: str) -> Zone | None:
    """The most specific private zone of the VPC that covers the name."""
    return _most_specific(each for each in zones if each.private and vpc in each.vpcs and within(name, each.name))


def hosted(zones: Iterable[Zone], name: str) -> Zone | None:
    """The most specific public zone that covers the name, whether anybody delegates to it or not."""
    return _most_specific(each for each in zones if not each.private and within(name, each.name))


def public(zones: Iterable[Zone], name: str) -> Zone | None:
    """The public zone that the internet is led to: from the domain's own zone down, by NS records.

    The shortest zone stands for what is registered; of several with one name the first is.  A zone below another one
    is found only where that one delegates to its name servers.
    """
    covering = sorted((each for each in zones if not each.private and within(name, each.name)),
                      key=lambda each: len(each.name))
    found: Zone | None = None
    for each in covering:
        if found is None or (len(each.name) > len(found.name) and found.delegates(each.name) & each.servers):
            found = each
    return found


def _most_specific(covering: Iterable[Zone]) -> Zone | None:
    return max(covering, key=lambda each: len(each.name), default=None)

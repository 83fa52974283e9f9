"""Route 53's answers to a question, as ``TestDNSAnswer`` shows them: which record a routing policy chooses.

Latency and location are those of us-east-1 unless the client's subnet is given, whose place nobody here knows: then the
default location answers.  Pages: "TestDNSAnswer" (Route 53 API Reference); "Choosing a routing policy", "How Amazon
Route 53 chooses records when health checking is configured" (Developer Guide).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

Record = dict[str, Any]
Healthy = Callable[[str], Awaitable[bool]]
_HERE = "us-east-1"
_MOST = 8  # "Route 53 responds to DNS queries with up to eight healthy records"
_ALIASES = 8  # that are followed


async def answer(name: str, kind: str, records: list[Record], healthy: Healthy) -> tuple[str, list[str]]:
    """Response code and values for a question about a zone with these records.

    :param name: lower case, with the last dot
    :param healthy: tells a health check's state by its id
    """
    for _ in range(_ALIASES):
        there = _of_name(name, records)
        if not there:
            return "NXDOMAIN", []
        matching = [r for r in there if r["Type"] == kind] or [r for r in there if r["Type"] == "CNAME"]
        chosen = await choose(matching, healthy)
        if not chosen:
            return "NOERROR", []
        alias = chosen[0].get("AliasTarget")
        if alias is None:
            return "NOERROR", [str(value["Value"]) for r in chosen for value in r.get("ResourceRecords") or []]
        name = str(alias["DNSName"]).lower().rstrip(".") + "."
        if not _of_name(name, records):  # it lies in AWS's own zones, whose addresses nobody here knows
            return "NOERROR", [name]
    return "SERVFAIL", []


def _of_name(name: str, records: list[Record]) -> list[Record]:
    """The records of a name, else those of the nearest wildcard ("Using an asterisk in the names of records")."""
    exact = [r for r in records if _plain(r["Name"]) == name]
    labels = name.split(".")
    for start in range(1, len(labels) - 1):
        if exact or any(_plain(r["Name"]).endswith("." + ".".join(labels[start - 1 :])) for r in records):
            break
        exact = [r for r in records if _plain(r["Name"]) == ".".join(["*", *labels[start:]])]
    return exact


def _plain(name: str) -> str:
    return str(name).lower().replace("\\052", "*").rstrip(".") + "."


async def choose(records: list[Record], healthy: Healthy) -> list[Record]:
    """The records that a routing policy answers with; where all are unhealthy, as if all were healthy."""
    if not records or not records[0].get("SetIdentifier"):
        return records[:1]
    up = [r for r in records if not r.get("HealthCheckId") or await healthy(r["HealthCheckId"])]
    if records[0].get("Failover"):
        return _failover(records, up)
    usable = up or records
    if records[0].get("MultiValueAnswer") is not None:
        return random.sample(usable, min(_MOST, len(usable)))
    if records[0].get("Weight") is not None:
        weights = [int(r.get("Weight") or 0) for r in usable]
        return random.choices(usable, weights if any(weights) else None)
    if records[0].get("GeoLocation"):
        default = [r for r in usable if r["GeoLocation"].get("CountryCode") == "*"]
        near = [r for r in usable if r["GeoLocation"].get("CountryCode") == "US"]
        return (near or [r for r in usable if r["GeoLocation"].get("ContinentCode") == "NA"] or default)[:1]
    return ([r for r in usable if r.get("Region") == _HERE] or usable)[:1]


def _failover(records: list[Record], up: list[Record]) -> list[Record]:
    """ "When both are unhealthy, Route 53 returns the primary record" (Failover routing)."""
    for role in ("PRIMARY", "SECONDARY"):
        for record in up:
            if record["Failover"] == role:
                return [record]
    return [record for record in records if record["Failover"] == "PRIMARY"] or records[:1]

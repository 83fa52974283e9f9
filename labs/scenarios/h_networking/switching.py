"""Two trials of lab h4: the primary fails under load, and traffic is moved on purpose.

The clock of TTLs, health checks and customers runs ``SPEED`` times as fast; every second below is one of that clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labs.scenarios.base import Values, digest
from labs.scenarios.creation import administrator
from labs.scenarios.h_networking import zones
from labs.scenarios.h_networking.endpoints import Copy, Customers, Request, copies
from labs.scenarios.h_networking.resolvers import Resolvers

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

SPEED = 12.0
PROPAGATION = 60.0
"""Seconds until every name server has a change: "within 60 seconds under normal conditions"."""
SLACK = 6.0
"""Seconds that this machine may add."""
SERVED = 6.0
"""Seconds without a failed request after which customers are said to be served again."""


def addresses(seed: bytes) -> Values:
    """Where the two copies listen, the name, and what is promised to customers."""
    number = int(digest(seed, "h4 copies")[:4], 16) % 200 + 1
    budget = 60 + 10 * (int(digest(seed, "h4 budget")[:4], 16) % 3)
    return {"blue": f"127.81.{number}.1", "green": f"127.81.{number}.2", "budget": budget, "questions": 4,
            "drain_limit": 120}


@dataclass(frozen=True)
class Failover:
    """What became of customers whose primary lost its database.

    :param moved_early: did the name servers lead to green for one lost check?
    :param outage: seconds from the fault to the last failed request; None while some still failed at the end, or none
        ever did
    :param noticed: did any request fail?
    :param on_its_way: did the name servers lead to green at the end, or checks fail that were not enough yet?
    :param per_minute: how often the resolver asked Route 53's name servers again
    """

    requests: int
    moved_early: bool
    outage: float | None
    noticed: bool
    watched: float
    on_its_way: bool
    per_minute: float

    def __str__(self) -> str:
        moved = "one lost check led customers to green; " if self.moved_early else ""
        if self.outage is not None:
            outage = f"customers failed for {self.outage:.0f} s"
        elif self.noticed:
            outage = f"customers still failed {self.watched:.0f} s after the fault"
        else:
            outage = "no customer noticed the fault: nobody was on blue"
        return (f"{self.requests} requests; {moved}{outage}; the resolver asked Route 53 "
                f"{self.per_minute:.1f} times a minute")


@dataclass(frozen=True)
class Switch:
    """What became of customers while traffic was moved from blue to green, and blue was switched off.

    :param failed: the requests that failed; after the first one nobody watched much longer
    :param off_at: when blue was switched off, in seconds
    :param on_green: how many requests green served
    """

    requests: int
    failed: tuple[Request, ...]
    off_at: float
    on_green: int

    def __str__(self) -> str:
        if self.failed:
            return (f"{self.requests} requests; one failed {self.failed[0].at - self.off_at:.0f} s after blue was "
                    "switched off: the resolver still led customers to blue")
        return f"{self.requests} requests, 0 failed; green served {self.on_green}"


def name_of(values: Values) -> str:
    """The name that customers use."""
    return f"shop.{values['drill']}"


def _real(record: dict[str, Any], values: Values, check: str) -> dict[str, Any]:
    """A record set of an answer with the id of the health check that was made; ``"CHECK"`` stands for it."""
    made = {key: value for key, value in record.items() if key != "HealthCheckId"}
    if record.get("HealthCheckId"):
        made["HealthCheckId"] = check if record["HealthCheckId"] == "CHECK" else record["HealthCheckId"]
    return {"Name": name_of(values), "Type": "A", **made}


def _drill(aws: AwsAccount, values: Values) -> str:
    """The id of the drill's public zone."""
    return zones.zones_of(aws, {**values, "domain": values["drill"]})[0]["public"]


@contextmanager
def _stage(aws: AwsAccount, values: Values, fresh: float) -> Iterator[tuple[Resolvers, Copy, Copy]]:
    """Resolvers and both copies; ended afterwards."""
    zones.ensure_zone(aws, values["drill"], [])
    blue, green = copies((values["blue"], values["green"]))
    try:
        with Resolvers(aws, values, speed=SPEED, fresh=fresh / SPEED) as resolvers:
            yield resolvers, blue, green
    finally:
        blue.off()
        green.off()


def fail_over(aws: AwsAccount, values: Values, health_check: dict[str, Any],
              records: list[dict[str, Any]]) -> Failover:
    """Make the health check and the records, lose one check, then blue's database; watch customers.

    :raises botocore.exceptions.ClientError: AWS refuses one of them
    :raises botocore.exceptions.ParamValidationError: they are not what the API takes
    :raises TemporaryError: this machine was too busy
    """
    with _stage(aws, values, 1.0) as (resolvers, blue, green):
        zone = _drill(aws, values)
        check = _check(aws, values, {**health_check, "IPAddress": blue.address, "Port": blue.port})
        changes = [{"Action": "UPSERT", "ResourceRecordSet": _real(each, values, check)} for each in records]
        administrator(aws, "route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": changes})
        try:
            return _watched(resolvers, blue, green, values, int(health_check.get("RequestInterval") or 30))
        finally:
            zones.ensure_zone(aws, values["drill"], [])
            administrator(aws, "route53").delete_health_check(HealthCheckId=check)


def _check(aws: AwsAccount, values: Values, config: dict[str, Any]) -> str:
    reference = f"h4-{values['suffix']}-{secrets.token_hex(4)}"
    made = administrator(aws, "route53").create_health_check(CallerReference=reference, HealthCheckConfig=config)
    return str(made["HealthCheck"]["Id"])


def _watched(resolvers: Resolvers, blue: Copy, green: Copy, values: Values, interval: int) -> Failover:
    resolvers.refresh()
    resolvers.servers.health()      # the checker has heard of the health check
    customers = Customers(resolvers, name_of(values), blue.port, resolvers.servers.clock)
    customers.wait(lambda: blue.checked, interval + SLACK)
    blue.lose = 1
    seen = blue.checked
    customers.wait(lambda: blue.checked > seen, interval + SLACK)
    moved = customers.wait(lambda: _leads_to(resolvers, values, green), 0.7 * interval)
    customers.wait(lambda: blue.checked > seen + 1, interval + SLACK)   # the fault comes after a check that was well
    blue.lose, blue.database = 0, False
    broken = customers.now()
    served = customers.wait(lambda: _served_since(customers, broken) > SERVED, values["budget"] + SLACK + SERVED)
    watched = customers.now() - broken
    waiting = any(each["against"] for each in resolvers.servers.health())
    on_its_way = waiting or _leads_to(resolvers, values, green)
    sent = customers.stop()
    failed = [each.at - broken for each in sent if each.failed and each.at >= broken]
    return Failover(len(sent), moved, failed[-1] if served else None, bool(failed), watched, on_its_way,
                    max(_questions(resolvers, values) - 1, 0) / max(sent[-1].at, 1.0) * 60)


def _questions(resolvers: Resolvers, values: Values) -> int:
    """How often the resolver of the internet asked the name servers for the customers' name."""
    wanted = (name_of(values), "public")
    return sum(1 for each in resolvers.servers.log() if (each["name"], each["view"]) == wanted and not each["cached"])


def _served_since(customers: Customers, moment: float) -> float:
    """Seconds from the last request that failed after ``moment`` to the last one; 0 while none failed yet."""
    sent = [each for each in list(customers.sent) if each.at >= moment]
    failed = [each.at for each in sent if each.failed]
    return sent[-1].at - failed[-1] if failed else 0.0


def _leads_to(resolvers: Resolvers, values: Values, copy: Copy) -> bool:
    """Do the name servers lead there now?"""
    return copy.address in resolvers.dig("authority", name_of(values)).values


def switch(aws: AwsAccount, values: Values, ttl: int, drain_seconds: int) -> Switch:
    """Move all weight from blue to green under load, wait, switch blue off, and watch customers.

    :raises TemporaryError: this machine was too busy
    """
    with _stage(aws, values, PROPAGATION) as (resolvers, blue, green):
        zone = _drill(aws, values)
        _weigh(aws, zone, values, ttl, (100, 0))
        resolvers.refresh()
        customers = Customers(resolvers, name_of(values), blue.port, resolvers.servers.clock)
        customers.wait(lambda: len(customers.sent) > 4, 30)
        _weigh(aws, zone, values, ttl, (0, 100))
        customers.pause(drain_seconds)
        off = customers.now()
        blue.off()
        rest = max(15.0, min(PROPAGATION + ttl - drain_seconds + SLACK, 60.0))
        customers.wait(lambda: any(each.failed for each in list(customers.sent)), rest)
        sent = customers.stop()
        zones.ensure_zone(aws, values["drill"], [])
    return Switch(len(sent), tuple(each for each in sent if each.failed), off,
                  sum(each.address == green.address for each in sent))


def _weigh(aws: AwsAccount, zone: str, values: Values, ttl: int, weights: tuple[int, int]) -> None:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": {
        **zones.record(name_of(values), "A", values[name], ttl), "SetIdentifier": name, "Weight": weight}}
        for name, weight in zip(("blue", "green"), weights, strict=True)]
    administrator(aws, "route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})



"""From a question to an answer, one name at a time, each step with its reasons.

A view is who asks.  Order for a VPC: its private zones, then what the internet sees; a private zone that covers the
name decides alone ("Considerations when working with a private hosted zone").
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from labs.aws.dns.cache import Cache, Step
from labs.aws.dns.hosted import ALIAS_TTL, BALANCER, CHAIN, Hosted, failed
from labs.aws.dns.reading import Snapshot
from labs.aws.dns.zones import hosted, plain, private, public, within

SERVER_TTL = 172800
NOBODYS_TTL = 5
"""Seconds that a name nobody has registered is known not to be there; at a real registry's it is minutes."""
CLUSTER = "cluster.local"
RESERVED = ("test", "example", "invalid", "localhost", "internal")
"""Top-level domains that no name server of the internet has (RFC 2606, RFC 6761, ICANN 2024)."""
_SERVERS = re.compile(r"ns-\d+\.awsdns-\d+\.(com|net|org|co\.uk)")


@dataclass(frozen=True)
class View:
    """Who asks: ``public``, ``authority`` or a VPC's id, which is in ``vpc`` too."""

    name: str
    vpc: str = ""

    @property
    def recursive(self) -> bool:
        """Does it look further than its own zones, and remember?"""
        return self.name != "authority"


@dataclass(frozen=True)
class Answer:
    """What is said to a question: the steps of its chain, of which the last has what was asked for, or nothing."""

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """Where the chain ends."""
        return self.steps[-1]

    @property
    def cached(self) -> bool:
        """Did nobody have to be asked?"""
        return all(each.cached for each in self.steps)


Forward = Callable[[str, str], Awaitable[tuple[Step, ...]]]
"""Asks other servers about a name and a type."""


class Resolver:
    """One server's answers.

    :param snapshot: what is there now; asked only when the cache does not know
    :param hosted: answers from hosted zones
    :param cluster: asks the cluster's DNS
    :param elsewhere: asks this machine's name servers
    :param authority: the address of Route 53's name servers
    :param balancer: a load balancer's address, by its DNS name
    """

    def __init__(self, view: View, cache: Cache, snapshot: Callable[[], Awaitable[Snapshot]],
                 hosted: Hosted, cluster: Forward, elsewhere: Forward, authority: str,
                 balancer: Callable[[str], str]) -> None:
        self.view = view
        self.cache = cache
        self._snapshot = snapshot
        self._hosted = hosted
        self._cluster = cluster
        self._elsewhere = elsewhere
        self._authority = authority
        self._balancer = balancer

    async def resolve(self, name: str, kind: str) -> Answer:
        """The answer to a question; ``name`` as :func:`plain` makes it."""
        steps: list[Step] = []
        while len(steps) < CHAIN:
            known = self.cache.get(name, kind) if self.view.recursive else None
            found = (known,) if known else await self._asked(name, kind)
            if known is None and self.view.recursive:
                for each in found:
                    self.cache.put(each, kind)
            steps += found
            last = found[-1]
            if last.kind != "CNAME" or kind == "CNAME":
                break
            name = plain(last.values[0])
            if not self.view.recursive and not within(name, str((last.why or {}).get("zone_name"))):
                break
        else:
            steps.append(failed(name, "the chain of CNAMEs is too long"))
        return Answer(tuple(steps))

    async def _asked(self, name: str, kind: str) -> tuple[Step, ...]:
        if self.view.vpc and within(name, CLUSTER):
            return await self._cluster(name, kind)
        now = await self._snapshot()
        vpc = now.vpcs.get(self.view.vpc)
        if vpc is not None and not vpc.support:
            return (failed(name, f"{vpc.id} has enableDnsSupport off: its resolver answers nothing"),)
        if vpc is not None and vpc.hostnames:
            zone = private(now.zones, name, vpc.id)
            if zone is not None:
                return (self._hosted.answer(now.balancers, zone, name, kind),)
        if self.view.name == "authority":
            return (self._as_authority(now, name, kind),)
        zone = public(now.zones, name)
        if zone is not None:
            if zone.delegates(name):
                return (failed(name, f"{zone.name} delegates it to name servers that do not have the zone"),)
            return (self._hosted.answer(now.balancers, zone, name, kind),)
        return await self._beyond(now, name, kind)

    def _as_authority(self, now: Snapshot, name: str, kind: str) -> Step:
        zone = hosted(now.zones, name)
        if zone is None:
            return Step(name, "REFUSED", why={"reason": "no hosted zone covers the name"})
        cut = zone.cut(name)
        if cut:
            servers = tuple(sorted(each + "." for each in zone.delegates(name)))
            return Step(name, "NOERROR", why={"reason": "delegated", "zone": zone.id}, referral=(cut, servers))
        return self._hosted.answer(now.balancers, zone, name, kind)

    async def _beyond(self, now: Snapshot, name: str, kind: str) -> tuple[Step, ...]:
        """Names that no hosted zone here has."""
        if _SERVERS.fullmatch(name):
            return (self._made(name, kind, self._authority, SERVER_TTL, "a name server of Route 53"),)
        if BALANCER.fullmatch(name):
            balancer = name.removeprefix("dualstack.")
            if balancer in now.balancers:
                return (self._made(name, kind, self._balancer(balancer), ALIAS_TTL, "a load balancer"),)
        elif name.rpartition(".")[2] not in RESERVED:
            return await self._elsewhere(name, kind)
        return (_nobodys(name),)

    def _made(self, name: str, kind: str, address: str, ttl: int, reason: str) -> Step:
        if kind == "A":
            return Step(name, "NOERROR", "A", ttl, (address,), why={"reason": reason})
        return replace(_nobodys(name), status="NOERROR", why={"reason": reason})


def _nobodys(name: str) -> Step:
    value = "a.root-servers.net. nstld.verisign-grs.com. 2026112600 1800 900 604800 5"
    return Step(name, "NXDOMAIN", ttl=NOBODYS_TTL, soa=("", NOBODYS_TTL, value),
                why={"reason": "no hosted zone covers the name, and the internet has no such domain"})  # fmt: skip

"""What a resolver remembers: RRsets for their TTL, and that a name or a type is not there for the zone's negative TTL.

RFC 2181 §5.2 (an RRset has one TTL), RFC 2308 §5 (a name that is not there has no record of any type).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

MOST = 10_000
"""Entries; the oldest goes first."""
ANY = "*"
"""In place of a type: the name does not exist."""


@dataclass(frozen=True)
class Step:
    """One answer about one name: an RRset, a CNAME, or that there is nothing.

    :param status: ``NOERROR`` or ``NXDOMAIN``, ``SERVFAIL`` where nobody could be asked
    :param kind: the type of ``values``; "" where there are none
    :param values: as a zone file has them
    :param soa: (apex, TTL, value) where there is nothing
    :param referral: a name and its name servers, where they are to be asked
    :param why: how it came about, as JSON
    """

    name: str
    status: str
    kind: str = ""
    ttl: int = 0
    values: tuple[str, ...] = ()
    soa: tuple[str, int, str] | None = None
    why: dict[str, Any] | None = None
    referral: tuple[str, tuple[str, ...]] | None = None
    cached: bool = False


class Cache:
    """Steps by name and type; ``now`` tells the time in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[tuple[str, str], tuple[float, Step]] = {}

    def get(self, name: str, kind: str) -> Step | None:
        """What is remembered, with the seconds it has left; None for nothing."""
        for key in ((name, ANY), (name, kind), (name, "CNAME")):
            until, step = self._kept.get(key, (0.0, None))
            if step is None:
                continue
            left = math.ceil(until - self._now())
            if left > 0:
                soa = None if step.soa is None else (step.soa[0], left, step.soa[2])
                return replace(step, ttl=left, soa=soa, cached=True)
            del self._kept[key]
        return None

    def put(self, step: Step, kind: str) -> None:
        """Remember what was answered to a question of type ``kind``; nothing of a TTL of 0, and no failure."""
        if step.ttl <= 0 or step.status == "SERVFAIL":
            return
        key = (step.name, ANY if step.status == "NXDOMAIN" else step.kind or kind)
        self._kept.pop(key, None)
        self._kept[key] = (self._now() + step.ttl, step)
        if len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def told(self) -> list[dict[str, Any]]:
        """What is in it now, as JSON."""
        rows = [(*key, math.ceil(until - self._now()), step) for key, (until, step) in self._kept.items()]
        return [{"name": name, "type": "any" if kind == ANY else kind, "ttl": left, "status": step.status,
                 "values": list(step.values)} for name, kind, left, step in rows if left > 0]  # fmt: skip

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

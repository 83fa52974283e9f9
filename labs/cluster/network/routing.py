"""Which endpoint a connection to a Service gets.  Pure apart from the memory of who went where.

"Virtual IPs and Service Proxies" (Kubernetes documentation): ready endpoints in turn; when there are none, those that
are terminating and still serve; session affinity by client; internal traffic policy; hints of topology.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labs.cluster.network.table import Endpoint, Key
from labs.cluster.nodes.api import Object

REMEMBERED = 10_000
"""Clients with an affinity that are kept in mind."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who connects.

    :param address: the pod's, or 127.0.0.1 for this machine
    :param node: on which it runs, "" for this machine
    """

    address: str
    node: str = ""
    zone: str = ""


def usable(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The ready ones, else those that serve until they are gone ("Traffic to terminating endpoints")."""
    known = list(endpoints)
    return [each for each in known if each.ready] or [each for each in known if each.serving and each.terminating]


def near(service: Object, endpoints: Sequence[Endpoint], client: Client) -> list[Endpoint]:
    """Those that this client may use: on its node where the policy says Local, else as the slices hint."""
    if service["spec"].get("internalTrafficPolicy") == "Local" and client.node:
        return [each for each in endpoints if each.node == client.node]
    for own, hints in ((client.node, "nodes"), (client.zone, "zones")):
        # hints count when every endpoint has one, and only where one is for this client
        if own and endpoints and all(getattr(each, hints) for each in endpoints):
            chosen = [each for each in endpoints if own in getattr(each, hints)]
            if chosen:
                return chosen
    return list(endpoints)


class Chooser:
    """Chooses, and remembers by Service port and client."""

    def __init__(self) -> None:
        self._turn = itertools.count()
        self._last: dict[tuple[Key, str, str], tuple[str, float]] = {}

    def choose(self, key: Key, service: Object, port_name: str, endpoints: Iterable[Endpoint],
               client: Client) -> Endpoint | None:
        """One of the endpoints, None when none may be used."""
        found = near(service, usable(endpoints), client)
        if not found:
            return None
        if service["spec"].get("sessionAffinity") != "ClientIP":
            return found[next(self._turn) % len(found)]
        seconds = ((service["spec"].get("sessionAffinityConfig") or {}).get("clientIP") or {}).get(
            "timeoutSeconds", 10800)
        return self._same(key, port_name, found, client, seconds)

    def _same(self, key: Key, port_name: str, found: list[Endpoint], client: Client, seconds: float) -> Endpoint:
        """"Session affinity": the one this client had, unless it is gone or was not used for so long."""
        who, now = (key, port_name, client.address), time.monotonic()
        address, used = self._last.pop(who, ("", 0.0))
        kept = next((each for each in found if each.address == address), None) if now - used < seconds else None
        chosen = kept or found[next(self._turn) % len(found)]
        self._last[who] = (chosen.address, now)
        if len(self._last) > REMEMBERED:
            del self._last[next(iter(self._last))]
        return chosen

"""A whole journey: one request that is made now, and what every component on its way tells about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from labs.cluster.space import Cluster
from labs.scenarios.h_networking.access_logs import logged
from labs.scenarios.h_networking.front import Front, Resolve, entrance
from labs.scenarios.h_networking.in_cluster import INGRESS_LOG, Inside
from labs.scenarios.h_networking.sent import Sent, send
from labs.visuals import Hop, Journey
from labs.visuals.traffic import PASSED, STOPPED, UNREACHED

FRONT = (("browser", "Connection"), ("AWS", "Load balancer"), ("AWS", "Target"))
"""The hops before the ingress of a request that comes by the front."""
REST = (("edge", "Ingress route"), ("cluster", "Service"), ("cluster", "EndpointSlice"), ("cluster", "Pod"),
        ("cluster", "Container"))
"""The hops of a request that comes through, from the ingress on."""
TRAEFIKS_OWN = "TRAEFIK DEFAULT CERT"


def travel(url: str, cluster: Cluster, home: Path, address: str, port: int, trust: str | None = None,
           before: Iterable[Hop] = (), between: Callable[[Sent], Iterable[Hop]] = lambda sent: ()) -> Journey:
    """Make a request and follow it.

    :param home: the state folder with the ingress's log
    :param before: hops that led to the address, such as the answer of a name server
    :param between: hops between the connection and the ingress, such as a load balancer's
    """
    sent = send(url, address, port, trust)
    hops = [*before, connection(sent)]
    if hops[-1].state == PASSED:
        hops += between(sent)
    if all(hop.state == PASSED for hop in hops):
        hops += Inside(cluster, sent).hops(logged(home / INGRESS_LOG, sent.request_id))
    ended = next((hop for hop in hops if hop.state == STOPPED), None)
    return Journey(f"GET {url}", sent.request_id, sent.trace_id, answer(sent), (*hops, *unreached(hops, ended)))


def travel_from_outside(path: str, cluster: Cluster, home: Path, front: Front, balancing: Path, resolve: Resolve
                        ) -> Journey:
    """A request that begins with a name: through DNS and the load balancer to the ingress, and on.

    :param balancing: the state folder with the load balancers' access log
    :param resolve: how a resolver of the internet answers
    """
    values = front.values
    url = f"https://{values['host']}{path}"
    address, name = front.name(resolve)
    if not address:
        missed = [Hop(place, what, "", UNREACHED) for place, what in (*FRONT, *REST)]
        return Journey(f"GET {url}", "none", "none", f"no answer: {name.why}", (name, *missed))
    seen = travel(url, cluster, home, address, entrance(), values["trust"], [name],
                  lambda sent: front.hops(balancing, sent))
    ended = seen.stopped
    if ended is None or ended.place not in ("browser", "AWS"):
        return seen
    come = [hop for hop in seen.hops if hop.state != UNREACHED]
    missed = [Hop(place, what, "", UNREACHED) for place, what in (*FRONT, *REST) if what not in [h.name for h in come]]
    return replace(seen, hops=(*come, *missed))


def answer(sent: Sent) -> str:
    """What the browser got."""
    if sent.error:
        return f"no answer: {sent.error}"
    return f"{sent.status} in {sum(part or 0.0 for part in (sent.connect_ms, sent.tls_ms, sent.ms)):.1f} ms"


def connection(sent: Sent) -> Hop:
    """The browser's connection, and the certificate it was shown."""
    facts = []
    if sent.tls:
        facts.append(f"{sent.tls}, certificate for {', '.join(sent.certificate['names'])} until "
                     f"{sent.certificate['not_after']}")
    why = ""
    if sent.error and sent.at in ("connect", "tls"):
        why = sent.error
        if TRAEFIKS_OWN in sent.certificate.get("subject", ""):
            why += "; Traefik shows its own: it has no Secret with a certificate for this name"
        elif sent.certificate:
            why += (f"; shown: {', '.join(sent.certificate['names'])}, issued by {sent.certificate['issuer']}, "
                    f"until {sent.certificate['not_after']}")
    spent = [part for part in (sent.connect_ms, sent.tls_ms) if part is not None]
    return Hop("browser", "Connection", f"{sent.address}:{sent.port}", STOPPED if why else PASSED, tuple(facts), why,
               sum(spent) if spent else None, "the browser's own connection")


def unreached(hops: list[Hop], ended: Hop | None) -> list[Hop]:
    """The hops that a request which ended early did not come to."""
    if ended is None:
        return []
    come = {hop.name for hop in hops}
    return [Hop(place, name, "", UNREACHED) for place, name in REST if name not in come]

"""Both hosts are served, with a certificate as it was asked for."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from graders.checks.h_networking.h3_q2.served import Hosts, days
from graders.exercise import Finding
from labs.cluster.certificates.authorities import INTERMEDIATE

HINTS = {
    "default certificate": (
        "The ingress has no certificate for this name. Is the Secret that the Ingress names the one that the "
        "Certificate writes, and did cert-manager find the issuer: its kind, its name?"
    ),
    "wrong name": "The certificate is not good for this host: look at dnsNames.",
    "unknown issuer": "Nobody whom clients trust has issued it: which ClusterIssuer is the internal authority?",
}
LASTS = "duration is how long it is good, renewBefore how long before its end the next is issued: hours, such as 720h."
ROUTE = "A certificate alone serves nothing: has the Ingress a rule for this host, to the Service shop, port 80?"


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    hosts, wanted = Hosts(live, answer), live.values
    shaken = {name: hosts.shake(name) for name in hosts.names}
    for name, seen in shaken.items():
        told = seen.outcome + (f" ({seen.said})" if seen.said else "") + ("" if seen.outcome == "ok" else hosts.why())
        yield Finding(f"a client that trusts the internal authority connects to {name}", 1, seen.outcome == "ok", told,
                      "ok", HINTS.get(seen.outcome, HINTS["default certificate"]))
    answered = {name: hosts.status(name) for name in hosts.names}
    yield Finding("both hosts answer", 1, set(answered.values()) == {200},
                  ", ".join(f"{name}: status {status}" for name, status in answered.items()), "status 200", ROUTE)
    yield _lasts(hosts, shaken[hosts.names[0]].certificate, wanted["days"], wanted["days_before"])


def _lasts(hosts: Hosts, shown: Any, wanted: int, before: int) -> Finding:
    name = "it is good as long as asked, and renewed in time"
    expected = f"{wanted} days, renewed {before} before the end"
    made = hosts.certificate()
    renewal = (made or {}).get("status", {}).get("renewalTime")
    if shown is None or renewal is None or INTERMEDIATE not in shown.issuer.rfc4514_string():
        return Finding(name, 1, False, "no certificate of the internal authority" + hosts.why(), expected, LASTS)
    left = (shown.not_valid_after_utc - datetime.datetime.fromisoformat(renewal)) / datetime.timedelta(days=1)
    told = f"{days(shown):.1f} days, renewed {left:.1f} before the end"
    right = abs(days(shown) - wanted) < 0.1 and abs(left - before) < 0.1
    return Finding(name, 1, right, told, expected, LASTS)

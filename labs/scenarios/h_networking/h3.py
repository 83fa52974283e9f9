"""Lab h3: what a client checks of a certificate, who issues one, and how it is replaced while customers come.

In one namespace: a small web server behind the ingress, its hand-made certificate from the learner's old authority, and
whatever cert-manager issues for it.
"""

from __future__ import annotations

import datetime
import http.client
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.certificates import authorities
from labs.cluster.certificates.manifests import INTERNAL
from labs.cluster.ingress.flags import Listeners
from labs.cluster.ingress.manifests import NAME as TRAEFIK
from labs.cluster.space import APP, Object, Space, complete, expect
from labs.errors import PermanentError
from labs.scenarios.base import Values, digest, pick, shuffled
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.h_networking import handshakes
from labs.scenarios.h_networking.authority import BEGINS, ENDS, Authority, Pair

READY_WITHIN, READ_WITHIN = 60.0, 20.0
APPLICATION, PORT = "shop", 8080
EXPIRED = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
CERTIFICATES = "cert-manager.io/v1"
GROUPS = MappingProxyType({
    "ok": ("whole", "wildcard"), "expired": ("expired",), "wrong name": ("common-name",),
    "unknown issuer": ("no-intermediate", "root-instead", "old-trust"),
    "default certificate": ("elsewhere", "deep", "turned", "address")})
"""Kinds of cases by what a client finds."""
CASES = 8


class H3(ClusterLab):
    """A web server, reached by HTTPS."""

    id: ClassVar[str] = "h3"
    title: ClassVar[str] = "Certificates: what clients check, who issues, how they are replaced"
    minutes: ClassVar[int] = 75
    needs: ClassVar[tuple[str, ...]] = ("kubernetes", "ingress", "certificates")

    def values(self, seed: bytes) -> Values:
        """Names, certificates and cases of one learner."""
        word = pick(seed, "host", ["books", "garden", "music", "tea"])
        host = f"{word}-{digest(seed, 'h3 host')[:4]}.test"
        root = Authority(seed, "Old root of lab h3", depth=1)
        below = Authority(seed, "Old intermediate of lab h3", root)
        days = pick(seed, "days", [20, 30, 40])
        return {
            "namespace": f"h3-tls-{digest(seed, 'namespace')[:6]}",
            "host": host,
            "old_root": root.certificate,
            "old_intermediate": below.certificate,
            "other_root": Authority(seed, "Root of somebody else").certificate,
            "hosts": [f"pay.{host}", f"www.pay.{host}"],
            "days": days,
            "days_before": days // 2,
            "sites": {name: _site(below, f"{name}.{host}") for name in ("first", "second")},
            "cases": [_case(f"case-{at}", kind, host, below, root) for at, kind in enumerate(_kinds(seed), 1)],
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The web server, without any way to it."""
        space.apply(deployment(), service())

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The web server behind an Ingress, whose certificate is one that nobody trusts."""
        for kind in ("Ingress", "Certificate", "Issuer", "Secret"):
            for each in space.list(kind):
                space.delete(kind, each["metadata"]["name"])
        self.furnish(space, values)
        space.apply(ingress(APPLICATION, values["host"], "shop-tls"))
        expect(lambda: complete(space.get("Deployment", APPLICATION)), READY_WITHIN, "the web server is not Ready")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """What a client meets that trusts the roots of both authorities, for every host of an Ingress."""
        home = Path(space.cluster.kubeconfig).parent
        trust = authorities.trust(home).read_text(encoding="ascii") + values["old_root"]
        port = Listeners.read(home).https
        hosts = [rule["host"] for each in space.list("Ingress") for rule in each["spec"]["rules"]]
        return {host: _told(handshakes.shake(port, host, trust)) for host in sorted(set(hosts))}

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``handshakes``: makes the cases' objects and connects, by case.  ``shake``: one (``host``, ``trust``).

        ``rotate``: carries out a ``plan`` under load (``rotation.py``) with a client ``acm``, and tells what happened.
        ``trust``: the PEM of the roots of the cluster's authorities.
        """
        home = Path(space.cluster.kubeconfig).parent
        port = Listeners.read(home).https
        if program == "handshakes":
            return {case: shaken.outcome for case, shaken in try_cases(space, home, values["cases"], values).items()}
        if program == "trust":
            return authorities.trust(home).read_text(encoding="ascii")
        if program == "shake":
            return _told(handshakes.shake(port, options["host"], options["trust"]))
        if program == "rotate":
            from labs.scenarios.h_networking import rotation

            return rotation.rotate(space, home, values, "first", options["plan"], options["acm"])
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has handshakes, shake, trust and rotate.")


def _told(seen: handshakes.Handshake) -> dict[str, Any]:
    found = seen.certificate
    if found is None:
        return {"outcome": seen.outcome, "said": seen.said}
    return {"outcome": seen.outcome, "said": seen.said, "serial": f"{found.serial_number:x}",
            "issuer": found.issuer.rfc4514_string(), "not_after": f"{found.not_valid_after_utc:%Y-%m-%d %H:%M}"}


# --- objects ------------------------------------------------------------------------------------------------------


def deployment() -> Object:
    """The web server."""
    container = {"name": "web", "image": "host/python3", "command": ["python3", "-m", "http.server", str(PORT)],
                 "ports": [{"containerPort": PORT}],
                 "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1}}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": APPLICATION, "labels": {APP: APPLICATION}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {APP: APPLICATION}},
                     "template": {"metadata": {"labels": {APP: APPLICATION}},
                                  "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}}}


def service() -> Object:
    """Its Service."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": APPLICATION},
            "spec": {"selector": {APP: APPLICATION}, "ports": [{"port": 80, "targetPort": PORT}]}}


def ingress(name: str, host: str, secret: str) -> Object:
    """The route of a host, and the Secret of its certificate."""
    backend = {"service": {"name": APPLICATION, "port": {"number": 80}}}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"ingressClassName": TRAEFIK, "tls": [{"hosts": [host], "secretName": secret}],
                     "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
                                                                  "backend": backend}]}}]}}


def secret(name: str, certificates: Iterable[str], key: str) -> Object:
    """A certificate with its chain, and its key."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": "".join(certificates), "tls.key": key}}


def certificate(name: str, host: str) -> Object:
    """What asks cert-manager for a certificate of the cluster's authority, in the Secret of the same name."""
    return {"apiVersion": CERTIFICATES, "kind": "Certificate", "metadata": {"name": name},
            "spec": {"secretName": name, "dnsNames": [host], "privateKey": {"algorithm": "ECDSA", "size": 256},
                     "usages": ["digital signature", "server auth"],
                     "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": INTERNAL}}}


def _site(below: Authority, host: str) -> dict[str, str]:
    return {"host": host, **vars(below.issue(host))}


# --- cases --------------------------------------------------------------------------------------------------------


def _kinds(seed: bytes) -> list[str]:
    """Eight kinds: one of each outcome, and three more."""
    first = [pick(seed, f"kind {outcome}", list(kinds)) for outcome, kinds in GROUPS.items()]
    others = [kind for kinds in GROUPS.values() for kind in kinds if kind not in first]
    return shuffled(seed, "cases", first + shuffled(seed, "others", others)[:CASES - len(first)])


def _case(name: str, kind: str, base: str, below: Authority, root: Authority) -> dict[str, Any]:
    """One case: what is in the Secret, where that is, which host the Ingress has, what the client asks and trusts.

    Certificates and the key are in ``pem``; the rest is for people.
    """
    host = f"{name}.{base}"
    wanted, issued, ends = host, host, ENDS
    names: tuple[str, ...] = ()
    if kind in ("wildcard", "deep"):
        issued, wanted = f"*.{host}", f"www.{host}" if kind == "wildcard" else f"www.eu.{host}"
    elif kind == "common-name":
        names = (f"shop.{host}",)
    elif kind == "expired":
        ends = EXPIRED
    pair = below.issue(issued, BEGINS, ends, names)
    chain = {"no-intermediate": ["leaf"], "root-instead": ["leaf", "root"], "turned": ["intermediate", "leaf"]}.get(
        kind, ["leaf", "intermediate"])
    return {
        "id": name, "host": wanted,
        "asks": "127.0.0.1" if kind == "address" else wanted,
        "trusts": "another root" if kind == "old-trust" else "the root",
        "secret_in": "another namespace" if kind == "elsewhere" else "the Ingress's namespace",
        "tls.crt": chain,
        "leaf": {"common name": issued, "alternative names": list(names or (issued,)),
                 "valid": f"{BEGINS:%Y-%m-%d} to {ends:%Y-%m-%d}"},
        "pem": _pem(pair, chain, below, root),
    }


def _pem(pair: Pair, chain: list[str], below: Authority, root: Authority) -> dict[str, Any]:
    known = {"leaf": pair.certificate, "intermediate": below.certificate, "root": root.certificate}
    return {"certificates": [known[each] for each in chain], "key": pair.key}


def try_cases(space: Space, home: Path, cases: list[Mapping[str, Any]], values: Values
              ) -> dict[str, handshakes.Handshake]:
    """What the client of each case meets; their objects are made, and stay.

    :raises TemporaryError: the ingress does not read them in time
    """
    other = space.cluster.space(f"{space.name}-other")
    listeners = Listeners.read(home)
    try:
        space.apply(*(ingress(each["id"], each["host"], f"{each['id']}-tls") for each in cases))
        for each in cases:
            place = space if each["secret_in"] != "another namespace" else other.make(_labels(space))
            place.apply(secret(f"{each['id']}-tls", each["pem"]["certificates"], each["pem"]["key"]))
        expect(lambda: all(_routed(listeners.http, each["host"]) for each in cases), READ_WITHIN,
               "the ingress has not read the cases' Ingresses")
        trust = {"the root": values["old_root"], "another root": values["other_root"]}
        with ThreadPoolExecutor(CASES) as at_once:
            met = at_once.map(lambda each: _settled(listeners.https, each, trust[each["trusts"]]), cases)
            return {each["id"]: seen for each, seen in zip(cases, met, strict=True)}
    finally:
        if any(each["secret_in"] == "another namespace" for each in cases):
            other.remove()


def _settled(port: int, case: Mapping[str, Any], trust: str) -> handshakes.Handshake:
    """The second of two like handshakes: the ingress reads Secrets and Ingresses one after the other."""
    last = handshakes.shake(port, case["asks"], trust)
    while True:
        time.sleep(0.3)
        seen = handshakes.shake(port, case["asks"], trust)
        if (seen.outcome, seen.serial) == (last.outcome, last.serial):
            return seen
        last = seen


def _labels(space: Space) -> dict[str, str]:
    """Those of a namespace: whoever sweeps it sweeps what is made beside it."""
    found = space.cluster.call("GET", f"/api/v1/namespaces/{space.name}")["metadata"].get("labels") or {}
    return {key: value for key, value in found.items() if not key.startswith("kubernetes.io/")}


def _routed(port: int, host: str) -> bool:
    """Does the ingress have a route for a host?  Without one it answers 404."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("HEAD", "/", headers={"Host": host})
        return connection.getresponse().status != http.client.NOT_FOUND
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

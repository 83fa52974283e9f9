"""The learner's manifests applied, and what clients meet then."""

from __future__ import annotations

import datetime
import http.client
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509

from graders import manifests
from graders.manifests import Unusable
from labs.cluster.certificates import authorities
from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import Object, complete, expect, until
from labs.scenarios.h_networking import handshakes
from labs.scenarios.h_networking.h3 import APPLICATION

KINDS = {"Certificate", "Ingress", "Issuer"}
ISSUED_WITHIN, READY_WITHIN = 15.0, 60.0
REST = 2.5
"""Seconds after which nothing more comes, when cert-manager has nothing left to do."""
HERE = "Only the hosts of this exercise may be named: others are somebody else's."


class Hosts:
    """The exercise's two hosts, after the learner's manifests were applied.

    :raises graders.manifests.Unusable: the API server, or cert-manager's webhook, refuses one, or it names other hosts
    """

    def __init__(self, live: Any, answer: dict[str, Any]) -> None:
        self.space, self.names = live.space, list(live.values["hosts"])
        home: Path = live.certificates
        self._trust = authorities.trust(home).read_text(encoding="ascii")
        self.port = Listeners.read(home).https
        found = manifests.objects(answer["manifests"], KINDS)
        strange = sorted({host for each in found for host in _hosts(each)} - set(self.names))
        if strange:
            raise Unusable(f"the host {strange[0]}", f"{' and '.join(self.names)}", HERE)
        expect(lambda: complete(self.space.get("Deployment", APPLICATION)), READY_WITHIN, "the web server is not Ready")
        manifests.apply(self.space, *found)
        self._rested: float | None = None
        until(self._settled, ISSUED_WITHIN)

    def _settled(self) -> bool:
        """Is everything as it should be, or will it never be?"""
        if all(self.shake(name).outcome == "ok" for name in self.names):
            return True
        busy = any(_condition(each, "Ready") != "True" for each in self.space.list("Certificate"))
        if busy and "not found" not in self.why():
            self._rested = None
            return False
        self._rested = self._rested or time.monotonic()
        return time.monotonic() - self._rested > REST

    def shake(self, name: str) -> handshakes.Handshake:
        """What a client meets."""
        return handshakes.shake(self.port, name, self._trust)

    def status(self, name: str) -> int:
        """What a request is answered with that asks for nothing of the certificate; 0 for no answer."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection(("127.0.0.1", self.port), 10) as plain, \
                    context.wrap_socket(plain, server_hostname=name) as secured:
                connection = http.client.HTTPConnection(name)
                connection.sock = secured
                connection.request("GET", "/")
                return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0

    def certificate(self) -> Object | None:
        """The learner's Certificate; the one that is Ready where there are several."""
        listed = self.space.list("Certificate")
        return next((each for each in listed if _condition(each, "Ready") == "True"), listed[0] if listed else None)

    def why(self) -> str:
        """What cert-manager says about the first request that is not Ready, "" for nothing."""
        for kind in ("CertificateRequest", "Certificate"):
            for each in self.space.list(kind):
                for told in each.get("status", {}).get("conditions", []):
                    if told["type"] == "Ready" and told["status"] != "True":
                        return f"; {kind} {each['metadata']['name']}: {told.get('message', '')}"[:300]
        return ""


def _hosts(each: Object) -> Iterable[str]:
    spec = each.get("spec") or {}
    yield from spec.get("dnsNames") or []
    for part in [*(spec.get("rules") or []), *(spec.get("tls") or [])]:
        yield from filter(None, [part.get("host"), *(part.get("hosts") or [])])


def _condition(each: Object, kind: str) -> str:
    return next((told["status"] for told in each.get("status", {}).get("conditions", []) if told["type"] == kind), "")


def days(certificate: x509.Certificate) -> float:
    """How long it is good."""
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / datetime.timedelta(days=1)


def renewed(hosts: Hosts, within: float) -> tuple[bool, bool]:
    """Have the Certificate issued again, as ``cmctl renew`` does: is another certificate served, and another key's?

    :raises labs.errors.TemporaryError: the API server does not answer
    """
    from cryptography.hazmat.primitives import serialization

    def key(found: x509.Certificate) -> bytes:
        return found.public_key().public_bytes(serialization.Encoding.DER,
                                               serialization.PublicFormat.SubjectPublicKeyInfo)

    made, before = hosts.certificate(), hosts.shake(hosts.names[0]).certificate
    if made is None or before is None:
        return False, False
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for by the check",
             "lastTransitionTime": now, "observedGeneration": made["metadata"]["generation"]}
    path = f"/apis/cert-manager.io/v1/namespaces/{hosts.space.name}/certificates/{made['metadata']['name']}/status"
    kept = [each for each in made.get("status", {}).get("conditions", []) if each["type"] != "Issuing"]
    hosts.space.cluster.call("PATCH", path, {"status": {"conditions": [*kept, asked]}}, "application/merge-patch+json")
    last: list[x509.Certificate] = []

    def other() -> bool:
        seen = hosts.shake(hosts.names[0]).certificate
        last[:] = [seen] if seen else []
        return seen is not None and seen.serial_number != before.serial_number

    done = bool(until(other, within))
    return done, done and key(last[0]) != key(before)

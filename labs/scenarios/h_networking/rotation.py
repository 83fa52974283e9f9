"""A certificate replaced by one of another authority while customers come: a plan's steps, carried out one by one.

Customers make a new connection for every request and check what they are shown.  The old certificate and its authority
are the learner's; the new one cert-manager issues.  ACM has the old one at the start, imported.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography import x509

from labs.cluster.certificates import authorities
from labs.cluster.ingress.flags import Listeners
from labs.cluster.space import Space, complete, expect, until
from labs.scenarios.h_networking import h3, handshakes

CUSTOMERS, PAUSE, WITHIN = 3, 0.01, 15.0
AFTER_A_STEP = 0.5
"""Seconds in which what a step broke is seen."""
ANSWERED_WITHIN = 5.0
OLD, NEW = "old", "new"
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


@dataclass
class Rotation:
    """What happened.

    :param failed: why requests failed, and how many
    :param first: the step after which the first one failed, "" for none
    :param notes: what a step could not do
    :param served, wanted: serial numbers in hexadecimal, of what is served at the end and of the new certificate
    :param trusted: whose roots customers trust at the end: ``old``, ``new``
    :param recorded: what ACM says of the ARN at the end: a serial number
    :param imported: how many certificates the account has
    """

    requests: int = 0
    failed: collections.Counter[str] = field(default_factory=collections.Counter)
    first: str = ""
    notes: list[str] = field(default_factory=list)
    served: str = ""
    wanted: str = ""
    trusted: tuple[str, ...] = (OLD,)
    old_secret: bool = True
    recorded: str = ""
    imported: int = 0

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in self.failed.most_common())
        told = [f"{self.requests} requests, {self.failed.total()} failed" + (f" ({reasons})" if reasons else "")]
        told += [f"the first after: {self.first}"] if self.first else []
        return "; ".join([*told, *self.notes])


def rotate(space: Space, home: Path, values: Mapping[str, Any], site: str, plan: list[str], acm: Any) -> Rotation:
    """Carry out a plan for one of the lab's sites; its steps are STEPS' keys.

    :param acm: a boto3 client; what is imported is deleted again
    :raises TemporaryError: the site is not served at the start
    """
    made = _Site(space, home, values["sites"][site], values, site, acm)
    try:
        made.begin()
        with made.customers():
            for step in plan:
                made.doing = step
                STEPS[step](made)
                time.sleep(AFTER_A_STEP)
        return made.end()
    finally:
        made.clean()


class _Site:
    """One site, its customers and its record in ACM."""

    def __init__(self, space: Space, home: Path, old: Mapping[str, str], values: Mapping[str, Any], name: str, acm: Any
                 ) -> None:
        self._space, self._name, self._old, self._acm = space, name, old, acm
        self._port = Listeners.read(home).https
        self._roots = {OLD: values["old_root"], NEW: authorities.trust(home).read_text(encoding="ascii")}
        self._below = values["old_intermediate"]
        self._context = self._trusting(OLD)
        self._stop, self._counted = threading.Event(), threading.Lock()
        self._arns: list[str] = []
        self.doing, self.seen = "", Rotation()

    def begin(self) -> None:
        """The old certificate is served, and imported."""
        old = self._old
        self._space.apply(h3.secret(f"{self._name}-old", [old["certificate"], self._below], old["key"]),
                          h3.ingress(self._name, old["host"], f"{self._name}-old"))
        expect(lambda: complete(self._space.get("Deployment", h3.APPLICATION)), WITHIN, "the web server is not Ready")
        expect(lambda: self._asked() == "", WITHIN, "the old certificate is not served")
        self._import([old["certificate"], self._below], old["key"])

    @contextlib.contextmanager
    def customers(self) -> Iterator[None]:
        """Requests all the time."""
        threads = [threading.Thread(target=self._come, daemon=True) for _ in range(CUSTOMERS)]
        for each in threads:
            each.start()
        try:
            time.sleep(AFTER_A_STEP)
            yield
            time.sleep(AFTER_A_STEP)
        finally:
            self._stop.set()
            for each in threads:
                each.join(2 * ANSWERED_WITHIN)

    def end(self) -> Rotation:
        """What is the case after the last step."""
        seen, host = self.seen, self._old["host"]
        shown = handshakes.shown(self._port, host)
        seen.served = f"{shown.serial_number:x}" if shown else ""
        new = self._new()
        seen.wanted = f"{new[0].serial_number:x}" if new else ""
        seen.old_secret = self._space.get("Secret", f"{self._name}-old") is not None
        record = self._acm.describe_certificate(CertificateArn=self._arns[0])["Certificate"]
        seen.recorded, seen.imported = record["Serial"].replace(":", "").lstrip("0"), len(self._arns)
        return seen

    def clean(self) -> None:
        """Without what it made."""
        for arn in self._arns:
            self._acm.delete_certificate(CertificateArn=arn)
        for kind, name in (("Ingress", self._name), ("Certificate", f"{self._name}-new"),
                           ("Secret", f"{self._name}-new"), ("Secret", f"{self._name}-old")):
            self._space.delete(kind, name)

    # -- customers -----------------------------------------------------------------------------------------------------

    def _trusting(self, *whose: str) -> ssl.SSLContext:
        return ssl.create_default_context(cadata="".join(self._roots[each] for each in whose))

    def _come(self) -> None:
        while not self._stop.wait(PAUSE):
            doing, why = self.doing, self._asked()
            with self._counted:
                self.seen.requests += 1
                if why:
                    self.seen.failed[why] += 1
                    self.seen.first = self.seen.first or doing or "the start"

    def _asked(self) -> str:
        """Why a request failed, "" where it did not."""
        host = self._old["host"]
        try:
            with socket.create_connection(("127.0.0.1", self._port), ANSWERED_WITHIN) as plain, \
                    self._context.wrap_socket(plain, server_hostname=host) as secured:
                connection = http.client.HTTPConnection(host)
                connection.sock = secured
                connection.request("GET", "/", headers={"Connection": "close"})
                status = connection.getresponse().status
                return "" if status == http.client.OK else f"status {status}"
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__

    # -- steps ---------------------------------------------------------------------------------------------------------

    def trust(self, *whose: str) -> None:
        """Customers get other roots."""
        self._context = self._trusting(*whose)
        self.seen.trusted = whose

    def ask(self) -> None:
        """Returns at once; cert-manager writes the Secret when it has the certificate."""
        self._space.apply(h3.certificate(f"{self._name}-new", self._old["host"]))

    def wait_issued(self) -> None:
        """Until the new Secret is there."""
        if self._space.get("Certificate", f"{self._name}-new") is None:
            self.seen.notes.append("nothing was asked for that could be issued")
        elif not until(self._new, WITHIN):
            self.seen.notes.append(f"not issued after {WITHIN:.0f} s")

    def show(self) -> None:
        """The Ingress names the new Secret."""
        self._space.apply(h3.ingress(self._name, self._old["host"], f"{self._name}-new"))

    def wait_served(self) -> None:
        """Until a client sees the new certificate."""
        named = self._space.get("Ingress", self._name)
        new = self._new()
        if new is None or named is None or named["spec"]["tls"][0]["secretName"] != f"{self._name}-new":
            self.seen.notes.append("the Ingress does not show the new certificate, so it will not be served")
        elif not until(lambda: handshakes.shown(self._port, self._old["host"]) == new[0], WITHIN):
            self.seen.notes.append(f"not served after {WITHIN:.0f} s")

    def delete_old(self) -> None:
        """Without the old Secret."""
        self._space.delete("Secret", f"{self._name}-old")

    def record(self, *, again: bool, chain: bool = True) -> None:
        """Import what is in the new Secret; ``again`` to the ARN that there is."""
        found = self._space.get("Secret", f"{self._name}-new")
        if found is None or "tls.crt" not in found.get("data", {}):
            self.seen.notes.append("there was no new certificate to import")
            return
        data = {name: base64.b64decode(value).decode() for name, value in found["data"].items()}
        listed = [*_PEM.findall(data["tls.crt"]), *_PEM.findall(data["ca.crt"])]
        self._import(listed if chain else listed[:1], data["tls.key"], self._arns[0] if again else "")

    def _import(self, chain: list[str], key: str, arn: str = "") -> None:
        from botocore.exceptions import ClientError

        more = {"CertificateChain": "".join(chain[1:])} if chain[1:] else {}
        more |= {"CertificateArn": arn} if arn else {}
        try:
            made = self._acm.import_certificate(Certificate=chain[0], PrivateKey=key, **more)["CertificateArn"]
        except ClientError as error:
            self.seen.notes.append(f"ACM: {error.response['Error']['Message']}")
            return
        if made not in self._arns:
            self._arns.append(made)

    def _new(self) -> list[x509.Certificate] | None:
        """The new certificate and its chain, once they are there."""
        found = self._space.get("Secret", f"{self._name}-new")
        text = base64.b64decode((found or {}).get("data", {}).get("tls.crt", ""))
        return x509.load_pem_x509_certificates(text) if text else None


STEPS: Mapping[str, Callable[[_Site], None]] = MappingProxyType({
    "trust both roots": lambda site: site.trust(OLD, NEW),
    "trust the new root only": lambda site: site.trust(NEW),
    "ask for the new certificate": _Site.ask,
    "wait until it is issued": _Site.wait_issued,
    "show the new certificate": _Site.show,
    "wait until it is served": _Site.wait_served,
    "delete the old Secret": _Site.delete_old,
    "import to the same ARN": lambda site: site.record(again=True),
    "import to the same ARN without the chain": lambda site: site.record(again=True, chain=False),
    "import as a new certificate": lambda site: site.record(again=False),
})
"""By name, what can be done; each is followed by half a second of requests."""

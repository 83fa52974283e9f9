"""TLS of listeners: the certificate that fits the name a client asks for ("SSL certificates for your Application Load
Balancer", Elastic Load Balancing User Guide), changed while connections go on.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence

from cryptography import x509

from labs.aws.balancing.configuration import Certificate


class Certificates:
    """What one listener has; :attr:`context` stays the same when they change."""

    def __init__(self) -> None:
        self.context = _context()
        self.context.sni_callback = self._choose
        self._known: tuple[Certificate, ...] = ()
        self._contexts: list[tuple[Certificate, tuple[str, ...], ssl.SSLContext]] = []

    def set(self, certificates: Sequence[Certificate]) -> None:
        """The first is the default; those without a key are left out."""
        usable = tuple(each for each in certificates if each.key)
        if usable != self._known:
            self._known = usable
            self._contexts = [(each, names_of(each), _context(each)) for each in usable]

    def fitting(self, name: str | None) -> Certificate | None:
        """The one for a name: as it is, else by a wildcard, else the default; None where there is none at all."""
        found = self._find(name)
        return found[0] if found else None

    def _find(self, name: str | None) -> tuple[Certificate, tuple[str, ...], ssl.SSLContext] | None:
        asked = (name or "").lower()
        for wanted in (asked, "*." + asked.partition(".")[2]):
            for each in self._contexts:
                if wanted in each[1]:
                    return each
        return self._contexts[0] if self._contexts else None

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        found = self._find(name)
        if found is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = found[2]
        return None


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The DNS names that a certificate is for, in lower case."""
    leaf = x509.load_pem_x509_certificates(certificate.chain.encode())[0]
    try:
        named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(each.lower() for each in named.get_values_for_type(x509.DNSName))


def _context(certificate: Certificate | None = None) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if certificate is not None:
        with tempfile.NamedTemporaryFile(prefix="labs-") as file:       # OpenSSL reads them from files only
            file.write(f"{certificate.key}\n{certificate.chain}".encode())
            file.flush()
            made.load_cert_chain(file.name)
    return made

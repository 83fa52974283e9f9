"""TLS handshakes as a careful client makes them, and what it finds wrong, in a few words."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

CONNECTED_WITHIN = 5.0
DEFAULT = "TRAEFIK DEFAULT CERT"
"""Common name of the certificate that Traefik makes for names it has none for."""
OUTCOMES = ("ok", "expired", "wrong name", "unknown issuer", "default certificate")
_CODES = {ssl_code: name for name, codes in (
    ("expired", (10,)), ("wrong name", (62, 64)), ("unknown issuer", (2, 18, 19, 20, 21))) for ssl_code in codes}
"""Of X509_STORE_CTX_get_error(3), OpenSSL."""


@dataclass(frozen=True)
class Handshake:
    """What a client met.

    :param outcome: one of OUTCOMES, or what else kept it from connecting
    :param certificate: the server's; None where none was shown
    :param said: OpenSSL's words, "" where the client was content
    """

    outcome: str
    certificate: x509.Certificate | None = None
    said: str = ""

    @property
    def serial(self) -> int:
        """Of the certificate; 0 for none."""
        return self.certificate.serial_number if self.certificate else 0


def shake(port: int, name: str, trust: str) -> Handshake:
    """Connect to a port of 127.0.0.1 as a client that wants ``name``: a host, or an address, for which no SNI is sent.

    :param trust: PEM of the roots that the client trusts
    """
    seen = shown(port, name)
    try:
        with socket.create_connection(("127.0.0.1", port), CONNECTED_WITHIN) as plain, \
                ssl.create_default_context(cadata=trust).wrap_socket(plain, server_hostname=name):
            return Handshake("ok", seen)
    except ssl.SSLCertVerificationError as error:
        found = _CODES.get(error.verify_code, error.verify_message)
        return Handshake("default certificate" if default(seen) else found, seen, error.verify_message)
    except OSError as error:
        return Handshake(type(error).__name__, seen, str(error))


def shown(port: int, name: str, address: str = "127.0.0.1") -> x509.Certificate | None:
    """The certificate that a client gets which looks at nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), CONNECTED_WITHIN) as plain, \
                context.wrap_socket(plain, server_hostname=name) as made:
            return presented(made)
    except OSError:
        return None


def presented(connection: ssl.SSLSocket) -> x509.Certificate | None:
    """The certificate of a connection's other end."""
    found = connection.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(found) if found else None


def default(certificate: x509.Certificate | None) -> bool:
    """Is it the one that Traefik makes itself?"""
    named = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME) if certificate else []
    return any(each.value == DEFAULT for each in named)

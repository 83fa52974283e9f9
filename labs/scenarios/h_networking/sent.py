"""One request as a browser makes it, and what it saw itself: the connection, the certificate, the answer, the times."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cryptography import x509

from labs.scenarios.h_networking.handshakes import CONNECTED_WITHIN, presented, shown

ANSWERED_WITHIN = 10.0
KEPT_BODY = 65536


@dataclass(frozen=True)
class Sent:
    """A request and its end; times in milliseconds, None for what was not come to.

    :param error: why there is no answer, "" where there is one
    :param at: which step that was: ``connect``, ``tls``, ``http``, or "" where there is an answer
    :param certificate: what the server showed: ``subject``, ``issuer``, ``names``, ``not_after``
    """

    url: str
    address: str
    port: int
    request_id: str
    trace_id: str
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    error: str = ""
    at: str = ""
    connect_ms: float | None = None
    tls_ms: float | None = None
    ms: float | None = None
    certificate: dict[str, Any] = field(default_factory=dict)
    tls: str = ""

    @property
    def host(self) -> str:
        """The name in the URL."""
        return urlsplit(self.url).hostname or ""

    @property
    def path(self) -> str:
        """The path in the URL."""
        return urlsplit(self.url).path or "/"


def send(url: str, address: str, port: int, trust: str | None = None, host: str = "") -> Sent:
    """Ask for ``url`` at an address, with a request id and a trace id of its own (W3C Trace Context).

    :param trust: PEM of the certificate authorities that the browser trusts; those of the system for None
    :param host: of the header, where it is not the URL's
    """
    parts = urlsplit(url)
    made: dict[str, Any] = {"url": url, "address": address, "port": port, "request_id": f"seen-{uuid.uuid4().hex[:16]}",
                            "trace_id": uuid.uuid4().hex}
    began = time.perf_counter()
    try:
        plain = socket.create_connection((address, port), CONNECTED_WITHIN)
    except OSError as error:
        return Sent(**made, error=_said(error), at="connect")
    made["connect_ms"] = _since(began)
    with plain:
        if parts.scheme != "https":
            return _asked(plain, parts, made, host)
        began = time.perf_counter()
        try:
            secured = ssl.create_default_context(cadata=trust).wrap_socket(plain, server_hostname=parts.hostname)
        except (OSError, ValueError) as error:
            # asked for once more, without a look at what it says
            refused = _certificate(shown(port, parts.hostname or "", address))
            return Sent(**made, certificate=refused, error=_said(error), at="tls", tls_ms=_since(began))
        with secured:
            made |= {"tls_ms": _since(began), "tls": secured.version() or "",
                     "certificate": _certificate(presented(secured))}
            return _asked(secured, parts, made, host)


def _asked(connected: socket.socket, parts: SplitResult, made: dict[str, Any], host: str) -> Sent:
    """The request on a connection that is there."""
    connection = http.client.HTTPConnection(parts.hostname or "", timeout=ANSWERED_WITHIN)
    connected.settimeout(ANSWERED_WITHIN)
    connection.sock = connected
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": host or parts.hostname or "", "X-Request-Id": made["request_id"], "User-Agent": "labs-traffic",
               "traceparent": f"00-{made['trace_id']}-{uuid.uuid4().hex[:16]}-01", "Connection": "close"}
    began = time.perf_counter()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read(KEPT_BODY).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return Sent(**made, error=_said(error), at="http", ms=_since(began))
    told = {name.lower(): value for name, value in answer.getheaders()}
    return Sent(**made, status=answer.status, body=body, headers=told, ms=_since(began))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _said(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    return str(error) or type(error).__name__


def _certificate(found: x509.Certificate | None) -> dict[str, Any]:
    if found is None:
        return {}
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        listed = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        listed = []
    return {"subject": found.subject.rfc4514_string(), "issuer": found.issuer.rfc4514_string(), "names": listed,
            "not_after": found.not_valid_after_utc.isoformat(timespec="seconds"), "serial": f"{found.serial_number:x}"}

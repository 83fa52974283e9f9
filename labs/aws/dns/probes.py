"""One check of an endpoint, as one of Route 53's health checkers makes it.

Only endpoints on loopback are reached: nothing else is anywhere here.  AWS refuses such addresses in a health check.
Page: "How Amazon Route 53 determines whether a health check is healthy" (2xx and 3xx are; four seconds to connect and
two to answer, ten to connect for TCP; the text to search in the first 5,120 bytes).
"""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import Any

UNREACHABLE = "Failure: The health checker could not establish a connection within the timeout limit."
CONNECT_SECONDS, TCP_SECONDS, ANSWER_SECONDS = 4.0, 10.0, 2.0
SEARCHED_BYTES = 5120


def probe(config: dict[str, Any], speed: float = 1.0) -> str:
    """What a checker reports of a HealthCheckConfig: ``Success: …`` or ``Failure: …``.  Blocks.

    :param speed: of the clock: how many of its seconds pass in one
    """
    kind, address = str(config.get("Type")), str(config.get("IPAddress") or "")
    if not kind.startswith(("HTTP", "TCP")) or not address.startswith("127."):
        return UNREACHABLE
    port = int(config.get("Port") or (443 if kind.startswith("HTTPS") else 80))
    try:
        if kind == "TCP":
            socket.create_connection((address, port), TCP_SECONDS / speed).close()
            return "Success: TCP connection established"
        return _asked(config, kind, address, port, speed)
    except (OSError, http.client.HTTPException):
        return UNREACHABLE


def _asked(config: dict[str, Any], kind: str, address: str, port: int, speed: float) -> str:
    name = str(config.get("FullyQualifiedDomainName") or "")
    connection = http.client.HTTPConnection(address, port, timeout=CONNECT_SECONDS / speed)
    try:
        connection.connect()
        if kind.startswith("HTTPS"):
            connection.sock = _unverified().wrap_socket(connection.sock, server_hostname=name or None)
        connection.sock.settimeout(ANSWER_SECONDS / speed)
        path = "/" + str(config.get("ResourcePath") or "").lstrip("/")
        connection.request("GET", path, headers={"User-Agent": "Amazon-Route53-Health-Check-Service",
                                                 **({"Host": name} if name else {})})
        answer = connection.getresponse()
        good = 200 <= answer.status < 400
        if good and kind.endswith("_STR_MATCH"):
            body = answer.read(SEARCHED_BYTES).decode("utf-8", "replace")
            good = str(config.get("SearchString") or "") in body
        return f"{'Success' if good else 'Failure'}: HTTP Status Code {answer.status}, {answer.reason}"
    finally:
        connection.close()


def _unverified() -> ssl.SSLContext:
    """ "HTTPS health checks don't validate SSL/TLS certificates"."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

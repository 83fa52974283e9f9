"""Requests of lab h2, and who answered them."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SECONDS = 15.0


@dataclass(frozen=True)
class Place:
    """Where a client connects."""

    address: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Answer:
    """What came back; ``app`` is who answered, "" where it was a proxy itself.

    :param path: as the pod saw it
    """

    status: int
    app: str = ""
    pod: str = ""
    path: str = ""
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        to = f" → {self.location}" if self.location else ""
        return f"{self.status} {self.app or '-'}{' sees ' + self.path if self.path else ''}{to}"

    @property
    def who(self) -> str:
        """The workload, or the status of an answer that no pod gave."""
        return self.app if self.status == 200 else str(self.status)


def ask(place: Place, host: str, path: str = "/", headers: Mapping[str, str] | None = None,
        source: str = "") -> Answer:
    """One GET; status 0 where no answer came, with the reason in ``location``."""
    where = (source, 0) if source else None
    if place.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = _Named(host, place, context)
    else:
        connection = http.client.HTTPConnection(place.address, place.port, timeout=SECONDS, source_address=where)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        return _read(answer)
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, location=repr(error))
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse) -> Answer:
    body = answer.read()
    said: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(body)
        said = found if isinstance(found, dict) and "app" in found else {}
    return Answer(answer.status, said.get("app", ""), said.get("pod", ""), said.get("path", ""),
                  answer.headers.get("Location", ""), said.get("headers", {}))


class _Named(http.client.HTTPSConnection):
    """Connects to a place, and asks for a certificate for a name."""

    def __init__(self, name: str, place: Place, context: ssl.SSLContext) -> None:
        super().__init__(place.address, place.port, timeout=SECONDS, context=context)
        self._name, self._tls = name, context

    def connect(self) -> None:
        """By the name that was given."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def count(place: Place, host: str, path: str, times: int, headers: Mapping[str, str] | None = None) -> Counter[str]:
    """Who answered how often."""
    return Counter(ask(place, host, path, headers).who for _ in range(times))

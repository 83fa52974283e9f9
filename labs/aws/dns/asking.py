"""Asking the DNS service: real questions by ``dig``, and what it tells about its answers by ``told``."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import dnslib

from labs.errors import PermanentError, TemporaryError
from labs.services import state

WITHIN = 5.0
"""Seconds for an answer."""


@dataclass(frozen=True)
class Reply:
    """What a server said: ``NOERROR``, ``NXDOMAIN`` …, and its records as (name, TTL, type, value)."""

    status: str
    answers: tuple[tuple[str, int, str, str], ...]
    authority: tuple[tuple[str, int, str, str], ...]
    authoritative: bool

    @property
    def values(self) -> list[str]:
        """The values of the last name of the chain, sorted."""
        last = self.answers[-1][0] if self.answers else ""
        return sorted(value for name, _, _, value in self.answers if name == last)

    @property
    def ttl(self) -> int:
        """Seconds that the answer, or that there is none, may be kept."""
        return min((row[1] for row in self.answers or self.authority), default=0)

    @property
    def nodata(self) -> bool:
        """The name is there, and has nothing of the type."""
        return self.status == "NOERROR" and not self.answers

    def __str__(self) -> str:
        if self.nodata:
            return "NOERROR without an answer"
        return ", ".join(f"{kind} {value} (TTL {ttl})" for _, ttl, kind, value in self.answers) or self.status


def dig(at: str, name: str, kind: str = "A", tcp: bool = False) -> Reply:
    """Ask the server at ``ADDRESS:PORT``; raises TemporaryError when it does not answer."""
    host, port = at.rsplit(":", 1)
    question = dnslib.DNSRecord.question(name, kind)
    try:
        said = dnslib.DNSRecord.parse(question.send(host, int(port), tcp=tcp, timeout=WITHIN))
    except (OSError, dnslib.DNSError) as error:
        raise TemporaryError(f"{at} does not answer a question for {name}: {error}") from error
    if said.header.tc and not tcp:
        return dig(at, name, kind, tcp=True)
    return Reply(dnslib.RCODE.get(said.header.rcode), _rows(said.rr), _rows(said.auth), bool(said.header.aa))


def _rows(records: list[dnslib.RR]) -> tuple[tuple[str, int, str, str], ...]:
    return tuple((str(each.rname).rstrip("."), each.ttl, dnslib.QTYPE.get(each.rtype), _text(each)) for each in records)


def _text(record: dnslib.RR) -> str:
    text = str(record.rdata)
    return text.rstrip(".") if record.rtype in (dnslib.QTYPE.CNAME, dnslib.QTYPE.NS, dnslib.QTYPE.PTR) else text


def views(home: Path | None = None) -> dict[str, Any]:
    """Where which resolver listens now; raises PermanentError where the service does not run."""
    found: dict[str, Any] = told("/views", home=home)
    return found


def explain(name: str, kind: str = "A", view: str = "public", home: Path | None = None) -> dict[str, Any]:
    """How a view's resolver comes to its answer: zone, record, policy, health, TTL, cached or not, step by step.

    :param view: ``public``, ``authority``, ``cluster`` (the VPC of the cluster) or a VPC's id
    """
    found: dict[str, Any] = told("/explain", {"name": name, "type": kind, "view": view}, home)
    return found


def told(path: str, query: dict[str, Any] | None = None, home: Path | None = None, method: str = "GET") -> Any:
    """JSON that the service tells on its socket; raises PermanentError where it does not run, or has no such thing."""
    connection = _Unix(state.short_path("dns.sock", home))
    try:
        connection.request(method, f"{path}?{urlencode(query or {})}")
        answer = connection.getresponse()
        said = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PermanentError(f"The DNS service does not answer: {error}.", "Run `lab up dns`.") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise PermanentError(str(said.get("error", said)))
    return said


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=2 * WITHIN)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))

"""The cluster's DNS server: dnslib reads and writes the messages, ``names`` knows the answers.

On UDP and TCP.  Names outside the cluster are passed on as they are: to the resolver of the cluster's VPC
(``labs.aws.dns``) while that runs, else to the name servers of this machine.
CoreDNS would take 40 MB for the same; dnslib takes one.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dnslib

from labs import dns_transport
from labs.cluster.network import names
from labs.cluster.network.table import Table
from labs.errors import TemporaryError

TTL = 5
"""Seconds, as CoreDNS's kubernetes plug-in has it."""
REVERSE = ".in-addr.arpa"


def answer(table: Table, question: dnslib.DNSRecord) -> dnslib.DNSRecord | None:
    """The cluster's answer, None where another server is to be asked."""
    name = str(question.q.qname).rstrip(".").lower()
    kind = dnslib.QTYPE.get(question.q.qtype, "")
    reply = question.reply(aa=1)
    if name.endswith(REVERSE):
        found = names.reverse(table, ".".join(reversed(name.removesuffix(REVERSE).split("."))))
        if found is None:
            return None
    elif names.ours(name):
        found = names.find(table, name)
    elif name in table.hosts:
        found = names.Found([table.hosts[name]])
    else:
        return None
    if found is None:
        reply.header.rcode = dnslib.RCODE.NXDOMAIN
    elif found.alias:
        reply.add_answer(_record(name, "CNAME", dnslib.CNAME(found.alias)))
        if names.ours(found.alias) and kind == "A":
            inner = names.find(table, found.alias)
            for each in inner.addresses if inner else ():
                reply.add_answer(_record(found.alias, "A", dnslib.A(each)))
    else:
        _add(table, reply, name, kind, found)
    if not reply.rr:
        reply.add_auth(_record(names.DOMAIN, "SOA", dnslib.SOA(
            f"ns.dns.{names.DOMAIN}", f"hostmaster.{names.DOMAIN}", (1, 7200, 1800, 86400, TTL))))
    return reply


def _add(table: Table, reply: dnslib.DNSRecord, name: str, kind: str, found: names.Found) -> None:
    if kind in ("A", "ANY"):
        for each in found.addresses:
            reply.add_answer(_record(name, "A", dnslib.A(each)))
    if kind in ("SRV", "ANY"):
        share = max(100 // max(len(found.targets), 1), 1)
        for port, target in found.targets:
            reply.add_answer(_record(name, "SRV", dnslib.SRV(0, share, port, target)))
            inner = names.find(table, target)
            for address in inner.addresses if inner else ():
                reply.add_ar(_record(target, "A", dnslib.A(address)))
    if kind in ("PTR", "ANY"):
        for each in found.names:
            reply.add_answer(_record(name, "PTR", dnslib.PTR(each)))
    if kind in ("TXT", "ANY") and found.text:
        reply.add_answer(_record(name, "TXT", dnslib.TXT(found.text)))


def _record(name: str, kind: str, data: Any) -> dnslib.RR:
    return dnslib.RR(name, getattr(dnslib.QTYPE, kind), ttl=TTL, rdata=data)


class Server:
    """Answers on sockets it is given.

    :param upstream: who is asked for other names: address and port of each, at the time
    """

    def __init__(self, table: Table, upstream: Callable[[], list[tuple[str, int]]]) -> None:
        self._table = table
        self._upstream = upstream
        self._listeners = dns_transport.Listeners(self.reply)

    async def listen(self, address: str, port: int) -> int:
        """On UDP and TCP; the port (that was chosen for 0); raises OSError."""
        return await self._listeners.listen(address, port)

    def close(self) -> None:
        """Listen no more."""
        self._listeners.close()

    async def reply(self, data: bytes, most: int, client: str = "") -> bytes | None:
        """The answer to one message, None for what is no question."""
        try:
            question = dnslib.DNSRecord.parse(data)
            if question.header.qr or not question.questions:
                return None
            said = answer(self._table, question)
        except (dnslib.DNSError, ValueError, struct.error, IndexError):
            return None
        if said is None:
            return await self._pass_on(data, question)
        packed: bytes = said.pack()
        return packed if len(packed) <= most else bytes(said.truncate().pack())

    async def _pass_on(self, data: bytes, question: dnslib.DNSRecord) -> bytes:
        """The answer of the servers above; SERVFAIL when none answers."""
        try:
            return await dns_transport.ask(self._upstream(), data)
        except TemporaryError:
            reply = question.reply(ra=1)
            reply.header.rcode = dnslib.RCODE.SERVFAIL
            return bytes(reply.pack())


def upstream(resolvers: Path) -> list[tuple[str, int]]:
    """Who is asked for other names: the resolver of the cluster's VPC while `lab up dns` has one, then the machine's.

    :param resolvers: where that service tells its addresses
    """
    machine = dns_transport.machine()
    try:
        address, port = json.loads(resolvers.read_text(encoding="utf-8"))["cluster"].rsplit(":", 1)
        return [(address, int(port)), *machine]
    except (OSError, ValueError, KeyError):
        return machine

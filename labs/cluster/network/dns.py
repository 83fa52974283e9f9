"""The cluster's DNS server: dnslib reads and writes the messages, ``names`` knows the answers.

On UDP and TCP.  Names outside the cluster are passed on to the name servers of this machine as they are.
CoreDNS would take 40 MB for the same; dnslib takes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from pathlib import Path
from typing import Any

import dnslib

from labs.cluster.network import names
from labs.cluster.network.addresses import numeric
from labs.cluster.network.table import Table

TTL = 5
"""Seconds, as CoreDNS's kubernetes plug-in has it."""
PASSED_ON_WITHIN = 3.0
UDP_BYTES = 1232
"""Longest answer over UDP; a longer one is cut, and the client comes back over TCP."""
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
    """Answers on sockets it is given; ``upstream`` are the machine's name servers."""

    def __init__(self, table: Table, upstream: list[str]) -> None:
        self._table = table
        self._upstream = upstream
        self._transports: list[Any] = []

    async def listen(self, address: str, port: int) -> None:
        """On UDP and TCP; raises OSError."""
        loop = asyncio.get_running_loop()
        stream = await asyncio.start_server(self._stream, address, port)
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (address, port))
        except OSError:
            stream.close()
            raise
        self._transports += [stream, transport]

    def close(self) -> None:
        """Listen no more."""
        for each in self._transports:
            each.close()
        self._transports.clear()

    async def reply(self, data: bytes, most: int) -> bytes | None:
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
        """The answer of the machine's name servers; SERVFAIL when none answers."""
        loop = asyncio.get_running_loop()
        for server in self._upstream:
            said: asyncio.Future[bytes] = loop.create_future()
            try:
                transport, _ = await loop.create_datagram_endpoint(lambda said=said: _Once(said),   # type: ignore[misc]
                                                                   remote_addr=(server, 53))
            except OSError:
                continue
            try:
                transport.sendto(data)
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(PASSED_ON_WITHIN):
                        return await said
            finally:
                transport.close()
        reply = question.reply(ra=1)
        reply.header.rcode = dnslib.RCODE.SERVFAIL
        return bytes(reply.pack())

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """"DNS Transport over TCP" (RFC 7766): each message after its length."""
        try:
            while True:
                async with asyncio.timeout(30):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    said = await self.reply(await reader.readexactly(length), 65535)
                if said is None:
                    break
                writer.write(struct.pack("!H", len(said)) + said)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        task = asyncio.create_task(self._answer(data, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, address: Any) -> None:
        said = await self._server.reply(data, UDP_BYTES)
        if said is not None and not self._transport.is_closing():
            self._transport.sendto(said, address)


class _Once(asyncio.DatagramProtocol):
    def __init__(self, said: asyncio.Future[bytes]) -> None:
        self._said = said

    def datagram_received(self, data: bytes, address: Any) -> None:
        if not self._said.done():
            self._said.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self._said.done():
            self._said.set_exception(error)


def upstream(file: Path = Path("/etc/resolv.conf")) -> list[str]:
    """The name servers of this machine."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return [each for each in found if numeric(each)]

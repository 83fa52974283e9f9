"""DNS messages over UDP and TCP: sockets, lengths, one question to another server.  What is in them, others know.

RFC 1035 §4.2, RFC 7766 (TCP).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from labs.errors import TemporaryError

UDP_BYTES = 1232
"""Longest answer over UDP; a longer one is cut, and the client comes back over TCP."""
TCP_BYTES = 65535
IDLE_SECONDS = 30.0
ASKED_WITHIN = 3.0

Reply = Callable[[bytes, int, str], Awaitable[bytes | None]]
"""The answer to a message, at most so many bytes of it, for a client at this address; None for no answer."""


class Listeners:
    """Passes what arrives on its sockets to ``reply``."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._transports: list[Any] = []

    async def listen(self, address: str, port: int) -> int:
        """On UDP and TCP; the port (that was chosen for 0); raises OSError."""
        loop = asyncio.get_running_loop()
        stream = await asyncio.start_server(self._stream, address, port)
        port = stream.sockets[0].getsockname()[1]
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._reply), (address, port))
        except OSError:
            stream.close()
            raise
        self._transports += [stream, transport]
        return port

    def close(self) -> None:
        """Listen no more."""
        for each in self._transports:
            each.close()
        self._transports.clear()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """"DNS Transport over TCP" (RFC 7766): each message after its length."""
        client = writer.get_extra_info("peername")[0]
        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    said = await self._reply(await reader.readexactly(length), TCP_BYTES, client)
                if said is None:
                    break
                writer.write(struct.pack("!H", len(said)) + said)
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        task = asyncio.create_task(self._answer(data, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, address: Any) -> None:
        said = await self._reply(data, UDP_BYTES, address[0])
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


async def ask(servers: list[tuple[str, int]], data: bytes) -> bytes:
    """The answer of the first of these servers that gives one, over UDP; raises TemporaryError when none does."""
    loop = asyncio.get_running_loop()
    for address in servers:
        said: asyncio.Future[bytes] = loop.create_future()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda said=said: _Once(said),   # type: ignore[misc]
                                                               remote_addr=address)
        except OSError:
            continue
        try:
            transport.sendto(data)
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(ASKED_WITHIN):
                    return await said
        finally:
            transport.close()
    raise TemporaryError(f"no answer from {servers}")


def machine(file: Path = Path("/etc/resolv.conf")) -> list[tuple[str, int]]:
    """The name servers of this machine that are given by an IPv4 address."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return [(each, 53) for each in found if _is_v4(each)]


def _is_v4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return False

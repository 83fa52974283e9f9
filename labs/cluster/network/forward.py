"""Two connections joined into one: bytes, their end and the brakes go both ways.

One protocol object for each end, no task and no stream: an asyncio stream costs twice the time for each connection.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

CONNECTED_WITHIN = 10.0
BIND_ADDRESS_NO_PORT = 24
"""IP_BIND_ADDRESS_NO_PORT of ip(7), which Python names from 3.12 on."""
HEAD = 64 * 1024
"""Bytes that a connection may say before it is joined."""


class End(asyncio.Protocol):
    """One end.  What arrives before it is joined is kept by ``early``."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self._early: list[bytes] = []
        self._finished = False
        self._abandoned = False

    def connection_made(self, transport: Any) -> None:
        """The connection is there."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """To the other end, or kept until there is one."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self.early(data)

    def early(self, data: bytes) -> None:
        """Keep what came before the other end was there; too much of it pauses this end."""
        self._early.append(data)
        if self.transport is not None and sum(map(len, self._early)) > HEAD:
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """One side may go on talking when the other has finished."""
        self._finished = True
        if self.other is not None:
            _finish(self, self.other)
        return not self._abandoned

    def abandon(self) -> None:
        """It stays as it is, without an answer, until its client goes."""
        self._abandoned = True
        if self._finished:
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The other end goes too: by a reset when this one was reset."""
        if self.other is not None and self.other.transport is not None:
            if error is None:
                self.other.transport.close()
            else:
                self.other.transport.abort()
        self.transport = None

    def pause_writing(self) -> None:
        """This end is slow: the other one stops reading."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has caught up."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()


def join(one: End, other: End) -> None:
    """From here on they are one connection."""
    if one.transport is None or other.transport is None:        # either went away meanwhile
        one.close()
        other.close()
        return
    one.other, other.other = other, one
    for end, own, far in ((one, one.transport, other.transport), (other, other.transport, one.transport)):
        early, end._early = end._early, []
        if early:
            far.write(b"".join(early))
        own.resume_reading()
    for end in (one, other):
        if end._finished:
            _finish(end, end.other)


def _finish(end: End, other: End | None) -> None:
    """Pass on that an end has finished; when both have, it is over."""
    if other is None or other.transport is None:
        end.close()
    elif other._finished:
        other.close()
        end.close()
    elif other.transport.can_write_eof():
        other.transport.write_eof()


async def connect(address: str, port: int, source: str = "") -> End:
    """A connection to an end on loopback; OSError, TimeoutError among them.

    :param source: the address it is to come from, so that the server sees whose it is
    """
    loop = asyncio.get_running_loop()
    made = socket.socket()
    try:
        made.setblocking(False)
        if source:
            # the port is chosen with the target in view: else each source had 28,000 a minute
            made.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
            made.bind((source, 0))
        async with asyncio.timeout(CONNECTED_WITHIN):
            await loop.sock_connect(made, (address, port))
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, end = await loop.create_connection(End, sock=made)
    except BaseException:
        made.close()
        raise
    return end

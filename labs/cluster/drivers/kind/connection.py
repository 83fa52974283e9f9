"""The ways into and out of the cluster that a process of this machine keeps open.

In: the fixed address of the service ``kubernetes`` on loopback leads to the API server, whose own port changes with the
cluster.  Out: pods reach the AWS endpoint, which listens on loopback only, at this machine's address in the nodes'
Docker network.  Nothing but that address is bound, and only peers of that network are served: the Linux kernel also
takes packets for it that come in elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

CONNECTED_WITHIN = 5.0
CHUNK = 65536

Where = Callable[[], tuple[str, int] | None]
"""Tells where a new connection leads to; None while there is nothing."""


@dataclass
class Relay:
    """Listens at one address and passes every connection on.

    :param network: whose peers are served, as ADDRESS/BITS; "" for everybody who reaches the address
    """

    host: str
    port: int
    where: Where
    network: str = ""
    _server: asyncio.Server | None = None
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            await self._pass_on(reader, writer)
        except (OSError, TimeoutError) as error:
            print(f"{self.host}:{self.port}: {error!r}", file=sys.stderr)
        finally:
            self._running.discard(task)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")[0]
        if self.network and ipaddress.ip_address(peer) not in ipaddress.ip_network(self.network):
            print(f"{peer} is not in {self.network}: refused", file=sys.stderr)
            return
        there = self.where()
        if there is None:
            return
        answers, requests = await asyncio.wait_for(asyncio.open_connection(*there), CONNECTED_WITHIN)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, requests))
                both.create_task(_copy(answers, writer))
        finally:
            requests.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until the source ends; then the target is told, and may still answer."""
    with contextlib.suppress(OSError):      # either end has gone
        while content := await source.read(CHUNK):
            target.write(content)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()

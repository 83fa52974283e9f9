"""The same servers in this process, on ports of their own: for a lab, a grader or a test.

They listen beside those of `lab up dns`, and may keep another time.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from labs.aws.dns.asking import Reply, dig
from labs.aws.dns.health import Clock
from labs.aws.dns.reading import Reader
from labs.aws.dns.server import FRESH, Server

Result = TypeVar("Result")
WITHIN = 30.0


class Running:
    """Servers that run in a thread; every call may come from any other."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._loop = loop

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN)

    def at(self, view: str) -> str:
        """``ADDRESS:PORT`` of ``public``, ``authority`` or a VPC, one that is new, too."""
        return f"{self._do(self._address(view))}:{self._server.port}"

    async def _address(self, view: str) -> str:
        if view not in self._server.resolvers:
            await self._server.snapshot()
        return self._server.addresses[view]

    def dig(self, view: str, name: str, kind: str = "A", tcp: bool = False) -> Reply:
        """A real question over the network."""
        return dig(self.at(view), name, kind, tcp)

    def explain(self, view: str, name: str, kind: str = "A") -> dict[str, Any]:
        """A view's answer with its reasons."""
        return self._do(self._server.explain(name, kind, view))

    def health(self) -> list[dict[str, Any]]:
        """Every health check as JSON, those that are new, too."""
        async def told() -> list[dict[str, Any]]:
            await self._server.snapshot()
            return self._server.checker.told()

        return self._do(told())

    def refresh(self) -> None:
        """Whatever the API was told until now counts for the next answer that no cache has."""
        self._loop.call_soon_threadsafe(self._server.refresh)

    def log(self) -> list[dict[str, Any]]:
        """The last questions and their answers."""
        return self._server.log()

    @property
    def clock(self) -> Clock:
        """The time of their TTLs and health checks."""
        return self._clock

    def flush(self) -> None:
        """All resolvers forget what they know."""
        for each in self._server.resolvers.values():
            self._loop.call_soon_threadsafe(each.cache.clear)


@contextmanager
def running(endpoint: str, accounts: Sequence[str], speed: float = 1.0, fresh: float = FRESH,
            cluster: Callable[[], tuple[str, int] | None] = lambda: None) -> Iterator[Running]:
    """Servers for these accounts; ended afterwards.  Raises TemporaryError when the endpoint does not answer.

    :param speed: how many seconds of TTLs and health checks pass in one
    :param fresh: seconds that what was read of the API may be old
    :param cluster: where a cluster's DNS listens
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dns", daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory(prefix="dns-") as folder:
        clock = Clock(speed)
        server = Server(Reader(endpoint, accounts), Path(folder) / "dns.json", clock, fresh, cluster, quiet=True)
        try:
            asyncio.run_coroutine_threadsafe(_started(server), loop).result(WITHIN)
            yield Running(server, loop, clock)
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(WITHIN)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _started(server: Server) -> None:
    """On a port that is free on every address that it takes."""
    for left in reversed(range(TRIES)):
        try:
            await server.start(0)
            return
        except OSError:
            await server.close()
            server.resolvers.clear()
            if not left:
                raise


TRIES = 5

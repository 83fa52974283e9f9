"""Keeps listeners, targets and what proxies them as the API says, and tells the gateway the targets' health."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from labs.aws.balancing.addresses import Reach, address_of, port_of
from labs.aws.balancing.certificates import Certificates
from labs.aws.balancing.configuration import Balancer, Configuration, Listener
from labs.aws.balancing.health import Health
from labs.aws.balancing.proxy import Proxy
from labs.aws.balancing.records import AccessLog
from labs.services import state

log = logging.getLogger(__name__)
LOOKED_EVERY = 0.25
"""Seconds between two questions whether something changed."""
KEPT_SECONDS = 2.0
"""A connection to a target that nobody used for so long is closed: before usual servers would."""
GRACE_SECONDS = 5.0
WHERE = Path("aws", "load-balancers", "addresses.json")
"""In the state folder: DNS name → address and ports on loopback."""
Socket = tuple[str, int]
"""Load balancer's ARN and port."""


@dataclass
class Open:
    """A listener's server."""

    server: web.Server
    site: asyncio.Server
    certificates: Certificates | None


class Plane:
    """The data plane.

    :param endpoint: URL of the gateway's host listener
    :param home: where the access log goes
    :param cluster: state folder of the cluster whose pods are targets
    """

    def __init__(self, endpoint: str, home: Path, cluster: Path) -> None:
        self._endpoint, self._home, self._cluster = endpoint, home, cluster
        self._open: dict[Socket, Open] = {}
        self._version = ""
        self._news = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        access = AccessLog(self._home)
        async with self._sessions() as (asking, proxying):
            health = Health(Reach(self._cluster), proxying, self._news.set)
            proxy = Proxy(health, proxying, access)
            telling = asyncio.create_task(self._tell(asking, health))
            try:
                while True:
                    await self._follow(asking, health, proxy)
                    await asyncio.sleep(LOOKED_EVERY)
            finally:
                telling.cancel()
                health.close()
                for place in list(self._open):
                    await self._close(place)
                access.close()

    @contextlib.asynccontextmanager
    async def _sessions(self) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
        """To the gateway, and to targets."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_SECONDS, use_dns_cache=False)
        async with (
            aiohttp.ClientSession(self._endpoint, timeout=aiohttp.ClientTimeout(30)) as asking,
            aiohttp.ClientSession(connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
                                  skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                                  max_line_size=65536, max_field_size=65536) as proxying,
        ):
            yield asking, proxying

    async def _follow(self, asking: aiohttp.ClientSession, health: Health, proxy: Proxy) -> None:
        """Do as the gateway says now; when it cannot be asked, everything stays as it was."""
        try:
            async with asking.get("/_lab/load-balancers", params={"seen": self._version}) as answer:
                said = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.debug("the gateway does not answer: %r", error)
            return
        if "places" in said:
            configuration = Configuration.of(said["places"])
            proxy.configuration = configuration
            health.follow(configuration)
            await self._listen(configuration.balancers, proxy)
            self._version = said["version"]
        self.ready.set()

    async def _tell(self, asking: aiohttp.ClientSession, health: Health) -> None:
        """Bring news of the targets to the gateway."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                async with asking.post("/_lab/load-balancers/health", json=health.described()):
                    pass
            except (aiohttp.ClientError, TimeoutError) as error:
                log.debug("the gateway does not listen: %r", error)
                await asyncio.sleep(LOOKED_EVERY)
                self._news.set()

    async def _listen(self, balancers: Sequence[Balancer], proxy: Proxy) -> None:
        wanted = {(each.arn, one.port): (each, one) for each in balancers for one in each.listeners
                  if one.protocol in ("HTTP", "HTTPS")}
        for place in set(self._open) - set(wanted):
            await self._close(place)
        for place, (balancer, listener) in wanted.items():
            there = self._open.get(place)
            if there is not None and (there.certificates is not None) != (listener.protocol == "HTTPS"):
                await self._close(place)
                there = None
            await self._opened(place, there, balancer, listener, proxy)
        self._write(balancers)

    async def _opened(self, place: Socket, there: Open | None, balancer: Balancer, listener: Listener,
                      proxy: Proxy) -> None:
        if there is None:
            certificates = Certificates() if listener.protocol == "HTTPS" else None
            handler = functools.partial(proxy.answer, arn=place[0], port=place[1], certificates=certificates)
            server = web.Server(handler, handler_cancellation=True, access_log=None,
                                keepalive_timeout=3600, auto_decompress=False)
            address, number = address_of(balancer.dns_name), port_of(listener.port)
            context: ssl.SSLContext | None = certificates.context if certificates else None
            try:
                site = await asyncio.get_running_loop().create_server(server, address, number, ssl=context)
            except OSError as error:
                log.error("%s cannot listen on %s:%d: %s", balancer.name, address, number, error)
                return
            self._open[place] = there = Open(server, site, certificates)
        if there.certificates is not None:
            there.certificates.set(listener.certificates)

    async def _close(self, place: Socket) -> None:
        """End a listener; requests that are on their way get some seconds."""
        there = self._open.pop(place)
        there.site.close()
        await there.server.shutdown(GRACE_SECONDS)

    def _write(self, balancers: Sequence[Balancer]) -> None:
        where: dict[str, Any] = {
            each.dns_name: {"name": each.name, "address": address_of(each.dns_name),
                            "ports": {str(one.port): port_of(one.port) for one in each.listeners}}
            for each in balancers}
        state.write_json(self._home / WHERE, where)

"""Where Services listen on loopback: each cluster IP with each port, and node ports on 127.0.0.1.

"Virtual IPs and Service Proxies" (Kubernetes documentation).  A port without endpoints is not listened on, so that
whoever connects is refused, as by kube-proxy.  Pods come by the door; these are for programs of this machine.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from labs.cluster.network.addresses import listening, port
from labs.cluster.network.forward import End, connect, join
from labs.cluster.network.router import Caller, Denied, Router, Way
from labs.cluster.network.routing import usable
from labs.cluster.network.table import Key
from labs.cluster.nodes.api import Object

Place = tuple[str, int]
API_SERVER = ("default", "kubernetes")
"""The API server's Service."""


class Listeners:
    """Keeps the listening sockets that the table asks for."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._open: dict[Place, asyncio.Server] = {}
        self._ways: dict[Place, tuple[Key, Object]] = {}
        self._told: set[Place] = set()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """The table changed."""
        self._news.set()

    def way(self, place: Place, caller: Caller) -> Way:
        """Where a connection to ``place`` goes; raises Denied, OSError."""
        if place not in self._ways:
            raise ConnectionRefusedError("the Service is gone")
        return self._router.to_service(caller, *self._ways[place])

    async def keep(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._news.clear()
                await self._sync()
                await self._news.wait()
        finally:
            for server in self._open.values():
                server.close()

    def wanted(self) -> dict[Place, tuple[Key, Object]]:
        """Every place that should be listened on, with its Service's port."""
        table, ranges = self._router.table, self._router.ranges
        made: dict[Place, tuple[Key, Object]] = {}
        for key, service in table.services.items():
            for entry in service["spec"].get("ports") or []:
                if entry.get("protocol", "TCP") != "TCP" or not usable(table.endpoints(key, entry.get("name") or "")):
                    continue
                for address in service["spec"].get("clusterIPs") or []:
                    if address.startswith(ranges.service_prefix):
                        made[ranges.end(address), port(entry["port"])] = (key, entry)
                if entry.get("nodePort"):
                    made["127.0.0.1", entry["nodePort"]] = (key, entry)
                if key == API_SERVER:       # its endpoint is no pod's, which would listen there itself
                    made[ranges.door, self._router.api_port] = (key, entry)
        return made

    async def _sync(self) -> None:
        self._ways = self.wanted()
        for place in set(self._open) - set(self._ways):
            self._open.pop(place).close()
        for place in self._ways.keys() - self._open.keys():
            try:
                bound = listening(*place)
            except OSError as error:
                if place not in self._told:
                    print(f"{place[0]}:{place[1]} cannot be listened on: {error}", file=sys.stderr)
                    self._told.add(place)
                continue
            self._open[place] = await asyncio.get_running_loop().create_server(
                lambda place=place: Caught(self, self._router, place), sock=bound)      # type: ignore[misc]


class Caught(End):
    """A connection to a Service."""

    def __init__(self, listeners: Listeners, router: Router, place: Place) -> None:
        super().__init__()
        self._listeners = listeners
        self._router = router
        self._place = place
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Find it an endpoint."""
        super().connection_made(transport)
        self._task = asyncio.create_task(self._serve(self._router.caller(transport.get_extra_info("peername")[0])))

    async def _serve(self, caller: Caller) -> None:
        try:
            way = self._listeners.way(self._place, caller)
            far = await connect(way.address, way.port, way.source)
        except Denied:
            self.abandon()
            return
        except OSError:
            if self.transport is not None:
                self.transport.abort()
            return
        join(self, far)

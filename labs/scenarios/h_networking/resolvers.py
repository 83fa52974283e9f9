"""The resolvers of lab h4, in this process: what clients on the internet, in the two VPCs and in a pod are answered.

The same servers as `lab up dns`, with a clock that can go ahead, and the embedded cluster's DNS with two Services.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from labs.aws.dns.asking import Reply, dig
from labs.aws.dns.running import running
from labs.errors import PermanentError
from labs.scenarios.h_networking import zones

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount
    from labs.scenarios.base import Values

VIEWS = {"internet": "public", "authority": "authority"}
NAMESPACE = "shop"


class Resolvers:
    """What ``session.start()`` returns.  Views: ``internet``, ``authority``, and the VPCs ``shop`` and ``office``.

    :param speed: seconds of TTLs and health checks that pass in one
    :param fresh: seconds until a changed zone is seen at the latest
    """

    def __init__(self, aws: AwsAccount, values: Values, speed: float = 1.0, fresh: float = 1.0) -> None:
        self._aws = aws
        self._values = values
        self._stack = ExitStack()
        self._cluster: tuple[str, int] | None = None
        self.servers = self._stack.enter_context(
            running(aws.endpoint, [aws.account], speed, fresh, lambda: self._cluster))
        atexit.register(self.stop)

    def __enter__(self) -> Resolvers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End them; again is nothing."""
        self._stack.close()
        atexit.unregister(self.stop)

    def _view(self, view: str) -> str:
        if view in zones.CIDRS:
            return zones.find_vpc(self._aws, self._values, view)
        if view not in VIEWS:
            raise PermanentError(f"Nobody asks as {view!r}.", f"There are: {', '.join([*VIEWS, *zones.CIDRS])}.")
        return VIEWS[view]

    def at(self, view: str) -> str:
        """``ADDRESS:PORT`` of the server that a client there asks."""
        return self.servers.at(self._view(view))

    def dig(self, view: str, name: str, kind: str = "A") -> Reply:
        """A question over the network, and its answer."""
        return dig(self.at(view), name, kind)

    def explain(self, view: str, name: str, kind: str = "A") -> dict[str, Any]:
        """The answer with the zone, the record, the policy and the cache it came from."""
        return self.servers.explain(self._view(view), name, kind)

    def skip(self, seconds: float) -> None:
        """It is so much later for every cache."""
        self.servers.clock.skip(seconds)

    def refresh(self) -> None:
        """Changes of the zones count at once."""
        self.servers.refresh()

    def fresh(self) -> None:
        """Changes of the zones count at once, and all caches are empty."""
        self.servers.refresh()
        self.servers.flush()

    # -- a pod ---------------------------------------------------------------------------------------------------------

    def pod_looks_up(self, name: str) -> list[tuple[str, str]]:
        """What a pod's C library asks the cluster's DNS, by its ``resolv.conf``: (name, answer), until one has one.

        "DNS for Services and Pods" (Kubernetes documentation); ``ndots:5``, three search domains.
        """
        from labs.cluster.network import names

        self._start_cluster()
        asked = []
        for each in names.candidates({"metadata": {"namespace": NAMESPACE}, "spec": {}}, name):
            assert self._cluster is not None
            said = dig(f"{self._cluster[0]}:{self._cluster[1]}", each)
            asked.append((each + ".", str(said)))
            if said.answers:
                break
        return asked

    def resolv_conf(self) -> str:
        """A pod's ``/etc/resolv.conf``."""
        from labs.cluster.network import names

        return names.resolv_conf({"metadata": {"namespace": NAMESPACE}, "spec": {}}, "10.96.0.10")

    def _start_cluster(self) -> None:
        """The cluster's DNS passes on to the resolver of the shop's VPC what is not the cluster's."""
        if self._cluster is None:
            host, port = self.at("shop").rsplit(":", 1)
            self._cluster = self._stack.enter_context(_cluster_dns((host, int(port))))


@contextmanager
def _cluster_dns(upstream: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Where it listens."""
    from labs.cluster.network.dns import Server

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="cluster dns", daemon=True)
    thread.start()
    server = Server(_services(), lambda: [upstream])
    port = asyncio.run_coroutine_threadsafe(server.listen("127.0.0.1", 0), loop).result(10)
    try:
        yield "127.0.0.1", port
    finally:
        asyncio.run_coroutine_threadsafe(_closed(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _closed(server: Any) -> None:
    server.close()
    await asyncio.sleep(0)      # its sockets close in the loop's next turn


def _services() -> Any:
    """Two Services as the API server would tell them: ``web``, and ``db``, which is headless with two pods."""
    from labs.cluster.network.addresses import Ranges
    from labs.cluster.network.table import Table

    table, ports = Table(Ranges()), [{"name": "http", "port": 80, "protocol": "TCP"}]
    table.put("namespaces", {"metadata": {"name": NAMESPACE}})
    for name, address in (("web", "10.96.1.1"), ("db", "None")):
        table.put("services", {"metadata": {"name": name, "namespace": NAMESPACE},
                               "spec": {"clusterIP": address, "clusterIPs": [address], "ports": ports}})
    table.put("slices", {
        "metadata": {"name": "db-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 5432}], "endpoints": [
            {"addresses": [f"10.244.0.{number}"], "hostname": f"db-{number}", "conditions": {"ready": True}}
            for number in (2, 3)]})
    return table

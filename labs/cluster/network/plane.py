"""All of the network in one object, which the process that plays the nodes runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from labs.cluster.network import addresses, egress, forward
from labs.cluster.nodes.api import Client


class Network:
    """The network of one cluster.

    :param folder: where it remembers its addresses
    :param socket: on which the API server asks for connections into the cluster
    :param api_port: where the API server listens on 127.0.0.1
    :param number: the cluster's among those of the machine
    :raises PermanentError: no range of addresses is left on this machine
    """

    def __init__(self, client: Client, folder: Path, socket: Path, api_port: int,
                 number: int = 0) -> None:
        self._client = client
        self._socket = socket
        self.api_port = api_port
        self.ranges, self._door = addresses.claim(folder / "network.json", number)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            await asyncio.gather(egress.serve(self._socket, self.dial))
        finally:
            self._door.close()

    async def dial(self, host: str, port: int) -> forward.End:
        """A connection for the API server, to a pod, a Service, a node; OSError when there is none."""
        if host.startswith(self.ranges.pod_prefix):
            return await forward.connect(self.ranges.end(host), addresses.port(port))
        return await forward.connect(host, port)

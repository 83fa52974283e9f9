"""Addresses of the cluster and their ends on loopback.

    10.244.x.y  a pod, as the API shows it    127.244.x.y  where its servers listen for everybody
                                              127.170.x.y  where those listen that are for the pod's own localhost
    10.96.x.y   a Service's cluster IP        127.96.x.y   where the service proxy listens

A cluster with a number of its own (LABS_KUBERNETES_NUMBER) shows 10.244 + number and has such ends.  Where another
cluster of this machine has them already, it takes the next below: 127.243, 127.169, 127.95 and so on.

Ports below 1024 are 30000 higher on loopback, since an ordinary user may not listen there; they are so for root too.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from dataclasses import dataclass
from pathlib import Path

from labs.errors import PermanentError
from labs.jail.notify import moved

CLUSTERS = 40
"""How many clusters may run on one machine at a time."""
DOOR = 10249
"""The port of the pods' door to the network, at the first pod address of the cluster."""


def port(number: int) -> int:
    """Where a port is on loopback."""
    return moved(number)


@dataclass(frozen=True, slots=True)
class Ranges:
    """The addresses of one cluster, and their ends.

    :param number: the cluster's, which its addresses show
    :param offset: of the ends
    """

    number: int = 0
    offset: int = 0

    @property
    def pod_prefix(self) -> str:
        """``10.244.``"""
        return f"10.{244 + self.number}."

    @property
    def service_prefix(self) -> str:
        """``10.96.``"""
        return f"10.{96 + self.number}."

    @property
    def api_server(self) -> str:
        """Cluster IP of the Service ``kubernetes``, the first of the range."""
        return f"{self.service_prefix}0.1"

    @property
    def dns(self) -> str:
        """Cluster IP of the Service ``kube-dns``, where every cluster has it."""
        return f"{self.service_prefix}0.10"

    @property
    def pods(self) -> str:
        """``127.244.``: ends that everybody may reach."""
        return f"127.{244 + self.offset}."

    @property
    def inner(self) -> str:
        """``127.170.``: ends for the pod itself."""
        return f"127.{170 + self.offset}."

    @property
    def services(self) -> str:
        """``127.96.``"""
        return f"127.{96 + self.offset}."

    @property
    def gateway(self) -> str:
        """``10.244.0.1``: the address of the API server and of the nodes' own servers, as EndpointSlices have it, which
        refuse loopback.
        """
        return f"{self.pod_prefix}0.1"

    @property
    def door(self) -> str:
        """Address of the pods' door; no pod has it, a node's own address comes first in its range."""
        return f"{self.pods}0.1"

    @property
    def void(self) -> str:
        """An address where connections are never answered, at the door's port."""
        return f"{self.pods}0.0"

    @property
    def closed(self) -> str:
        """An address where nobody listens."""
        return f"{self.services}255.255"

    def end(self, address: str) -> str:
        """The end on loopback of a pod's or a Service's address; any other address as it is."""
        if address.startswith(self.pod_prefix):
            return self.pods + address.removeprefix(self.pod_prefix)
        if address.startswith(self.service_prefix):
            return self.services + address.removeprefix(self.service_prefix)
        return address

    def inside(self, address: str) -> str:
        """The end of a pod's own localhost."""
        own = address.startswith(self.pod_prefix)
        return self.inner + address.removeprefix(self.pod_prefix) if own else "127.0.0.1"

    def shown(self, end: str) -> str:
        """The address whose end this is, as the API shows it; any other as it is."""
        pods, services = self.pod_prefix, self.service_prefix
        for ours, prefix in ((self.pods, pods), (self.inner, pods), (self.services, services)):
            if end.startswith(ours):
                return prefix + end.removeprefix(ours)
        return end


def numeric(host: str) -> bool:
    """Is it an address, and no name?"""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def claim(file: Path, number: int = 0) -> tuple[Ranges, socket.socket]:
    """Ranges that no other cluster of this machine uses, and the listening socket of the door, which claims them.

    :param number: the cluster's
    :param file: remembers them, so that containers outlive a restart of the nodes
    :raises PermanentError: all are in use
    """
    try:
        first = int(json.loads(file.read_text(encoding="utf-8"))["offset"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        first = number
    for offset in dict.fromkeys([first, number, *range(0, -CLUSTERS, -1)]):
        ranges = Ranges(number, offset)
        try:
            door = listening(ranges.door, DOOR)
        except OSError:
            continue
        file.write_text(json.dumps({"offset": offset, "pods": ranges.pods, "services": ranges.services}) + "\n",
                        encoding="utf-8")
        return ranges, door
    raise PermanentError(f"No range of addresses is left: port {DOOR} is taken on 127.{245 - CLUSTERS}.0.1 to "
                         "127.244.0.1.", f"See who listens there: `ss -ltnp sport = :{DOOR}`.")


def listening(address: str, number: int, backlog: int = 256) -> socket.socket:
    """A socket that listens on loopback; raises OSError."""
    made = socket.socket()
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setblocking(False)
        made.bind((address, number))
        made.listen(backlog)
    except OSError:
        made.close()
        raise
    return made

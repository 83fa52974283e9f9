"""Where a connection goes: an address and port of the cluster become an end on loopback, if policies allow it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from labs.cluster.network import forward, names
from labs.cluster.network.addresses import Ranges, numeric, port
from labs.cluster.network.policy import Party, allows
from labs.cluster.network.routing import Chooser, Client, usable
from labs.cluster.network.table import DNS_POD, Key, Table
from labs.cluster.nodes.api import Object

RESOLVED_WITHIN = 4.0
METADATA = "169.254.169.254"
"""Where an EC2 instance, and what runs on it, finds its metadata service."""
NODE = "127.0.0.1"
"""The InternalIP of every node."""
LOCAL = (NODE, "localhost", "0.0.0.0", "::1", "")


class Denied(Exception):
    """A NetworkPolicy does not allow it; what is denied gets no answer, as with most network plug-ins."""


class Unknown(Exception):
    """A name that nobody knows."""


@dataclass(frozen=True, slots=True)
class Way:
    """An end to connect to.

    :param source: the address to come from, "" for any
    """

    address: str
    port: int
    source: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who connects: a pod, or this machine (``pod`` is None).

    :param address: as the API shows it
    """

    address: str = "127.0.0.1"
    pod: Object | None = None


class Router:
    """Answers from the table.

    :param api_port: where the API server listens
    :param metadata: file with the ports on 127.0.0.1 where the nodes' instance metadata service listens,
        ``{"near": port, "far": port, "pid": who listens}``: for who is one hop away, and two; it may come and go
    """

    def __init__(self, ranges: Ranges, table: Table, api_port: int, metadata: Path | None = None) -> None:
        self.ranges = ranges
        self.table = table
        self.host_ports = {api_port}
        self.api_port = api_port
        self._metadata = metadata
        self._chooser = Chooser()

    def caller(self, end: str) -> Caller:
        """Who comes from an address of loopback."""
        address = self.ranges.shown(end)
        pod = self.table.pod_at(address) if address.startswith(self.ranges.pod_prefix) else None
        return Caller(address, pod) if pod is not None else Caller()

    def ways(self, caller: Caller, host: str, number: int, protocol: str = "TCP") -> list[Way]:
        """The ends to try, in order; raises Denied, ConnectionRefusedError and other OSErrors."""
        host = self.ranges.shown(host)
        own = caller.pod is not None
        if own and (host in LOCAL or host == caller.address):
            return self._inside(caller, host, number)
        if host == self.ranges.dns and number == 53:
            self._judge(caller, Party(host, DNS_POD), 53, protocol)
            return [Way(self.ranges.end(host), port(53))]
        if host == self.ranges.api_server and number == 443:
            return [self.to_api_server(caller)]     # also before its EndpointSlice is known
        if host == METADATA and number == 80:
            return [self._instance(caller)]
        if host.startswith(self.ranges.service_prefix):
            return [self._service(caller, self.table.service_at(host), number, protocol)]
        return [self._target(caller, host, number, protocol)]

    def _inside(self, caller: Caller, host: str, number: int) -> list[Way]:
        """A pod's own servers: those for localhost only, then those for everybody."""
        if host in LOCAL and number in self.host_ports:
            return [Way("127.0.0.1", number)]
        if caller.pod and caller.pod["spec"].get("hostNetwork"):
            # this machine has servers that are not for pods
            if number not in {each["containerPort"] for one in caller.pod["spec"]["containers"]
                              for each in one.get("ports") or []}:
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            return [Way("127.0.0.1", port(number))]
        ends = [self.ranges.end(caller.address)]
        if host in LOCAL:
            ends.insert(0, self.ranges.inside(caller.address))
        ways = [Way(end, port(number), end) for end in ends]
        if host == NODE and (found := self.table.node_port(number)) is not None:
            # 127.0.0.1 is the nodes' address, too: what the pod itself does not serve there is asked of its node
            with contextlib.suppress(OSError):
                ways.append(self.to_service(caller, *found))
        return ways

    def _instance(self, caller: Caller) -> Way:
        """The metadata service of the node's instance: a pod in the pod network is a hop further away."""
        self._judge(caller, Party(METADATA), 80)
        host = caller.pod is None or bool(caller.pod["spec"].get("hostNetwork"))
        try:
            found = json.loads(self._metadata.read_text(encoding="utf-8")) if self._metadata else {}
            os.kill(int(found["pid"]), 0)  # the ports of one that is gone may be anybody's
            return Way("127.0.0.1", int(found["near" if host else "far"]))
        except (OSError, ValueError, KeyError):
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)) from None  # these nodes are no instances

    def _service(self, caller: Caller, key: Key | None, number: int, protocol: str) -> Way:
        service = self.table.services.get(key) if key else None
        ports = (service or {"spec": {}})["spec"].get("ports") or []
        found = next((each for each in ports
                      if each["port"] == number and each.get("protocol", "TCP") == protocol), None)
        if service is None or found is None or key is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return self.to_service(caller, key, found)

    def to_service(self, caller: Caller, key: Key, entry: Object) -> Way:
        """One endpoint of a Service's port."""
        name = entry.get("name") or ""
        node = str(caller.pod["spec"].get("nodeName", "")) if caller.pod else ""
        zone = self.table.pods.zone(node) if self.table.pods and node else ""
        chosen = self._chooser.choose(key, self.table.services[key], name, self.table.endpoints(key, name),
                                      Client(caller.address, node, zone))
        if chosen is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{key[1]}.{key[0]} has no endpoint")
        return self._target(caller, chosen.address, chosen.port, entry.get("protocol", "TCP"), declared=True)

    def _target(self, caller: Caller, address: str, number: int, protocol: str, declared: bool = False) -> Way:
        """A pod's port, or, where an EndpointSlice declares it, one elsewhere."""
        if (address, number) == (self.ranges.gateway, self.api_port):
            return self.to_api_server(caller)
        pod = self.table.pod_at(address)
        self._judge(caller, Party(address, pod), number, protocol)
        if address.startswith(self.ranges.pod_prefix):
            own = self.ranges.end(caller.address) if caller.pod and not caller.pod["spec"].get("hostNetwork") else ""
            return Way(self.ranges.end(address), port(number), own)
        if caller.pod is None:
            return Way(address, number)
        if declared and not (ipaddress.ip_address(address).is_loopback or ipaddress.ip_address(address).is_link_local):
            return Way(address, number)
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    def to_api_server(self, caller: Caller) -> Way:
        """Where it really listens; raises Denied."""
        self._judge(caller, Party("127.0.0.1"), self.api_port)
        return Way("127.0.0.1", self.api_port)

    def _judge(self, caller: Caller, target: Party, number: int, protocol: str = "TCP") -> None:
        if not self.allowed(caller, target, number, protocol):
            raise Denied(f"a NetworkPolicy does not let {caller.address} connect to {target.address}:{number}")

    def allowed(self, caller: Caller, target: Party, number: int, protocol: str = "TCP") -> bool:
        """Do all policies allow it?"""
        return allows(self.table.policies.values(), self.table.labels_of, Party(caller.address, caller.pod), target,
                      number, protocol)

    async def dial(self, caller: Caller, host: str, number: int) -> forward.End:
        """A connection; raises Denied, Unknown, OSError."""
        if not numeric(host) and host not in LOCAL:
            found = await self.resolve(caller, host)
            if not found:
                raise Unknown(host)
            host = found[0]
        problem: OSError = ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        for way in self.ways(caller, host, number):
            try:
                return await forward.connect(way.address, way.port, way.source)
            except OSError as error:
                problem = error
        raise problem

    async def resolve(self, caller: Caller, name: str) -> list[str]:
        """The addresses of a name as its caller sees it: search domains, then this machine's resolver.

        Raises Denied where the pod may not ask the cluster's DNS.
        """
        pod = caller.pod or {"spec": {"hostNetwork": True}, "metadata": {"namespace": "default"}}
        if caller.pod is not None and not any(
                self.allowed(caller, Party(self.ranges.dns, DNS_POD), 53, each) for each in ("UDP", "TCP")):
            raise Denied(f"a NetworkPolicy does not let {caller.address} ask the cluster's DNS")
        for candidate in names.candidates(pod, name):
            for _ in range(8):      # aliases
                found = names.find(self.table, candidate) if names.ours(candidate) else None
                if found is None or not found.alias:
                    break
                candidate = found.alias
            if found is not None and found.addresses:
                return found.addresses
            if candidate.lower() in self.table.hosts:
                return [self.table.hosts[candidate.lower()]]
            if not names.ours(candidate) and "." in candidate.rstrip("."):
                return await _elsewhere(candidate)
        return []

    def endpoints(self, namespace: str, name: str) -> list[Object]:
        """Where the endpoints of a Service really listen, for an ingress or whoever else runs on this machine.

        Each is ``{"address", "port", "portName", "end", "endPort", "node"}``: as the API shows it, and on loopback.
        """
        key = (namespace, name)
        ports = self.table.services.get(key, {"spec": {}})["spec"].get("ports") or []
        return [{"address": each.address, "port": each.port, "portName": one.get("name") or "",
                 "servicePort": one["port"], "end": self.ranges.end(each.address), "endPort": port(each.port),
                 "node": each.node}
                for one in ports for each in usable(self.table.endpoints(key, one.get("name") or ""))]


async def _elsewhere(name: str) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVED_WITHIN):
            found = await loop.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError):
        return []
    return [str(each[4][0]) for each in found]

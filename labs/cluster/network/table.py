"""What the network knows of the cluster: Services, their endpoints, namespaces, policies, and the pods by address.

Kept up to date by watches; nothing here connects anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from labs.cluster.network.addresses import Ranges
from labs.cluster.nodes.api import Client, Object

Key = tuple[str, str]
"""(namespace, name)"""

WATCHED = {
    "services": "/api/v1/services", "namespaces": "/api/v1/namespaces",
    "slices": "/apis/discovery.k8s.io/v1/endpointslices",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies"}
DNS_POD: Object = {"metadata": {"namespace": "kube-system", "name": "coredns", "labels": {"k8s-app": "kube-dns"}},
                   "spec": {}}
"""What policies see of the cluster's DNS, which is no pod here."""
INGRESS_POD: Object = {"metadata": {"namespace": "ingress", "name": "traefik",
                                    "labels": {"app.kubernetes.io/name": "traefik"}}, "spec": {}}
"""The same of the ingress controller."""


class Pods(Protocol):
    """Whoever knows the pods that run."""

    def addressed(self) -> Iterator[tuple[str, Object]]:
        """(address, pod) of each."""
        ...

    def zone(self, node: str) -> str:
        """A node's zone, "" where it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address behind a Service's port ("EndpointSlices").

    :param ready: does it get traffic?
    :param serving: is it ready apart from being terminated?
    :param zones: for whose clients it is meant, as the slice hints; empty for all
    """

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    hostname: str = ""
    node: str = ""
    zone: str = ""
    zones: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()


class Table:
    """The cluster as it was last seen.

    :param ranges: addresses of this cluster
    """

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.pods: Pods | None = None
        self.services: dict[Key, Object] = {}
        self.slices: dict[Key, Object] = {}
        self.policies: dict[Key, Object] = {}
        self.namespaces: dict[Key, Object] = {}
        self.synced: set[str] = set()
        self.hosts: dict[str, str] = {}
        """Names outside the cluster's domain that it answers itself: address of each."""
        self.changed: Callable[[], None] = lambda: None
        self._by_service: dict[Key, set[Key]] = {}
        self._by_address: dict[str, Key] = {}
        self._by_node_port: dict[int, tuple[Key, Object]] = {}

    async def follow(self, client: Client) -> None:
        """Keep up, without end."""
        await asyncio.gather(*(self._follow(client, kind, path) for kind, path in WATCHED.items()))

    async def _follow(self, client: Client, kind: str, path: str) -> None:
        known: dict[Key, Object] = getattr(self, kind)
        async for change, item in client.watch(path):
            if change == "SYNCED":
                there = {key_of(each) for each in item.get("items") or []}
                for key in set(known) - there:
                    self.remove(kind, key)
                self.synced.add(kind)
            elif change == "DELETED":
                self.remove(kind, key_of(item))
            else:
                self.put(kind, item)
            self.changed()

    def put(self, kind: str, item: Object) -> None:
        """Take in one object of a kind in WATCHED."""
        known: dict[Key, Object] = getattr(self, kind)
        key = key_of(item)
        self.remove(kind, key)
        item["metadata"].pop("managedFields", None)
        known[key] = item
        if kind == "services":
            for address in item["spec"].get("clusterIPs") or []:
                self._by_address[address] = key
            self._by_node_port |= {number: (key, entry) for number, entry in _node_ports(item)}
        if kind == "slices":
            self._by_service.setdefault(_owner(item), set()).add(key)

    def remove(self, kind: str, key: Key) -> None:
        """Forget one."""
        gone = getattr(self, kind).pop(key, None)
        if gone is not None and kind == "services":
            for address in gone["spec"].get("clusterIPs") or []:
                self._by_address.pop(address, None)
            for number, _ in _node_ports(gone):
                if self._by_node_port.get(number, (key, {}))[0] == key:     # else it is another's already
                    self._by_node_port.pop(number, None)
        if gone is not None and kind == "slices":
            self._by_service.get(_owner(gone), set()).discard(key)

    def service_at(self, address: str) -> Key | None:
        """Whose cluster IP it is."""
        return self._by_address.get(address)

    def node_port(self, number: int) -> tuple[Key, Object] | None:
        """The Service with this node port, and the entry of its port ("Service", "type: NodePort"); None for none."""
        return self._by_node_port.get(number)

    def pod_at(self, address: str) -> Object | None:
        """The pod that has an address."""
        return next((pod for there, pod in (self.pods.addressed() if self.pods else ()) if there == address), None)

    def pod_named(self, uid: str) -> tuple[str, Object] | None:
        """(address, pod) by the pod's uid."""
        return next((each for each in (self.pods.addressed() if self.pods else ())
                     if each[1]["metadata"]["uid"] == uid), None)

    def labels_of(self, namespace: str) -> dict[str, str]:
        """A namespace's labels."""
        found = self.namespaces.get(("", namespace))
        return dict((found or {}).get("metadata", {}).get("labels") or {"kubernetes.io/metadata.name": namespace})

    def endpoints(self, service: Key, port_name: str | None) -> list[Endpoint]:
        """All behind a Service's port, by the port's name ("" for one without); None: one port of each, whichever."""
        made: dict[tuple[str, int], Endpoint] = {}
        for key in sorted(self._by_service.get(service, ())):
            found = self.slices[key]
            if found.get("addressType") != "IPv4":
                continue
            for port in found.get("ports") or [{}]:
                if port_name is None or (port.get("name") or "") == port_name:
                    for each in found.get("endpoints") or []:
                        one = _endpoint(each, port.get("port") or 0)
                        made.setdefault((one.address, one.port), one)
        return list(made.values())

    def in_slice(self, address: str) -> Iterator[tuple[Key, Endpoint]]:
        """The headless Services an address is behind, for reverse names."""
        for service in self.services.values():
            if service["spec"].get("clusterIP") == "None":
                for each in self.endpoints(key_of(service), None):
                    if each.address == address:
                        yield key_of(service), each


def key_of(item: Object) -> Key:
    """(namespace, name)."""
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _node_ports(service: Object) -> Iterator[tuple[int, Object]]:
    """(node port, entry) of each of its TCP ports that has one."""
    for entry in service["spec"].get("ports") or []:
        if entry.get("nodePort") and entry.get("protocol", "TCP") == "TCP":
            yield entry["nodePort"], entry


def _owner(item: Object) -> Key:
    return item["metadata"].get("namespace", ""), (item["metadata"].get("labels") or {}).get(
        "kubernetes.io/service-name", "")


def _endpoint(each: Object, port: int) -> Endpoint:
    conditions = each.get("conditions") or {}
    hints = each.get("hints") or {}
    ready = conditions.get("ready") is not False
    return Endpoint(
        each["addresses"][0], port, ready, conditions.get("serving", ready) is not False,
        bool(conditions.get("terminating")), each.get("hostname") or "", each.get("nodeName") or "",
        each.get("zone") or "", tuple(one["name"] for one in hints.get("forZones") or []),
        tuple(one["name"] for one in hints.get("forNodes") or []))

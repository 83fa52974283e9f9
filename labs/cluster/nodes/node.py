"""Nodes: registration, heartbeat, status.

"Nodes" and "Leases" (Kubernetes documentation): a node registers itself, renews a Lease in ``kube-node-lease`` all the
time, and says its capacity, addresses and conditions.  The controllers mark a node whose Lease is old as unknown.
All nodes share this machine, so one that declares nothing else says it has all of it: what they promise together is
more than there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labs.cluster.controlplane.flags import NODE_LOST_AFTER
from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.declared import Declared
from labs.cluster.nodes.environment import quantity
from labs.errors import TemporaryError
from labs.toolbox import programs

REGION = "us-east-1"
ZONES = ("a", "b", "c")
RENEWED_EVERY = NODE_LOST_AFTER / 4
STATUS_EVERY = 10.0
"""Seconds between two renewals of the Lease, and between two looks at the status."""
SAID_EVERY = 300.0
"""Seconds after which a status that did not change is said again ("Node heartbeats")."""
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
KEPT_MEMORY = 100 * 2**20
KEPT_STORAGE = 0.1
"""What is not allocatable, because eviction begins there ("Node-pressure Eviction"): bytes, and a part of the disk."""


def now(micro: bool = False, skew: float = 0.0) -> str:
    """The time as the API writes it; ``skew`` in seconds is what a clock is wrong by."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=skew)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Node:
    """One node.

    :param port: of the HTTPS server, which all nodes share
    :param ready: has it said that it is ready?
    :param faults: kind → since (Unix time) and value, see declared.py
    :param pressures: conditions that are True beside Ready
    :param boots: how often it was started after a power loss
    :param said: its status as the API server was last told it, without times, and when that was
    """

    name: str
    zone: str
    port: int
    ready: bool = False
    pod_range: str = ""
    since: dict[str, str] = field(default_factory=dict)
    declared: Declared = field(default_factory=lambda: Declared("", ""))
    faults: dict[str, dict[str, float]] = field(default_factory=dict)
    pressures: frozenset[str] = frozenset()
    boots: int = 0
    said: tuple[Object, float] = ({}, -SAID_EVERY)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    listed: ClassVar[Callable[[], list[Object]]] = list
    """The images in the store, which all nodes share, as ``status.images`` says them."""

    @staticmethod
    def of(declared: Declared, port: int) -> Node:
        """The node that is declared."""
        return Node(declared.name, declared.zone, port, declared=declared)

    @property
    def stopped(self) -> bool:
        """Is it powered off?"""
        return "stop" in self.faults

    @property
    def away(self) -> bool:
        """Is it cut off from the API server, by a partition or for want of power?"""
        return self.stopped or "partition" in self.faults

    @property
    def full(self) -> bool:
        """Is there no byte left on its disk?"""
        return self.faults.get("fill-disk", {}).get("value", 0.0) >= 100

    @property
    def skew(self) -> float:
        """Seconds its clock is ahead."""
        return self.faults.get("clock-skew", {}).get("value", 0.0)

    def clock(self) -> float:
        """Unix time by its own clock."""
        return time.time() + self.skew

    def wake(self) -> None:
        """Have its heartbeat look at it now."""
        self.news.set()

    def labels(self) -> dict[str, str]:
        """"Well-Known Labels, Annotations and Taints"."""
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return {
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": sys.platform, "kubernetes.io/arch": machine,
            "topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": f"{REGION}{self.zone}",
            "node.kubernetes.io/instance-type": "process", **self.declared.labels}

    def capacity(self) -> dict[str, str]:
        """What it declares, or what this machine has."""
        declared = self.declared
        return {"cpu": declared.cpu or str(os.cpu_count() or 1), "pods": str(declared.pods),
                "memory": declared.memory or f"{_memory() // 1024}Ki",
                "ephemeral-storage": declared.storage or f"{_storage() // 1024}Ki"}

    def allocatable(self) -> dict[str, str]:
        """"Reserve Compute Resources": the capacity without what is kept so that eviction comes before the end."""
        capacity = self.capacity()
        memory, storage = quantity(capacity["memory"]), quantity(capacity["ephemeral-storage"])
        return {**capacity, "memory": f"{int(memory - KEPT_MEMORY) // 1024}Ki",
                "ephemeral-storage": str(int(storage * (1 - KEPT_STORAGE)))}

    def status(self) -> Object:
        """"Node Status": addresses, capacity and allocatable, conditions, info."""
        machine = self.labels()["kubernetes.io/arch"]
        return {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": self.name}],
            "capacity": self.capacity(), "allocatable": self.allocatable(), "conditions": self.conditions(),
            # the API server then passes WebSockets on as they are; sorted, as it wants them
            "declaredFeatures": ["ExtendWebSocketsToKubelet"], "images": Node.listed(),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "nodeInfo": {
                "machineID": self.name, "systemUUID": self.name, "bootID": f"{self.name}-{self.boots}",
                "kernelVersion": platform.release(), "osImage": "the host's own", "operatingSystem": sys.platform,
                "architecture": machine, "containerRuntimeVersion": "process://1",
                "kubeletVersion": f"v{programs.tool('kube-apiserver').version}", "kubeProxyVersion": ""}}

    def conditions(self) -> list[Object]:
        """MemoryPressure, DiskPressure, PIDPressure, Ready."""
        moment = now(skew=self.skew)
        made = []
        for name, good, bad, what in (
                ("MemoryPressure", "KubeletHasSufficientMemory", "KubeletHasInsufficientMemory", "memory available"),
                ("DiskPressure", "KubeletHasNoDiskPressure", "KubeletHasDiskPressure", "disk pressure"),
                ("PIDPressure", "KubeletHasSufficientPID", "KubeletHasInsufficientPID", "PID available"),
                ("Ready", "KubeletReady", "", "")):
            under = name in self.pressures
            has = {"DiskPressure": "has no"}.get(name, "has sufficient") if not under else \
                {"DiskPressure": "has"}.get(name, "has insufficient")
            made.append({
                "type": name, "status": "True" if under or not bad else "False", "reason": bad if under else good,
                "message": f"kubelet {has} {what}" if bad else "kubelet is posting ready status",
                "lastHeartbeatTime": moment,
                "lastTransitionTime": self.since.setdefault(f"{name} {under}", moment)})
            self.since.pop(f"{name} {not under}", None)
        return made


async def keep(client: Client, node: Node) -> None:
    """Register the node, then renew its Lease and report its status, without end; nothing while it is away."""
    loop = asyncio.get_running_loop()
    reported = -STATUS_EVERY
    while True:
        if node.news.is_set():
            node.news.clear()
            reported = -STATUS_EVERY
        if node.away:
            node.ready = False
            await node.news.wait()
            continue
        try:
            if loop.time() - reported >= STATUS_EVERY or not node.pod_range:
                await _report(client, node)
                reported = loop.time()
            await _renew(client, node)
        except Refused as error:
            node.ready = False
            reported = -STATUS_EVERY
            if error.status != 404:
                print(f"{node.name}: {error}", file=sys.stderr)
        except TemporaryError as error:
            print(f"{node.name}: {error}", file=sys.stderr)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RENEWED_EVERY if node.ready and node.pod_range else 0.2):
                await node.news.wait()


async def register(client: Client, node: Node) -> Object:
    """The Node object, made if it is not there."""
    try:
        return await client.get(f"/api/v1/nodes/{node.name}")
    except Refused as error:
        if error.status != 404:
            raise
    return await client.create("/api/v1/nodes", {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": node.labels()},
        "spec": {"taints": list(node.declared.taints)} if node.declared.taints else {}})


async def _report(client: Client, node: Node) -> None:
    """Make the node if it is not there, and say its status."""
    path = f"/api/v1/nodes/{node.name}"
    found = await register(client, node)
    ready = [each for each in found.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
    if ready and ready[0]["status"] != "True":
        node.since.clear()
    status, moment = node.status(), asyncio.get_running_loop().time()
    conditions = [each | {"lastHeartbeatTime": ""} for each in status["conditions"]]
    told = status | {"conditions": conditions, "skew": node.skew}
    known = node.said[0] == told and moment - node.said[1] < SAID_EVERY
    if not known or not ready or ready[0]["status"] != "True":
        await client.patch(f"{path}/status", {"status": status})
        node.said = told, moment
    node.pod_range = found["spec"].get("podCIDR", "")
    node.ready = True


async def _renew(client: Client, node: Node) -> None:
    """"Node heartbeats": the Lease that says the node is alive."""
    spec: dict[str, Any] = {"holderIdentity": node.name, "leaseDurationSeconds": NODE_LOST_AFTER,
                            "renewTime": now(micro=True, skew=node.skew)}
    try:
        await client.patch(f"{LEASES}/{node.name}", {"spec": spec})
    except Refused as error:
        if error.status != 404:
            raise
        await client.create(LEASES, {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node.name}, "spec": spec})


class Cut(Client):
    """The API server as one node reaches it: not at all while the node is partitioned or off."""

    def __init__(self, client: Client, node: Node) -> None:
        self._http = client._http
        self._node = node

    async def _call(self, method: str, path: str, *more: Any, **others: Any) -> Object:
        """As for every client; TemporaryError while the node is away."""
        if self._node.away:
            raise TemporaryError(f"{method} {path}: connect: no route to host", 1.0)
        return await super()._call(method, path, *more, **others)


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _storage() -> int:
    found = os.statvfs("/")
    return found.f_blocks * found.f_frsize

"""Nodes: registration, heartbeat, status.

"Nodes" and "Leases" (Kubernetes documentation): a node registers itself, renews a Lease in ``kube-node-lease`` all the
time, and says its capacity, addresses and conditions.  The controllers mark a node whose Lease is old as unknown.
All nodes share this machine, so each says it has all of it: what they promise together is more than there is.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import platform
import sys
from dataclasses import dataclass, field
from typing import Any

from labs.cluster.controlplane.flags import NODE_LOST_AFTER
from labs.cluster.nodes.api import Client, Object, Refused
from labs.errors import TemporaryError
from labs.toolbox import programs

REGION = "us-east-1"
ZONES = ("a", "b", "c")
RENEWED_EVERY = NODE_LOST_AFTER / 4
STATUS_EVERY = 10.0
"""Seconds between two renewals of the Lease, and between two reports of the status."""
PODS = 110


def now(micro: bool = False) -> str:
    """The time as the API writes it."""
    moment = datetime.datetime.now(datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Node:
    """One node.

    :param port: of the HTTPS server, which all nodes share
    :param ready: has it said that it is ready?
    """

    name: str
    zone: str
    port: int
    ready: bool = False
    pod_range: str = ""
    since: dict[str, str] = field(default_factory=dict)

    def labels(self) -> dict[str, str]:
        """"Well-Known Labels, Annotations and Taints"."""
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return {
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": sys.platform, "kubernetes.io/arch": machine,
            "topology.kubernetes.io/region": REGION, "topology.kubernetes.io/zone": f"{REGION}{self.zone}",
            "node.kubernetes.io/instance-type": "process"}

    def status(self) -> Object:
        """"Node Status": addresses, capacity and allocatable, conditions, info."""
        capacity = {"cpu": str(os.cpu_count() or 1), "memory": f"{_memory() // 1024}Ki", "pods": str(PODS),
                    "ephemeral-storage": f"{_storage() // 1024}Ki"}
        machine = self.labels()["kubernetes.io/arch"]
        return {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": self.name}],
            "capacity": capacity, "allocatable": capacity, "conditions": self._conditions(),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "nodeInfo": {
                "machineID": self.name, "systemUUID": self.name, "bootID": self.name,
                "kernelVersion": platform.release(), "osImage": "the host's own", "operatingSystem": sys.platform,
                "architecture": machine, "containerRuntimeVersion": "process://1",
                "kubeletVersion": f"v{programs.tool('kube-apiserver').version}", "kubeProxyVersion": ""}}

    def _conditions(self) -> list[Object]:
        """MemoryPressure, DiskPressure, PIDPressure, Ready."""
        table = [
            ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status")]
        moment = now()
        return [{"type": name, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": moment,
                 "lastTransitionTime": self.since.setdefault(name, moment)} for name, status, reason, message in table]


def several(count: int, port: int) -> list[Node]:
    """``node-a``, ``node-b``, …, one zone after the other."""
    return [Node(f"node-{chr(ord('a') + index)}", ZONES[index % len(ZONES)], port) for index in range(count)]


async def keep(client: Client, node: Node) -> None:
    """Register the node, then renew its Lease and report its status, without end."""
    loop = asyncio.get_running_loop()
    reported = -STATUS_EVERY
    while True:
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
        await asyncio.sleep(RENEWED_EVERY if node.ready and node.pod_range else 0.2)


async def _report(client: Client, node: Node) -> None:
    """Make the node if it is not there, and say its status."""
    path = f"/api/v1/nodes/{node.name}"
    try:
        found = await client.get(path)
    except Refused as error:
        if error.status != 404:
            raise
        found = await client.create("/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": node.labels()}})
    ready = [each for each in found.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
    if ready and ready[0]["status"] != "True":
        node.since.clear()
    await client.patch(f"{path}/status", {"status": node.status()})
    node.pod_range = found["spec"].get("podCIDR", "")
    node.ready = True


async def _renew(client: Client, node: Node) -> None:
    """"Node heartbeats": the Lease that says the node is alive."""
    root = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    spec: dict[str, Any] = {"holderIdentity": node.name, "leaseDurationSeconds": NODE_LOST_AFTER,
                            "renewTime": now(micro=True)}
    try:
        await client.patch(f"{root}/{node.name}", {"spec": spec})
    except Refused as error:
        if error.status != 404:
            raise
        await client.create(root, {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": node.name}, "spec": spec})


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _storage() -> int:
    found = os.statvfs("/")
    return found.f_blocks * found.f_frsize

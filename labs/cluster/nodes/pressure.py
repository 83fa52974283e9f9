"""When a node runs short of memory, disk or processes: conditions, and whom it evicts in which order.

"Node-pressure Eviction" (Kubernetes documentation), with a kubelet's own thresholds where it has some: 100Mi of memory,
a tenth of the disk.  Processes have no threshold by default; here it is a tenth of PIDS.  What differs: a look every
two seconds and not ten, and a condition stays for ten seconds after its cause and not for five minutes.

Short of is what the node declares, less what its own pods use and what ``fill-disk`` takes; not what this machine has
left.  Memory is the resident memory of all processes together, disk what their own folders, logs and emptyDirs take.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container
from labs.cluster.nodes.environment import quantity
from labs.cluster.nodes.node import KEPT_MEMORY, KEPT_STORAGE, Node
from labs.cluster.nodes.usage import Usage as Measured

LOOKED_EVERY = 2.0
KEPT_FOR = 10.0
"""Seconds a condition stays after its cause is gone."""
PIDS = 1024
"""Processes and threads of all pods of a node together."""
CRITICAL = 2_000_000_000
"""Priority from which on a pod is critical, and not evicted."""
CONDITIONS = {"memory": "MemoryPressure", "ephemeral-storage": "DiskPressure", "pids": "PIDPressure"}
"""By resource, in the order in which they are reclaimed."""


class Tenant(Protocol):
    """A pod that may be evicted: its worker."""

    pod: Object
    folder: Path

    def active(self) -> list[Container]:
        """The containers that run."""

    def evict(self, message: str) -> None:
        """End it, with reason Evicted."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one pod uses, in bytes and tasks.

    :param memory: by container
    :param disk: by container: its own folder and its log
    :param volumes: by emptyDir; those in memory are in ``volatile``
    """

    memory: Mapping[str, int]
    disk: Mapping[str, int]
    volumes: Mapping[str, int] = field(default_factory=dict)
    volatile: Mapping[str, int] = field(default_factory=dict)
    pids: int = 0

    def of(self, what: str) -> int:
        """All the pod uses of memory, ephemeral-storage or pids."""
        if what == "pids":
            return self.pids
        if what == "memory":
            return sum(self.memory.values()) + sum(self.volatile.values())
        return sum(self.disk.values()) + sum(self.volumes.values())


def requested(pod: Object, what: str, kind: str = "requests") -> int | None:
    """Requests (or limits) of a pod's containers together; None where none has any."""
    found = [amount for container in pod["spec"]["containers"] if (amount := _of(container, what, kind)) is not None]
    return sum(found) if found else None


def _of(container: Object, what: str, kind: str = "requests") -> int | None:
    amount = (container.get("resources") or {}).get(kind, {}).get(what)
    return None if amount is None else int(quantity(amount))


def order(pods: list[tuple[Object, Usage]], what: str) -> list[int]:
    """Indexes of pods in the order of their eviction: who uses more than its requests, who has less priority, who uses
    most beyond its requests (of processes: priority, then how many)."""
    def key(index: int) -> tuple[bool, int, int]:
        pod, usage = pods[index]
        beyond = usage.of(what) - (requested(pod, what) or 0)
        return what != "pids" and beyond <= 0, pod["spec"].get("priority") or 0, -beyond
    return sorted(range(len(pods)), key=key)


def message(pod: Object, usage: Usage, what: str, threshold: int, available: int) -> str:
    """Why a pod was evicted, in a kubelet's words."""
    said = f"The node was low on resource: {what}. Threshold quantity: {shown(threshold, what)}, " \
           f"available: {shown(available, what)}. "
    used = {"memory": usage.memory, "ephemeral-storage": usage.disk}.get(what, {})
    for container in pod["spec"]["containers"]:
        amount, request = used.get(container["name"], 0), _of(container, what) or 0
        if amount > request:
            said += f"Container {container['name']} was using {shown(amount, what)}, request is " \
                    f"{shown(request, what)}, has larger consumption of {what}. "
    return said


def overdrawn(pod: Object, usage: Usage) -> str:
    """Why a pod must go for its own limits of local storage; "" when it keeps them.  "Local ephemeral storage"."""
    for volume in pod["spec"].get("volumes") or []:
        limit = (volume.get("emptyDir") or {}).get("sizeLimit")
        used = {**usage.volumes, **usage.volatile}.get(volume["name"], 0)
        if limit and 0 < quantity(limit) < used:
            return f'Usage of EmptyDir volume "{volume["name"]}" exceeds the limit "{limit}". '
    limits = requested(pod, "ephemeral-storage", "limits")
    if limits is not None and usage.of("ephemeral-storage") > limits:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers " \
               f"{shown(limits, 'ephemeral-storage')}. "
    for container in pod["spec"]["containers"]:
        own = _of(container, "ephemeral-storage", "limits")
        if own and usage.disk.get(container["name"], 0) > own:
            given = container["resources"]["limits"]["ephemeral-storage"]
            return f'Container {container["name"]} exceeded its local ephemeral storage limit "{given}". '
    return ""


def refused(pod: Object, pressures: frozenset[str]) -> str:
    """Why a node under pressure does not take a new pod; "" when it does."""
    if not pressures or (pod["spec"].get("priority") or 0) >= CRITICAL:
        return ""
    tolerated = {each.get("key") for each in pod["spec"].get("tolerations") or []}
    if pressures == {"MemoryPressure"} and (
            pod.get("status", {}).get("qosClass") != "BestEffort" or "node.kubernetes.io/memory-pressure" in tolerated):
        return ""
    return f"The node had condition: [{' '.join(sorted(pressures))}]. "


def shown(amount: int, what: str) -> str:
    """A quantity as Kubernetes writes it: in the largest unit that needs no fraction."""
    if what == "pids":
        return str(amount)
    for unit, power in (("Gi", 30), ("Mi", 20), ("Ki", 10)):
        if amount and amount % 2**power == 0:
            return f"{amount >> power}{unit}"
    return str(amount)


def measure(pod: Object, folder: Path, containers: list[Container], measured: Measured) -> Usage:
    """What a pod uses now."""
    memory, disk, pids = {}, {}, 0
    for container in containers:
        if (sample := measured.latest(container)) is not None:
            memory[container.name] = sample.memory
            pids += sample.tasks
        disk[container.name] = size(container.folder)
    volumes: dict[str, int] = {}
    volatile: dict[str, int] = {}
    for volume in pod["spec"].get("volumes") or []:
        if "emptyDir" in volume:
            kept = volatile if (volume["emptyDir"] or {}).get("medium") == "Memory" else volumes
            kept[volume["name"]] = size(folder / "volumes" / volume["name"])
    return Usage(memory, disk, volumes, volatile, pids)


def size(folder: Path) -> int:
    """Bytes that everything below a folder takes on its disk."""
    total, left = 0, [str(folder)]
    while left:
        with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
    return total


class Gauge:
    """The eyes of one node: what is left, and which pressures that makes."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen: dict[str, float] = {}

    def left(self, usages: list[Usage]) -> dict[str, tuple[int, int]]:
        """By resource: (threshold, available)."""
        capacity = self._node.capacity()
        storage = int(quantity(capacity["ephemeral-storage"]))
        filled = int(storage * self._node.faults.get("fill-disk", {}).get("value", 0.0) / 100)
        wholes = {"memory": (KEPT_MEMORY, int(quantity(capacity["memory"]))),
                  "ephemeral-storage": (int(storage * KEPT_STORAGE), storage - filled), "pids": (PIDS // 10, PIDS)}
        return {what: (threshold, max(0, whole - sum(each.of(what) for each in usages)))
                for what, (threshold, whole) in wholes.items()}

    def look(self, tenants: list[Tenant], usages: list[Usage]) -> bool:
        """Set the node's conditions, evict at most one pod for the node's sake; True when a condition changed."""
        now = time.monotonic()
        left = self.left(usages)
        short = [what for what in CONDITIONS if left[what][1] < left[what][0]]
        self._seen.update({CONDITIONS[what]: now for what in short})
        before = self._node.pressures
        self._node.pressures = frozenset(name for name, seen in self._seen.items() if now - seen < KEPT_FOR)
        greedy = [(tenant, why) for tenant, usage in zip(tenants, usages, strict=True)
                  if (why := overdrawn(tenant.pod, usage))]
        for tenant, why in greedy:
            tenant.evict(why)
        for what in short[:1] if not greedy else []:
            pods = [(tenant.pod, usage) for tenant, usage in zip(tenants, usages, strict=True)]
            for index in order(pods, what):
                if (tenants[index].pod["spec"].get("priority") or 0) < CRITICAL:
                    tenants[index].evict(message(*pods[index], what, *left[what]))
                    break
        return before != self._node.pressures


def _measured(here: Sequence[tuple[Tenant, list[Container]]], measured: Measured) -> list[Usage]:
    return [measure(tenant.pod, tenant.folder, running, measured) for tenant, running in here]


async def watch(nodes: list[Node], tenants: Callable[[Node], Sequence[Tenant]], measured: Measured) -> None:
    """Measure all containers and look at every node that is on, without end."""
    gauges: dict[str, Gauge] = {}
    while True:
        await measured.measure()
        for node in [each for each in nodes if not each.stopped]:
            gauge = gauges.setdefault(node.name, Gauge(node))
            here = [(tenant, containers) for tenant in tenants(node) if (containers := tenant.active())]
            try:
                usages = await asyncio.to_thread(_measured, here, measured)
            except OSError as error:
                print(f"{node.name}: what its pods use is not known: {error}", file=sys.stderr)
                continue
            if gauge.look([tenant for tenant, _ in here], usages):
                node.wake()
        await asyncio.sleep(LOOKED_EVERY)

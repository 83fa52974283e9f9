"""The nodes there are, while they run: added, removed, broken and healed with nothing restarted.

    stop         power loss: nobody plays the node, its containers are killed; ``start`` boots it
    partition    it runs on without the API server: its Lease and status grow old, its pods keep running
    slow-disk    starts and mounts wait, writes are held to a rate (see disk.py)
    fill-disk    DiskPressure, and with it taint and eviction (see pressure.py)
    clock-skew   its clock is wrong: heartbeats, statuses, events and logs carry other times

Every change is in ``nodes.json`` before it takes effect, so that a kill at any moment does not undo it.
"Nodes" and "Taint based Evictions" (Kubernetes documentation) say what the cluster makes of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import Any

from labs.cluster.nodes import node as heartbeat
from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.declared import FAULTS, PODS, Declared, Record
from labs.cluster.nodes.environment import ConfigError, quantity
from labs.cluster.nodes.node import ZONES, Node
from labs.cluster.nodes.pods import Pods
from labs.cluster.storage.places import Disks
from labs.errors import PermanentError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ZONE = re.compile(r"(?:us-east-1)?([a-z])")
_TAINT = re.compile(r"([^=:]+)(?:=([^:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)")
LEAST_MEMORY = 2 ** 28
MOST = 50
SLOW = 1.0
"""MiB/s of a slow disk, unless another rate is asked for."""
FULL = 100.0
"""Per cent of a full disk that are used."""


class Fleet:
    """Every node, and the task that keeps each."""

    def __init__(self, nodes: list[Node], disks: Disks, folder: Path, record: Record, client: Client, pods: Pods,
                 port: int) -> None:
        self.nodes = nodes
        self._disks = disks
        self._folder = folder
        self._record = record
        self._client = client
        self._pods = pods
        self._port = port
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._one_by_one = asyncio.Lock()

    async def keep(self) -> None:
        """Keep every node, also those to come; ends only when one of them cannot be kept."""
        for node in self.nodes:
            self._begin(node)
        try:
            while True:
                done, _ = await asyncio.wait([*self._tasks.values(), asyncio.ensure_future(asyncio.sleep(1.0))],
                                             return_when=asyncio.FIRST_COMPLETED)
                for task in done & set(self._tasks.values()):
                    task.result()       # raises what ended it
        finally:
            for task in self._tasks.values():
                task.cancel()

    def _begin(self, node: Node) -> None:
        self._tasks[node.name] = asyncio.create_task(heartbeat.keep(self._client, node))

    async def carry_out(self, order: dict[str, Any]) -> Any:
        """Do what is ordered: {"do": a method's name, …}; raises PermanentError for what makes no sense."""
        wanted = {"list": self._list, "add": self._add, "remove": self._remove, "heal": self._heal,
                  "start": self._start, **dict.fromkeys(FAULTS, self._break)}
        kind = order.get("do", "")
        if kind not in wanted:
            raise PermanentError(f"The nodes cannot {kind!r}.", f"They can: {', '.join(wanted)}.")
        async with self._one_by_one:
            return await wanted[kind](order)

    def _find(self, order: dict[str, Any]) -> Node:
        name = order.get("node")
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(each.name for each in self.nodes) or "none"
        raise PermanentError(f"There is no node {name!r}.", f"There are: {known}.")

    async def _list(self, order: dict[str, Any]) -> Any:
        return [{"name": node.name, "zone": node.zone, "capacity": node.capacity(), "faults": node.faults,
                 "conditions": {each["type"]: each["status"] for each in node.conditions()},
                 "pods": self._pods.count(node)} for node in self.nodes]

    # --- which there are ------------------------------------------------------------------------------------------

    async def _add(self, order: dict[str, Any]) -> Any:
        declared = self._declared(order)
        self._record.added.append(declared)
        self._record.write(self._folder)
        node = Node.of(declared, self._port)
        try:
            await heartbeat.register(self._client, node)
        except Refused:
            self._record.added.remove(declared)
            self._record.write(self._folder)
            raise
        self.nodes.append(node)
        self._begin(node)
        self._pods.join(node)
        return f"{node.name} joins in zone {heartbeat.REGION}{node.zone}"

    def _declared(self, order: dict[str, Any]) -> Declared:
        """The node that is asked for; raises PermanentError with what was expected."""
        if len(self.nodes) >= MOST:
            raise PermanentError(f"There are {MOST} nodes, and no more fit.", "Remove one.")
        taken = {node.name for node in self.nodes}
        name = order.get("name") or next(each for each in _names() if each not in taken)
        if not _NAME.fullmatch(name):
            raise PermanentError(f"{name!r} is no name of a node.", "Use lower case letters, digits and '-', up to 63.")
        if name in taken:
            raise PermanentError(f"There is a node {name!r} already.")
        zone = _ZONE.fullmatch(order.get("zone") or ZONES[len(self.nodes) % len(ZONES)])
        if not zone:
            raise PermanentError(f"{order['zone']!r} is no zone.", "Use a letter: b for us-east-1b.")
        return Declared(
            name, zone[1], _amount(order, "cpu", 0.001), _amount(order, "memory", LEAST_MEMORY),
            _amount(order, "storage", LEAST_MEMORY), int(order.get("pods") or PODS),
            dict(_label(each) for each in order.get("labels") or []),
            tuple(_taint(each) for each in order.get("taints") or []))

    async def _remove(self, order: dict[str, Any]) -> Any:
        """The node is gone, and its pods with it."""
        node = self._find(order)
        self._record.added = [each for each in self._record.added if each.name != node.name]
        self._record.removed.append(node.name)
        self._record.faults.pop(node.name, None)
        self._record.write(self._folder)
        task = self._tasks.pop(node.name)
        task.cancel()
        await asyncio.wait([task])
        self.nodes.remove(node)
        await self._pods.leave(node)
        await self._forget(node.name)
        await asyncio.to_thread(self._disks.remove, node.name)
        return f"{node.name} is gone"

    async def _forget(self, name: str) -> None:
        """Delete the Node, its Lease and its pods from the API server, where they are there."""
        lost = await self._client.get("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")
        paths = [f"/api/v1/namespaces/{each['metadata']['namespace']}/pods/{each['metadata']['name']}"
                 for each in lost.get("items") or []]
        for path in [f"/api/v1/nodes/{name}", f"{heartbeat.LEASES}/{name}", *paths]:
            with contextlib.suppress(Refused):
                await self._client.delete(path, {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})

    # --- what is wrong with them ----------------------------------------------------------------------------------

    async def _break(self, order: dict[str, Any]) -> Any:
        node, kind = self._find(order), order["do"]
        value = float(order.get("value") or {"slow-disk": SLOW, "fill-disk": FULL}.get(kind, 0.0))
        if kind == "slow-disk" and not 0.01 <= value <= 1000:
            raise PermanentError(f"{value:g} MiB/s is no rate of a slow disk.", "Use 0.01 to 1000.")
        if kind == "fill-disk" and not 1 <= value <= 100:
            raise PermanentError(f"{value:g} % is no part of a disk.", "Use 1 to 100.")
        if kind == "clock-skew" and not 1 <= abs(value) <= 10 * 365 * 86400:
            raise PermanentError(f"{value:g} s is no skew of a clock.", "Use seconds, such as 300 or -3600.")
        if node.stopped and kind != "stop":
            raise PermanentError(f"{node.name} is stopped.", f"Run `lab nodes start {node.name}` first.")
        before = node.stopped
        node.faults[kind] = {"since": time.time(), "value": value}
        self._record.faults[node.name] = node.faults
        self._record.write(self._folder)
        if kind == "stop" and not before:
            await self._pods.lose_power(node)
        node.wake()
        return f"{node.name}: {FAULTS[kind]}"

    async def _start(self, order: dict[str, Any]) -> Any:
        node = self._find(order)
        if not node.stopped:
            raise PermanentError(f"{node.name} is not stopped.", "Its other faults are healed by `lab nodes heal`.")
        node.boots += 1
        return await self._mend(node, ["stop"])

    async def _heal(self, order: dict[str, Any]) -> Any:
        """End one kind of fault, or all but a stop."""
        node = self._find(order)
        kinds = [kind for kind in node.faults if kind != "stop" and order.get("fault") in (None, "", kind)]
        if not kinds:
            known = ", ".join(node.faults) or "none"
            raise PermanentError(f"{node.name} has no such fault to heal; it has: {known}.",
                                 "A stopped node is started by `lab nodes start`." if node.stopped else "")
        return await self._mend(node, kinds)

    async def _mend(self, node: Node, kinds: list[str]) -> Any:
        for kind in kinds:
            del node.faults[kind]
        if node.faults:
            self._record.faults[node.name] = node.faults
        else:
            self._record.faults.pop(node.name, None)
        self._record.write(self._folder)
        node.wake()
        if not node.away:
            self._pods.join(node)
        return f"{node.name}: healed of {', '.join(kinds)}"


def several(count: int, record: Record, port: int) -> list[Node]:
    """``node-a``, ``node-b``, …, one zone after the other, and what the record changes of that."""
    usual = [Declared(name, ZONES[index % len(ZONES)]) for index, name in zip(range(count), _names(), strict=False)]
    kept = [each for each in usual if each.name not in record.removed]
    new = [each for each in record.added if each.name not in {one.name for one in kept}]
    nodes = [Node.of(each, port) for each in (*kept, *new)]
    for node in nodes:
        node.faults = record.faults.get(node.name, {})
    return nodes


def _names() -> Any:
    """node-a … node-z, node-aa …, without end."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for first in ("", *letters):
        for second in letters:
            yield f"node-{first}{second}"


def _amount(order: dict[str, Any], what: str, least: float) -> str:
    """A quantity that was asked for; "" where none was."""
    asked = str(order.get(what) or "")
    try:
        if asked and quantity(asked) < least:
            raise ConfigError(f"{what} must be at least {least:g}")
    except ConfigError as error:
        raise PermanentError(f"{what} {asked!r}: {error}.", "Use a quantity such as 2, 500m or 2Gi.") from error
    return asked


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise PermanentError(f"{text!r} is no label.", "Use KEY=VALUE.")
    return key, value


def _taint(text: str) -> Object:
    match = _TAINT.fullmatch(text)
    if not match:
        raise PermanentError(f"{text!r} is no taint.", "Use KEY=VALUE:EFFECT; effects: NoSchedule, PreferNoSchedule, "
                             "NoExecute.")
    return {"key": match[1], "value": match[2] or "", "effect": match[3]}

"""Nodes for pods that find none: a small stand-in for Karpenter, over the nodes of one namespace.

It does what Karpenter's pages "Concepts", "Scheduling", "NodePools" and "Disruption" say of a NodePool with on-demand
instances: looks at pods that the scheduler calls unschedulable, packs them on as few new nodes as it can, takes the
cheapest type that holds each pack, stays below ``limits``, and takes away nodes that were empty for a while.  Left
out: everything that a NodePool says besides, and consolidation of nodes that still have pods on them.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jsonschema import Draft202012Validator

from labs.cluster.nodes.admission import requested
from labs.cluster.nodes.environment import ConfigError, quantity
from labs.cluster.space import Object, Space, expect
from labs.errors import LabError, PermanentError
from labs.scenarios.e_kubernetes import racks

TYPE = "node.kubernetes.io/instance-type"
POOL = "karpenter.sh/nodepool"
KNOWN_WITHIN = 10.0
EVERY = 0.5
"""Seconds between two looks.  Nodes are made when two looks see the same pods waiting: Karpenter, too, waits a second
for more pods before it packs them."""


@dataclass(frozen=True)
class InstanceType:
    """A size of node: processors in thousandths, and what an hour costs (in the course's own money)."""

    cpu: int
    price: float


TYPES: Mapping[str, InstanceType] = {
    "small": InstanceType(250, 1.00), "medium": InstanceType(450, 1.80), "large": InstanceType(850, 3.40)}
_TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
SCHEMA: Object = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "karpenter.sh/v1"},
        "kind": {"const": "NodePool"},
        "metadata": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$"}}},
        "spec": {
            "type": "object",
            "required": ["template"],
            "properties": {
                "template": {"type": "object", "required": ["spec"], "properties": {"spec": {
                    "type": "object",
                    "required": ["requirements"],
                    "properties": {"nodeClassRef": {"type": "object"}, "requirements": {"type": "array", "items": {
                        "type": "object",
                        "required": ["key", "operator", "values"],
                        "properties": {"key": {"const": TYPE}, "operator": {"enum": ["In", "NotIn"]},
                                       "values": _TEXTS},
                        "additionalProperties": False,
                    }}},
                    "additionalProperties": False,
                }}, "additionalProperties": False},
                "limits": {"type": "object", "properties": {"cpu": {"type": ["string", "number"]}},
                           "additionalProperties": False},
                "disruption": {"type": "object", "required": ["consolidateAfter"], "properties": {
                    "consolidationPolicy": {"const": "WhenEmpty"},
                    "consolidateAfter": {"type": "string", "pattern": "^(Never|([0-9]+(s|m|h))+)$"},
                }, "additionalProperties": False},
            },
            "additionalProperties": False,
        },
    },
}
"""What this stand-in knows of a NodePool."""
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True)
class NodePool:
    """A NodePool, read.

    :param types: names that its requirements leave
    :param limit: thousandths of processors that all its nodes may have together; None for no limit
    :param empty_for: seconds until an empty node goes; None for never
    """

    name: str
    types: tuple[str, ...]
    limit: int | None
    empty_for: float | None

    @staticmethod
    def read(manifest: Any) -> NodePool:
        """What a manifest says.

        :raises PermanentError: it is none, or says something that the stand-in does not know; with the place
        """
        for error in sorted(Draft202012Validator(SCHEMA).iter_errors(manifest), key=lambda each: list(each.path)):
            raise PermanentError(f"NodePool: {error.json_path.lstrip('$.') or 'the object'}: {error.message}"[:400])
        spec = manifest["spec"]
        types = list(TYPES)
        for each in spec["template"]["spec"]["requirements"]:
            types = [name for name in types if (name in each["values"]) == (each["operator"] == "In")]
        if not types:
            raise PermanentError(f"NodePool: no instance type is left; there are {', '.join(TYPES)}")
        try:
            limit = spec.get("limits", {}).get("cpu")
            cpu = None if limit is None else round(1000 * quantity(limit))
        except (ConfigError, ValueError, OverflowError) as error:
            raise PermanentError(f"NodePool: spec.limits.cpu: {error}") from None
        if cpu is not None and cpu < 0:
            raise PermanentError(f"NodePool: spec.limits.cpu: {limit} is below zero")
        after = spec.get("disruption", {}).get("consolidateAfter", "0s")
        seconds = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([hms])", after))
        return NodePool(manifest["metadata"]["name"], tuple(types), cpu, None if after == "Never" else seconds)


def pack(requests: list[int], types: tuple[str, ...], left: int | None) -> list[str]:
    """The types of nodes to make for pods with these requests (thousandths of processors).

    The largest first; a node takes pods as long as one of the types holds them all, and is then the cheapest that does.

    :param left: thousandths that may still be added; None for any number.  Pods that this leaves out get no node
    """
    made, waiting = [], sorted(requests, reverse=True)
    while waiting:
        fitting = [TYPES[name] for name in types if left is None or TYPES[name].cpu <= left]
        room = max((each.cpu for each in fitting), default=0)
        load, later = 0, []
        for each in waiting:
            if load + each <= room:
                load += each
            else:
                later.append(each)
        if not load:
            return made
        name = min((name for name in types if TYPES[name] in fitting and TYPES[name].cpu >= load),
                   key=lambda name: TYPES[name].price)
        made.append(name)
        left = None if left is None else left - TYPES[name].cpu
        waiting = later
    return made


@dataclass
class Provisioner:
    """Works for one namespace while its ``with`` block lasts; the nodes it made stay.

    :param log: (seconds since it began, what it did)
    """

    space: Space
    pool: NodePool
    log: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Provisioner:
        self._began, self._ended = time.monotonic(), threading.Event()
        self._empty_since: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._held: set[str] = set()
        self._numbers = itertools.count(1)
        self._task = threading.Thread(target=self._work, name="provisioner", daemon=True)
        self._task.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._task.join()

    def _work(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self.look()
            except LabError as error:  # an API server that does not answer is asked again
                self._note(f"could not look: {error}")

    def _note(self, what: str) -> None:
        self.log.append((round(time.monotonic() - self._began, 1), what))

    def look(self) -> None:
        """Make what is missing, take away what is not needed."""
        nodes = {each["metadata"]["name"]: each for each in racks.of(self.space)}
        pods = [each for each in self.space.list("Pod") if each["status"].get("phase") not in ("Succeeded", "Failed")]
        used = {name: sum(cpu_of(each) for each in pods if each["spec"].get("nodeName") == name) for name in nodes}
        room = sorted(capacity(node) - used[name] for name, node in nodes.items())
        waiting, before = {each["metadata"]["name"] for each in pods if unschedulable(each)}, self._waiting
        self._waiting = waiting
        missing = []
        for each in sorted((cpu_of(each) for each in pods if unschedulable(each)), reverse=True):
            place = next((index for index, free in enumerate(room) if free >= each), None)
            if place is None:
                missing.append(each)
            else:  # a node that is there, or about to be, has room for it
                room[place] -= each
        left = None if self.pool.limit is None else self.pool.limit - sum(map(capacity, nodes.values()))
        for kind in pack(missing, self.pool.types, left) if waiting == before else ():
            self._make(kind, nodes)
        self._held |= {name for name in nodes if used[name]}  # a new one waits for its pods, however short the time is
        self._take_away([name for name in nodes if not used[name] and name in self._held])

    def _make(self, kind: str, there: Mapping[str, Object]) -> None:
        names = (f"rack-{racks.label(self.space)}-{kind}-{number}" for number in self._numbers)
        name = next(each for each in names if each not in there)
        make(self.space, name, kind, [f"{POOL}={self.pool.name}"])
        self._note(f"+ {name}")

    def _take_away(self, empty: list[str]) -> None:
        now = time.monotonic()
        self._empty_since = {name: self._empty_since.get(name, now) for name in empty}
        if self.pool.empty_for is None:
            return
        for name, since in list(self._empty_since.items()):
            if now - since >= self.pool.empty_for:
                racks.remove(self.space.cluster, [name])
                del self._empty_since[name]
                self._note(f"- {name}")


def make(space: Space, name: str, kind: str, labels: Iterable[str] = ()) -> None:
    """A node of a type; returns when the API server knows it.

    :raises TemporaryError: it does not in KNOWN_WITHIN seconds
    """
    racks.add(space, name, racks.ZONES[0], [f"{TYPE}={kind}", *labels], cpu=f"{TYPES[kind].cpu}m")
    expect(lambda: name in [each["metadata"]["name"] for each in racks.of(space)], KNOWN_WITHIN,
           f"node {name} is not known")


def cpu_of(pod: Object) -> int:
    """What a pod requests, in thousandths of processors."""
    return round(1000 * requested(pod, "cpu"))


def capacity(node: Object) -> int:
    """What a node has for pods, in thousandths of processors."""
    status = node.get("status", {}).get("allocatable") or {}
    declared = TYPES.get(node["metadata"]["labels"].get(TYPE, ""))
    return round(1000 * quantity(status["cpu"])) if "cpu" in status else declared.cpu if declared else 0


def unschedulable(pod: Object) -> bool:
    """Has the scheduler looked at a pod, and found no node for it?"""
    if pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
        return False
    return any(each["type"] == "PodScheduled" and each.get("reason") == "Unschedulable"
               for each in pod["status"].get("conditions") or ())


def price(nodes: list[Object]) -> float:
    """What an hour of these nodes costs."""
    kinds = [each["metadata"]["labels"].get(TYPE, "") for each in nodes]
    return round(sum(TYPES[kind].price for kind in kinds if kind in TYPES), 2)

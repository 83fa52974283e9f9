"""What a node refuses of the pods that are assigned to it, in a kubelet's words.  Pure.

The scheduler looks at the same things before; it was not asked about a pod that names its node, and may not know yet
what has just been assigned.  "Assigning Pods to Nodes", "nodeName" (Kubernetes documentation): such a pod fails, with a
reason such as OutOfmemory, OutOfcpu or NodePorts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from labs.cluster.nodes.api import Object
from labs.cluster.nodes.environment import quantity
from labs.cluster.nodes.states import sidecar

EVERY = ("", "0.0.0.0")
"""``hostIP`` of a port on all addresses."""


def refused(pod: Object, others: Iterable[Object], allocatable: Mapping[str, str]) -> tuple[str, str]:
    """(reason, message) of why a node does not take a pod beside those it has; two empty texts when it does."""
    there = list(others)
    for what, scale in (("pods", 1), ("cpu", 1000), ("memory", 1), ("ephemeral-storage", 1)):
        wanted, capacity = _scaled(pod, what, scale), int(quantity(allocatable[what]) * scale)
        used = sum(_scaled(each, what, scale) for each in there)
        if wanted and used + wanted > capacity:
            return f"OutOf{what}", (f"Node didn't have enough resource: {what}, requested: {wanted}, used: {used}, "
                                    f"capacity: {capacity}")
    taken = [port for each in there for port in _host_ports(each)]
    if any(_clash(one, other) for one in _host_ports(pod) for other in taken):
        return "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    return "", ""


def _scaled(pod: Object, what: str, scale: int) -> int:
    return 1 if what == "pods" else round(requested(pod, what) * scale)


def requested(pod: Object, what: str) -> float:
    """"Init Containers" and "Sidecar Containers": the most that containers which run together ask for, and overhead."""
    spec = pod["spec"]
    beside = peak = 0.0
    for each in spec.get("initContainers") or []:
        if sidecar(each):
            beside += _request(each, what)
            peak = max(peak, beside)
        else:
            peak = max(peak, beside + _request(each, what))
    together = beside + sum(_request(each, what) for each in spec["containers"])
    return max(peak, together) + quantity((spec.get("overhead") or {}).get(what, "0"))


def _request(container: Object, what: str) -> float:
    return quantity(((container.get("resources") or {}).get("requests") or {}).get(what, "0"))


def _host_ports(pod: Object) -> Iterator[tuple[str, int, str]]:
    stays = [each for each in pod["spec"].get("initContainers") or [] if sidecar(each)]
    for container in (*stays, *pod["spec"]["containers"]):
        for port in container.get("ports") or []:
            if port.get("hostPort"):
                yield port.get("protocol") or "TCP", port["hostPort"], port.get("hostIP") or ""


def _clash(one: tuple[str, int, str], other: tuple[str, int, str]) -> bool:
    return one[:2] == other[:2] and (one[2] == other[2] or one[2] in EVERY or other[2] in EVERY)

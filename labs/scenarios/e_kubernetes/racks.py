"""Nodes that belong to one namespace: added for it, tainted for everybody else, drained, without power, removed."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from labs.cluster.nodes import orders
from labs.cluster.nodes.api import Refused
from labs.cluster.nodes.services import SOCKET
from labs.cluster.space import MERGE, Cluster, Object, Space, expect, ready, until
from labs.errors import PermanentError
from labs.scenarios.base import digest
from labs.services.state import short_path

LABEL = "labs/racks"
"""Label of the nodes of one namespace; its value is :func:`label`'s."""
HOSTNAME = "kubernetes.io/hostname"
"""Label of every node; its value is the node's name."""
READY_WITHIN = 30.0
ZONES = "abc"


def label(space: Space) -> str:
    """What this namespace's nodes are labelled with."""
    return digest(space.name.encode(), "racks")[:6]


def names(space: Space) -> list[str]:
    """Of three nodes of a namespace, one in each zone."""
    return [f"rack-{label(space)}-{zone}" for zone in ZONES]


def order(cluster: Cluster, what: str, node: str, **more: Any) -> Any:
    """Give an order to what plays the nodes of an embedded cluster; raises PermanentError where it is refused."""
    if not cluster.embedded:
        raise PermanentError("Nodes are added, broken and removed on the embedded cluster only.",
                             "Run this with LABS_KUBERNETES unset.")
    key = "name" if what == "add" else "node"
    return orders.give(short_path(SOCKET, cluster.kubeconfig.parent), {"do": what, key: node, **more})


def add(space: Space, name: str, zone: str, labels: Iterable[str] = (), **more: Any) -> None:
    """A node of the namespace's own; one that is there is started, if it was stopped.

    Only pods that tolerate its taint ``dedicated`` come to it.
    """
    if name not in [each["name"] for each in order(space.cluster, "list", "")]:
        order(space.cluster, "add", name, zone=zone, pods=10, taints=[f"dedicated={name}:NoSchedule"],
              labels=[f"{LABEL}={label(space)}", *labels], **more)
        return
    with contextlib.suppress(PermanentError):  # it was not stopped
        order(space.cluster, "start", name)


def add_all(space: Space) -> None:
    """All three nodes of a namespace, Ready and open for pods.

    :raises TemporaryError: they are not Ready after READY_WITHIN seconds
    """
    for name, zone in zip(names(space), ZONES, strict=True):
        add(space, name, zone)
        cordon(space.cluster, name, False)
    expect(lambda: all_open(space), READY_WITHIN, f"{', '.join(names(space))} are not Ready and open")


def all_open(space: Space) -> bool:
    """Are the three Ready, and has the node lifecycle controller taken back every taint but their own?"""
    found = {each["metadata"]["name"]: each for each in space.cluster.nodes()}
    return all(name in found and ready(found[name]) and {one["key"] for one in found[name]["spec"].get("taints") or ()}
               == {"dedicated"} for name in names(space))


def of(space: Space) -> list[Object]:
    """The nodes of a namespace that there are."""
    return [each for each in space.cluster.nodes() if each["metadata"]["labels"].get(LABEL) == label(space)]


def remove_all(space: Space) -> list[str]:
    """Remove the nodes of a namespace; see ``remove``."""
    return remove(space.cluster, [each["metadata"]["name"] for each in of(space)])


def settings(space: Space) -> Object:
    """Fields of a pod's spec with which it runs on nodes of the namespace, and nowhere else."""
    return {"nodeSelector": {LABEL: label(space)},
            "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]}


def remove(cluster: Cluster, nodes: Iterable[str]) -> list[str]:
    """Remove nodes, with the pods on them; a line for each that was there.

    All are closed first: a pod that the scheduler puts on a node which is going stays until it is collected as an
    orphan, a minute later, and its namespace with it.
    """
    nodes = list(nodes)
    if not nodes:
        return []
    known = {each["name"] for each in order(cluster, "list", "")}
    there = [name for name in nodes if name in known]
    for name in there:
        with contextlib.suppress(Refused):  # the API server does not know it, so no pod comes
            cordon(cluster, name)
    for name in there:
        order(cluster, "remove", name)
    return [f"node {name}" for name in there]


def sweep(cluster: Cluster) -> None:
    """Remove every node that was added for a namespace, such as those that a killed grader left."""
    remove(cluster, [each["metadata"]["name"] for each in cluster.nodes() if LABEL in each["metadata"]["labels"]])


@contextlib.contextmanager
def lent(space: Space) -> Iterator[list[str]]:
    """The three nodes for as long as the block lasts; their names."""
    try:
        add_all(space)
        yield names(space)
    finally:
        remove_all(space)


def cordon(cluster: Cluster, name: str, closed: bool = True) -> None:
    """No new pod for a node, or again some."""
    cluster.call("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": closed}}, MERGE)


def on(space: Space, name: str) -> list[Object]:
    """The namespace's pods on a node, also those about to go."""
    return [each for each in space.list("Pod") if each["spec"].get("nodeName") == name]


@dataclass
class Leaving:
    """What became of a request that pods leave: are all gone, who is left, and with which words was it refused?"""

    done: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "every pod has left" if self.done else f"not left: {', '.join(self.left) or 'nobody'}"
        return "".join([told, *(f"\n{count} × refused: {what}" for what, count in self.refused.most_common())])


def evict_all(space: Space, pods: Collection[Object], within: float) -> Leaving:
    """Evict these pods, as ``kubectl drain`` does: all are asked for at once, and again while that is refused."""
    leaving = Leaving()
    asked = {each["metadata"]["uid"] for each in pods}

    def all_left() -> bool:
        there = [each for each in space.list("Pod") if each["metadata"]["uid"] in asked]
        leaving.left = sorted(each["metadata"]["name"] for each in there)
        for each in there:
            if not each["metadata"].get("deletionTimestamp") and (why := space.evict(each["metadata"]["name"])):
                leaving.refused[why] += 1
        return not there

    leaving.done = bool(until(all_left, within))
    return leaving

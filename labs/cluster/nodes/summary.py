"""What a kubelet tells at ``/stats/summary``: the use of a node, of its pods and of their containers.

"Node metrics data" (Kubernetes documentation) and the Summary API's types, as far as it is measured here: processor
time, resident memory, processes, and what a container's own folder and its log take on the disk.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container
from labs.cluster.nodes.environment import quantity
from labs.cluster.nodes.node import Node
from labs.cluster.nodes.pressure import size
from labs.cluster.nodes.usage import Usage, Use
from labs.cluster.nodes.worker import Worker


def summary(node: Node, workers: Iterable[Worker], usage: Usage) -> Object:
    """The whole answer; it walks the containers' folders, so it belongs into a thread."""
    pods = [_pod(worker, usage) for worker in workers]
    memory = sum(each["memory"]["rssBytes"] for each in pods)
    moment = _time(datetime.datetime.now(datetime.UTC).timestamp() + node.skew)
    return {
        "node": {
            "nodeName": node.name, "cpu": {"time": moment, **_sums(pods, "cpu")},
            "memory": {"time": moment, **_sums(pods, "memory"),
                       "availableBytes": max(0, int(quantity(node.capacity()["memory"])) - memory)},
            "fs": {"time": moment, "capacityBytes": int(quantity(node.capacity()["ephemeral-storage"])),
                   "usedBytes": sum(each["ephemeral-storage"]["usedBytes"] for each in pods)}},
        "pods": pods}


def _pod(worker: Worker, usage: Usage) -> Object:
    described = worker.pod["metadata"]
    measured = [(each, use) for each in worker.attempts.running() if (use := usage.of(each)) is not None]
    containers = [_container(each, use) for each, use in measured]
    stored = [each[part] for each in containers for part in ("rootfs", "logs")]
    return {
        "podRef": {key: described[key] for key in ("name", "namespace", "uid")},
        "startTime": worker.pod.get("status", {}).get("startTime"), "containers": containers,
        "cpu": _sums(containers, "cpu"), "memory": _sums(containers, "memory"),
        "ephemeral-storage": {"usedBytes": sum(each["usedBytes"] for each in stored)},
        "process_stats": {"process_count": sum(use.latest.tasks for _, use in measured)}}


def _container(container: Container, use: Use) -> Object:
    moment, memory = _time(use.latest.at), use.latest.memory
    logs = sum(path.stat().st_blocks * 512 for path in (container.log, container.log.with_suffix(".1"))
               if path.exists())
    return {
        "name": container.name, "startTime": _time(container.started),
        "cpu": {"time": moment, "usageNanoCores": int(use.rate * 1e9),
                "usageCoreNanoSeconds": int(use.latest.cpu * 1e9)},
        "memory": {"time": moment, "usageBytes": memory, "workingSetBytes": memory, "rssBytes": memory},
        "rootfs": {"time": moment, "usedBytes": max(0, size(container.folder) - logs)},
        "logs": {"time": moment, "usedBytes": logs}}


def _sums(parts: list[Object], what: str) -> Object:
    keys = {"cpu": ("usageNanoCores", "usageCoreNanoSeconds"),
            "memory": ("usageBytes", "workingSetBytes", "rssBytes")}[what]
    return {key: sum(each[what][key] for each in parts) for key in keys}


def _time(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Which pods are ours: watches those assigned to these nodes, gives each an address and a worker.

A pod's address is 10.244.x.y out of its node's ``podCIDR`` ("Cluster Networking"); kept on disk, so that it stays.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import shutil
import sys
from pathlib import Path

from labs.cluster.nodes import shim
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.node import Node
from labs.cluster.nodes.worker import Place, Worker

DOWN_WITHIN = 1.5
"""Seconds between SIGTERM and SIGKILL when the nodes themselves are stopped."""


class Pods:
    """The workers of all nodes."""

    def __init__(self, nodes: list[Node], place: Place, folder: Path) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._place = place
        self._folder = folder
        self._workers: dict[str, Worker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def find(self, namespace: str, name: str) -> Worker | None:
        """The worker of a pod by its name."""
        for worker in self._workers.values():
            described = worker.pod["metadata"]
            if (described["namespace"], described["name"]) == (namespace, name):
                return worker
        return None

    def all(self) -> list[Object]:
        """Every pod as it is known here."""
        return [worker.pod for worker in self._workers.values()]

    async def follow(self) -> None:
        """Keep a worker for every pod that is assigned to one of the nodes, without end."""
        while not all(node.pod_range for node in self._nodes.values()):
            await asyncio.sleep(0.1)        # the controller manager gives each its range
        first = True
        async for change, item in self._place.client.watch("/api/v1/pods", fieldSelector="spec.nodeName!="):
            if change == "SYNCED":
                known = {each["metadata"]["uid"] for each in item.get("items") or []}
                if first:
                    self._take_over(known)
                for uid in set(self._workers) - known:
                    self._remove(uid, None)
                first = False
            elif change == "DELETED":
                self._remove(item["metadata"]["uid"], item)
            else:
                self._update(item)

    def _update(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._workers:
            self._workers[uid].pod = pod
            self._workers[uid].wake()
        elif (node := self._nodes.get(pod["spec"]["nodeName"])) is not None:
            self._begin(pod, node, self._address(pod, node))

    def _begin(self, pod: Object, node: Node, address: str) -> Worker:
        uid = pod["metadata"]["uid"]
        folder = self._folder / uid
        folder.mkdir(parents=True, exist_ok=True)
        shim.write(str(folder), "pod.json", {"pod": pod, "address": address})
        worker = self._workers[uid] = Worker(pod, node, self._place, folder, address)
        task = self._tasks[uid] = asyncio.create_task(worker.run())
        task.add_done_callback(lambda done: self._over(uid, done))
        return worker

    def _over(self, uid: str, task: asyncio.Task[None]) -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            print(f"the worker of pod {uid} failed: {error!r}", file=sys.stderr)
            asyncio.get_running_loop().call_exception_handler({"message": "a worker failed", "exception": error})

    def _remove(self, uid: str, last: Object | None) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.pod = last or worker.pod
            worker.removed = True
            worker.wake()

    def _take_over(self, known: set[str]) -> None:
        """What an earlier run left of pods that are gone: end it, remove it."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            if folder.name in known:
                continue
            said = _read(folder)
            node = self._nodes.get(said["pod"]["spec"]["nodeName"]) if said else None
            if said is None or node is None:
                node = next(iter(self._nodes.values()), None)
            if said is None or node is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self._begin(said["pod"], node, said["address"]).removed = True

    def _address(self, pod: Object, node: Node) -> str:
        """The one it had, or the next free one of the node's range."""
        said = _read(self._folder / pod["metadata"]["uid"])
        if said is not None:
            return str(said["address"])
        if pod["spec"].get("hostNetwork"):
            return "127.0.0.1"
        taken = {worker.address for worker in self._workers.values()}
        hosts = ipaddress.ip_network(node.pod_range).hosts()
        next(hosts)     # the first is the node's own
        return next((str(each) for each in hosts if str(each) not in taken), "")

    async def end(self) -> None:
        """The nodes go down: end every container."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*(worker.end_now(DOWN_WITHIN) for worker in self._workers.values()))


def _read(folder: Path) -> Object | None:
    try:
        return dict(json.loads((folder / "pod.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None

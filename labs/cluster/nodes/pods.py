"""Which pods are ours: watches those assigned to these nodes, gives each an address and a worker.

A pod's address is 10.244.x.y out of its node's ``podCIDR`` ("Cluster Networking"); kept on disk, so that it stays.
What happens to pods of a node that is cut off (see fleet.py) is kept until the node is back.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from labs.cluster.nodes import shim, volatile
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container
from labs.cluster.nodes.node import Cut, Node
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
        self._known: dict[str, Object] = {}     # every assigned pod as the API server has it

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

    def addressed(self) -> Iterator[tuple[str, Object]]:
        """(address, pod) of each, for the network."""
        return ((worker.address, worker.pod) for worker in self._workers.values())

    def zone(self, node: str) -> str:
        """A node's zone, "" where it is not known."""
        return self._nodes[node].labels()["topology.kubernetes.io/zone"] if node in self._nodes else ""

    def count(self, node: Node) -> int:
        """Pods of one node that are not over."""
        return sum(worker.node is node for worker in self._workers.values())

    def of(self, node: Node) -> list[Worker]:
        """The workers of one node."""
        return [worker for worker in self._workers.values() if worker.node is node]

    def containers(self, node: Node) -> list[Container]:
        """What runs on one node."""
        return [container for worker in self.of(node) for container in worker.attempts.running()]

    def join(self, node: Node) -> None:
        """A node is new, or reaches the API server again: do what was missed."""
        self._nodes[node.name] = node
        if not node.pod_range:      # it is given one within a second; then its pods begin
            asyncio.get_running_loop().call_later(0.1, self._join_again, node)
            return
        for worker in self.of(node):
            if worker.uid not in self._known:
                self._remove(worker.uid, None)
        for pod in [each for each in self._known.values() if each["spec"]["nodeName"] == node.name]:
            self._update(pod)

    def _join_again(self, node: Node) -> None:
        if self._nodes.get(node.name) is node and not node.away:
            self.join(node)

    async def lose_power(self, node: Node) -> None:
        """Every process of the node's pods dies, with no word to anybody; what is on its disk stays."""
        await self._drop(node)

    async def leave(self, node: Node) -> None:
        """The node is gone for good: nothing of its pods stays."""
        self._nodes.pop(node.name, None)
        for folder in await self._drop(node):
            volatile.remove(folder / "volumes")
            shutil.rmtree(folder, ignore_errors=True)

    async def _drop(self, node: Node) -> list[Path]:
        """Kill the containers of a node and forget their workers; returns the pods' folders."""
        workers = self.of(node)
        tasks = [self._tasks[worker.uid] for worker in workers]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.gather(*(worker.lose_power() for worker in workers))
        return [worker.folder for worker in workers]

    async def follow(self) -> None:
        """Keep a worker for every pod that is assigned to one of the nodes, without end."""
        while not all(node.pod_range or node.away for node in self._nodes.values()):
            await asyncio.sleep(0.1)        # the controller manager gives each its range
        first = True
        async for change, item in self._place.client.watch("/api/v1/pods", fieldSelector="spec.nodeName!="):
            if change == "SYNCED":
                known = {each["metadata"]["uid"] for each in item.get("items") or []}
                self._known = {uid: pod for uid, pod in self._known.items() if uid in known}
                if first:
                    self._take_over(known)
                for uid in set(self._workers) - known:
                    self._remove(uid, None)
                first = False
            elif change == "DELETED":
                self._known.pop(item["metadata"]["uid"], None)
                self._remove(item["metadata"]["uid"], item)
            else:
                self._known[item["metadata"]["uid"]] = item
                self._update(item)

    def _update(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        node = self._nodes.get(pod["spec"]["nodeName"])
        if node is None or node.away or not node.pod_range:
            return
        if uid in self._workers:
            self._workers[uid].pod = pod
            self._workers[uid].wake()
        else:
            self._begin(pod, node, self._address(pod, node))

    def _begin(self, pod: Object, node: Node, address: str) -> Worker:
        uid = pod["metadata"]["uid"]
        folder = self._folder / uid
        folder.mkdir(parents=True, exist_ok=True)
        shim.write(str(folder), "pod.json", {"pod": pod, "address": address})
        place = dataclasses.replace(self._place, client=Cut(self._place.client, node))
        worker = self._workers[uid] = Worker(
            pod, node, place, folder, address,
            lambda: [each.resize.pod(each.pod) for each in self.of(node) if each.counts()])
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
        if worker is not None and not worker.node.away:
            worker.pod = last or worker.pod
            worker.removed = True
            worker.wake()

    def _take_over(self, known: set[str]) -> None:
        """What an earlier run left of pods that are gone: end it, remove it.  On a partitioned node: go on with it."""
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            said = _read(folder)
            node = self._nodes.get(said["pod"]["spec"]["nodeName"]) if said else None
            if said is not None and node is not None and node.away:
                if not node.stopped:
                    self._begin(said["pod"], node, said["address"])
                continue
            if folder.name in known:
                continue
            if said is None or node is None:
                node = next(iter(self._nodes.values()), None)
            if said is None or node is None:
                volatile.remove(folder / "volumes")
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

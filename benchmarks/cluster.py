"""How quick and how heavy the embedded cluster is: ``python benchmarks/cluster.py [--pods N] [--kind]``.

Prints each figure with its goal: from nothing to 3 Ready nodes (tools fetched already), creation of a pod to Running
(p50 of ten, one after the other), N pods of one Deployment until all are Ready, a partitioned node until it is NotReady
and until its pods are replaced, ``lab reset kubernetes``, and, idle, the proportional set size (PSS) of everything and
the share of one core.  The cluster is the benchmark's own, in a temporary folder, and is gone afterwards.

``--kind`` measures a cluster of kind with one node afterwards, as far as the same can be asked of it; its node image
must be there already (``LABS_KIND_IMAGE``).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kubernetes import client, config

from labs.services import launch

ROOT = Path(__file__).resolve().parents[1]
LAB = [sys.executable, "-m", "labs.cli"]
IDLE_SECONDS = 20.0
PATIENCE = 120.0
TICKS = os.sysconf("SC_CLK_TCK")


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.monotonic()
    call()
    return time.monotonic() - began


def until(happened: Callable[[], Any], what: str) -> None:
    """Wait until it has."""
    end = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > end:
            raise SystemExit(f"not in {PATIENCE:.0f} s: {what}")
        time.sleep(0.02)


def pod(name: str, node: str = "") -> dict[str, Any]:
    """A pod that sleeps."""
    container = {
        "name": "main", "image": "host", "command": ["sleep", "3600"],
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
    }  # fmt: skip
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **({"nodeName": node} if node else {})},
    }  # fmt: skip


def deployment(name: str, replicas: int) -> dict[str, Any]:
    """That many of them."""
    template = {"metadata": {"labels": {"app": name}}, "spec": pod(name)["spec"]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }  # fmt: skip


class Cluster:
    """The benchmark's cluster and what is asked of it."""

    def __init__(self, home: Path, driver: str, nodes: int) -> None:
        self.home, self.driver, self.nodes = home, driver, nodes
        chosen = {"LABS_KUBERNETES": driver, "LABS_KUBERNETES_NODES": str(nodes)}
        self.environment = os.environ | {"LABS_HOME": str(home), "PYTHONPATH": str(ROOT)} | chosen

    def lab(self, *arguments: str) -> None:
        done = subprocess.run([*LAB, *arguments], env=self.environment, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SystemExit(f"lab {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def connect(self) -> None:
        config.load_kube_config(str(self.home / "kubeconfig"))
        self.core, self.apps = client.CoreV1Api(), client.AppsV1Api()

    def ready_nodes(self) -> list[str]:
        return [
            node.metadata.name
            for node in self.core.list_node().items
            if any(one.type == "Ready" and one.status == "True" for one in node.status.conditions or [])
        ]

    def start_pod(self, name: str) -> float:
        """Seconds from its creation to Running."""

        def create() -> None:
            self.core.create_namespaced_pod("default", pod(name))
            until(lambda: self.core.read_namespaced_pod(name, "default").status.phase == "Running", f"{name} runs")

        return seconds(create)

    def ready(self, name: str) -> int:
        return self.apps.read_namespaced_deployment(name, "default").status.ready_replicas or 0

    def deploy(self, name: str, replicas: int) -> float:
        """Seconds until all replicas are Ready."""

        def create() -> None:
            self.apps.create_namespaced_deployment("default", deployment(name, replicas))
            until(lambda: self.ready(name) == replicas, f"{replicas} pods are Ready")

        return seconds(create)

    def lose_a_node(self, name: str) -> tuple[float, float]:
        """Seconds until a partitioned node is NotReady, and until nothing is missing of the Deployment elsewhere."""
        pods = self.core.list_namespaced_pod("default", label_selector=f"app={name}").items
        lost = min(each.spec.node_name for each in pods)
        wanted = self.ready(name)
        self.lab("nodes", "partition", lost)
        began = time.monotonic()
        until(lambda: lost not in self.ready_nodes(), f"{lost} is NotReady")
        noticed = time.monotonic() - began

        def elsewhere() -> int:
            pods = self.core.list_namespaced_pod("default", label_selector=f"app={name}").items
            return sum(each.status.phase == "Running" and each.spec.node_name != lost for each in pods)

        until(lambda: elsewhere() >= wanted, "its pods are replaced")
        replaced = time.monotonic() - began
        self.lab("nodes", "heal", lost)
        return noticed, replaced

    def processes(self) -> list[int]:
        """Of the control plane, the nodes, and whatever they started."""
        return launch.find(str(self.home))

    def memory(self) -> float:
        """PSS, MB: of the processes here and of those in the nodes' containers."""
        found = []
        for pid in self.processes():
            try:
                found.append(Path(f"/proc/{pid}/smaps_rollup").read_text())
            except OSError:
                continue
        found += [self.inside(name, "cat /proc/[0-9]*/smaps_rollup 2>/dev/null; true") for name in self.containers()]
        lines = "\n".join(found).splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

    def processor(self) -> float:
        """Seconds used so far by the processes that run now."""
        found = []
        for pid in self.processes():
            try:
                found.append(Path(f"/proc/{pid}/stat").read_text())
            except OSError:
                continue
        for name in self.containers():
            found += self.inside(name, "cat /proc/[0-9]*/stat 2>/dev/null; true").splitlines()
        return sum(sum(map(int, line.rsplit(")", 1)[1].split()[11:13])) for line in found) / TICKS

    def containers(self) -> list[str]:
        """Names of the nodes' containers; none of an embedded cluster."""
        return self.ready_nodes() if self.driver == "kind" else []

    def inside(self, container: str, script: str) -> str:
        """What a script prints in a container."""
        command = ["docker", "exec", container, "sh", "-c", script]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def tell(what: str, value: float, unit: str, goal: str = "") -> None:
    print(f"{what:48}{value:8.2f} {unit:4}" + (f" goal {goal}" if goal else ""), flush=True)


def measure(cluster: Cluster, pods: int, goals: dict[str, str]) -> None:
    """What is asked of every driver."""

    def up() -> None:
        cluster.lab("up", "kubernetes")
        cluster.connect()
        until(lambda: len(cluster.ready_nodes()) == cluster.nodes, f"{cluster.nodes} Ready nodes")

    tell(f"from nothing to {cluster.nodes} Ready", seconds(up), "s", goals.get("up", ""))
    until(lambda: cluster.core.list_namespaced_service_account("default").items, "the default service account")
    time.sleep(5)  # start-up is over
    before = cluster.processor()
    time.sleep(IDLE_SECONDS)
    share = (cluster.processor() - before) / IDLE_SECONDS * 100
    tell("idle, of one core", share, "%", goals.get("idle", ""))
    tell("control plane and nodes, idle, PSS", cluster.memory(), "MB", goals.get("memory", ""))
    starts = [cluster.start_pod(f"pod-{number}") for number in range(10)]
    tell("the first pod, created to Running", starts[0], "s")
    tell("a pod, created to Running, p50", statistics.median(starts), "s", goals.get("pod", ""))
    tell(f"{pods} pods of a Deployment Ready", cluster.deploy("many", pods), "s", goals.get("many", ""))
    cluster.apps.delete_namespaced_deployment("many", "default")
    if cluster.driver == "embedded":
        lose(cluster)
    tell("lab reset kubernetes", seconds(lambda: cluster.lab("reset", "kubernetes")), "s", goals.get("reset", ""))


def lose(cluster: Cluster) -> None:
    """What only the embedded cluster's nodes can be told."""
    cluster.deploy("few", 6)
    noticed, replaced = cluster.lose_a_node("few")
    tell("a lost node is NotReady", noticed, "s", "12")
    tell("and its pods run elsewhere", replaced, "s")


GOALS = {"up": "8", "idle": "5", "memory": "520", "pod": "0.4", "many": "10", "reset": "5"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=50)
    parser.add_argument("--kind", action="store_true", help="measure kind beside it")
    options = parser.parse_args()
    for driver, nodes in (("embedded", 3), ("kind", 1))[: 1 + options.kind]:
        if options.kind:
            print(f"{driver}:", flush=True)
        goals = GOALS if driver == "embedded" else {}
        with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
            cluster = Cluster(Path(folder), driver, nodes)
            try:
                measure(cluster, options.pods, goals)
            finally:
                cluster.lab("down")


if __name__ == "__main__":
    main()

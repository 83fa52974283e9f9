"""The nodes' process is killed at random moments, while pods start, run, crash and go: nothing is lost or left.

The moments come from a seed, which a failure prints; the cluster's own timing is not repeated.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from labs.services import control
from tests.labs.cluster import waiting
from tests.labs.cluster.test_nodes import Cluster, Kubectl, Pod, pod, processes

NODES = 2
BACKOFF = "0.2,1"
SETTLED_WITHIN = 120.0
GONE_WITHIN = 10.0
MARK = "mark-kill"
KINDS = {
    "stays": "while :; do sleep 3; done",
    "ends": "sleep 0.3",
    "crashes": "sleep 0.2; exit 3",
    "deaf": "trap '' TERM; while :; do sleep 3; done",
}
"""Shell programs by what becomes of them."""


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, cluster_home: Path) -> Cluster:
    return Cluster(kubectl, cluster_home)


def made(name: str, kind: str) -> Pod:
    found = pod(name, ["sh", "-c", f"{KINDS[kind]} # {MARK}-{name}."])
    found["metadata"]["labels"] = {"kind": kind, "test": "kills"}
    found["spec"] |= {"terminationGracePeriodSeconds": 1,
                      "restartPolicy": "Never" if kind == "ends" else "Always",
                      # a node that is not back in time is lost, and its pods with it: not what is looked at here
                      "tolerations": [{"key": f"node.kubernetes.io/{taint}", "operator": "Exists",
                                       "effect": "NoExecute"} for taint in ("not-ready", "unreachable")],
                      "initContainers": [{"name": "first", "image": "host", "command": ["true"]}]}
    return found


def kill() -> None:
    """SIGKILL to whoever plays the nodes, and the next one's start."""
    pid = next(row.pid for row in control.status() if row.name == "nodes")
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def settled(found: Pod) -> bool:
    """Is a pod where its kind must end up?"""
    kind, status = found["metadata"]["labels"]["kind"], found.get("status", {})
    if found["metadata"].get("deletionTimestamp"):
        return False
    if kind == "ends":
        return bool(status.get("phase") in ("Succeeded", "Failed"))     # Failed: its jail was killed as it started
    if kind == "crashes":
        return any(each["restartCount"] for each in status.get("containerStatuses", []))
    return bool(status.get("phase") == "Running")


@pytest.mark.parametrize("rounds", [pytest.param(5, marks=pytest.mark.timeout(600)),
                                    pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])])
def test_nothing_is_lost_or_left_when_the_nodes_are_killed_again_and_again(cluster: Cluster, rounds: int) -> None:
    seed = int(os.environ.get("LABS_TEST_SEED", "0")) or random.randrange(10**6)
    print(f"LABS_TEST_SEED={seed}")
    chance, alive, number = random.Random(seed), [], 0
    for _ in range(rounds):
        new = []
        for _ in range(chance.randint(1, 3)):
            number += 1
            new.append(made(f"k{number}", chance.choice(list(KINDS))))
        cluster.apply(*new)
        alive += [each["metadata"]["name"] for each in new]
        time.sleep(chance.choice([0.0, 0.1, 0.3, 0.6]))
        if chance.random() < 0.3:
            kill()
        while len(alive) > 8 or (alive and chance.random() < 0.4):
            gone = alive.pop(chance.randrange(len(alive)))
            cluster.kubectl("delete", "pod", gone, "--wait=false", f"--grace-period={chance.choice([1, 2])}")
        time.sleep(chance.choice([0.0, 0.1, 0.3, 0.6, 1.2]))
        kill()
        control.up(["kubernetes"])
    seen: list[list[Pod]] = [[]]

    def quiet() -> bool:
        seen[0] = json.loads(cluster.kubectl("get", "pods", "-l", "test=kills", "-o", "json").stdout)["items"]
        return all(map(settled, seen[0]))

    waiting.until(quiet, f"every pod is settled (seed {seed})", SETTLED_WITHIN)
    assert sorted(each["metadata"]["name"] for each in seen[0]) == sorted(alive), f"none is lost (seed {seed})"
    for found in seen[0]:
        name, kind = found["metadata"]["name"], found["metadata"]["labels"]["kind"]
        if kind in ("stays", "deaf"):
            assert len(processes(f"{MARK}-{name}.")) == 1, f"{name} runs once (seed {seed})"
    there = {f"{MARK}-{each['metadata']['name']}." for each in seen[0]}

    def left() -> list[str]:
        commands = map(_command, processes(MARK))
        return [command for command in commands if not any(mark in command for mark in there)]

    waiting.until(lambda: not left(), f"no process outlives its pod (seed {seed})", GONE_WITHIN)
    folders = {each.name for each in (cluster.home / "kubernetes/nodes/pods").iterdir()}
    assert folders == {each["metadata"]["uid"] for each in seen[0]}, f"no folder outlives its pod (seed {seed})"
    cluster.kubectl("delete", "pods", "-l", "test=kills", "--grace-period=1", "--timeout=60s")
    assert not processes(MARK)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return f"{MARK}-gone"

"""Nodes that come, go, break and are healed while the cluster runs."""

from __future__ import annotations

import functools
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labs.cli import nodes as cli
from labs.errors import PermanentError
from labs.services import control
from tests.labs.cluster import waiting
from tests.labs.cluster.test_nodes import SLEEP, Cluster, Kubectl, Pod, main_state, pod, processes, python

NODES = 3
BACKOFF = "0.5,2"
WITHIN = 60.0
REPLACED_WITHIN = 12.0 if os.getloadavg()[0] < 2 * (os.cpu_count() or 1) else 30.0
"""Seconds until a lost node's pods run elsewhere; a machine that is busy with other things gets more."""
until = functools.partial(waiting.until, within=WITHIN)


@pytest.fixture(scope="module")
def cluster(kubectl: Kubectl, cluster_home: Path) -> Cluster:
    return Cluster(kubectl, cluster_home)


@pytest.fixture(autouse=True)
def as_at_the_start(cluster: Cluster) -> Iterator[None]:
    """No fault and no further node is left for the next test."""
    yield
    for each in cli.give(do="list"):
        if each["name"] not in ("node-a", "node-b", "node-c"):
            cli.give(do="remove", node=each["name"])
            continue
        if "stop" in each["faults"]:
            cli.give(do="start", node=each["name"])
        if set(each["faults"]) - {"stop"}:
            cli.give(do="heal", node=each["name"])


def on(node: str, made: Pod, **spec: Any) -> Pod:
    """The pod on one node only, whatever befalls that."""
    made["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": node}, "tolerations": [{"operator": "Exists"}], **spec}
    return made


def node(cluster: Cluster, name: str) -> Any:
    done = cluster.kubectl("get", "node", name, "-o", "json", status=None)
    return json.loads(done.stdout) if done.returncode == 0 else None


def condition(cluster: Cluster, name: str, kind: str = "Ready") -> str:
    found = (node(cluster, name) or {"status": {}})["status"].get("conditions", [])
    return next((each["status"] for each in found if each["type"] == kind), "")


def replicas(cluster: Cluster, label: str) -> list[Pod]:
    listed = json.loads(cluster.kubectl("get", "pods", "-l", f"app={label}", "-o", "json").stdout)["items"]
    return [each for each in listed if not each["metadata"].get("deletionTimestamp")]


def test_a_node_is_added_with_what_it_declares_and_removed_with_its_pods(cluster: Cluster) -> None:
    cli.give(do="add", name="small", zone="b", cpu="1", memory="512Mi", storage="2Gi", pods=5, labels=["disk=ssd"],
             taints=["only=me:NoSchedule"])
    until(lambda: condition(cluster, "small") == "True", "it is ready")
    found = node(cluster, "small")
    assert found["status"]["capacity"] == {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "2Gi", "pods": "5"}
    assert found["status"]["allocatable"]["memory"] == "412Mi", "100Mi are kept"
    assert found["metadata"]["labels"]["disk"] == "ssd"
    assert found["metadata"]["labels"]["topology.kubernetes.io/zone"] == "us-east-1b"
    assert {"key": "only", "value": "me", "effect": "NoSchedule"} in found["spec"]["taints"]
    chosen: dict[str, Any] = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "only", "operator": "Exists"}]}
    cluster.apply(
        pod("guest", python("import time; time.sleep(600)  # mark-guest"), chosen),
        pod("stranger", SLEEP, {"nodeSelector": chosen["nodeSelector"]}),
        pod("toobig", SLEEP, chosen, resources={"requests": {"cpu": "1500m"}}))
    assert cluster.phase("guest", "Running")["spec"]["nodeName"] == "small"
    for name, why in (("stranger", "untolerated taint"), ("toobig", "Insufficient cpu")):
        until(lambda name=name, why=why: why in dict(cluster.events(name)).get("FailedScheduling", ""), why)
    assert [each["pods"] for each in cli.give(do="list") if each["name"] == "small"] == [1]
    assert cli.give(do="remove", node="small") == "small is gone"
    assert not processes("mark-guest")
    until(lambda: not node(cluster, "small") and not cluster.pod("guest"), "node and pod are gone")
    assert "NotFound" in cluster.kubectl("get", "lease", "-n", "kube-node-lease", "small", status=1).stderr
    cluster.kubectl("delete", "pod", "stranger", "toobig", "--wait=false")


@pytest.mark.parametrize(("order", "why"), [
    ({"do": "stop", "node": "node-z"}, "There is no node 'node-z'.\nThere are: node-a, node-b, node-c"),
    ({"do": "start", "node": "node-a"}, "node-a is not stopped"),
    ({"do": "heal", "node": "node-a"}, "node-a has no such fault to heal; it has: none"),
    ({"do": "add", "name": "node-a"}, "There is a node 'node-a' already"),
    ({"do": "add", "name": "A_B"}, "'A_B' is no name of a node"),
    ({"do": "add", "zone": "moon"}, "'moon' is no zone"),
    ({"do": "add", "memory": "2GB"}, "memory '2GB'"),
    ({"do": "add", "memory": "1Mi"}, "memory must be at least"),
    ({"do": "add", "labels": ["a"]}, "'a' is no label"),
    ({"do": "add", "taints": ["a=b:Never"]}, "'a=b:Never' is no taint"),
    ({"do": "add", "name": "bad", "labels": ["-=x"]}, "Invalid value"),
    ({"do": "slow-disk", "node": "node-a", "value": -1}, "no rate of a slow disk"),
    ({"do": "clock-skew", "node": "node-a"}, "no skew of a clock"),
    ({"do": "dance"}, "The nodes cannot 'dance'"),
])
def test_orders_that_make_no_sense_are_refused(cluster: Cluster, order: dict[str, Any], why: str) -> None:
    with pytest.raises(PermanentError) as refused:
        cli.give(**order)
    assert why in str(refused.value)
    assert sorted(each["name"] for each in cli.give(do="list")) == ["node-a", "node-b", "node-c"]


def test_lost_nodes_are_noticed_and_their_pods_replaced_in_time(cluster: Cluster) -> None:
    """A power loss and a partition at once; the nodes' own process is killed and comes back in the middle."""
    code = "import time\nfor n in range(10**6): print(n); time.sleep(0.2)  # mark-cut"
    for name, at in (("dark", "node-b"), ("cut", "node-c")):
        spec = on(at, pod("x", python(code) if name == "cut" else python("import time; time.sleep(600)  # mark-dark"))
                  )["spec"]
        del spec["nodeSelector"], spec["tolerations"]
        spec["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 100, "preference": {"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [at]}]}}]}}
        cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec}}})
    cluster.apply(on("node-b", pod("returns", SLEEP)))
    for name in ("dark", "cut"):
        cluster.kubectl("rollout", "status", f"deployment/{name}", "--timeout=20s")
    cluster.phase("returns", "Running")
    cut = processes("mark-cut")
    first = {name: replicas(cluster, name)[0] for name in ("dark", "cut")}
    assert [first[name]["spec"]["nodeName"] for name in ("dark", "cut")] == ["node-b", "node-c"]

    cli.give(do="stop", node="node-b")
    cli.give(do="partition", node="node-c")
    began = time.monotonic()
    assert not processes("mark-dark"), "a power loss leaves nothing running"
    assert processes("mark-cut") == cut
    pid = next(row.pid for row in control.status() if row.name == "nodes")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    control.up(["kubernetes"])
    assert cli.faults() == {"node-b": "stop", "node-c": "partition"}

    for name in ("dark", "cut"):
        until(lambda name=name: [
            each for each in replicas(cluster, name)
            if each["metadata"]["uid"] != first[name]["metadata"]["uid"] and each["status"]["phase"] == "Running"],
            f"{name} is replaced", within=REPLACED_WITHIN - (time.monotonic() - began))
    assert condition(cluster, "node-b") == condition(cluster, "node-c") == "Unknown"
    keys = {each["key"] for each in node(cluster, "node-c")["spec"]["taints"]}
    assert "node.kubernetes.io/unreachable" in keys
    assert set(cut) <= set(processes("mark-cut")), "the cut-off pod runs on beside its replacement"
    assert "no route to host" in cluster.kubectl("logs", first["cut"]["metadata"]["name"], status=1).stderr
    assert cluster.pod(first["cut"]["metadata"]["name"])["metadata"]["deletionTimestamp"], "and is only marked"

    cli.give(do="heal", node="node-c")
    until(lambda: condition(cluster, "node-c") == "True" and not cluster.pod(first["cut"]["metadata"]["name"]),
          "the node is back, and ends what should not run")
    assert not set(cut) & set(processes("mark-cut"))
    assert cluster.pod("returns")["status"]["phase"] == "Running", "nobody knows better"
    cli.give(do="start", node="node-b")
    found = cluster.when("returns", lambda found: main_state(found, "lastState"), "it runs again")
    ended = main_state(found, "lastState")["terminated"]
    assert (ended["exitCode"], ended["reason"], found["status"]["containerStatuses"][0]["restartCount"]) == \
        (255, "Unknown", 1)
    until(lambda: condition(cluster, "node-b") == "True" and not cluster.pod(first["dark"]["metadata"]["name"]), "back")
    assert cli.faults() == {}
    cluster.kubectl("delete", "deployment", "dark", "cut", "--wait=false")
    cluster.kubectl("delete", "pod", "returns", "--wait=false")


def test_a_full_disk_is_told_and_evicts(cluster: Cluster) -> None:
    cluster.apply(on("node-b", pod("full", SLEEP)), pod("spared", SLEEP, {"nodeName": "node-c"}))
    for name in ("full", "spared"):
        cluster.phase(name, "Running")
    cli.give(do="fill-disk", node="node-b")
    found = cluster.phase("full", "Failed")
    assert found["status"]["reason"] == "Evicted"
    assert found["status"]["message"].startswith(
        "The node was low on resource: ephemeral-storage. Threshold quantity: ")
    assert {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}.items() <= next(
        each for each in found["status"]["conditions"] if each["type"] == "DisruptionTarget").items()
    until(lambda: condition(cluster, "node-b", "DiskPressure") == "True", "its condition")
    until(lambda: {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}.items() <=
          {key: value for each in node(cluster, "node-b")["spec"].get("taints", []) for key, value in each.items()
           if key != "timeAdded"}.items(), "its taint")
    cluster.apply(on("node-b", pod("late", SLEEP)))
    assert cluster.phase("late", "Failed")["status"]["message"] == \
        "Pod was rejected: The node had condition: [DiskPressure]. "
    cli.give(do="heal", node="node-b", fault="fill-disk")
    until(lambda: condition(cluster, "node-b", "DiskPressure") == "False", "the condition ends")
    assert cluster.pod("spared")["status"]["phase"] == "Running"
    cluster.kubectl("delete", "pod", "full", "late", "spared", "--wait=false")


def test_a_small_node_evicts_who_uses_too_much(cluster: Cluster) -> None:
    cli.give(do="add", name="tight", memory="400Mi")
    until(lambda: condition(cluster, "tight") == "True", "it is ready")
    eats = "x = bytearray({} * 2**20); import time; time.sleep(600)"
    fills = "open('/data/file', 'wb').write(bytes(6 * 2**20)); import time; time.sleep(600)"
    cluster.apply(
        on("tight", pod("good", python(eats.format(80)), resources={"requests": {"memory": "200Mi"}})),
        on("tight", pod("bad", python(eats.format(220)))),
        on("node-a", pod("wide", python(fills), {"volumes": [{"name": "data", "emptyDir": {"sizeLimit": "5Mi"}}]},
                         volumeMounts=[{"name": "data", "mountPath": "/data"}])))
    found = cluster.phase("bad", "Failed")
    assert found["status"]["reason"] == "Evicted"
    assert "The node was low on resource: memory. Threshold quantity: 100Mi" in found["status"]["message"]
    assert "request is 0, has larger consumption of memory" in found["status"]["message"]
    assert condition(cluster, "tight", "MemoryPressure") == "True"
    assert cluster.phase("wide", "Failed")["status"]["message"] == \
        'Usage of EmptyDir volume "data" exceeds the limit "5Mi". '
    assert cluster.pod("good")["status"]["phase"] == "Running"
    cluster.kubectl("delete", "pod", "wide", "--wait=false")


def test_a_slow_disk_makes_starts_wait_and_holds_writes_to_its_rate(cluster: Cluster) -> None:
    code = """
import os, time
began = time.monotonic()
with open("/data/file", "wb") as file:
    for _ in range(48):     # for longer than a look at who writes what takes
        file.write(os.urandom(2**18)); file.flush(); os.fsync(file.fileno()); time.sleep(0.01)
print(time.monotonic() - began)
"""
    volume = {"volumes": [{"name": "data", "emptyDir": {}}], "restartPolicy": "Never"}
    mount = [{"name": "data", "mountPath": "/data"}]
    cluster.apply(on("node-b", pod("quick", python(code), volume, volumeMounts=mount)))
    cluster.phase("quick", "Succeeded")
    assert float(cluster.logs("quick")) < 2
    cli.give(do="slow-disk", node="node-b", value=4)
    began = time.monotonic()
    cluster.apply(on("node-b", pod("slow", python(code), volume, volumeMounts=mount)))
    cluster.phase("slow", "Running")
    assert time.monotonic() - began > 1.5, "4 MiB for its volumes, and 4 for its start"
    cluster.phase("slow", "Succeeded")
    assert 2 < float(cluster.logs("slow")) < 9, "12 MiB"
    cli.give(do="heal", node="node-b")
    cluster.kubectl("delete", "pod", "quick", "slow", "--wait=false")


def test_a_wrong_clock_is_seen_in_what_the_node_says(cluster: Cluster) -> None:
    cli.give(do="clock-skew", node="node-b", value=-7200)
    cluster.apply(on("node-b", pod("late", ["echo", "hello"], {"restartPolicy": "Never"})))
    found = cluster.phase("late", "Succeeded")
    lease = json.loads(cluster.kubectl("get", "lease", "-n", "kube-node-lease", "node-b", "-o", "json").stdout)
    hours = [main_state(found)["terminated"]["startedAt"], cluster.logs("late", "--timestamps").split()[0],
             lease["spec"]["renewTime"]]
    for hour in hours:
        behind = time.time() - _unix(hour)
        assert 7100 < behind < 7300, hours
    assert condition(cluster, "node-b") == "True", "the controllers go by their own clock"
    cli.give(do="heal", node="node-b", fault="clock-skew")


def _unix(moment: str) -> float:
    import datetime

    return datetime.datetime.fromisoformat(moment[:19] + "+00:00").timestamp()


@pytest.mark.long
def test_reset_heals_every_fault_and_forgets_added_nodes(cluster: Cluster) -> None:
    from labs.cluster.controlplane.reset import reset

    cli.give(do="add", name="extra")
    cli.give(do="remove", node="node-a")
    cli.give(do="stop", node="node-b")
    reset()
    assert cli.faults() == {}
    assert [each["name"] for each in cli.give(do="list")] == ["node-a", "node-b", "node-c"]
    assert [condition(cluster, f"node-{letter}") for letter in "abc"] == ["True"] * 3


@pytest.mark.long
def test_a_node_lost_after_none_was_ready_still_loses_its_pods(cluster: Cluster) -> None:
    """While no node is Ready nothing is evicted ("Rate limits on eviction"); afterwards it is again."""
    cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "moved"}, "spec": {
        "selector": {"matchLabels": {"app": "moved"}},
        "template": {"metadata": {"labels": {"app": "moved"}}, "spec": pod("moved", SLEEP)["spec"]}}})
    cluster.kubectl("rollout", "status", "deployment/moved", "--timeout=20s")
    for letter in "abc":
        cli.give(do="partition", node=f"node-{letter}")
    until(lambda: [condition(cluster, f"node-{letter}") for letter in "abc"] == ["Unknown"] * 3, "no node is Ready")
    for letter in "abc":
        cli.give(do="heal", node=f"node-{letter}")
    until(lambda: [condition(cluster, f"node-{letter}") for letter in "abc"] == ["True"] * 3, "all nodes are Ready")
    first = replicas(cluster, "moved")[0]
    lost = first["spec"]["nodeName"]
    cli.give(do="stop", node=lost)
    until(lambda: [each for each in replicas(cluster, "moved")
                   if each["spec"].get("nodeName") not in (lost, None) and each["status"]["phase"] == "Running"],
          "the pod runs on another node")

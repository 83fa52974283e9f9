"""Whom a node evicts, in which order and with which words; no cluster needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labs.cluster.nodes import pressure
from labs.cluster.nodes.declared import Declared
from labs.cluster.nodes.node import Node
from labs.cluster.nodes.pressure import Gauge, Usage
from labs.cluster.storage.mounts import selects
from labs.cluster.storage.places import Disks

MIB = 2**20


def pod(name: str, priority: int = 0, volumes: Any = (), **resources: Any) -> Any:
    return {"metadata": {"name": name}, "status": {"qosClass": "Burstable"},
            "spec": {"priority": priority, "volumes": list(volumes),
                     "containers": [{"name": "main", "resources": resources}]}}


def using(memory: int = 0, disk: int = 0, pids: int = 0, **volumes: int) -> Usage:
    return Usage({"main": memory * MIB}, {"main": disk * MIB}, {key: value * MIB for key, value in volumes.items()},
                 {}, pids)


def test_who_exceeds_its_requests_goes_first_then_by_priority_then_by_excess() -> None:
    pods = [
        (pod("within", requests={"memory": "500Mi"}), using(400)),
        (pod("much"), using(90)),
        (pod("more"), using(95)),
        (pod("dear", priority=1000), using(300)),
        (pod("cheapest", priority=-5, requests={"memory": "10Mi"}), using(11)),
        (pod("tight", priority=-9, requests={"memory": "20Mi"}), using(20))]
    names = [pods[index][0]["metadata"]["name"] for index in pressure.order(pods, "memory")]
    assert names == ["cheapest", "more", "much", "dear", "tight", "within"]
    by_tasks = [(pod("few", priority=-1), using(pids=1)), (pod("a"), using(pids=5)), (pod("b"), using(pids=9))]
    assert [by_tasks[index][0]["metadata"]["name"] for index in pressure.order(by_tasks, "pids")] == ["few", "b", "a"]


def test_the_message_is_a_kubelets() -> None:
    found = pressure.message(pod("x", requests={"memory": "10Mi"}), using(30), "memory", 100 * MIB, 42 * 1024)
    assert found == ("The node was low on resource: memory. Threshold quantity: 100Mi, available: 42Ki. Container main "
                     "was using 30Mi, request is 10Mi, has larger consumption of memory. ")


@pytest.mark.parametrize(("made", "usage", "why"), [
    (pod("a", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "5Mi"}}]), using(v=6),
     'Usage of EmptyDir volume "v" exceeds the limit "5Mi". '),
    (pod("a", volumes=[{"name": "v", "emptyDir": {"sizeLimit": "5Mi"}}]), using(v=5), ""),
    (pod("a", volumes=[{"name": "v", "emptyDir": {}}]), using(v=500), ""),
    (pod("a", limits={"ephemeral-storage": "10Mi"}), using(disk=6, v=6),
     "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. "),
    (pod("a", limits={"ephemeral-storage": "10Mi"}), using(disk=6), ""),
    (pod("a"), using(disk=10_000), ""),
])
def test_limits_of_local_storage(made: Any, usage: Usage, why: str) -> None:
    assert pressure.overdrawn(made, usage) == why


@pytest.mark.parametrize(("quality", "pressures", "tolerated", "priority", "refused"), [
    ("BestEffort", ["MemoryPressure"], [], 0, True),
    ("Burstable", ["MemoryPressure"], [], 0, False),
    ("BestEffort", ["MemoryPressure"], ["node.kubernetes.io/memory-pressure"], 0, False),
    ("Guaranteed", ["DiskPressure"], ["node.kubernetes.io/disk-pressure"], 0, True),
    ("BestEffort", ["DiskPressure"], [], 2_000_000_000, False),
    ("BestEffort", [], [], 0, False),
])
def test_whom_a_node_under_pressure_refuses(quality: str, pressures: list[str], tolerated: list[str], priority: int,
                                            refused: bool) -> None:
    made = pod("x", priority)
    made["status"]["qosClass"] = quality
    made["spec"]["tolerations"] = [{"key": key, "operator": "Exists"} for key in tolerated]
    found = pressure.refused(made, frozenset(pressures))
    assert bool(found) is refused
    assert not refused or found == f"The node had condition: [{pressures[0]}]. "


class Tenant:
    def __init__(self, made: Any) -> None:
        self.pod, self.folder, self.why = made, Path(), ""

    def active(self) -> list[Any]:
        return []

    def evict(self, message: str) -> None:
        self.why = message


def test_one_pod_a_look_is_evicted_and_none_that_is_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node.of(Declared("n", "a", memory="512Mi", storage="1Gi"), 1)
    gauge, now = Gauge(node), [0.0]
    monkeypatch.setattr(pressure.time, "monotonic", lambda: now[0])
    tenants = [Tenant(pod("a")), Tenant(pod("b")), Tenant(pod("vital", priority=2_000_001_000))]
    usages = [using(100), using(150), using(200)]
    assert gauge.look(tenants, usages), "62 MiB are left"
    assert node.pressures == {"MemoryPressure"}
    assert [bool(each.why) for each in tenants] == [False, True, False]
    assert not gauge.look([tenants[0], tenants[2]], [usages[0], usages[2]]), "it holds on for a while"
    assert not tenants[0].why
    now[0] = pressure.KEPT_FOR + 1
    assert gauge.look([], [])
    assert not node.pressures


def test_what_a_fault_takes_of_the_disk_is_missing() -> None:
    node = Node.of(Declared("n", "a", storage="100Mi"), 1)
    node.faults["fill-disk"] = {"since": 0.0, "value": 50.0}
    assert Gauge(node).left([using(disk=45)])["ephemeral-storage"] == (10 * MIB, 5 * MIB)


@pytest.mark.parametrize(("terms", "holds"), [
    ([{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}], True),
    ([{"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}], False),
    ([{"matchExpressions": [{"key": "zone", "operator": "Exists"}, {"key": "no", "operator": "Exists"}]}], False),
    ([{"matchExpressions": [{"key": "no", "operator": "Exists"}]},
      {"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}], True),
    ([{"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["2"]}]}], True),
    ([{}], False),
])
def test_node_selectors(terms: list[Any], holds: bool) -> None:
    assert selects(terms, {"zone": "a", "size": "3"}) is holds


@pytest.mark.parametrize("inside", ["/../node-b/x", "../x", "/link/x"])
def test_no_path_leaves_the_disk_of_its_node(tmp_path: Path, inside: str) -> None:
    disks = Disks(tmp_path)
    disks.make("node-a", "/srv")
    (disks.folder / "node-a" / "link").symlink_to("/etc")
    assert disks.path("node-a", "/srv/x") == disks.folder / "node-a" / "srv" / "x"
    with pytest.raises(ValueError, match="leaves the disk of node-a"):
        disks.path("node-a", inside)

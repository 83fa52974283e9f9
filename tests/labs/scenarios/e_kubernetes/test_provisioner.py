"""What a NodePool says, and which nodes follow from it for pods that wait."""

from __future__ import annotations

from typing import Any

import pytest

from labs.errors import PermanentError
from labs.scenarios.e_kubernetes.provisioner import TYPE, NodePool, pack, price, unschedulable

ALL = ("small", "medium", "large")


def pool(types: Any = ("small",), **spec: Any) -> dict[str, Any]:
    chosen = {"key": TYPE, "operator": "In", "values": list(types)}
    return {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "shop"},
            "spec": {"template": {"spec": {"requirements": [chosen]}}, **spec}}


@pytest.mark.parametrize(("requests", "types", "left", "made"), [
    ([100] * 2, ALL, None, ["small"]),
    ([100] * 4, ALL, None, ["medium"]),         # one pack, and the cheapest that holds it
    ([100] * 6, ALL, None, ["large"]),          # not the cheaper two: as few nodes as possible
    ([100] * 6, ("small", "medium"), None, ["medium", "small"]),
    ([100] * 4, ("small",), None, ["small", "small"]),
    ([100] * 4, ALL, 300, ["small"]),           # the limit leaves no more
    ([100] * 4, ALL, 240, []),
    ([100, 800, 100], ALL, None, ["large", "small"]),
    ([900], ALL, None, []),                     # no type is large enough
    ([], ALL, None, []),
])
def test_pods_are_packed_on_the_cheapest_type_that_holds_them(
    requests: list[int], types: tuple[str, ...], left: int | None, made: list[str]
) -> None:
    assert pack(requests, types, left) == made


def test_a_pool_is_read() -> None:
    read = NodePool.read(pool(("small", "large"), limits={"cpu": "1500m"}, disruption={"consolidateAfter": "1m30s"}))
    assert read == NodePool("shop", ("small", "large"), 1500, 90.0)
    assert NodePool.read(pool(limits={"cpu": 2})).limit == 2000
    assert NodePool.read(pool()) == NodePool("shop", ("small",), None, 0.0)
    assert NodePool.read(pool(disruption={"consolidateAfter": "Never"})).empty_for is None


def test_requirements_are_met_together() -> None:
    both = pool(("small", "medium"))
    both["spec"]["template"]["spec"]["requirements"].append({"key": TYPE, "operator": "NotIn", "values": ["small"]})
    assert NodePool.read(both).types == ("medium",)
    both["spec"]["template"]["spec"] = {"requirements": [], "nodeClassRef": {"name": "default"}}
    assert NodePool.read(both).types == ("small", "medium", "large")


@pytest.mark.parametrize(("manifest", "said"), [
    ({}, "apiVersion"),
    ("pool", "is not of type 'object'"),
    (pool() | {"apiVersion": "karpenter.sh/v1beta1"}, "karpenter.sh/v1"),
    (pool(("huge",)), "no instance type is left; there are small, medium, large"),
    (pool(limits={"cpu": "much"}), "spec.limits.cpu"),
    (pool(limits={"cpu": "1..5"}), "spec.limits.cpu"),
    (pool(limits={"cpu": "1e400"}), "spec.limits.cpu"),
    (pool(limits={"cpu": "-1"}), "below zero"),
    (pool(limits={"nodes": 3}), "'nodes' was unexpected"),
    (pool(disruption={"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "5s"}), "WhenEmpty"),
    (pool(disruption={"consolidateAfter": "5"}), "consolidateAfter"),
])
def test_what_the_stand_in_does_not_know_is_refused_by_its_name(manifest: Any, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        NodePool.read(manifest)


def test_only_pods_that_the_scheduler_looked_at_bring_a_node() -> None:
    no = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    assert unschedulable({"metadata": {}, "spec": {}, "status": {"conditions": [no]}})
    assert not unschedulable({"metadata": {}, "spec": {}, "status": {}})
    assert not unschedulable({"metadata": {}, "spec": {}, "status": {"conditions": [no | {"reason": "Gated"}]}})
    assert not unschedulable({"metadata": {"deletionTimestamp": "now"}, "spec": {}, "status": {"conditions": [no]}})


def test_the_price_is_that_of_the_types() -> None:
    nodes = [{"metadata": {"labels": {TYPE: kind}}} for kind in ("small", "medium", "medium")]
    assert price([*nodes, {"metadata": {"labels": {}}}]) == 4.6

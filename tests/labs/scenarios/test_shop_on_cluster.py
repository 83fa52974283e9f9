"""The shop in a namespace of a real cluster: sold with, broken, read, changed."""

from __future__ import annotations

import pytest

from labs.cluster.nodes.api import Refused
from labs.errors import PermanentError
from labs.scenarios.shop_on_cluster import Shop, built, samples
from tests.programs import CLUSTER, need


@pytest.fixture
def shop(clusters):
    need(*CLUSTER)
    with clusters.lease() as space:
        yield Shop(space)


@pytest.mark.timeout(300)
def test_it_is_applied_loaded_broken_read_and_changed(shop):
    shop.apply(store="memory", roles=["backend"], replicas={"backend": 2}, version="1.2.3")
    shop.wait()
    assert shop.ready("backend") == 2
    assert shop.space.get("Deployment", "frontend") is None
    found = shop.space.get("Deployment", "backend")["spec"]["template"]["spec"]
    assert found["volumes"][0]["image"]["reference"].startswith("shop@sha256:")

    forgetful = shop.traffic(rate=20, seconds=2, role="backend").start().wait()
    assert forgetful.statuses["404"] >= 7, "a basket is known to one of two pods"
    assert shop.total("shop_build_info", "backend", version="1.2.3") == 2

    (broken,) = shop.break_("backend", "errors", 60, pods=1, rate=1.0)
    half = shop.traffic(rate=20, seconds=1, role="backend").start().wait()
    assert half.statuses["500"] >= 7
    assert shop.total("shop_fault_active", "backend", fault="errors") == 1
    shop.heal("backend", "errors")
    assert shop.total("shop_fault_active", "backend", fault="errors") == 0
    assert {line["pod"] for line in shop.logs("backend") if line.get("status") == 500} == {broken}

    shop.apply(store="postgres", roles=["backend"], replicas={"backend": 2})
    shop.wait()
    sold = shop.traffic(rate=20, seconds=2, role="backend").start().wait()
    assert sold.sent == 40
    assert not sold.failed, sold

    shop.apply(store="memory", roles=["backend"])
    assert shop.space.get("StatefulSet", "postgres") is None, "what the shop has no more is removed"
    with pytest.raises(Refused):
        shop.apply(store="memory", roles=["backend"], replicas={"backend": -1})


def test_kustomize_says_what_it_does_not_understand():
    with pytest.raises(PermanentError, match=r"kustomize says: .*no-such-folder"):
        built({"resources": ["no-such-folder"]})


def test_samples_carry_pod_and_labels():
    (one,) = samples("a", 'seen_total{route="/"} 3\n')
    assert (one.pod, one.name, one.labels, one.value) == ("a", "seen_total", {"route": "/"}, 3.0)

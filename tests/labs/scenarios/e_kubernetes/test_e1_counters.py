"""Reading a node's container metrics, as the embedded cluster's nodes and as a kubelet write them."""

from __future__ import annotations

import pytest

from labs.scenarios.e_kubernetes import e1

LINES = """\
# TYPE container_cpu_cfs_periods_total counter
container_cpu_cfs_periods_total{container="web",namespace="mine",pod="billing-1"} 40TIME
container_cpu_cfs_periods_total{container="web",namespace="other",pod="billing-1"} 7TIME
container_cpu_cfs_throttled_periods_total{container="web",namespace="mine",pod="billing-1"} 12TIME
container_cpu_cfs_throttled_seconds_total{container="web",namespace="mine",pod="billing-1"} 0.7TIME
"""


@pytest.mark.parametrize(("time", "when"), [("", None), (" 1795714000500", 1795714000.5)])
def test_counters_are_summed_with_or_without_a_time(time: str, when: float | None) -> None:
    assert e1._counted(LINES.replace("TIME", time), "mine", "billing-1") == ((40.0, 12.0), when)


def test_a_pod_without_a_limit_has_none() -> None:
    assert e1._counted(LINES.replace("TIME", ""), "mine", "billing-2") == (None, None)

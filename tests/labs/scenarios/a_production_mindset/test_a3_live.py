"""Lab a3 on a real cluster: two sides of one run, and a policy that looks at a live day."""

from __future__ import annotations

import pytest

from labs.scenarios import settle
from labs.scenarios.a_production_mindset.a3 import A3, BLIP, MINUTE, good_policy
from tests.programs import CLUSTER, need


@pytest.fixture
def lab(clusters):
    need(*CLUSTER)
    with clusters.lease() as space:
        yield A3(), space, settle(A3().values(b"a seed"), "0" * 12)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pods_and_customers_count_differently_and_a_policy_sees_the_outage_only(lab):
    a3, space, values = lab
    a3.prepare(space, values)
    assert a3.observe(space, values)["ready"] == 2

    recording, edges = a3.run(space, values, "record")
    calm, errors, _, stuck, gone, back = rows = recording.rows(edges)
    print(*rows, recording.report, sep="\n")
    assert calm["pods_failed"] == 0
    assert calm["customers_failed"] <= 2
    assert errors["pods_failed"] >= 3
    assert sum(row["customers_failed"] for row in rows[:3]) >= sum(row["pods_failed"] for row in rows[:3])
    assert stuck["customers_slow"] >= 5 + stuck["pods_slow"], "who waits before the pod reads is not in its histogram"
    assert gone["customers_failed"] >= 10
    assert gone["pods_failed"] == 0, "nobody counts a request that reached no pod"
    assert back["customers"] >= 10

    day = a3.run(space, values, "day", policy=good_policy())
    view = day.view()
    day.wait()
    view.stop()
    print(day.outage, day.alerts, view.text)
    page = next(each for each in day.alerts if each.rule == 0)
    assert BLIP[0] + 10 < day.outage[0] < page.began < day.outage[0] + 45, (day.outage, day.alerts)
    assert page.ended < day.outage[1] + 20
    assert "silent" in view.text.splitlines()[1]
    assert "page 60/5" in view.text
    assert view.svg.startswith("<svg")
    assert 0.8 < day.samples()[-1].left < 1
    assert day.recording.pods(MINUTE).at[-1] > 160

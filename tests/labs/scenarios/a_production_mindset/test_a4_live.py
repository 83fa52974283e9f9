"""Outages on a real cluster: each ends by its own action, a runbook is faster than nobody, a blip needs none."""

from __future__ import annotations

from typing import Any

import pytest

from labs.scenarios import settle
from labs.scenarios.a_production_mindset.a4 import A4, good_alert, good_runbook, kind_of
from labs.scenarios.a_production_mindset.incident import KINDS, RIGHT, fits, healthy, play, times
from labs.scenarios.shop_on_cluster import Shop
from tests.programs import CLUSTER, need

SEEN: dict[str, Any] = {
    "customers": {"requests": 30, "failed": 15}, "wanted": 2, "declared": 2, "version": "b", "version_before": "a",
    "changed": 20.0,
    "pods": {"x": {"version": "b", "ready": True, "requests": 15, "failed": 8},
             "y": {"version": "b", "ready": True, "requests": 15, "failed": 0}},
}


@pytest.fixture
def lab(clusters):
    need(*CLUSTER)
    with clusters.lease() as space:
        yield A4(), space, settle(A4().values(b"a seed"), "0" * 12)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_runbook_ends_every_outage_with_its_own_action_and_leaves_a_blip_alone(lab):
    a4, space, values = lab
    a4.prepare(space, values)
    shop = Shop(space)
    for kind in KINDS:
        healthy(shop)
        drill = play(shop, kind, good_alert(), good_runbook(), 8.0, 60.0 if kind != "blip" else 5.0, 20.0)
        print(kind, drill, drill.evidence(), sep="\n")
        actions = [each["said"] for each in drill.timeline if each["what"] == "action"]
        if kind == "blip":
            assert actions == []
            assert len(drill.failures()) >= 2
        else:
            assert actions[:1] == [RIGHT[kind]], drill
            told = times(drill.timeline)
            assert told["recover"] is not None, drill
            assert told["detect"] is not None, drill


@pytest.mark.parametrize(("condition", "holds"), [
    ({}, True), ({"failing": "some"}, True), ({"failing": "all"}, False), ({"changed_within": 60}, True),
    ({"changed_within": 10}, False), ({"pods_missing": True}, False), ({"pods_missing": False}, True),
    ({"failing": "some", "changed_within": 10}, False)])
def test_every_part_of_a_condition_must_hold(condition: dict[str, Any], holds: bool) -> None:
    assert fits(condition, SEEN) is holds


def event(at: float, what: str) -> dict[str, Any]:
    return {"at": at, "what": what, "who": "", "said": ""}


def test_times_run_from_the_first_impact_to_the_last_recovery() -> None:
    told = [event(3, "alert"), event(40, "recovered"), event(10, "impact"), event(22, "alert"), event(18, "alert"),
            event(25, "acknowledged"), event(44, "impact"), event(50, "recovered")]
    assert times(told) == {"detect": 8, "acknowledge": 7, "recover": 40}
    assert times([*told, event(60, "impact")])["recover"] is None
    assert times([event(1, "alert")]) == {"detect": None, "acknowledge": None, "recover": None}


def test_every_kind_of_outage_has_learners() -> None:
    assert {kind_of(A4().values(str(number).encode())) for number in range(20)} == {"release", "pod", "empty"}

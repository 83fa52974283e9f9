"""Lab b6-cluster on a real cluster: open, closed door by door, open again, gone."""

from __future__ import annotations

import pytest

from labs.errors import PermanentError
from labs.scenarios import settle
from labs.scenarios.b_iam_security.b6_cluster import LEVELS, B6Cluster, attempts, connections, intrude, page, relabel
from tests.programs import CLUSTER, need


@pytest.fixture
def shop(clusters):
    """The lab, prepared in a namespace of the graders' cluster."""
    need(*CLUSTER)
    with clusters.lease() as space:
        lab, values = B6Cluster(), settle(B6Cluster().values(b"a seed"), "0" * 12)
        lab.prepare(space, values)
        yield lab, space, values


def through(space, values, order, who=""):
    """The steps that an intruder succeeds with."""
    return {step for step, seen in intrude(space, values, order, who).items() if seen["succeeded"]}


@pytest.mark.timeout(240)
def test_everything_is_open_then_closed_and_open_again(shop):
    lab, space, values = shop
    at_the_api, around = attempts(values), connections(space, values)
    assert page(space, values)[0] == 200
    assert through(space, values, at_the_api | around) == {*at_the_api, *around}
    assert through(space, values, {"token": {"token": True}}, values["backend"]) == {"token"}

    lab.solution(space, values)
    assert page(space, values)[0] == 200
    open_still = through(space, values, at_the_api | connections(space, values))
    assert open_still == {"token", "app", "backend"}  # what the app needs, and itself
    assert through(space, values, {"token": {"token": True}}, values["backend"]) == set()

    for _ in range(2):
        lab.prepare(space, values)
        assert lab.observe(space, values) | {"said": ""} == {
            "page": 200, "said": "", "payments": "200", "list": "200", "settings": "200", "deployer": "201"}
    assert through(space, values, {"hostPath": at_the_api["hostPath"]}) == {"hostPath"}


@pytest.mark.timeout(120)
def test_a_level_refuses_pods_by_what_they_ask_for(shop):
    _, space, values = shop
    order = {step: what for step, what in attempts(values).items() if step in (
        "hostNetwork", "hostPath", "privileged", "root", "escalation", "pod as deployer")}
    for level, more in (("restricted", set()), ("baseline", {"root", "escalation"})):
        relabel(space, {f"{LEVELS}enforce": level})
        assert through(space, values, order) == {"pod as deployer", *more}


def test_a_step_that_there_is_not_is_named(shop):
    lab, space, values = shop
    with pytest.raises(PermanentError, match="does not know telnet"):
        lab.run(space, values, "intrude", steps=["telnet"])


def test_every_learner_has_four_workloads_of_different_names():
    for number in range(40):
        values = B6Cluster().values(bytes([number]) * 32)
        names = [values[each] for each in ("front", "app", "backend", "database", "deployer")]
        objects = [values[each] for each in ("session", "payments")]
        assert len({*names}) == 5
        assert len({*objects}) == 2

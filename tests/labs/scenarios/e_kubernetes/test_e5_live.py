"""The incident room on a real cluster: healthy, broken in seven ways, repaired, gone."""

from __future__ import annotations

import re

import pytest

from labs.cluster.space import until
from labs.scenarios import settle
from labs.scenarios.e_kubernetes.e5 import CAUSES, E5, assigned, missing
from tests.programs import CLUSTER, need

WITHIN = 60.0
SEEN = {
    "bad-setting": "CrashLoopBackOff|Error",
    "image-name": "ErrImagePull|ImagePullBackOff",
    "config-key": "CreateContainerConfigError",
    "memory-limit": "OOMKilled|CrashLoopBackOff",
    "node-gone": "Pending",
    "removed-api": "no pod",
}
"""What kubectl shows; evicted pods come and go."""


@pytest.fixture
def room(clusters, monkeypatch):
    """The lab in a namespace of the graders' cluster, whose nodes take its orders."""
    need(*CLUSTER)
    with clusters.lease() as space:
        monkeypatch.setenv("LABS_HOME", str(clusters.home))
        lab, values = E5(), settle(E5().values(b"a seed"), "0" * 12)
        yield lab, space, values
        lab.reset(space, values)


def words(lab, space, values):
    seen = lab.observe(space, values)["workloads"]
    return {cause: seen[app] for cause, app in assigned(values).items()}


def conditions(space):
    """By node what the control plane thinks of it: its Ready condition and its taints."""
    return {
        each["metadata"]["name"]: (
            [one for one in each["status"]["conditions"] if one["type"] == "Ready"], each["spec"].get("taints"))
        for each in space.cluster.nodes()
    }


@pytest.mark.timeout(300)
def test_the_incident_breaks_every_workload_in_its_own_way_and_the_solution_repairs_them(room):
    lab, space, values = room
    lab.prepare(space, values)
    assert set(words(lab, space, values).values()) == {"Ready"}
    assert lab.observe(space, values)["opened"] is None
    lab.faults["incident"](space, values)

    def broken():
        now = words(lab, space, values)
        return all(re.fullmatch(pattern, now[cause]) for cause, pattern in SEEN.items())

    assert until(broken, WITHIN), (words(lab, space, values), conditions(space))

    def evicted():
        pods = space.pods(assigned(values)["disk-limit"])
        return any(each["status"].get("reason") == "Evicted" for each in pods)

    assert until(evicted, WITHIN), words(lab, space, values)
    assert assigned(values)["removed-api"] in missing(space, values)
    lab.solution(space, values)
    assert until(lambda: not missing(space, values), WITHIN), words(lab, space, values)
    after = lab.observe(space, values)
    assert after["opened"]
    assert all(seconds is not None and 0 <= seconds < 300 for seconds in after["repaired_after"].values()), after
    removed = lab.reset(space, values)
    assert f"node {values['node']}" in removed
    assert not space.exists()
    assert values["node"] not in [each["metadata"]["name"] for each in space.cluster.nodes()]


def test_each_learner_has_a_room_of_their_own():
    rooms = [settle(E5().values(seed), "0" * 12) for seed in (b"one", b"two", b"three", b"four")]
    assert len({tuple(sorted(assigned(values).items())) for values in rooms}) == len(rooms)
    for values in rooms:
        assert sorted(assigned(values).values()) == values["apps"]
        assert set(assigned(values)) == set(CAUSES)

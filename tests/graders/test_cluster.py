"""Namespaces of attempts: fresh, guarded, gone afterwards, also after a kill; and what an answer may hold."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graders import manifests
from graders.cluster import ATTEMPT, ClusterPool, environment
from graders.exercise import find
from graders.live import Live, Pool
from graders.runner import _findings
from labs.cluster.space import until
from tests.programs import CLUSTER, INGRESS, need

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sleeper"},
       "spec": {"terminationGracePeriodSeconds": 1,
                "containers": [{"name": "main", "image": "host", "command": ["sleep", "600"]}]}}


@pytest.fixture(scope="module")
def tools() -> None:
    need(*CLUSTER)


def test_an_attempt_finds_nothing_of_the_one_before_and_leaves_nothing(tools, clusters):
    with clusters.lease() as first:
        first.apply(POD)
        assert until(lambda: first.pods() and first.pods()[0]["status"]["phase"] == "Running", 30)
    with clusters.lease() as second:
        assert second.name != first.name
        assert second.pods() == []
        assert until(lambda: not second.cluster.namespaces(f"kubernetes.io/metadata.name={first.name}"), 30)
    assert clusters.warm


def test_the_ingress_of_attempts_is_started_when_asked_for_and_is_the_clusters(tools, clusters):
    need(*INGRESS)
    rule = {"host": "attempt.test", "http": {"paths": [
        {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "nothing", "port": {"number": 80}}}}]}}
    with Live(Pool(clusters=clusters), None, {}, "0" * 12) as live:
        live.space.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nothing"}, "spec": {"ports": [{"port": 80}]}},
            {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "attempt"},
             "spec": {"ingressClassName": "traefik", "rules": [rule]}})
        port = live.ingress.http
        assert live.ingress == live.ingress     # the second time nothing is started

        def status():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/", headers={"Host": "attempt.test"})
            return connection.getresponse().status

        assert until(lambda: status() == 503, 30)       # it has the route; the Service has no pods
    assert status() == 404, "the next attempt may have the same host"


def test_two_attempts_run_at_once(tools, clusters):
    with clusters.lease() as one, clusters.lease() as other:
        one.apply(POD)
        other.apply(POD)
        assert len(one.pods()) == len(other.pods()) == 1


def test_what_baseline_forbids_is_the_learners_finding(tools, clusters):
    greedy = {**POD, "spec": {**POD["spec"], "hostNetwork": True}}

    def check(answer, live):
        manifests.apply(live.space, greedy)
        yield from ()

    with Live(Pool(clusters=clusters), None, {}, "0" * 12) as live:
        (finding,), notes = _findings(find("b1-q1"), check, {}, live)
    assert notes == []
    assert "violates PodSecurity" in finding.observed
    assert (finding.passed, finding.points) == (False, 0)


def test_a_removed_api_version_is_said_as_kubectl_says_it(tools, clusters):
    old = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "old"}, "spec": {}}
    with clusters.lease() as space, pytest.raises(manifests.Unusable) as refused:
        manifests.apply(space, old)
    assert 'no matches for kind "PodDisruptionBudget" in version "policy/v1beta1"' in refused.value.observed


@pytest.mark.long
@pytest.mark.timeout(240)
def test_a_killed_grader_takes_its_cluster_along_and_the_next_start_sweeps(tools, tmp_path):
    home = tmp_path / "cluster"
    code = (
        "import sys, pathlib\nfrom graders.cluster import ClusterPool\nfrom labs.scenarios.e_kubernetes import racks\n"
        f"with ClusterPool(pathlib.Path({str(home)!r})).lease() as space:\n"
        "    racks.add_all(space)\n    print(space.name, flush=True)\n    sys.stdin.read()\n"
    )
    grader = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    left = grader.stdout.readline().strip()
    assert left.startswith("attempt-")
    grader.send_signal(signal.SIGKILL)
    grader.communicate()
    assert _ended(home), (home / "keeper.log").read_text()[-2000:]
    pool = ClusterPool(home)
    try:
        cluster = pool.cluster()
        assert until(lambda: left not in cluster.namespaces(ATTEMPT), 30)
        names = [each["metadata"]["name"] for each in cluster.nodes()]
        assert sorted(names) == ["node-a", "node-b", "node-c"], "its racks are gone"
    finally:
        pool.close()


def test_graders_that_share_a_home_share_the_cluster_and_the_last_one_stops_it(tools, clusters):
    other = ClusterPool(clusters.home)
    with clusters.lease() as mine, other.lease() as theirs:
        assert mine.cluster.call("GET", "/version") == theirs.cluster.call("GET", "/version")
        assert set(mine.cluster.namespaces(ATTEMPT)) >= {mine.name, theirs.name}, "the second start swept nothing"
    other.close()
    with clusters.lease() as again:
        assert again.pods() == []


def _ended(home: Path) -> bool:
    """Is nothing of the cluster left after some seconds?"""
    from labs.services import launch

    end = time.monotonic() + 40
    while launch.find(str(home)) and time.monotonic() < end:
        time.sleep(0.1)
    return not launch.find(str(home))


def test_an_untouched_attempt_starts_no_cluster(tmp_path):
    pool = Pool(tmp_path / "grader")
    with Live(pool, None, {}, "0" * 12):
        pass
    assert not pool.clusters.warm
    pool.close()


def test_the_graders_cluster_has_no_setting_of_the_learners(monkeypatch, tmp_path):
    monkeypatch.setenv("LABS_KUBERNETES_NODES", "0")
    monkeypatch.setenv("KUBECONFIG", "/somewhere/else")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    chosen = environment(tmp_path)
    assert not {"LABS_KUBERNETES_NODES", "KUBECONFIG", "AWS_ACCESS_KEY_ID"} & set(chosen)
    assert chosen["LABS_HOME"] == str(tmp_path)


# --- what an answer may hold ----------------------------------------------------------------------------------


def named(kind: str = "Deployment", **metadata: str) -> dict:
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "cart", **metadata}}


@pytest.mark.parametrize("answer", [
    named(),
    [named(), named()],
    {"apiVersion": "v1", "kind": "List", "items": [named()]},
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: cart}\n---\n",
], ids=["dict", "list", "List", "text"])
def test_a_manifest_may_come_in_any_of_these_forms(answer):
    assert manifests.objects(answer, {"Deployment"})[0] == named()


@pytest.mark.parametrize(("answer", "said"), [
    (named("ClusterRoleBinding"), "kind 'ClusterRoleBinding'"),
    (named(namespace="kube-system"), "names the namespace 'kube-system'"),
    ({"kind": "Deployment"}, "without metadata"),
    (named() | {"metadata": {"name": "../../../nodes/node-a"}}, "the name"),
    ("a: &x [1, 2]\nb: *x\n", "aliases"),
    ("a: [1", "no YAML"),
    ("", "0 objects"),
    ([named()] * 21, "21 objects"),
    (3, "int"),
], ids=["kind", "namespace", "metadata", "path", "aliases", "broken", "empty", "many", "number"])
def test_what_is_no_manifest_is_refused_with_words(answer, said):
    with pytest.raises(manifests.Unusable) as refused:
        manifests.objects(answer, {"Deployment"})
    assert said in refused.value.observed


@pytest.mark.parametrize(("answer", "said"), [
    ({"exec": {"command": ["true"]}}, "liveness"),
    ({"httpGet": {"port": 1}, "exec": {"command": ["true"]}}, "runs a command"),
    ({"httpGet": {"port": 1, "host": "127.0.0.1"}}, "host is set"),
    ({}, "liveness = {}"),
])
def test_a_probe_looks_at_the_pod_itself(answer, said):
    with pytest.raises(manifests.Unusable) as refused:
        manifests.probe(answer, "liveness")
    assert said in refused.value.observed

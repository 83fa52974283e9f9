"""The resource metrics API: `kubectl top` and the HorizontalPodAutoscaler, against a real control plane."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from labs.cluster.nodes.metrics import selects
from labs.services import control
from tests.labs.cluster import waiting
from tests.labs.cluster.test_nodes import pod

NODES = 1
until = functools.partial(waiting.until, within=60.0)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
BUSY = "x = bytearray(50 * 2**20)\nwhile True: pass"


@pytest.mark.parametrize(("selector", "chosen"), [
    ("", True), ("app=web", True), ("app==web,tier!=back", True), ("app!=web", False), ("app in (a, web)", True),
    ("app notin (web)", False), ("app", True), ("!app", False), ("!other", True), ("other in (x)", False),
    ("other notin (x)", True), ("app=web,other", False),
])
def test_label_selectors(selector: str, chosen: bool) -> None:
    assert selects(selector, {"app": "web"}) is chosen


def test_a_wrong_selector_is_refused() -> None:
    with pytest.raises(ValueError, match="no label selector"):
        selects("app in web", {})


def test_top_shows_what_is_used_and_the_autoscaler_acts_on_it(kubectl: Kubectl) -> None:
    container = {"name": "main", "image": "host", "command": ["python3", "-c", BUSY],
                 "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}}
    kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "busy"}, "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "busy"}}, "template": {
                "metadata": {"labels": {"app": "busy"}},
                "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}}}}))
    kubectl("autoscale", "deployment", "busy", "--cpu=50%", "--max=2")
    line = until(lambda: kubectl("top", "pods", "-l", "app=busy", "--no-headers", status=None).stdout.split(), "top")
    assert line[0].startswith("busy-")

    def used() -> bool:
        found = kubectl("top", "pods", "-l", "app=busy", "--no-headers", status=None).stdout.splitlines()
        words = found[0].split() if found else ["", "0m", "0Mi"]
        return int(words[1].removesuffix("m")) >= 20 and 50 <= int(words[2].removesuffix("Mi")) <= 128

    until(used, "it uses a processor and 50 MiB")
    said = json.loads(kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes/node-a/summary").stdout)
    (mine,) = [each for each in said["pods"] if each["podRef"]["name"] == line[0]]
    assert said["node"]["nodeName"] == "node-a"
    assert mine["containers"][0]["memory"]["rssBytes"] >= 50 * 2**20
    assert mine["cpu"]["usageCoreNanoSeconds"] > 0
    assert said["node"]["memory"]["rssBytes"] >= mine["memory"]["rssBytes"]
    node = until(lambda: kubectl("top", "nodes", "--no-headers", status=None).stdout.split(), "top of nodes")
    assert node[0] == "node-a"
    until(lambda: kubectl("get", "hpa", "busy", "-o", "jsonpath={.status.desiredReplicas}").stdout == "2",
          "the autoscaler wants two")
    kubectl("delete", "hpa", "busy")
    kubectl("delete", "deployment", "busy")


def test_a_cpu_limit_holds_and_its_throttling_is_told_also_after_the_nodes_were_killed(kubectl: Kubectl) -> None:
    def counts() -> list[float]:
        text = kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes/node-a/cadvisor").stdout
        return [float(line.split()[1]) for line in text.splitlines() if 'pod="held"' in line]

    def nodes() -> int | None:
        return next(row.pid for row in control.status() if row.name == "nodes")

    held = pod("held", ["python3", "-c", "while True: pass"], {"terminationGracePeriodSeconds": 0},
               resources={"limits": {"cpu": "200m"}})
    kubectl("apply", "-f", "-", stdin=json.dumps(held))
    until(lambda: (seen := counts()) and seen[1] > 10, "it is throttled")
    killed = nodes()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    control.up(["kubernetes"])
    until(lambda: nodes() not in (None, killed), "the nodes are played again")
    before = until(counts, "its throttling is told")

    def rate() -> bool:
        words = kubectl("top", "pod", "held", "--no-headers", status=None).stdout.split()
        return bool(words) and 150 <= int(words[1].removesuffix("m")) <= 250

    until(rate, "it runs on, at its limit")
    assert all(later > earlier for later, earlier in zip(counts(), before, strict=True))
    assert kubectl("exec", "held", "--", "echo", "here").stdout == "here\n"
    kubectl("delete", "pod", "held")


def test_the_api_server_authorises_who_asks(kubectl: Kubectl) -> None:
    refused = kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", "--as=somebody", status=1)
    assert "forbidden" in refused.stderr
    missing = kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/nobody", status=1)
    assert "not found" in missing.stderr

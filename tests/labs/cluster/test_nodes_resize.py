"""Other resources for containers that run: on a real cluster, and of a container without one."""

from __future__ import annotations

import asyncio
import functools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labs.cluster.nodes.resize import too_low
from tests.labs.cluster import waiting
from tests.labs.cluster.test_nodes_quota import BUSY, rate, running

NODES = 1
BACKOFF = "0.5,2"
until = functools.partial(waiting.until, within=30.0)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]
SLEEP = ["sleep", "600"]
HOLDS = ["python3", "-c", "kept = bytearray(b'x') * (120 << 20); import time; time.sleep(600)"]
"""120 MiB."""


def resources(cpu: str, limit: str = "", **memory: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, **memory}, "limits": {"cpu": limit or cpu, **memory}}


@pytest.fixture
def apply(kubectl: Kubectl) -> Callable[..., None]:
    def given(name: str, given: dict[str, Any], command: list[str] = SLEEP, **more: Any) -> None:
        main = {"name": "main", "image": "host", "command": command, "resources": given, **more}
        kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [main], "terminationGracePeriodSeconds": 1}}))
        until(lambda: seen(kubectl, name)[:3] == (True, 0, given), f"{name} runs")
    return given


def seen(kubectl: Kubectl, name: str) -> tuple[Any, ...]:
    """(does it run, its restarts, what it has, the conditions of a resize with their reasons)."""
    said = json.loads(kubectl("get", "pod", name, "-o", "json").stdout)["status"]
    main = (said.get("containerStatuses") or [{}])[0]
    found = {each["type"]: each.get("reason") for each in said["conditions"] if each["type"].startswith("PodResize")}
    return "running" in main.get("state", {}), main.get("restartCount"), main.get("resources"), found


def resize(kubectl: Kubectl, name: str, wanted: dict[str, Any], **more: Any) -> subprocess.CompletedProcess[str]:
    patch = {"spec": {"containers": [{"name": "main", "resources": wanted}]}}
    return kubectl("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch), **more)


def events(kubectl: Kubectl, name: str) -> dict[str, str]:
    listed = json.loads(kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o",
                                "json").stdout)["items"]
    return {each["reason"]: each["message"] for each in listed if each["reason"].startswith("Resize")}


def test_a_container_goes_on_with_what_it_is_given(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    before, after = resources("20m", "200m", memory="64Mi"), resources("30m", "600m", memory="96Mi")
    apply("grown", before)
    resize(kubectl, "grown", after)
    until(lambda: seen(kubectl, "grown") == (True, 0, after, {}), "it has it, and never stopped")
    until(lambda: "ResizeCompleted" in events(kubectl, "grown"), "it is told")
    told = events(kubectl, "grown")
    prefix, _, summary = told["ResizeStarted"].partition(": ")
    assert prefix == "Pod resize started"
    assert json.loads(summary) == {"containers": [{"name": "main", "resources": after}], "generation": 2}
    assert told["ResizeCompleted"].startswith("Pod resize completed: ")


def test_a_policy_may_ask_for_a_restart(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    before, after = resources("20m", "500m"), resources("20m", "600m")
    apply("again", before, resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}])
    resize(kubectl, "again", after)
    until(lambda: seen(kubectl, "again") == (True, 1, after, {}), "it began again")
    until(lambda: "ResizeCompleted" in events(kubectl, "again"), "it is told")


def test_what_does_not_fit_waits_for_room(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    node = json.loads(kubectl("get", "nodes", "-o", "json").stdout)["items"][0]
    most = int(float(node["status"]["allocatable"]["cpu"]) * 1000)
    small, half, large = resources("100m"), resources(f"{most // 2 - 1}m"), resources(f"{most * 3 // 4 - 1}m")
    apply("waits", small)
    apply("there", half)
    resize(kubectl, "waits", large)
    until(lambda: seen(kubectl, "waits") == (True, 0, small, {"PodResizePending": "Deferred"}), "it waits")
    told = until(lambda: events(kubectl, "waits").get("ResizeDeferred"), "it is told")
    assert "Node didn't have enough resource: cpu" in told
    kubectl("delete", "pod", "there")
    until(lambda: seen(kubectl, "waits") == (True, 0, large, {}), "there is room now")
    refused = resize(kubectl, "waits", resources(f"{most * 2}m"), status=None)
    assert refused.returncode
    assert "node didn't have enough allocatable resources" in refused.stderr      # the API server's own words
    kubectl("delete", "pod", "waits")


def test_a_resize_kills_nobody(kubectl: Kubectl, apply: Callable[..., None]) -> None:
    before, after = resources("20m", memory="400Mi"), resources("20m", memory="50Mi")
    apply("holds", before, HOLDS)
    until(lambda: "Mi" in (said := kubectl("top", "pod", "holds", "--no-headers", status=None).stdout) and
          int(said.split()[-1].removesuffix("Mi")) > 100, "it holds its memory")
    resize(kubectl, "holds", after)
    until(lambda: seen(kubectl, "holds") == (True, 0, before, {"PodResizeInProgress": "Error"}), "it keeps what it had")
    told = until(lambda: events(kubectl, "holds").get("ResizeError"), "it is told")
    assert 'attempting to set container \\"main\\" memory limit (52428800) below current usage' in told
    resize(kubectl, "holds", before)
    until(lambda: seen(kubectl, "holds") == (True, 0, before, {}), "all is as it was")


def test_limits_may_change_while_a_container_runs(tmp_path: Path) -> None:
    async def observed() -> tuple[list[float], str]:
        async with running(tmp_path, BUSY, 0.0) as container:
            rates = []
            for cpu in (0.05, 0.15):
                container.resize({}, {"cpu": cpu, "memory": 2**30})
                rates.append(await rate(container))
            container.resize({}, {"cpu": 0.0, "memory": 2**30})
            await asyncio.sleep(0.2)
            throttled = container.throttling()
            await asyncio.sleep(0.5)
            assert container.throttling() == throttled, "without a limit nothing counts its periods"
            container.resize({"limits": {"memory": "1Mi"}}, {"cpu": 0.0, "memory": 2**20})
            await waiting_for_its_end(container)
            assert json.loads((container.folder / "about.json").read_text())["resources"] == {
                "limits": {"memory": "1Mi"}}        # who plays the nodes next reads this
            return rates, container.exit.reason

    async def waiting_for_its_end(container: Any) -> None:
        end = asyncio.get_running_loop().time() + 10.0
        while container.running:
            assert asyncio.get_running_loop().time() < end, "not within 10 s"
            await asyncio.sleep(0.02)

    (low, high), reason = asyncio.run(observed())
    assert low == pytest.approx(0.05, rel=0.4)
    assert high == pytest.approx(0.15, rel=0.3)
    assert reason == "OOMKilled"


def test_a_limit_of_memory_is_not_set_below_what_is_used() -> None:
    assert too_low("m", 100, 50, 70) == 'attempting to set container "m" memory limit (50) below current usage (70)'
    assert not too_low("main", 100, 80, 70)
    assert not too_low("main", 100, 200, 300)

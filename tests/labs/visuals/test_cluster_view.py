"""The cluster's picture, from objects as the API server returns them."""

from __future__ import annotations

import datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from labs.errors import PermanentError, TemporaryError
from labs.visuals import ClusterView, cluster_view
from labs.visuals.cluster_state import age, quantity, state_of

NOW = datetime.datetime(2026, 11, 25, 9, 0, tzinfo=datetime.UTC)


def node(name: str, ready: str = "True", zone: str = "a", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": "2", "memory": "2Gi"},
            "conditions": [{"type": "Ready", "status": ready, "message": "Kubelet stopped posting node status."}],
        },
    }


def pod(name: str, where: str = "node-a", phase: str = "Running", init: Any = (), **status: Any) -> dict[str, Any]:
    resources = {"requests": {"cpu": "250m", "memory": "64Mi"}}
    return {
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-25T08:50:00Z"},
        "spec": {
            "nodeName": where,
            "containers": [{"name": "app", "resources": resources}],
            "initContainers": list(init),
        },
        "status": {"phase": phase, **status},
    }


def container(state: dict[str, Any], *, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": "app", "state": state, "ready": ready, "restartCount": restarts, **more}


RUNNING = {"running": {"startedAt": "2026-11-25T08:50:05Z"}}
READY = [{"type": "Ready", "status": "True"}]


def ended(code: int, reason: str | None = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


def waits(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def deleted(what: dict[str, Any]) -> dict[str, Any]:
    what["metadata"]["deletionTimestamp"] = "2026-11-25T08:59:00Z"
    return what


SETUP = [{"name": "setup"}, {"name": "seed"}]
PROXY = [{"name": "proxy", "restartPolicy": "Always"}]

#: (the pod, kubectl's READY, STATUS and RESTARTS, tone)
PODS = [
    (pod("p", containerStatuses=[container(RUNNING, ready=True)], conditions=READY), "1/1 Running 0", "allow"),
    (pod("p", containerStatuses=[container(RUNNING)]), "0/1 Running 0", "neutral"),
    (pod("p", phase="Pending"), "0/1 Pending 0", "neutral"),
    (pod("p", phase="Pending", containerStatuses=[container(waits("ContainerCreating"))]),
     "0/1 ContainerCreating 0", "neutral"),
    (pod("p", containerStatuses=[container(waits("CrashLoopBackOff"), restarts=5)]), "0/1 CrashLoopBackOff 5", "deny"),
    (pod("p", phase="Pending", containerStatuses=[container(waits("ImagePullBackOff"))]),
     "0/1 ImagePullBackOff 0", "deny"),
    (pod("p", containerStatuses=[container(ended(137, "OOMKilled"), restarts=1)]), "0/1 OOMKilled 1", "deny"),
    (pod("p", phase="Failed", containerStatuses=[container(ended(3, None))]), "0/1 ExitCode:3 0", "deny"),
    (pod("p", phase="Failed", containerStatuses=[container(ended(0, None, signal=9))]), "0/1 Signal:9 0", "deny"),
    (pod("p", phase="Succeeded", containerStatuses=[container(ended(0, "Completed"))]), "0/1 Completed 0", "muted"),
    (pod("p", phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
     "0/1 Evicted 0", "deny"),
    (deleted(pod("p", containerStatuses=[container(RUNNING, ready=True)])), "1/1 Terminating 0", "muted"),
    (pod("p", phase="Pending", init=SETUP, initContainerStatuses=[
        {"name": "setup", "state": ended(0, "Completed"), "restartCount": 2}, {"name": "seed", "state": RUNNING}]),
     "0/1 Init:1/2 2", "neutral"),
    (pod("p", phase="Pending", init=SETUP, initContainerStatuses=[{"name": "setup", "state": ended(1)}]),
     "0/1 Init:Error 0", "deny"),
    (pod("p", phase="Pending", init=SETUP, initContainerStatuses=[
        {"name": "setup", "state": waits("CrashLoopBackOff"), "restartCount": 4}]),
     "0/1 Init:CrashLoopBackOff 4", "deny"),
    (pod("p", init=PROXY,
         initContainerStatuses=[{"name": "proxy", "started": True, "state": RUNNING, "restartCount": 1}],
         containerStatuses=[container(RUNNING, ready=True, restarts=2)], conditions=READY), "1/1 Running 3", "allow"),
    (pod("p", phase="Pending", conditions=[
        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "gated"}]),
     "0/1 SchedulingGated 0", "neutral"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "told", "tone"), PODS, ids=[told for _, told, _ in PODS])
def test_pod_says_what_kubectl_says(given: dict[str, Any], told: str, tone: str) -> None:
    (shown,) = state_of([node("node-a")], [given], [], NOW)["nodes"][0]["pods"]
    assert f"{shown['ready']} {shown['word']} {shown['restarts']}" == told
    assert shown["tone"] == tone
    assert shown["age"] == "10m"


def test_a_crash_tells_how_the_last_run_ended() -> None:
    status = container(waits("CrashLoopBackOff", "back-off 40s restarting"), lastState=ended(137, "OOMKilled"))
    (shown,) = state_of([node("node-a")], [pod("p", containerStatuses=[status])], [], NOW)["nodes"][0]["pods"]
    assert shown["why"] == "last ended with OOMKilled (exit code 137); back-off 40s restarting"


@pytest.mark.parametrize(
    ("given", "word", "tone"),
    [
        (node("n"), "Ready", "allow"),
        (node("n", unschedulable=True), "Ready,SchedulingDisabled", "neutral"),
        (node("n", "Unknown"), "NotReady", "deny"),
        ({"metadata": {"name": "n"}}, "NotReady", "deny"),
    ],
)
def test_node_says_what_kubectl_says(given: dict[str, Any], word: str, tone: str) -> None:
    (shown,) = state_of([given], [], [], NOW)["nodes"]
    assert (shown["word"], shown["tone"]) == (word, tone)


def test_node_counts_what_its_pods_request_and_not_what_ended() -> None:
    pods = [pod("one"), pod("two"), pod("done", phase="Succeeded")]
    (shown,) = state_of([node("node-a")], pods, [], NOW)["nodes"]
    assert shown["facts"][:2] == ["CPU 0.5 of 2 requested", "memory 128Mi of 2Gi requested"]


def test_a_pod_without_a_node_waits_with_the_schedulers_words() -> None:
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "2 Insufficient cpu."}
    state = state_of([node("node-a")], [pod("big", "", "Pending", conditions=[why])], [], NOW)
    assert [(each["name"], each["why"]) for each in state["waiting"]] == [("big", "2 Insufficient cpu.")]
    assert state["summary"] == "1 of 1 node ready; 1 pod: 1 Pending"


def test_pod_of_a_node_that_is_gone_is_still_shown() -> None:
    state = state_of([], [pod("lost", "node-x")], [], NOW)
    assert [each["name"] for each in state["waiting"]] == ["lost"]


def test_latest_events_come_first_whichever_of_the_two_forms_they_have() -> None:
    old = {"type": "Normal", "reason": "Pulled", "involvedObject": {"kind": "Pod", "name": "p"}, "message": "pulled",
           "lastTimestamp": "2026-11-25T08:00:00Z"}  # fmt: skip
    new = {"type": "Warning", "reason": "BackOff", "regarding": {"kind": "Pod", "name": "p"}, "note": "back\noff",
           "eventTime": "2026-11-25T08:59:00.000000Z", "series": {"count": 7}}  # fmt: skip
    shown = state_of([], [], [old, new], NOW)["events"]
    told = [(each["reason"], each["age"], each["count"]) for each in shown]
    assert told == [("BackOff", "60s", 7), ("Pulled", "60m", 1)]
    assert shown[0]["message"] == "back off"


@pytest.mark.parametrize(
    ("text", "number"),
    [("250m", 0.25), ("64Mi", 2**26), ("1e3", 1000), ("2", 2), ("1k", 1000), ("many", 0), ("NaN", 0)],
)
def test_quantity(text: str, number: float) -> None:
    assert float(quantity(text)) == number


@pytest.mark.parametrize(
    ("time", "told"),
    [("2026-11-25T08:59:52Z", "8s"), ("2026-11-25T06:00:00Z", "3h"), ("2026-11-20T09:00:00Z", "5d"), (None, "?")],
)
def test_age(time: str | None, told: str) -> None:
    assert age(time, NOW) == told


def seen() -> dict[str, Any]:
    status = [container(waits("CrashLoopBackOff", "<b>back-off</b> & more"), restarts=3)]
    return state_of([node("node-a"), node("node-b", "False", "b")], [pod("bad", containerStatuses=status)], [], NOW)


def test_picture_is_valid_labelled_and_the_same_each_time() -> None:
    view = ClusterView(seen)
    root = ElementTree.fromstring(view.svg)
    assert root.get("role") == "img"
    said = "".join(root.itertext())
    assert "CrashLoopBackOff" in said
    assert "<b>back-off</b> & more" in said
    assert view.svg == ClusterView(seen).svg
    data, _ = view._repr_mimebundle_()
    assert {"text/plain", "image/svg+xml", "application/vnd.jupyter.widget-view+json"} <= set(data)
    assert "node-b" in data["text/plain"]


def test_view_follows_says_what_is_wrong_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr("labs.visuals.following.EVERY", 0.01)
    answers: list[Any] = [seen(), TemporaryError("no API server answers"), state_of([], [], [], NOW)]
    happened: list[Any] = []
    through = threading.Event()

    def look() -> dict[str, Any]:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    def note(change: Any) -> None:
        happened.append(change["new"])
        if len(happened) == 2:
            through.set()

    view = ClusterView(look)
    view.observe(note, "trouble")
    view.follow()
    assert view.live
    assert through.wait(10), happened
    view.stop()
    assert happened == ["no API server answers", ""]
    assert view.state["summary"] == "0 of 0 nodes ready; 0 pods"
    assert not view.live


def test_without_a_kubeconfig_it_says_what_to_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with pytest.raises(PermanentError, match="lab up kubernetes"):
        cluster_view(kubeconfig=str(tmp_path / "none"))

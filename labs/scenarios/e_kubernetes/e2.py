"""Lab e2: a workload under load, the autoscaler that gives it pods, and the nodes that those pods need."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from labs.cluster.nodes.environment import quantity
from labs.cluster.observation import Observation
from labs.cluster.space import APP, Object, Space, complete, expect, ready, until
from labs.errors import PermanentError
from labs.scenarios.base import Values, digest, pick
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes import provisioner, racks
from labs.scenarios.e_kubernetes.e4 import SERVES, program, service, workload
from labs.scenarios.e_kubernetes.provisioner import NodePool, Provisioner

APPS = ["checkout", "images", "lookup", "quotes", "tickets"]
REQUEST, LIMIT = 100, 250
"""Of the workload's container, thousandths of a processor."""
RATE = 18.0
LEAST, MOST = 2, 7
QUIET, BUSY_AT_MOST = 10, 75
"""Per cent of the requests: what a workload uses at most that nobody asks, and one with enough pods."""
UP_WITHIN, LULL, DOWN_WITHIN = 30.0, 8.0, 45.0
READY_WITHIN = 30.0
MEASURED_WITHIN, DECIDED_WITHIN, SETTLED = 45.0, 30.0, 6.0
"""Until the pods of a case use what it says, until the autoscaler decided, and three of its periods after that."""
PEAK, RUNAWAY = 6, 20
"""Pods, on nodes of a pool: at the peak, and when something goes wrong."""
ROOM_WITHIN = 30.0
BESIDE = 3 * 2**20
"""Bytes of a container that are not its program's: what starts it and looks after it."""
CALM = 0.005
"""Of a processor: what a pod uses at most that computes nothing."""


class E2(ClusterLab):
    """A workload of one pod, and nobody who gives it more."""

    id: ClassVar[str] = "e2"
    title: ClassVar[str] = "Pods that follow the load, and nodes that follow the pods"
    minutes: ClassVar[int] = 75

    def values(self, seed: bytes) -> Values:
        """Names, load and cases of one learner."""
        app = pick(seed, "app", APPS)
        return {
            "namespace": f"e2-{app}-{digest(seed, 'namespace')[:6]}",
            "app": app,
            "rate": RATE,
            "work_ms": pick(seed, "work", [15, 16, 17]),
            "request_m": REQUEST,
            "least": LEAST,
            "most": MOST,
            "busy_at_most": BUSY_AT_MOST,
            "lull": LULL,
            "up_within": int(UP_WITHIN),
            "down_within": int(DOWN_WITHIN),
            "cases": cases(seed),
            "peak": PEAK,
            "peak_price": 2.9,
            "quiet_price": 1.0,
            "needed": MOST,
            "cpu_limit_m": pick(seed, "limit", [1000, 1050, 1100]),
            "room_within": int(ROOM_WITHIN),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The program."""
        space.apply(program())

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """One Ready pod, no autoscaler, no nodes of its own."""
        self.furnish(space, values)
        space.delete_all("HorizontalPodAutoscaler")
        space.apply(manifest(values), service(values["app"]))
        space.scale(values["app"], 1)
        expect(lambda: settled(space, values["app"], 1), READY_WITHIN, f"{values['app']} is not Ready with one pod")
        racks.remove_all(space)

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """Ready pods, what they use of their requests in per cent (None: not measured), Pending pods, own nodes."""
        pods = space.pods(values["app"])
        return {
            "ready": sum(map(ready, pods)),
            "busy": busy(space, values["app"]),
            "pending": sum(each["status"].get("phase") == "Pending" for each in pods),
            "nodes": sorted(each["metadata"]["name"] for each in racks.of(space)),
        }

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``manifest``: the Deployment.  ``load``: customers, see ``load``.  ``calm``: wait until a load is forgotten.

        ``decide`` and ``room``: see there.
        """
        if program == "manifest":
            return manifest(values)
        if program == "load":
            return load(space, values, **options)
        if program == "calm":
            return calm(space, values["app"])
        if program == "decide":
            return decide(space, **options)
        if program == "room":
            return room(space, values, **options)
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has manifest, load, calm, decide and room.")

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """Autoscaler, nodes and namespace go; the autoscaler first, so that no more pods come."""
        if space.exists():
            space.delete_all("HorizontalPodAutoscaler")
        removed = racks.remove_all(space)
        return [*super().reset(space, values), *removed]

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The autoscaler that the second exercise asks for."""
        space.apply(good_autoscaler(values), manager="learner")


# --- the workload and its load ------------------------------------------------------------------------------------


def manifest(values: Values, **spec: Any) -> Object:
    """The Deployment, without ``replicas``: whoever scales it owns that field.

    :param spec: fields over those of the pod's spec
    """
    resources = {"requests": {"cpu": f"{REQUEST}m"}, "limits": {"cpu": f"{LIMIT}m"}}
    made, _ = workload(values["app"], {"WORK_MS": str(values["work_ms"])}, probes={"resources": resources, **SERVES})
    del made["spec"]["replicas"]
    made["spec"]["template"]["spec"] |= {"terminationGracePeriodSeconds": 3, **spec}
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["lifecycle"] = {"preStop": {"sleep": {"seconds": 1}}}
    return made


def autoscaler(app: str, **spec: Any) -> Object:
    """A HorizontalPodAutoscaler for a Deployment of the same name."""
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": app},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app}, **spec}}


def utilization(resource: str, target: int) -> Object:
    """A metric: use of a resource in per cent of the requests."""
    return {"type": "Resource", "resource": {
        "name": resource, "target": {"type": "Utilization", "averageUtilization": target}}}


def good_autoscaler(values: Values) -> Object:
    """One that passes the second exercise."""
    return autoscaler(values["app"], minReplicas=values["least"], maxReplicas=values["most"],
                      metrics=[utilization("cpu", 60)],
                      behavior={"scaleDown": {"stabilizationWindowSeconds": 20}})


def customers(space: Space, values: Values, rate: float = 0.0) -> Observation:
    """The workload under ``rate`` requests a second (those of ``values`` unless said), each of ``work_ms``."""
    return Observation(space, values["app"], "/sum", every=1 / (rate or values["rate"]))


def load(space: Space, values: Values, seconds: float = 20.0, rate: float = 0.0) -> Observation:
    """Customers for some seconds; what was seen."""
    with customers(space, values, rate) as seen:
        seen.watch(seconds)
    return seen


def busy(space: Space, app: str) -> int | None:
    """What the workload's Ready pods use of their processor requests on average, in per cent, as the metrics API says.

    None while not all of them have been measured.
    """
    names = {each["metadata"]["name"] for each in space.pods(app) if ready(each)}
    used = {each["metadata"]["name"]: sum(quantity(one["usage"]["cpu"]) for one in each["containers"])
            for each in space.list("PodMetrics", f"{APP}={app}")}
    if not names or not names <= used.keys():
        return None
    return round(100 * sum(used[name] for name in names) / (len(names) * REQUEST / 1000))


def calm(space: Space, app: str) -> None:
    """Return when the workload was measured to use next to nothing."""
    expect(lambda: (use := busy(space, app)) is not None and use <= QUIET, READY_WITHIN, f"{app} is still busy")


def settled(space: Space, app: str, replicas: int) -> bool:
    """Are just so many pods there, all Ready, and none about to go?"""
    found = space.get("Deployment", app)
    if found is None or not complete(found) or found["spec"].get("replicas", 1) != replicas:
        return False
    return len(space.list("Pod", f"{APP}={app}")) == replicas


# --- exercise 1: what an autoscaler decides -----------------------------------------------------------------------


def cases(seed: bytes) -> list[dict[str, Any]]:
    """Pods, what they use, and an autoscaler; each teaches another rule.

    ``requests`` and ``uses`` are of one pod's container ``app``, in ``m`` and ``Mi``; ``beside``: a container without
    requests runs next to it.
    """
    pods, target = pick(seed, "ratio", [(1, 62), (2, 88), (1, 43)])
    asks = {"cpu": "40m", "memory": "40Mi"}
    made: list[dict[str, Any]] = [
        {"pods": pods, "uses": {"cpu": "60m"}, "autoscaler": rules(6, utilization("cpu", target))},
        {"pods": 2, "requests": asks | {"memory": "80Mi"}, "uses": {"memory": pick(seed, "near", ["83Mi", "84Mi"])},
         "autoscaler": rules(6, utilization("memory", 100))},
        {"pods": 1, "uses": {"cpu": "60m"}, "beside": True, "autoscaler": rules(5, utilization("cpu", 50))},
        {"pods": 3, "uses": {"cpu": "1m"}, "autoscaler": rules(6, utilization("cpu", pick(seed, "idle", [50, 70])))},
        {"pods": 1, "uses": {"cpu": "60m"}, "autoscaler": rules(10, utilization("cpu", 20)) | {"behavior": {
            "scaleUp": {"policies": [{"type": "Pods", "value": pick(seed, "steep", [2, 4]), "periodSeconds": 60}]}}}},
        {"pods": 2, "uses": {"cpu": "1m", "memory": "60Mi"},
         "autoscaler": rules(8, utilization("cpu", 50), utilization("memory", pick(seed, "two", [84, 110])))},
    ]
    return [{"id": f"case-{number}", "requests": asks, "beside": False, **each} for number, each in enumerate(made, 1)]


def rules(most: int, *metrics: Object) -> Object:
    """The part of an autoscaler's spec that a case is about."""
    return {"minReplicas": 1, "maxReplicas": most, "metrics": list(metrics)}


USES = """
import sys, time
kept = []
def resident():
    return sum(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS:"))
while 1024 * resident() < {bytes}:
    kept.append(b"1" * 100_000)
while {spin}:
    pass
time.sleep(3600)
"""
"""Takes memory until it has what it should; or computes as much as its limit lets it."""


def of_case(case: Values) -> Object:
    """The Deployment of a case."""
    labels, uses = {APP: case["id"]}, case["uses"]
    spin = quantity(uses.get("cpu", "0")) > CALM
    text = USES.format(bytes=quantity(uses.get("memory", "0")) - BESIDE, spin=spin)
    limits = {"cpu": uses["cpu"]} if spin else {}
    containers = [{"name": "app", "image": "host", "command": ["python3", "-S", "-c", text],
                   "resources": {"requests": case["requests"], "limits": limits}}]
    if case["beside"]:
        containers.append({"name": "proxy", "image": "host", "command": ["sleep", "3600"]})
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": case["id"], "labels": labels},
            "spec": {"replicas": case["pods"], "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": {
                         "terminationGracePeriodSeconds": 0, "containers": containers}}}}


def measured(space: Space, case: Values) -> bool:
    """Do all pods of a case run, and use what it says?"""
    pods = [each for each in space.pods(case["id"]) if ready(each)]
    found = {each["metadata"]["name"]: {one["name"]: one["usage"] for one in each["containers"]}
             for each in space.list("PodMetrics", f"{APP}={case['id']}")}
    return len(pods) == case["pods"] and all(
        near(case["uses"], found.get(each["metadata"]["name"], {}).get("app")) for each in pods)


def near(uses: Values, usage: Values | None) -> bool:
    """Is this use what a case says, processors within a tenth, memory within a thirtieth?"""
    if usage is None:
        return False
    cpu, wanted = quantity(usage["cpu"]), quantity(uses.get("cpu", "0"))
    enough = cpu <= CALM if wanted <= CALM else abs(cpu / wanted - 1) <= 0.1
    return enough and ("memory" not in uses or
                       abs(quantity(usage["memory"]) / quantity(uses["memory"]) - 1) <= 1 / 30)


def decide(space: Space, cases: Sequence[Values]) -> dict[str, int]:
    """By id of a case the number of pods that the autoscaler sets first; see ``first_decision``.

    :raises TemporaryError: pods did not use what they should, or nothing was decided in time
    """
    found = {}
    try:
        space.apply(*map(of_case, cases))
        for case in cases:
            expect(lambda case=case: measured(space, case), MEASURED_WITHIN,
                 f"the pods of {case['id']} do not use {case['uses']}")
        for case in cases:
            space.apply(autoscaler(case["id"], **case["autoscaler"]))
        for case in cases:
            found[case["id"]] = first_decision(space, case)
    finally:
        for case in cases:
            space.delete("HorizontalPodAutoscaler", case["id"])
            space.delete("Deployment", case["id"])
    return found


def first_decision(space: Space, case: Values) -> int:
    """The first number of pods that an autoscaler sets, or the one there is, when it decided three times to leave it.

    Its events say what it set ("SuccessfulRescale", "New size: 3"), its conditions whether it could compute anything.
    """
    expect(lambda: condition(space, case["id"], "ScalingActive"), DECIDED_WITHIN,
         f"the autoscaler of {case['id']} decides nothing")
    until(lambda: sizes(space, case["id"]), SETTLED)
    return (sizes(space, case["id"]) or [case["pods"]])[0]


def condition(space: Space, name: str, kind: str) -> Object | None:
    """A condition of an autoscaler that says whether and why it could do its work."""
    found = space.get("HorizontalPodAutoscaler", name) or {}
    return next((each for each in found.get("status", {}).get("conditions") or () if each["type"] == kind), None)


def sizes(space: Space, name: str) -> list[int]:
    """What an autoscaler set, in order."""
    said = [(each["metadata"]["creationTimestamp"], each["metadata"].get("resourceVersion", ""), each["message"])
            for each in space.list("Event") if each["involvedObject"].get("kind") == "HorizontalPodAutoscaler"
            and each["involvedObject"]["name"] == name and each.get("reason") == "SuccessfulRescale"]
    return [int(match[1]) for _, _, message in sorted(said) if (match := re.search(r"New size: (\d+)", message))]


# --- exercise 3: nodes --------------------------------------------------------------------------------------------


@dataclass
class Room:
    """What became of numbers of pods, one after the other, on nodes of their own.

    :param steps: pods wanted, running, pending; nodes by type; thousandths of processors they have; price of an hour;
        why pods are pending, in the scheduler's words
    :param log: what the provisioner did
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    log: list[tuple[float, str]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = []
        for each in self.steps:
            lines.append(f"{each['pods']:>3} pods wanted: {each['running']} running, {each['pending']} pending; nodes: "
                         f"{', '.join(each['nodes']) or 'none'}; {each['cpu_m']}m, {each['price']:.2f} an hour")
            lines += [f"    scheduler: {each['why']}"] if each["why"] else []
        return "\n".join([*lines, *(f"{at:6.1f} s  {what}" for at, what in self.log)])


def room(space: Space, values: Values, pool: Any = None, pods: Any = (PEAK, 1), within: float = ROOM_WITHIN) -> Room:
    """Scale the workload on nodes of its own, from one pod on one small node on, and see which nodes come and go.

    :param pool: a NodePool; None: nobody makes nodes
    :param pods: numbers of pods, one after the other; each gets ``within`` seconds
    :raises PermanentError: the NodePool is none, or says what the stand-in does not know
    """
    read = None if pool is None else NodePool.read(pool)
    made = Room()
    app = values["app"]
    space.delete_all("HorizontalPodAutoscaler")
    try:
        if space.get("Deployment", app):
            space.scale(app, 0)
        expect(lambda: not space.list("Pod", f"{APP}={app}"), READY_WITHIN, f"pods of {app} are left")
        racks.remove_all(space)
        provisioner.make(space, f"rack-{racks.label(space)}-small-0", "small")
        space.apply(manifest(values, **racks.settings(space)))
        space.scale(app, 1)
        expect(lambda: settled(space, app, 1), READY_WITHIN, f"{app} is not Ready on its node")
        with Provisioner(space, read) if read else contextlib.nullcontext() as working:
            for wanted in pods:
                space.scale(app, wanted)
                made.steps.append(step(space, app, wanted, within, working))
        made.log = working.log if working else []
    finally:
        racks.remove_all(space)
    return made


def step(space: Space, app: str, wanted: int, within: float, working: Any) -> dict[str, Any]:
    """What there is when nothing more happens: as many pods as wanted and no empty node, or nobody who could do more.

    :param within: seconds after which it is told in any case
    """
    still: list[Any] = [None, 0.0]

    def over() -> bool:
        if settled(space, app, wanted) and not (working and any_empty(space)):
            return True
        seen = (len(working.log) if working else 0, sorted(map(str, map(stands, pods := space.pods(app)))))
        if seen != still[0] or len(pods) != wanted:
            still[:] = seen, time.monotonic()
        stuck = any(map(provisioner.unschedulable, pods)) and all(
            ready(each) or provisioner.unschedulable(each) for each in pods)
        return stuck and time.monotonic() - still[1] > SETTLED

    until(over, within)
    pods, nodes = space.pods(app), racks.of(space)
    running = sum(map(ready, pods))
    return {"pods": wanted, "running": running, "pending": len(pods) - running,
            "nodes": sorted(each["metadata"]["labels"].get(provisioner.TYPE, "") for each in nodes),
            "cpu_m": sum(map(provisioner.capacity, nodes)), "price": provisioner.price(nodes),
            "why": scheduler_says(space, app)}


def stands(pod: Object) -> tuple[str, str, bool]:
    """A pod's name, its node, and whether it is Ready."""
    return pod["metadata"]["name"], pod["spec"].get("nodeName", ""), ready(pod)


def any_empty(space: Space) -> bool:
    """Is there a node of the namespace without a pod?"""
    used = {each["spec"].get("nodeName") for each in space.list("Pod")}
    return any(each["metadata"]["name"] not in used for each in racks.of(space))


def scheduler_says(space: Space, app: str) -> str:
    """The scheduler's last word on a pod without a node."""
    told = [one["message"] for each in space.pods(app) if provisioner.unschedulable(each)
            for one in each["status"]["conditions"] if one["type"] == "PodScheduled"]
    return str(told[-1]).partition(" preemption:")[0] if told else ""

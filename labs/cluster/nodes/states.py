"""What a pod's status says, from what its containers do.  Pure.

"Pod Lifecycle" (Kubernetes documentation): phase, conditions, container states and their reasons.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labs.cluster.nodes.api import Object
from labs.cluster.nodes.containers import Container, Exit


@dataclass(frozen=True, slots=True)
class Seen:
    """One container as it is now.

    :param waiting: (reason, message) of why it does not run, None when it was not asked to wait
    :param ready: does it pass its readiness probe?
    :param started: does it pass its startup probe?
    :param starting: does its postStart hook run?  It counts as waiting until that is done
    """

    spec: Object
    last: Container | None
    previous: Container | None
    waiting: tuple[str, str] | None
    ready: bool
    started: bool
    starting: bool = False

    @property
    def running(self) -> bool:
        """Does a process of it run?"""
        return self.last is not None and self.last.running

    @property
    def ended(self) -> Exit | None:
        """How its last attempt ended, None while it runs or has never run."""
        return self.last.exit if self.last is not None and not self.last.running else None


def moment(seconds: float) -> str:
    """Unix time as the API writes it."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sidecar(spec: Object) -> bool:
    """Is an init container restartable ("Sidecar Containers")?"""
    return spec.get("restartPolicy") == "Always"


def restarts(policy: str, ended: Exit) -> bool:
    """Does a container that ended so run again?"""
    return policy == "Always" or (policy == "OnFailure" and ended.status != 0)


def container_status(seen: Seen, inits: bool = False, init: bool = False) -> Object:
    """One entry of ``containerStatuses`` or ``initContainerStatuses``.

    :param inits: has the pod init containers?  Then what has not run yet is said to wait for the pod
    :param init: is it one?
    """
    last, ended = seen.last, seen.ended
    state, before = _states(seen, inits)
    ready = seen.running and seen.ready and seen.started
    if init and not sidecar(seen.spec):
        ready = ended is not None and ended.status == 0
    made: Object = {
        "name": seen.spec["name"], "image": seen.spec["image"], "ready": ready,
        "started": seen.running and seen.started, "restartCount": last.attempt if last else 0, "state": state,
        "lastState": before, "imageID": last.about.get("image", "") if last else ""}
    if last is not None:
        made["containerID"] = last.identifier
    made["resources"] = has = resources(seen)
    if "requests" in has:
        made["allocatedResources"] = has["requests"]
    return made


def resources(seen: Seen) -> Object:
    """What a container runs with, or will be started with."""
    wanted: Object = seen.spec.get("resources") or {}
    return dict(seen.last.about.get("resources", wanted) if seen.last is not None and seen.running else wanted)


def _states(seen: Seen, inits: bool) -> tuple[Object, Object]:
    """(state, lastState)."""
    before = _terminated(seen.previous)
    if seen.running and not seen.starting:
        assert seen.last is not None
        return {"running": {"startedAt": moment(seen.last.started + seen.last.skew)}}, before
    if seen.waiting is not None:
        reason, message = seen.waiting
        return {"waiting": {"reason": reason, **({"message": message} if message else {})}}, _terminated(seen.last)
    if seen.ended is not None:
        return _terminated(seen.last), before
    return {"waiting": {"reason": "PodInitializing" if inits else "ContainerCreating"}}, before


def _terminated(container: Container | None) -> Object:
    if container is None or container.exit is None:
        return {}
    ended = container.exit
    said = {"exitCode": ended.status, "reason": ended.reason, "startedAt": moment(container.started + container.skew),
            "finishedAt": moment(ended.finished + container.skew), "containerID": container.identifier}
    return {"terminated": said | ({"message": ended.message} if ended.message else {})}


def initialised(inits: Sequence[Seen]) -> bool:
    """Have all init containers ended well, or started where they stay?"""
    return all((each.running and each.started) if sidecar(each.spec) else
               (each.ended is not None and each.ended.status == 0) for each in inits)


def phase(policy: str, inits: Sequence[Seen], apps: Sequence[Seen]) -> str:
    """"Pod phase"."""
    if not initialised(inits) and not any(each.last for each in apps):
        failed = any(each.ended and each.ended.status and not sidecar(each.spec) for each in inits)
        return "Failed" if failed and policy == "Never" else "Pending"
    if any(each.last is None or (each.starting and each.previous is None) for each in apps):
        return "Pending"
    ended = [each.ended for each in apps]
    if policy == "Always" or any(one is None or restarts(policy, one) for one in ended):
        return "Running"
    return "Succeeded" if all(one is not None and one.status == 0 for one in ended) else "Failed"


def pod_status(pod: Object, address: str, inits: Sequence[Seen], apps: Sequence[Seen], now: float,
               more: Sequence[Object] = ()) -> Object:
    """The whole status; times of conditions that did not change are kept.

    :param more: further conditions, all True and without times
    """
    policy = pod["spec"].get("restartPolicy", "Always")
    done = initialised(inits) or any(each.last for each in apps)
    found = phase(policy, inits, apps)
    made: Object = {
        "phase": found, "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}],
        "startTime": pod["status"].get("startTime") or moment(now),
        "containerStatuses": [container_status(each, bool(inits)) for each in apps]}
    if inits:
        made["initContainerStatuses"] = [container_status(each, True, init=True) for each in inits]
    if address:
        made |= {"podIP": address, "podIPs": [{"ip": address}]}
    watched = [*made["containerStatuses"], *(
        status for status, each in zip(made.get("initContainerStatuses", []), inits, strict=False)
        if sidecar(each.spec))]
    unready = [each["name"] for each in watched if not each["ready"]]
    made["conditions"] = _conditions(pod, found, address, inits, done, unready, lambda: moment(now))
    known = {each["type"]: each.get("lastTransitionTime") for each in pod["status"].get("conditions") or []}
    made["conditions"] += [{**each, "lastTransitionTime": known.get(each["type"]) or moment(now)} for each in more]
    return made


def _conditions(pod: Object, found: str, address: str, inits: Sequence[Seen], done: bool, unready: list[str],
                now: Callable[[], str]) -> list[Object]:
    """"Pod conditions", the four a kubelet sets."""
    unready_now = f"containers with unready status: [{' '.join(unready)}]"
    ready: tuple[Any, ...] = (not unready, "ContainersNotReady", unready_now)
    if found in ("Succeeded", "Failed"):
        ready = (False, "PodCompleted" if found == "Succeeded" else "PodFailed", "")
    before = {each["type"]: each for each in pod["status"].get("conditions") or []}
    shut = _shut(pod, before)
    whole = (False, "ReadinessGatesNotReady", ", ".join(shut)) if ready[0] and shut else ready
    missing = [each.spec["name"] for each in inits if not initialised([each])]
    table = {
        "PodReadyToStartContainers": (bool(address), "", ""),
        "Initialized": (done, "ContainersNotInitialized", f"containers with incomplete status: [{' '.join(missing)}]"),
        "ContainersReady": ready, "Ready": whole}
    made = []
    for name, (good, reason, message) in table.items():
        status = "True" if good else "False"
        same = before.get(name, {}).get("status") == status
        made.append({"type": name, "status": status, "reason": None if good else reason or None,
                     "message": None if good else message or None,
                     "lastTransitionTime": before[name].get("lastTransitionTime") if same else now()})
    return made


def _shut(pod: Object, conditions: Mapping[str, Object]) -> list[str]:
    """"Pod readiness gate": which conditions that others set are still to come, in a kubelet's words."""
    said = []
    for name in (each["conditionType"] for each in pod["spec"].get("readinessGates") or []):
        if name not in conditions:
            said.append(f'corresponding condition of pod readiness gate "{name}" does not exist.')
        elif conditions[name]["status"] != "True":
            said.append(f'the status of pod readiness gate "{name}" is not "True", but {conditions[name]["status"]}')
    return said

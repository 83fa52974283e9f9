"""Lab e5: a room of workloads, and an incident after which none of them runs, each for a reason of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from labs.cluster.space import MERGE, Object, Space, complete, ready, until
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.base import Values, digest, pick, shuffled
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.e_kubernetes import racks
from labs.scenarios.e_kubernetes.e4 import SERVES, program, workload

APPS = ["billing", "catalogue", "delivery", "invoices", "loyalty", "notify", "payments", "pricing", "returns", "stock"]
CAUSES = {
    "bad-setting": "a setting has a value that the program cannot read",
    "image-name": "the image's name is wrong",
    "config-key": "the pod refers to a key that its ConfigMap does not have",
    "memory-limit": "the memory limit is lower than what the program needs",
    "disk-limit": "the limit for files (ephemeral storage) is lower than what the program writes",
    "node-gone": "the pod may run on one node only, and that is gone",
    "removed-api": "the manifest has an API version that the cluster does not serve any more",
}
"""What can be wrong; the words of the exercise."""
OPENED = "labs/incident-opened"
MEMORY_BUDGET, DISK_BUDGET = "128Mi", "64Mi"
OLD_API = "extensions/v1beta1"
READY_WITHIN = 60.0


class E5(ClusterLab):
    """Seven workloads; the incident breaks all of them."""

    id: ClassVar[str] = "e5"
    title: ClassVar[str] = "The incident room"
    minutes: ClassVar[int] = 80

    def values(self, seed: bytes) -> Values:
        """Names and numbers of one learner; which workload has which fault is for them to find out."""
        suffix = digest(seed, "room")[:6]
        return {
            "namespace": f"room-{suffix}",
            "apps": sorted(shuffled(seed, "apps", APPS)[: len(CAUSES)]),
            "room": digest(seed, "faults")[:16],
            "node": f"rack-{suffix}",
            "setting": pick(seed, "setting", ["four", "8x", "2.5", "max"]),
            "image": pick(seed, "image", ["hots/python3", "hosts/python3", "hoost/python3"]),
            "key": pick(seed, "key", ["greeting", "banner", "motto"]),
            "memory": pick(seed, "memory", [40, 44, 48]),
            "scratch": pick(seed, "scratch", [20, 24, 28]),
            "memory_budget": MEMORY_BUDGET,
            "disk_budget": DISK_BUDGET,
            "causes": dict(CAUSES),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """The broken room as the incident leaves it, without a node that was lost: it is not there at all."""
        space.apply(program(), config(values))
        for cause, app in assigned(values).items():
            if cause != "removed-api":
                space.apply(broken(values, app, cause))

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Every workload is healthy, on a node of the lab's own where one is pinned to it."""
        racks.add(space, values["node"], "b")
        space.cluster.call("PATCH", f"/api/v1/namespaces/{space.name}",
                           {"metadata": {"annotations": {OPENED: None}}}, MERGE)
        space.apply(program(), config(values))
        for app in space.list("Deployment"):
            space.delete("Deployment", app["metadata"]["name"])
        for cause, app in assigned(values).items():
            space.apply(healthy(values, app, cause))
        waiting = until(lambda: not missing(space, values), READY_WITHIN)
        if not waiting:
            raise TemporaryError(f"not Ready after {READY_WITHIN:.0f} s: {', '.join(missing(space, values))}")

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """By workload its state in kubectl's word; when the incident opened; seconds until each was available again."""
        opened = space.cluster.call("GET", f"/api/v1/namespaces/{space.name}")["metadata"].get("annotations", {})
        since = datetime.fromisoformat(opened[OPENED]) if OPENED in opened else None
        return {
            "workloads": {app: word(space, app) for app in values["apps"]},
            "opened": since.isoformat() if since else None,
            "repaired_after": {
                app: (when - since).total_seconds() if since and when and when >= since else None
                for app in values["apps"]
                for when in [available_since(space, app)]
            },
        }

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``manifest``: what the pipeline of a workload (``app``) applies, as it stands after the incident."""
        if program == "manifest":
            causes = {app: cause for cause, app in assigned(values).items()}
            return broken(values, options["app"], causes[options["app"]])
        raise PermanentError(f"lab {self.id} has no program {program!r}", "It has manifest.")

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """The node and the namespace go.

        The node first: a pod on one that has no power stays Terminating, and its namespace with it.
        """
        removed = racks.remove(space.cluster, [values["node"]])
        return [*super().reset(space, values), *removed]

    faults: ClassVar[Mapping[str, Any]] = MappingProxyType({"incident": lambda space, values: incident(space, values)})

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """Repair everything."""
        for app, repair in repairs(values).items():
            if "apiVersion" in repair:
                space.apply(repair)
            else:
                space.patch("Deployment", app, repair)


def assigned(values: Values) -> dict[str, str]:
    """By cause the workload that has it."""
    order = shuffled(values["room"].encode(), "assigned", values["apps"])
    return dict(zip(CAUSES, order, strict=True))


def config(values: Values) -> Object:
    """The ConfigMap that one workload reads."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"},
            "data": {values["key"]: "good morning"}}


def healthy(values: Values, app: str, cause: str) -> Object:
    """A workload before the incident."""
    made, _ = workload(app, {}, replicas=1, probes=SERVES)
    spec = made["spec"]["template"]["spec"]
    main = spec["containers"][0]
    if cause == "bad-setting":
        main["env"].append({"name": "WORKERS", "value": "4"})
    if cause == "config-key":
        reference = {"configMapKeyRef": {"name": "texts", "key": values["key"]}}
        main["env"].append({"name": "GREETING", "valueFrom": reference})
    if cause == "memory-limit":
        main["env"].append({"name": "MEMORY_MB", "value": str(values["memory"])})
        main["resources"] = {"limits": {"memory": MEMORY_BUDGET}, "requests": {"memory": "32Mi"}}
    if cause == "disk-limit":
        main["env"].append({"name": "SCRATCH_MB", "value": str(values["scratch"])})
        main["resources"] = {"limits": {"ephemeral-storage": DISK_BUDGET}}
    if cause == "node-gone":
        spec["nodeSelector"] = {racks.HOSTNAME: values["node"]}
        spec["tolerations"] = [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]
    return made


def broken(values: Values, app: str, cause: str) -> Object:
    """The same workload as the incident leaves it."""
    made = healthy(values, app, cause)
    main = made["spec"]["template"]["spec"]["containers"][0]
    if cause == "bad-setting":
        main["env"][-1]["value"] = values["setting"]
    if cause == "image-name":
        main["image"] = values["image"]
    if cause == "config-key":
        main["env"][-1]["valueFrom"]["configMapKeyRef"]["key"] = f"{values['key']}s"
    if cause == "memory-limit":
        main["resources"]["limits"]["memory"] = "32Mi"
    if cause == "disk-limit":
        main["resources"]["limits"]["ephemeral-storage"] = "8Mi"
    if cause == "removed-api":
        made["apiVersion"] = OLD_API
        del made["spec"]["selector"]  # that version took it from the template
    return made


def repairs(values: Values) -> dict[str, Object]:
    """Repairs that pass the exercise, by workload."""
    by = assigned(values)

    def container(**changes: Any) -> Object:
        return {"spec": {"template": {"spec": {"containers": [{"name": "web", **changes}]}}}}

    reference = {"configMapKeyRef": {"name": "texts", "key": values["key"]}}
    return {
        by["bad-setting"]: container(env=[{"name": "WORKERS", "value": "4"}]),
        by["image-name"]: container(image="host/python3"),
        by["config-key"]: container(env=[{"name": "GREETING", "valueFrom": reference}]),
        by["memory-limit"]: container(resources={"limits": {"memory": "96Mi"}}),
        by["disk-limit"]: container(resources={"limits": {"ephemeral-storage": "48Mi"}}),
        by["node-gone"]: {"spec": {"template": {"spec": {"nodeSelector": None}}}},
        by["removed-api"]: healthy(values, by["removed-api"], "removed-api"),
    }


def incident(space: Space, values: Values) -> None:
    """A night of changes: every workload is made anew as its pipeline has it now, and a node loses its power."""
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    space.cluster.call("PATCH", f"/api/v1/namespaces/{space.name}",
                       {"metadata": {"annotations": {OPENED: moment}}}, MERGE)
    racks.order(space.cluster, "stop", values["node"])
    for cause, app in assigned(values).items():
        if cause == "node-gone":
            continue
        space.delete("Deployment", app)
        until(lambda app=app: space.get("Deployment", app) is None, 10.0)
        if cause != "removed-api":
            space.apply(broken(values, app, cause))


def missing(space: Space, values: Values) -> list[str]:
    """Workloads that are not available as they are declared now."""
    return [app for app in values["apps"] if not complete(space.get("Deployment", app))]


def available_since(space: Space, app: str) -> datetime | None:
    """When the Deployment became available; None while it is not."""
    found = space.get("Deployment", app)
    for each in (found or {}).get("status", {}).get("conditions") or ():
        if each["type"] == "Available" and each["status"] == "True":
            return datetime.fromisoformat(each["lastTransitionTime"])
    return None


def word(space: Space, app: str) -> str:
    """The newest pod's state in one word."""
    pods = space.pods(app)
    if not pods:
        return "no pod"
    newest = pods[-1]
    if ready(newest):
        return "Ready"
    status = (newest["status"].get("containerStatuses") or [{}])[0]
    state = status.get("state", {})
    reason = state.get("waiting", state.get("terminated", {})).get("reason")
    return str(reason or newest["status"].get("reason") or newest["status"].get("phase", "Pending"))

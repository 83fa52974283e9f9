"""Lab a1: the shop in three environments from one base, and a build that works until it is in production."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from labs.cluster.space import APP, Object, Space, complete, expect
from labs.errors import PermanentError, TemporaryError
from labs.scenarios.a_production_mindset.trial import Trial, settled, trial
from labs.scenarios.base import Values, digest, pick, shuffled
from labs.scenarios.cluster_lab import ClusterLab
from labs.scenarios.shop_on_cluster import QUICK, Shop, built, publish, wanted

ENVIRONMENTS = ("dev", "staging", "prod")
VERSION = "1.4.0"
READY_WITHIN = 60.0
LOGIN = "database-login"
"""Secret of the environments that have a database: its password."""
DEFECTS = ("abrupt", "all at once", "too early")
SLOW_START = 2
DRAIN = 3
"""Seconds that a sound pod serves on after SIGTERM: who still sends requests here learns of it later than the pod."""
OVERLAY_KEYS = ("replicas", "configMapGenerator", "patches")
"""Fields of a kustomization that a learner's overlay may have."""


class A1(ClusterLab):
    """The environment dev with a shop of one pod that keeps everything in its memory."""

    id: ClassVar[str] = "a1"
    title: ClassVar[str] = "A shop that works on one machine, and what production asks of it"
    minutes: ClassVar[int] = 80

    def values(self, seed: bytes) -> Values:
        """Names, what the environments differ in, cases and defects of one learner."""
        return {
            "namespace": f"a1-shop-{digest(seed, 'namespace')[:6]}",
            "environments": list(ENVIRONMENTS),
            "replicas": {"dev": 1, "staging": 2, "prod": 3},
            "memory_limit": pick(seed, "limit", ["104Mi", "112Mi", "120Mi"]),
            "probe_seconds": 1,
            "session_secret": pick(seed, "secret", ["shop-session", "session-key", "frontend-session"]),
            "login_secret": LOGIN,
            "cases": cases(seed),
            "defects": sorted(shuffled(seed, "defects", list(DEFECTS))[:2]),
        }

    def furnish(self, space: Space, values: Values) -> None:
        """Nothing: each exercise brings what it needs."""

    def prepare(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The environment dev: one pod that keeps baskets in its memory; no other environment."""
        for each in ENVIRONMENTS[1:]:
            if not place(space, each).remove(READY_WITHIN):
                raise TemporaryError(f"namespace {place(space, each).name} is not gone after {READY_WITHIN:.0f} s")
        for each in ("Deployment", "PodDisruptionBudget"):
            space.delete_all(each)
        shop = Shop(space)
        shop.apply(store="memory", roles=["backend"], version=VERSION)
        shop.wait(READY_WITHIN)

    def observe(self, space: Space, values: Values) -> dict[str, Any]:  # type: ignore[override]
        """By environment, for those that are there: Ready pods of the backend and of the frontend, and the build."""
        found: dict[str, Any] = {}
        for each in ENVIRONMENTS:
            at = place(space, each)
            if at.exists():
                deployments = at.list("Deployment")
                found[each] = {one["metadata"]["name"]: one.get("status", {}).get("readyReplicas", 0)
                               for one in deployments} | {"build": sorted({build_of(one) for one in deployments})}
        return found

    def run(self, space: Space, values: Values, program: str, **options: Any) -> Any:  # type: ignore[override]
        """``production``: the environment prod, see there.  ``trial``: an event, see there.

        ``objects``: what kustomize makes of the base and an overlay.  ``overlays``: apply overlays of the environments.
        ``case``: one of the review's, made and tried in prod.  ``broken``: the third exercise's manifest; ``repaired``:
        the same applied with a repair.
        """
        if program == "production":
            return production(space, **options)
        if program == "trial":
            return review(place(space, options.pop("environment", "prod")), **options)
        if program == "objects":
            return overlaid(publish(space, VERSION), **options)
        if program == "overlays":
            return apply_overlays(space, values, **options)
        if program == "case":
            (case,) = [each for each in values["cases"] if each["id"] == options["id"]]
            make_cases(made(space, "prod"), [case])
            return review(place(space, "prod"), case["event"], case["id"])
        if program == "broken":
            return broken(publish(space, VERSION), values)
        if program == "repaired":
            return repaired(made(space, "prod"), values, **options)
        raise PermanentError(f"lab {self.id} has no program {program!r}",
                             "It has production, trial, objects, overlays, case, broken and repaired.")

    def reset(self, space: Space, values: Values) -> list[str]:  # type: ignore[override]
        """All three namespaces."""
        removed = []
        for each in reversed(ENVIRONMENTS):
            removed += super().reset(place(space, each), values)
        return removed

    def solution(self, space: Space, values: Values) -> None:  # type: ignore[override]
        """The environment prod with the repaired manifest of the third exercise."""
        repaired(made(space, "prod"), values, good_repair(values), good_budget())


# --- environments -------------------------------------------------------------------------------------------------


def place(space: Space, environment: str) -> Space:
    """The namespace of an environment; dev is the lab's own."""
    return space if environment == ENVIRONMENTS[0] else space.cluster.space(f"{space.name}-{environment}")


def made(space: Space, environment: str) -> Space:
    """The same, there; it belongs to whom the lab's own namespace belongs to, by the same labels."""
    own = space.cluster.call("GET", f"/api/v1/namespaces/{space.name}")["metadata"].get("labels", {})
    labels = {key: value for key, value in own.items() if key != "kubernetes.io/metadata.name"}
    return space if environment == ENVIRONMENTS[0] else place(space, environment).make(labels, READY_WITHIN)


def build_of(deployment: Object) -> str:
    """The reference of the image that a Deployment's pods have their program from; "" for none."""
    volumes = deployment["spec"]["template"]["spec"].get("volumes") or ()
    return next((each["image"].get("reference", "") for each in volumes if "image" in each), "")


def production(space: Space, store: str = "memory", replicas: int = 2, sticky: bool = False) -> None:
    """The environment prod: the same build, more pods.

    :param store: ``memory`` or ``postgres``
    :param sticky: a client's connections go to the same pod while it is there (``sessionAffinity: ClientIP``)
    """
    shop = Shop(made(space, "prod"))
    affinity = {"target": {"kind": "Service", "name": "backend"}, "patch": json.dumps(
        [{"op": "add", "path": "/spec/sessionAffinity", "value": "ClientIP" if sticky else "None"}])}
    shop.apply(store=store, roles=["backend"], replicas={"backend": replicas}, version=VERSION, patches=[affinity],
               settings={"shop": {"SHOP_ENV": "prod"}})
    shop.wait(READY_WITHIN)


def review(space: Space, event: str = "load", app: str = "backend") -> Trial:
    """Let an event happen to a workload, and see what customers notice."""
    expect(lambda: settled(space, app), READY_WITHIN, f"{app} in {space.name} is not Ready")
    return trial(space, app, event)


def overlaid(image: str, overlay: Object, environment: str = "dev") -> list[Object]:
    """What kustomize makes of the base and an overlay: the frontend's objects.

    :param image: reference of the build
    :param overlay: ``replicas``, ``configMapGenerator`` and ``patches`` of a kustomization
    :raises PermanentError: kustomize says no
    """
    code = {"op": "replace", "path": "/spec/template/spec/volumes/0",
            "value": {"name": "code", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}}
    base = {"resources": ["base"], "components": ["components/process-nodes"], "patches": [
        {"target": {"kind": "Deployment"}, "patch": json.dumps([code])}]}
    (given := copy.deepcopy(dict(overlay))).setdefault("patches", [])
    given["patches"] = [each if isinstance(each.get("patch"), str) else {**each, "patch": json.dumps(each["patch"])}
                        for each in given["patches"]]
    given["patches"] = base["patches"] + given["patches"]
    found = built({**base, **given})
    return [each for each in found if wanted(each, ["frontend"], "memory") and each["kind"] != "NetworkPolicy"]


def apply_overlays(space: Space, values: Values, overlays: Mapping[str, Object], within: float = READY_WITHIN) -> None:
    """Apply each environment's overlay in its namespace, and wait until its pods are Ready.

    The Secret with the session's key is there before, as an operator would have made it.
    """
    image = publish(space, VERSION)
    for each, overlay in overlays.items():
        at = made(space, each)
        at.apply(session_secret(values, each))
        at.apply(*overlaid(image, overlay), manager="learner")
    expect(lambda: all(complete(place(space, each).get("Deployment", "frontend")) for each in overlays), within,
           "not every frontend is Ready")


def session_secret(values: Values, environment: str) -> Object:
    """The Secret with the key that signs sessions; another one in each environment."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": values["session_secret"]},
            "stringData": {"key": digest(values["namespace"].encode(), environment)}}


# --- the review ---------------------------------------------------------------------------------------------------


def cases(seed: bytes) -> list[dict[str, Any]]:
    """Ways to run the build that keeps baskets in its memory, and what happens to each."""
    crowd = pick(seed, "crowd", [(2, []), (1, ["sticky"])])
    early = pick(seed, "early", ["no probes, and 2 s until it serves", "maxUnavailable 100 %, maxSurge 0"])
    first = [
        {"event": "load" if crowd[0] == 2 else "scale out", "replicas": crowd[0], "with": crowd[1]},
        {"event": pick(seed, "alone", ["load", "scale out"]), "replicas": 1, "with": []},
        {"event": "restart", "replicas": 2, "with": ["sticky"]},
        {"event": "restart", "replicas": 2, "with": [early]},
    ]
    last = [{"event": "drain", "replicas": 2, "with": kept} for kept in shuffled(seed, "drains", [["budget"], []])]
    return [{"id": f"case-{number}", **each} for number, each in enumerate(shuffled(seed, "order", first) + last, 1)]


def case_objects(image: str, case: Mapping[str, Any]) -> list[Object]:
    """Deployment, Service and perhaps a budget of a case."""
    deployment, entrance = sound(image, case["id"]), service(case["id"])
    _in_memory(deployment)
    deployment["spec"]["replicas"] = case["replicas"]
    if "sticky" in case["with"]:
        entrance["spec"]["sessionAffinity"] = "ClientIP"
    for each in case["with"]:
        CHANGES.get(each, lambda _: None)(deployment)
    return [deployment, entrance, *([budget(case["id"], case["id"])] if "budget" in case["with"] else [])]


def make_cases(space: Space, chosen: list[dict[str, Any]]) -> None:
    """The workloads of some cases, Ready."""
    image = publish(space, VERSION)
    for case in chosen:
        space.delete("Deployment", case["id"])
        space.apply(*case_objects(image, case))
    expect(lambda: all(settled(space, case["id"]) for case in chosen), READY_WITHIN, "the cases' pods are not Ready")


def try_cases(space: Space, chosen: list[dict[str, Any]]) -> dict[str, Trial]:
    """What customers noticed, by case; two at a time."""
    with ThreadPoolExecutor(2) as at_once:
        trials = at_once.map(lambda case: trial(space, case["id"], case["event"]), chosen)
        return dict(zip([case["id"] for case in chosen], trials, strict=True))


# --- manifests ----------------------------------------------------------------------------------------------------


def database(space: Space) -> None:
    """PostgreSQL with the shop's tables, and the Secret with its login.

    A backend brings the tables and goes; the shop's policies go too, since they let nobody else to the database.

    :raises TemporaryError: it is not Ready in time
    """
    shop = Shop(space)
    if space.get("StatefulSet", "postgres") is None:
        shop.apply(roles=["backend"], version=VERSION, settings={"shop": {"SHOP_ENV": "prod"}})
        shop.wait(READY_WITHIN)
        space.scale("backend", 0)
    space.delete_all("NetworkPolicy")
    space.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": LOGIN},
                 "stringData": {"password": PASSWORD}})


PASSWORD = "throw-away-password"
"""The overlay dev's."""


def sound(image: str, name: str) -> Object:
    """The backend's Deployment as production needs it: two pods, data in PostgreSQL, probes, time to drain."""
    found = built({"resources": ["base"], "components": ["components/process-nodes"]})
    made: Object = next(each for each in found if (each["kind"], each["metadata"]["name"]) == ("Deployment", "backend"))
    labels = {APP: name}
    made["metadata"] = {"name": name, "labels": labels}
    made["spec"] |= {"replicas": 2, "selector": {"matchLabels": labels}}
    made["spec"]["template"]["metadata"] = {"labels": {**labels, "shop": "backend"}}
    spec = made["spec"]["template"]["spec"]
    spec.pop("initContainers")
    spec.pop("serviceAccountName")
    spec["volumes"] = [{"name": "code", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}]
    container = spec["containers"][0]
    container.pop("envFrom")
    container["env"] += variables({
        **QUICK, "SHOP_DRAIN_SECONDS": DRAIN, "SHOP_ENV": "prod", "SHOP_VERSION": VERSION, "SHOP_STORE": "postgres",
        "SHOP_DB_HOST": "postgres", "SHOP_DB_TLS": "disable"})
    container["env"].append({"name": "SHOP_DB_PASSWORD", "valueFrom": {
        "secretKeyRef": {"name": LOGIN, "key": "password"}}})
    container["readinessProbe"] |= {"periodSeconds": 1}
    return made


def variables(told: Mapping[str, Any]) -> list[Object]:
    """As a container's ``env``."""
    return [{"name": name, "value": str(value)} for name, value in told.items()]


def _set(deployment: Object, **told: Any) -> None:
    """Change variables of a Deployment's container."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [each for each in container["env"] if each["name"] not in told] + variables(told)


def _in_memory(deployment: Object) -> None:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [each for each in container["env"] if not each["name"].startswith("SHOP_DB_")]
    _set(deployment, SHOP_STORE="memory")


def _too_early(deployment: Object) -> None:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container.pop(probe, None)
    _set(deployment, SHOP_FAULT_START_SECONDS=SLOW_START)


def _all_at_once(deployment: Object) -> None:
    deployment["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": "100%"}


def _abrupt(deployment: Object) -> None:
    _set(deployment, SHOP_DRAIN_SECONDS=0)


def _one(deployment: Object) -> None:
    deployment["spec"]["replicas"] = 1


CHANGES: dict[str, Any] = {
    "no probes, and 2 s until it serves": _too_early,
    "maxUnavailable 100 %, maxSurge 0": _all_at_once,
}


def service(name: str) -> Object:
    """A Service for a workload's pods."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": {APP: name}},
            "spec": {"selector": {APP: name}, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}}


def budget(name: str, app: str, **rule: Any) -> Object:
    """A PodDisruptionBudget for a workload's pods: one of them may be missing, unless said otherwise."""
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
            "spec": {**(rule or {"maxUnavailable": 1}), "selector": {"matchLabels": {APP: app}}}}


# --- the manifest to repair ---------------------------------------------------------------------------------------


def broken(image: str, values: Values) -> Object:
    """The Deployment ``api`` as its team runs it: one pod with its data in memory, and two more defects."""
    made = sound(image, "api")
    _in_memory(made)
    _one(made)
    for defect in values["defects"]:
        {"abrupt": _abrupt, "all at once": _all_at_once, "too early": _too_early}[defect](made)
    return made


def repaired(space: Space, values: Values, repair: Object, disruption: Object | None = None) -> None:
    """The broken manifest, a strategic merge patch over it, a budget, and the database that it may use; all Ready.

    :raises labs.cluster.space.Refused: the API server does not take the patch or the budget
    """
    database(space)
    install(space, values)
    space.patch("Deployment", "api", repair)
    if disruption:
        space.apply(disruption, manager="learner")
    expect(lambda: settled(space, "api"), READY_WITHIN, "api is not Ready")


def install(space: Space, values: Values) -> None:
    """The broken manifest, applied anew."""
    space.delete("Deployment", "api")
    space.delete_all("PodDisruptionBudget")
    space.apply(broken(publish(space, VERSION), values), service("api"))


def good_repair(values: Values) -> Object:
    """A patch that passes the third exercise."""
    env = [{"name": "SHOP_STORE", "value": "postgres"}, {"name": "SHOP_DB_HOST", "value": "postgres"},
           {"name": "SHOP_DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": LOGIN, "key": "password"}}},
           {"name": "SHOP_DRAIN_SECONDS", "value": str(DRAIN)}]
    probes = {name: {"httpGet": {"path": path, "port": "http"}, "periodSeconds": 1, "failureThreshold": failures}
              for name, path, failures in (("startupProbe", "/startupz", 30), ("readinessProbe", "/readyz", 2))}
    return {"spec": {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                     "template": {"spec": {"containers": [{"name": "backend", "env": env, **probes}]}}}}


def good_budget() -> Object:
    """A budget that passes the third exercise."""
    return budget("api", "api")



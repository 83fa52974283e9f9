"""The learner's overlays over the base, in three namespaces; and what of them is equal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from graders import manifests
from graders.checks.e_kubernetes.trials import not_busy
from labs.cluster.space import Object, Space, complete, ready, until
from labs.errors import PermanentError
from labs.scenarios.a_production_mindset.a1 import ENVIRONMENTS, made, overlaid, place, session_secret

MOST = 5
"""Replicas of a Deployment that are tried."""
KINDS = {"Deployment", "Service", "ConfigMap", "ServiceAccount"}
READY_WITHIN = 40.0
HASH = re.compile(r"-[a-z0-9]{10}$")
MAY_DIFFER = (
    "Deployment frontend: replicas",
    "Deployment frontend: limits.memory",
    "Deployment frontend: readinessProbe.periodSeconds",
    "Deployment frontend: env SHOP_SESSION_SECRET",
    "ConfigMap frontend-settings: SHOP_SESSION_SECRET",
    "ConfigMap shop-settings: SHOP_ENV",
)


def build(image: str, overlay: Object) -> list[Object]:
    """What kustomize makes of an overlay.

    :raises graders.manifests.Unusable: it says no, or the result holds something that is not tried
    """
    try:
        found = overlaid(image, overlay)
    except PermanentError as error:
        if not str(error).startswith("kustomize says"):
            raise
        raise manifests.Unusable(str(error)[:400], "an overlay that kustomize takes",
                                 "`session.run(\"objects\", overlay=…)` shows what kustomize makes of it.") from None
    for each in found:
        if each["kind"] not in KINDS or each.get("spec", {}).get("replicas", 1) > MOST:
            raise manifests.Unusable(f"{each['kind']} with {each.get('spec')}"[:200], f"at most {MOST} replicas",
                                     manifests.LEAVE_OUT)
    return found


@contextmanager
def environments(live: Any, overlays: Mapping[str, Object], image: str) -> Iterator[dict[str, Space]]:
    """By environment its namespace with the frontend in it, for as long as the block lasts."""
    built = {each: build(image, overlays[each]) for each in ENVIRONMENTS}
    try:
        for each in ENVIRONMENTS:
            at = made(live.space, each)
            at.apply(session_secret(live.values, each))
            manifests.apply(at, *built[each])
        there = {each: place(live.space, each) for each in ENVIRONMENTS}
        if not until(lambda: all(complete(at.get("Deployment", "frontend")) for at in there.values()), READY_WITHIN):
            not_busy("the frontends")
        yield there
    finally:
        for each in ENVIRONMENTS[1:]:
            place(live.space, each).remove()


def running(at: Space) -> int:
    """Ready pods of the frontend."""
    return sum(map(ready, at.pods("frontend")))


def facts(objects: list[Object]) -> dict[str, Any]:
    """What the objects say, a fact a line, without what the API server adds, names of namespaces, and hashes."""
    found: dict[str, Any] = {}
    for each in objects:
        name = f"{each['kind']} {HASH.sub('', each['metadata']['name'])}"
        if each["kind"] == "ConfigMap":
            found |= {f"{name}: {key}": value for key, value in (each.get("data") or {}).items()}
        elif each["kind"] == "Deployment":
            found |= {f"{name}: {key}": value for key, value in _deployment(each["spec"]).items()}
        elif each["kind"] == "Service":
            ports = [{key: one.get(key) for key in ("name", "port", "targetPort")} for one in each["spec"]["ports"]]
            found |= {f"{name}: selector": each["spec"].get("selector"), f"{name}: ports": ports}
    return found


def _deployment(spec: Object) -> dict[str, Any]:
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    found: dict[str, Any] = {"replicas": spec.get("replicas", 1), "strategy": spec.get("strategy")}
    found |= {key: pod.get(key) for key in ("terminationGracePeriodSeconds", "volumes", "securityContext")}
    found |= {f"containers.{key}": container.get(key) for key in ("image", "command", "args", "ports")}
    for group in ("requests", "limits"):
        found |= {f"{group}.{key}": value for key, value in container.get("resources", {}).get(group, {}).items()}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        found |= {f"{probe}.{key}": value for key, value in (container.get(probe) or {"is": "missing"}).items()}
    found |= {f"env {each['name']}": each.get("value", each.get("valueFrom")) for each in container.get("env", [])}
    return found


def live_facts(at: Space) -> dict[str, Any]:
    """The same of what is in a namespace; of ConfigMaps those that the frontend's pods read."""
    deployment = at.get("Deployment", "frontend") or {"spec": {"template": {"spec": {"containers": [{}]}}}}
    read = [each["configMapRef"]["name"] for each in deployment["spec"]["template"]["spec"]["containers"][0].get(
        "envFrom", []) if "configMapRef" in each]
    maps = [found for name in read if (found := at.get("ConfigMap", name))]
    services = [found for found in [at.get("Service", "frontend")] if found]
    return facts([{"kind": "ConfigMap", **each} for each in maps] + [{"kind": "Service", **each} for each in services]
                 + ([{"kind": "Deployment", **deployment}] if "metadata" in deployment else []))


def different(first: Mapping[str, Any], second: Mapping[str, Any]) -> set[str]:
    """The facts in which two differ."""
    return {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}


def same_session(urls: Mapping[str, str]) -> str:
    """"" if one pod of the frontend knows the session that another one began; else what was seen.

    A pod that cannot check a cookie's signature begins a new session, and answers with that one's cookie.
    """
    if len(urls) < 2:
        return f"{len(urls)} pods, which is too few to tell"
    first, second = list(urls.values())[:2]
    try:
        given = httpx.get(f"{first}/basket", timeout=10.0, trust_env=False).headers.get("set-cookie", "")
        cookie = given.partition(";")[0]
        again = httpx.get(f"{second}/basket", timeout=10.0, trust_env=False, headers={"Cookie": cookie})
    except httpx.HTTPError as error:
        not_busy("the frontends")
        return f"no answer: {type(error).__name__}"
    kept = again.headers.get("set-cookie", "").partition(".")[0] == cookie.partition(".")[0]
    return "" if kept else "another pod does not know the session, and begins a new one"

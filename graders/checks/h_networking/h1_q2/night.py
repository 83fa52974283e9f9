"""The learner's night in a fresh namespace, the repairs applied to it, and how far a request comes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from graders import manifests
from graders.checks.h_networking.way import Layer, come
from labs.cluster.nodes.api import Refused
from labs.cluster.space import Object
from labs.scenarios.h_networking import h1
from labs.visuals import Journey

PATCHED = {"Deployment", "Service", "Ingress", "NetworkPolicy"}
MADE = {"Secret", "Service", "Ingress", "NetworkPolicy"}
REACHED_WITHIN = 30.0
PRODUCT = "/products/"
LAYERS = (
    Layer("the browser accepts the certificate", "Connection",
          "Compare what the browser is shown with the Secret that the Ingress names, in this namespace."),
    Layer("the ingress has a route for the shop", "Ingress route",
          "Compare the Ingress with the request and with the Service, field by field: class, host, path, port."),
    Layer("the Service has endpoints", "Service",
          "Compare the Service's selector and targetPort with a pod of the frontend."),
    Layer("a pod of the frontend answers", "Container", "Are there pods, are they Ready, and may the ingress talk to "
          "them? kubectl describe pod and networkpolicy."),
    Layer("the backend answers the frontend", "", "Follow SHOP_BACKEND_URL: name, port, selector, policy."),
)


def repaired(live: Any, repairs: list[Object]) -> None:
    """The night, and then the repairs.

    :raises manifests.Unusable: one is neither manifest nor patch, or the API server refuses it
    """
    assert live.ingress
    space, values = live.space, live.values
    for each in repairs:
        _usable(each)
    space.apply(*h1.broken(values, h1.night(values).values()).values(), manager=h1.LEARNER)
    for each in repairs:
        try:
            h1.repair(space, each)
        except Refused as error:
            name = f"{each['kind']} {each['metadata']['name']}"
            raise manifests.Unusable(f"{name}: {error}"[:600], "what the API server takes", manifests.REFUSED_HINT
                                     ) from None


def _usable(each: Object) -> None:
    if "apiVersion" in each:
        manifests.objects([each], MADE)
        return
    metadata = each.get("metadata")
    named = isinstance(metadata, Mapping) and isinstance(metadata.get("name"), str)
    if each.get("kind") not in PATCHED or not named:
        raise manifests.Unusable(
            f"a patch of {each.get('kind')!r}"[:200], f"kind ({', '.join(sorted(PATCHED))}) and metadata.name",
            "A repair is a manifest with apiVersion, or a part of an object that is there: kind, metadata.name, spec.")


def reached(live: Any, path: str = "/") -> Journey:
    """A request, made until it comes through and every pod is a repaired one, or time is over.

    :raises TemporaryError: it does not, on a machine that is too busy
    """
    return come(lambda: h1.trace(live.space, live.values, path), lambda: h1.whole(live.space), REACHED_WITHIN,
                "the way to the shop")


def changed(live: Any) -> str:
    """What of the shop's programs was repaired away; "" for nothing."""
    given = h1.objects(live.values)
    for name in ("frontend", "backend"):
        found = live.space.get("Deployment", name)
        if found is None:
            return f"Deployment {name} is gone"
        wanted = given["Deployment", name]["spec"]
        if found["spec"].get("replicas", 1) < wanted["replicas"]:
            return f"{name} has {found['spec'].get('replicas', 1)} replicas, and had {wanted['replicas']}"
        now = found["spec"]["template"]["spec"]["containers"]
        was = wanted["template"]["spec"]["containers"]
        if len(now) != 1 or any(now[0].get(key) != was[0][key] for key in ("image", "command")):
            return f"{name} runs another program"
        if "readinessProbe" not in now[0]:
            return f"the readiness probe of {name} is gone"
    return ""


def kinds(space: Any) -> str:
    """Services that are open to more than the cluster."""
    found = [f"{each['metadata']['name']} ({each['spec']['type']})" for each in space.list("Service")
             if each["spec"].get("type", "ClusterIP") != "ClusterIP"]
    return json.dumps(found) if found else ""

"""The Gateway API's definitions, which a cluster does not have at first: they take 45 MB in the API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from labs.cluster.ingress.manifests import NAME
from labs.cluster.nodes.api import Refused
from labs.cluster.space import APPLY, Cluster, expect

ESTABLISHED_WITHIN = 30.0
_ROOT = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLASS = f"/apis/gateway.networking.k8s.io/v1/gatewayclasses/{NAME}"


def install(cluster: Cluster) -> None:
    """Bring a cluster what is missing of them, and return when it serves them.

    :raises TemporaryError: it does not serve them in time
    """
    there = {each["metadata"]["name"] for each in cluster.call("GET", _ROOT)["items"]}
    names = []
    for file in sorted(Path(__file__).with_name("crds").glob("*.yaml")):
        made = yaml.safe_load(file.read_text(encoding="utf-8"))
        name = made["metadata"]["name"]
        names.append(name)
        if name not in there:
            cluster.call("PATCH", f"{_ROOT}/{name}", made, APPLY, fieldManager="labs-ingress", force="true")
    expect(lambda: all(_established(cluster, name) for name in names), ESTABLISHED_WITHIN,
           "the Gateway API is not served")


def served(cluster: Cluster) -> bool:
    """Does Traefik serve it here?  It makes its GatewayClass when it starts."""
    try:
        cluster.call("GET", CLASS)
    except Refused as error:
        if error.status == 404:
            return False
        raise
    return True


def _established(cluster: Cluster, name: str) -> bool:
    found: dict[str, Any] = cluster.call("GET", f"{_ROOT}/{name}")
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)

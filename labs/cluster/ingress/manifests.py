"""What Traefik needs in the cluster ("Kubernetes Ingress" and "Kubernetes Gateway", Traefik's documentation)."""

from __future__ import annotations

from typing import Any

from labs.cluster.controlplane import accounts

Object = dict[str, Any]
NAME = "traefik"
NAMESPACE = "ingress"
"""Its own, which policies can name; ``labs.cluster.network.table.INGRESS_POD`` is there."""
CONTROLLER = "traefik.io/ingress-controller"
GATEWAY = "gateway.networking.k8s.io"
_GATEWAY_KINDS = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "tlsroutes", "referencegrants",
                  "backendtlspolicies")
_RULES: list[Object] = [
    {"apiGroups": [""], "resources": ["services", "secrets", "nodes"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces", "configmaps"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [GATEWAY], "resources": list(_GATEWAY_KINDS), "verbs": ["get", "list", "watch"]},
    {"apiGroups": [GATEWAY], "resources": [f"{kind}/status" for kind in _GATEWAY_KINDS], "verbs": ["update"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"],
     "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"]},
]
_LABELS = {"app.kubernetes.io/name": NAME}
READY = f"ready.{NAME}"
"""A host that answers on Traefik's own port, and only there, as soon as it has made routes of all Ingresses."""
_PLACE = f"/api/v1/namespaces/{NAMESPACE}"
ACCOUNT = accounts.path_of(NAMESPACE, NAME)


def applied() -> dict[str, Object]:
    """Path → object, of what is the same at every start: the account, what it may do, and what tells readiness.

    That is an Ingress like any other, to a Service without endpoints: Traefik does not tell by itself whether it has
    read the cluster's.
    """
    ready: Object = {"name": "ready", "namespace": NAMESPACE, "labels": _LABELS}
    return {
        _PLACE: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        **accounts.granted(NAMESPACE, NAME, _RULES),
        f"{_PLACE}/services/ready": {
            "apiVersion": "v1", "kind": "Service", "metadata": ready, "spec": {"ports": [{"port": 80}]}},
        f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses/ready": {
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {**ready, "annotations": {"traefik.ingress.kubernetes.io/router.entrypoints": "traefik"}},
            "spec": {"ingressClassName": NAME, "rules": [{"host": READY, "http": {"paths": [{
                "path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "ready", "port": {"number": 80}}}}]}}]}}}


def created(gateway: bool) -> dict[str, Object]:
    """Path of the collection → object, of what is made where it is missing, and else left as it was made.

    Ingresses without a class get this one ("Default Ingress class", Kubernetes documentation).

    :param gateway: does the cluster have the Gateway API?
    """
    made = {"/apis/networking.k8s.io/v1/ingressclasses": {
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": NAME, "labels": _LABELS,
                     "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
        "spec": {"controller": CONTROLLER}}}
    if gateway:
        made[f"/apis/{GATEWAY}/v1/gatewayclasses"] = {
            "apiVersion": f"{GATEWAY}/v1", "kind": "GatewayClass", "metadata": {"name": NAME, "labels": _LABELS},
            "spec": {"controllerName": "traefik.io/gateway-controller"}}
    return made

"""What the cluster is given for the controller: an account, what that may do, and the IngressClass ``alb``."""

from __future__ import annotations

from typing import Any

from labs.cluster.alb.naming import CLASS, CONTROLLER, NAME
from labs.cluster.controlplane import accounts

Object = dict[str, Any]
NAMESPACE = "kube-system"
ACCOUNT = accounts.path_of(NAMESPACE, NAME)
_READ = ["get", "list", "watch"]
_RULES: list[Object] = [
    {"apiGroups": [""], "resources": ["services", "nodes", "pods", "namespaces"], "verbs": _READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": _READ},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": [*_READ, "patch", "update"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["patch", "update"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    # kopf looks which kinds there are
    {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": _READ},
]


def applied() -> dict[str, Object]:
    """Path → object."""
    return {
        **accounts.granted(NAMESPACE, NAME, _RULES),
        f"/apis/networking.k8s.io/v1/ingressclasses/{CLASS}": {
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": CLASS, "labels": {"app.kubernetes.io/name": NAME}},
            "spec": {"controller": CONTROLLER}}}

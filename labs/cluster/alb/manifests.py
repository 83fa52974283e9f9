"""What the cluster is given for the controller: an account, what that may do, and the IngressClass ``alb``."""

from __future__ import annotations

from typing import Any

from labs.cluster.alb.naming import CLASS, CONTROLLER

Object = dict[str, Any]
NAME = "aws-load-balancer-controller"
NAMESPACE = "kube-system"
ACCOUNT = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{NAME}"
_RBAC = "rbac.authorization.k8s.io"
_LABELS = {"app.kubernetes.io/name": NAME}
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
    named: Object = {"name": NAME, "labels": _LABELS}
    return {
        ACCOUNT: {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**named, "namespace": NAMESPACE}},
        f"/apis/{_RBAC}/v1/clusterroles/{NAME}": {
            "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": named, "rules": _RULES},
        f"/apis/{_RBAC}/v1/clusterrolebindings/{NAME}": {
            "apiVersion": f"{_RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": named,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]},
        f"/apis/networking.k8s.io/v1/ingressclasses/{CLASS}": {
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": {"name": CLASS, "labels": _LABELS}, "spec": {"controller": CONTROLLER}}}

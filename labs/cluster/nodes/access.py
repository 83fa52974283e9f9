"""Whose certificate the nodes show, and what it may do.

A kubelet's own user (``system:node:NAME``) may touch one node only ("Using Node Authorization", Kubernetes
documentation); one process that is several nodes has a user of its own, with what ``system:node`` has and it needs.
"""

from __future__ import annotations

from typing import Any

from labs.cluster.nodes.api import Client

IDENTITY = "nodes"
USER = "labs:nodes"
"""Common name of the certificate, and name of the ClusterRole."""

RULES: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["nodes"],
     "verbs": ["create", "get", "list", "watch", "patch", "update", "delete"]},
    {"apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch", "update"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
     "verbs": ["create", "get", "patch", "update", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch", "update"]},
    {"apiGroups": [""], "resources": ["configmaps", "secrets", "services", "namespaces"],
     "verbs": ["get", "list", "watch"]},
    # as kube-proxy, the cluster's DNS and a network plug-in
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims/status"], "verbs": ["patch", "update"]},
    {"apiGroups": [""], "resources": ["persistentvolumes"],
     "verbs": ["create", "get", "list", "watch", "patch", "update", "delete"]},
    {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["snapshot.storage.k8s.io"], "resources": ["*"],
     "verbs": ["create", "get", "list", "watch", "patch", "update", "delete"]},
    {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]},
    {"apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["certificates.k8s.io"], "resources": ["podcertificaterequests"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
]


async def grant(administrator: Client) -> None:
    """Make the role and its binding, or bring them to what they should be."""
    root = "/apis/rbac.authorization.k8s.io/v1"
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": USER}}
    await administrator.apply(f"{root}/clusterroles/{USER}", {**kind, "kind": "ClusterRole", "rules": RULES})
    await administrator.apply(f"{root}/clusterrolebindings/{USER}", {
        **kind, "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": USER},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}]})

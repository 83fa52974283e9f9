"""Names and tags as the real controller gives them ("How AWS Load Balancer controller works", its documentation)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "aws-load-balancer-controller"
"""Of its account in the cluster, and of its sessions in AWS."""
KUBECONFIG, TOKEN = Path("kubernetes", "alb.kubeconfig"), Path("kubernetes", "alb.token")
"""In the state folder: by what it signs in to the cluster and to AWS."""
CLASS = "alb"
CONTROLLER = "ingress.k8s.aws/alb"
CLUSTER_TAG, STACK_TAG, RESOURCE_TAG = "elbv2.k8s.aws/cluster", "ingress.k8s.aws/stack", "ingress.k8s.aws/resource"
BACKEND_TAG = "elbv2.k8s.aws/resource"


@dataclass(frozen=True, order=True)
class GroupId:
    """Ingresses that share a load balancer: those with one ``group.name``, or a single one (``namespace`` is set)."""

    namespace: str
    name: str

    @classmethod
    def of(cls, ingress: Mapping[str, Any]) -> GroupId:
        """The group of an Ingress."""
        meta = ingress["metadata"]
        explicit = (meta.get("annotations") or {}).get("alb.ingress.kubernetes.io/group.name")
        return cls("", explicit) if explicit else cls(meta["namespace"], meta["name"])

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    @property
    def finalizer(self) -> str:
        """Keeps an Ingress until what was made for it is gone."""
        return "ingress.k8s.aws/resources" if self.namespace else f"group.ingress.k8s.aws/{self.name}"


def ours(ingress: Mapping[str, Any]) -> bool:
    """Does an Ingress have the class?"""
    annotated = (ingress["metadata"].get("annotations") or {}).get("kubernetes.io/ingress.class")
    return (ingress["spec"].get("ingressClassName") or annotated) == CLASS


def balancer_name(cluster: str, group: GroupId, scheme: str) -> str:
    """``k8s-NAMESPACE-NAME-HASH`` or ``k8s-GROUP-HASH``."""
    hashed = _hash(cluster, str(group), scheme)
    if not group.namespace:
        return f"k8s-{_plain(group.name)[:17]}-{hashed}"
    return f"k8s-{_plain(group.namespace)[:8]}-{_plain(group.name)[:8]}-{hashed}"


def group_name(cluster: str, group: GroupId, namespace: str, service: str, *distinct: object) -> str:
    """Of a target group: ``k8s-NAMESPACE-SERVICE-HASH``; another one whenever it must be made anew."""
    hashed = _hash(cluster, str(group), namespace, service, *map(str, distinct))
    return f"k8s-{_plain(namespace)[:8]}-{_plain(service)[:8]}-{hashed}"


def backend_name(cluster: str) -> str:
    """Of the security group that all load balancers of a cluster share, which targets let in."""
    return f"k8s-traffic-{_plain(cluster)[:232]}-{_hash(cluster)}"


def tags(cluster: str, group: GroupId, resource: str) -> dict[str, str]:
    """By which what was made is found again."""
    return {CLUSTER_TAG: cluster, STACK_TAG: str(group), RESOURCE_TAG: resource}


def _hash(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:10]


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)

"""What a cluster is given so that its pods get an identity in AWS.

Three things: strangers may read the issuer's keys (EKS publishes them to the world), the policy for annotated service
accounts, and the AWS endpoint's webhook, which knows the EKS Pod Identity associations.  As on EKS a webhook that does
not answer keeps no pod from starting.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

Object = dict[str, Any]
NAME = "pod-identity.labs"
WEBHOOK_SECONDS = 5
_ROOTS = {
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "MutatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
}


def discovery() -> Object:
    """Anybody may read the issuer's keys ("Service account issuer discovery", Kubernetes documentation)."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "issuer-discovery.labs"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "system:service-account-issuer-discovery"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}]}


def policies() -> list[str]:
    """The policy for annotated service accounts and its binding, each as YAML."""
    return _parts("web-identity.yaml")


def _parts(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").split("\n---\n")


def webhook(url: str, endpoint: str, authority: str) -> Object:
    """The AWS endpoint is asked about every new pod outside the system's namespaces.

    :param url: the endpoint's HTTPS listener as the API server reaches it
    :param endpoint: the endpoint as pods reach it, ``http://HOST:PORT``
    :param authority: PEM that vouches for ``url``
    """
    return {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [{
            "name": f"pods.{NAME}", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Ignore",
            "reinvocationPolicy": "IfNeeded", "timeoutSeconds": WEBHOOK_SECONDS,
            "clientConfig": {"url": f"{url}/_eks/pods/{endpoint.removeprefix('http://')}",
                             "caBundle": base64.b64encode(authority.encode()).decode()},
            "namespaceSelector": {"matchExpressions": [{
                "key": "kubernetes.io/metadata.name", "operator": "NotIn",
                "values": ["kube-system", "kube-public", "kube-node-lease"]}]},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]}]}


def listeners(home: Path) -> dict[str, str]:
    """Where the AWS endpoint of this state folder listens: ``pods``, ``https``, ``ca_bundle``…; empty before it ran."""
    try:
        found: dict[str, str] = json.loads((home / "aws" / "listeners.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):        # none yet, or half written: the next look finds it
        return {}
    return found


def path_of(kind: str, name: str) -> str:
    """Where the API server keeps one of these."""
    return f"{_ROOTS[kind]}/{name}"

"""What cert-manager needs in the cluster: as its Helm chart has it, less leader election, Gateway API and DNS-01."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from labs.cluster.controlplane import accounts
from labs.cluster.ingress.manifests import NAME as INGRESS_CLASS

Object = dict[str, Any]
NAME = NAMESPACE = "cert-manager"
ACME, INTERNAL = "acme", "internal-ca"
"""ClusterIssuers: pebble, and the internal authority."""
GROUPS = ("cert-manager.io", "acme.cert-manager.io")
ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LABELS = {"app.kubernetes.io/name": NAME}
_HOOKS = "admissionregistration.k8s.io"
_PLACE = f"/api/v1/namespaces/{NAMESPACE}"
ACCOUNT = accounts.path_of(NAMESPACE, NAME)
_READ = ["get", "list", "watch"]
_RULES: list[Object] = [
    {"apiGroups": list(GROUPS), "resources": ["*"], "verbs": [*_READ, "create", "update", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": [*_READ, "create", "update", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["pods", "services"], "verbs": [*_READ, "create", "delete"]},
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": [*_READ, "create", "update", "delete"]},
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/finalizers"], "verbs": ["update"]},
    # it approves requests itself, and its webhook asks whether somebody else may
    {"apiGroups": ["cert-manager.io"], "resources": ["signers"], "verbs": ["approve"],
     "resourceNames": ["issuers.cert-manager.io/*", "clusterissuers.cert-manager.io/*"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]


def crds() -> dict[str, Object]:
    """Path → CustomResourceDefinition."""
    texts = sorted(Path(__file__).with_name("crds").glob("*.yaml"))
    found = [yaml.load(text.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) for text in texts]
    return {f"{CRDS}/{each['metadata']['name']}": each for each in found}


def account() -> dict[str, Object]:
    """Path → object: its namespace, its account, and what that may do."""
    return {
        _PLACE: {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        **accounts.granted(NAMESPACE, NAME, _RULES)}


def issuers(server: str, authority: bytes, internal: tuple[str, str]) -> dict[str, Object]:
    """Path → object: the two ClusterIssuers and the Secret of the internal one.

    :param server: URL of pebble's directory
    :param authority: PEM that vouches for ``server``
    :param internal: chain and key of the internal authority, PEM
    """
    solver = {"http01": {"ingress": {"ingressClassName": INGRESS_CLASS}}}
    specs = {
        ACME: {"acme": {"server": server, "caBundle": base64.b64encode(authority).decode(), "email": "ops@shop.test",
                        "privateKeySecretRef": {"name": "acme-account"}, "solvers": [solver]}},
        INTERNAL: {"ca": {"secretName": INTERNAL}}}
    made: dict[str, Object] = {f"{_PLACE}/secrets/{INTERNAL}": {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": INTERNAL, "namespace": NAMESPACE},
        "type": "kubernetes.io/tls", "stringData": {"tls.crt": internal[0], "tls.key": internal[1]}}}
    for name, spec in specs.items():
        made[f"{ISSUERS}/{name}"] = {"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer",
                                     "metadata": {"name": name}, "spec": spec}
    return made


def webhooks(url: str, authority: bytes) -> dict[str, Object]:
    """Path → object: the API server asks cert-manager about what is made or changed of its kinds.

    :param url: where cert-manager's webhook listens, as the API server reaches it
    :param authority: PEM that vouches for ``url``: no cainjector is needed to fill it in
    """
    return {
        f"{VALIDATING}/{NAME}": _webhook("Validating", f"{url}/validate", authority, {
            "apiGroups": list(GROUPS), "operations": ["CREATE", "UPDATE"], "resources": ["*/*"]}),
        f"/apis/{_HOOKS}/v1/mutatingwebhookconfigurations/{NAME}": _webhook("Mutating", f"{url}/mutate", authority, {
            "apiGroups": ["cert-manager.io"], "operations": ["CREATE"], "resources": ["certificaterequests"]})}


VALIDATING = f"/apis/{_HOOKS}/v1/validatingwebhookconfigurations"


def _webhook(kind: str, url: str, authority: bytes, rule: Object) -> Object:
    return {
        "apiVersion": f"{_HOOKS}/v1", "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": NAME, "labels": _LABELS},
        "webhooks": [{
            "name": "webhook.cert-manager.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "failurePolicy": "Fail", "matchPolicy": "Equivalent", "timeoutSeconds": 10,
            "clientConfig": {"url": url, "caBundle": base64.b64encode(authority).decode()},
            "rules": [{"apiVersions": ["v1"], **rule}]}]}

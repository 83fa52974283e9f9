"""The account that a program of this machine has in the cluster: what makes it, its token, and how it is waited for."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from labs.cluster.controlplane.services import READY_WITHIN, call
from labs.errors import TemporaryError

Object = dict[str, Any]
Made = TypeVar("Made")
RBAC = "rbac.authorization.k8s.io"
TOKEN_SECONDS = 365 * 24 * 3600
"""How long a token is good; each start gets one."""
ASKED_EVERY = 0.1


def path_of(namespace: str, name: str) -> str:
    """Where the API server keeps a service account."""
    return f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"


def granted(namespace: str, name: str, rules: Sequence[Object]) -> dict[str, Object]:
    """Path → object: the service account, and in the whole cluster what it may do ("Using RBAC Authorization")."""
    named: Object = {"name": name, "labels": {"app.kubernetes.io/name": name}}
    return {
        path_of(namespace, name): {
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**named, "namespace": namespace}},
        f"/apis/{RBAC}/v1/clusterroles/{name}": {
            "apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": named, "rules": rules},
        f"/apis/{RBAC}/v1/clusterrolebindings/{name}": {
            "apiVersion": f"{RBAC}/v1", "kind": "ClusterRoleBinding", "metadata": named,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]}}


def token_request(*audiences: str) -> Object:
    """What is posted to an account's ``/token`` ("TokenRequest", Kubernetes API reference).

    :param audiences: who else than the API server shall accept the token, instead of it
    """
    spec: Object = {"expirationSeconds": TOKEN_SECONDS, **({"audiences": list(audiences)} if audiences else {})}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def apply(connection: http.client.HTTPSConnection, objects: Mapping[str, Object], manager: str) -> None:
    """Make each object at its path, or bring it to what it should be ("Server-Side Apply", Kubernetes documentation).

    :raises TemporaryError: the API server does not take one
    """
    for path, item in objects.items():
        call(connection, "PATCH", f"{path}?fieldManager={manager}&force=true", item, "application/apply-patch+yaml")


def patiently(made: Callable[[], Made], errors: tuple[type[Exception], ...] = (TemporaryError,)) -> Made:
    """What ``made`` gives; asked again for a cluster that starts at the same time, as after a kill of the supervisor.

    :param errors: what is waited out
    :raises Exception: the last of them, after :data:`READY_WITHIN` seconds
    """
    end = time.monotonic() + READY_WITHIN
    while True:
        try:
            return made()
        except errors:
            if time.monotonic() > end:
                raise
        time.sleep(ASKED_EVERY)

"""ACME accounts: pebble forgets them when it ends, and cert-manager does not ask again by itself.

It registers anew when an issuer's status names no account ("ACME", cert-manager's documentation); this takes the name
away.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

from labs.cluster.controlplane.services import call
from labs.errors import TemporaryError

ROOT = "/apis/cert-manager.io/v1"
MERGE = "application/merge-patch+json"


def forget(connection: http.client.HTTPSConnection, server: str) -> None:
    """Have every issuer of that ACME server register again; there may be no cert-manager, and no issuer.

    :raises TemporaryError: the API server does not answer, or cert-manager's webhook
    """
    for path, issuer in _issuers(connection):
        acme = issuer["spec"].get("acme") or {}
        known = issuer.get("status", {}).get("acme", {}).get("uri")
        if known and acme.get("server") == server:
            call(connection, "PATCH", f"{path}/status", {"status": {"acme": {"uri": ""}}}, MERGE)


def _issuers(connection: http.client.HTTPSConnection) -> Iterator[tuple[str, dict[str, Any]]]:
    for plural in ("clusterissuers", "issuers"):
        try:
            found = call(connection, "GET", f"{ROOT}/{plural}")["items"]
        except TemporaryError as error:
            if " answers 404" not in str(error):
                raise
            return
        for each in found:
            about = each["metadata"]
            place = f"namespaces/{about['namespace']}/" if about.get("namespace") else ""
            yield f"{ROOT}/{place}{plural}/{about['name']}", each

"""The cluster back to its start: etcd's data and the audit log go, certificates and ports stay.

Everything a cluster knows is in etcd, so what starts afterwards is what the first start made.  Takes some seconds.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labs.cluster.controlplane.services import connect
from labs.errors import PermanentError
from labs.services import control, state

_NOISE = {"events", "leases", "endpoints", "endpointslices", "controllerrevisions", "ipaddresses"}
"""Kinds that the cluster itself writes all the time; nobody misses them."""
_START = re.compile(r"\w+ (default|kube-system|kube-public|kube-node-lease)/")
"""Objects in the namespaces every cluster starts with."""
_CLASSES = {"storageclasses standard", "volumesnapshotclasses standard", *(
    f"customresourcedefinitions {name}.snapshot.storage.k8s.io"
    for name in ("volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"))}
"""What the nodes make for volumes and snapshots, some seconds after every start."""
USERS = ("ingress", "acme", "certificates")
"""Services that have made themselves an account in the cluster: they are started anew with it."""
KILLED = frozenset({"etcd", "kubernetes", "kube-controller-manager", "kube-scheduler"})
"""They keep nothing outside etcd; the nodes end their containers."""
RETRIED_SECONDS = 20.0
"""How long a server that asks to be asked again is."""
MADE_AGAIN_WITHIN = 8.0
"""Seconds the controllers may take for the accounts of those namespaces."""


def reset() -> list[str]:
    """Put the embedded cluster back to its start; returns lines that say what was removed.

    A cluster that was stopped stays stopped.  PermanentError when something is left that a new cluster does not have.
    """
    folder = state.home() / "kubernetes"
    states = {row.name: row.state for row in control.status()}
    before = objects() if states["kubernetes"] == "running" else set()
    users = [name for name in USERS if states.get(name, "stopped") != "stopped"]
    if users:
        control.down(users)
    if not control.again(["kubernetes"], lambda: _empty(folder), KILLED):
        return ["kubernetes: its data is gone; it starts empty"]
    control.up(users)
    return ["kubernetes: back to its start", *(f"  removed {name}" for name in sorted(_gone(before)))]


def _empty(folder: Path) -> None:
    """Remove what the cluster knows; nothing of it runs."""
    shutil.rmtree(folder / "etcd", ignore_errors=True)
    (folder / "nodes" / "nodes.json").unlink(missing_ok=True)       # added nodes and faults
    shutil.rmtree(folder / "hosts", ignore_errors=True)     # the nodes' disks, with every persistent volume
    for log in folder.glob("audit*.log"):
        log.unlink()
    if (folder / "etcd").exists():
        raise PermanentError(f"{folder / 'etcd'} cannot be removed.", "See who owns it and what holds it open.")


def _gone(before: set[str]) -> set[str]:
    """What is not there any more, once the controllers have made again what they make for every namespace.

    What the nodes make is not waited for, as `lab up` does not: a claim that comes before its class gets it later.
    """
    theirs = {name for name in before if name.startswith("serviceaccounts ") or name.endswith("/kube-root-ca.crt")}
    end = time.monotonic() + MADE_AGAIN_WITHIN
    while True:
        gone = before - objects() - _CLASSES
        if not any(_START.match(name) for name in gone & theirs) or time.monotonic() > end:
            return gone
        time.sleep(0.1)


def objects() -> set[str]:
    """``RESOURCE NAMESPACE/NAME`` of every object that no other object owns."""
    port = int(state.endpoint("kubernetes").rsplit(":", 1)[1])
    connection = connect(state.home(), port, "admin")
    try:
        return {f"{resource} {name}" for path, resource in _lists(connection) for name in _names(connection, path)}
    finally:
        connection.close()


def _lists(connection: http.client.HTTPSConnection) -> Iterator[tuple[str, str]]:
    """(path of the list, resource) of everything that can be listed, in each group's preferred version.

    What another server serves (an aggregated API) has nothing in etcd, and that server may be down.
    """
    services = _get(connection, "/apis/apiregistration.k8s.io/v1/apiservices", whole=True)["items"]
    elsewhere = {(one["spec"]["group"], one["spec"]["version"]) for one in services if one["spec"].get("service")}
    groups = [group["preferredVersion"]["groupVersion"] for group in _get(connection, "/apis")["groups"]]
    ours = [version for version in groups if tuple(version.split("/")) not in elsewhere]
    for root in ("/api/v1", *(f"/apis/{version}" for version in ours)):
        for resource in _get(connection, root).get("resources", []):
            if "list" in resource["verbs"] and resource["name"] not in _NOISE:
                yield f"{root}/{resource['name']}", resource["name"]


def _names(connection: http.client.HTTPSConnection, path: str) -> Iterator[str]:
    for item in _get(connection, path).get("items") or []:
        described = item["metadata"]
        if not described.get("ownerReferences"):
            yield "/".join(filter(None, (described.get("namespace"), described["name"])))


def _get(connection: http.client.HTTPSConnection, path: str, *, whole: bool = False) -> Any:
    metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
    accepted = "application/json" if whole or path.count("/") < 3 else metadata
    end = time.monotonic() + RETRIED_SECONDS
    while True:
        try:
            connection.request("GET", path, headers={"Accept": accepted})
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            why = f"The API server does not answer {path}: {error}."
            raise PermanentError(why, "Run `lab up kubernetes`.") from error
        if answer.status != 429 or time.monotonic() > end:     # a new resource's storage is being made
            break
        time.sleep(min(float(answer.headers.get("Retry-After") or 1), 1))
    if answer.status in (404, 503):         # an aggregated API whose server is down has nothing in etcd
        return {}
    if answer.status != 200:
        raise PermanentError(f"GET {path} answers {answer.status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)

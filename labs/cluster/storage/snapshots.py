"""VolumeSnapshots: a copy of a volume's files beside it, and what the API objects say of it.

"Volume Snapshots", "Volume Snapshot Classes" (Kubernetes documentation).  What the snapshot controller and a driver's
sidecar do together elsewhere is one piece here.  A copy is crash-consistent at best: files that are written meanwhile
may be of different moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.environment import quantity
from labs.cluster.nodes.events import Events
from labs.cluster.storage.places import SNAPSHOTS, Disks
from labs.cluster.storage.setup import PROVISIONER
from labs.cluster.storage.watching import Watched

ROOT = "/apis/snapshot.storage.k8s.io/v1"
API = "snapshot.storage.k8s.io/v1"
DEFAULT = "snapshot.storage.kubernetes.io/is-default-class"
ON_SNAPSHOT = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
ON_CONTENT = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"
LOOKED_EVERY, RETRIED_AFTER = 30.0, 2.0

Source = Callable[[str, str], tuple[Path, Object] | None]
"""(namespace, name of a claim) → its folder and its PersistentVolume, None when it cannot be had now."""


class Snapshots:
    """Every VolumeSnapshot and VolumeSnapshotContent of our driver."""

    def __init__(self, client: Client, events: Events, disks: Disks, source: Source, news: asyncio.Event) -> None:
        self._client = client
        self._events = events
        self._disks = disks
        self._source = source
        self._snapshots = Watched(client, f"{ROOT}/volumesnapshots", news)
        self._contents = Watched(client, f"{ROOT}/volumesnapshotcontents", news)
        self.watched = (self._snapshots, self._contents)
        self._told: set[tuple[str, str]] = set()

    def ready(self, namespace: str, name: str) -> tuple[str, float] | None:
        """(handle, least size in bytes) of a snapshot that can be restored."""
        found = self._snapshots.items.get(f"{namespace}/{name}")
        status = (found or {}).get("status") or {}
        content = self._contents.items.get(f"/{status.get('boundVolumeSnapshotContentName')}")
        handle = ((content or {}).get("status") or {}).get("snapshotHandle")
        if not status.get("readyToUse") or not handle:
            return None
        return handle, quantity(status.get("restoreSize") or "0")

    async def look(self) -> float:
        """Take, bind and delete; seconds until the next look."""
        if not (self._snapshots.synced and self._contents.synced):
            return RETRIED_AFTER
        again = LOOKED_EVERY
        for found in list(self._snapshots.items.values()):
            if found["metadata"].get("deletionTimestamp"):
                await self._release(found)
            elif not (found.get("status") or {}).get("readyToUse"):
                again = min(again, await self._take(found))
        for content in list(self._contents.items.values()):
            if content["metadata"].get("deletionTimestamp") and content["spec"]["driver"] == PROVISIONER:
                await self._delete(content)
        return again

    # --- taking ---------------------------------------------------------------------------------------------------

    async def _take(self, found: Object) -> float:
        if "volumeSnapshotContentName" in found["spec"]["source"]:
            return await self._adopt(found, found["spec"]["source"]["volumeSnapshotContentName"])
        kind = await self._class(found)
        if kind is None:
            return self._failed(found, "cannot find default snapshot class" if not
                                found["spec"].get("volumeSnapshotClassName") else "failed to get snapshot class "
                                f"{found['spec']['volumeSnapshotClassName']}")
        if kind["driver"] != PROVISIONER:
            return LOOKED_EVERY     # another driver's
        described = found["metadata"]
        source = self._source(described["namespace"], found["spec"]["source"]["persistentVolumeClaimName"])
        if source is None:
            return self._failed(found, "the PVC "
                                f"{found['spec']['source']['persistentVolumeClaimName']} is not there, not bound, not "
                                "of this driver, or its node is away")
        path, volume = source
        name = f"snapcontent-{described['uid']}"
        node = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"][0]["values"][0]
        target = self._disks.path(node, f"{SNAPSHOTS}/{name}")
        if not target.exists():
            self._disks.open_up(node, target)
            await asyncio.to_thread(self._disks.copy, path, target)
        await self._create(name, {
            "deletionPolicy": kind["deletionPolicy"], "driver": PROVISIONER, "sourceVolumeMode": "Filesystem",
            "source": {"volumeHandle": volume["metadata"]["name"]}, "volumeSnapshotClassName": kind["metadata"]["name"],
            "volumeSnapshotRef": {"apiVersion": API, "kind": "VolumeSnapshot", "name": described["name"],
                                  "namespace": described["namespace"], "uid": described["uid"]}})
        moment, size = time.time_ns(), int(quantity(volume["spec"]["capacity"]["storage"]))
        await self._client.merge(f"{ROOT}/volumesnapshotcontents/{name}/status", {"status": {
            "snapshotHandle": f"{node}:{name}", "creationTime": moment, "readyToUse": True, "restoreSize": size}})
        await self._bind(found, name, moment, size, {"volumeSnapshotClassName": kind["metadata"]["name"]})
        return LOOKED_EVERY

    async def _adopt(self, found: Object, name: str) -> float:
        """A snapshot of content that was there before ("Pre-provisioned snapshots")."""
        content, described = self._contents.items.get(f"/{name}"), found["metadata"]
        if content is None:
            return self._failed(found, f"VolumeSnapshotContent {name} is missing")
        reference = content["spec"]["volumeSnapshotRef"]
        if (reference.get("namespace"), reference.get("name")) != (described["namespace"], described["name"]) or \
                reference.get("uid") not in (None, "", described["uid"]):
            return self._failed(found, f"VolumeSnapshotContent {name} is bound to another snapshot")
        handle = content["spec"]["source"].get("snapshotHandle") or (content.get("status") or {}).get("snapshotHandle")
        try:
            there = self._disks.path(*split(handle or "")).is_dir()
        except ValueError:
            there = False
        if not there:
            return self._failed(found, f"there is no snapshot {handle!r}")
        moment = (content.get("status") or {}).get("creationTime") or time.time_ns()
        size = (content.get("status") or {}).get("restoreSize") or 0
        await self._client.merge(f"{ROOT}/volumesnapshotcontents/{name}", {
            "metadata": {"finalizers": [ON_CONTENT]}, "spec": {"volumeSnapshotRef": {"uid": described["uid"]}}})
        await self._client.merge(f"{ROOT}/volumesnapshotcontents/{name}/status", {"status": {
            "snapshotHandle": handle, "creationTime": moment, "readyToUse": True, "restoreSize": size}})
        await self._bind(found, name, moment, size, {})
        return LOOKED_EVERY

    async def _bind(self, found: Object, name: str, moment: int, size: int, spec: Object) -> None:
        described = found["metadata"]
        path = f"{ROOT}/namespaces/{described['namespace']}/volumesnapshots/{described['name']}"
        await self._client.merge(path, {"metadata": {"finalizers": [ON_SNAPSHOT]}, "spec": spec})
        created = datetime.datetime.fromtimestamp(moment / 1e9, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self._client.merge(f"{path}/status", {"status": {
            "boundVolumeSnapshotContentName": name, "creationTime": created, "readyToUse": True, "error": None,
            "restoreSize": str(size)}})
        self._events.tell(found, "Normal", "SnapshotReady", f"Snapshot {described['namespace']}/{described['name']} is "
                          "ready to use.")

    async def _class(self, found: Object) -> Any:
        """Its VolumeSnapshotClass, or the default one; None when there is none."""
        name = found["spec"].get("volumeSnapshotClassName")
        listed = await self._client.get(f"{ROOT}/volumesnapshotclasses")
        for each in listed["items"]:
            marked = (each["metadata"].get("annotations") or {}).get(DEFAULT) == "true"
            if each["metadata"]["name"] == name or (not name and marked and each["driver"] == PROVISIONER):
                return each
        return None

    async def _create(self, name: str, spec: Object) -> None:
        try:
            await self._client.create(f"{ROOT}/volumesnapshotcontents", {
                "apiVersion": API, "kind": "VolumeSnapshotContent",
                "metadata": {"name": name, "finalizers": [ON_CONTENT]}, "spec": spec})
        except Refused as error:
            if error.status != 409:     # made before a kill
                raise

    def _failed(self, found: Object, why: str) -> float:
        key = (found["metadata"]["uid"], why)
        if key not in self._told:
            self._told.add(key)
            self._events.tell(found, "Warning", "SnapshotContentCreationFailed",
                              f"Failed to create snapshot content with error {why}")
        return RETRIED_AFTER

    # --- deleting -------------------------------------------------------------------------------------------------

    async def _release(self, found: Object) -> None:
        """A deleted VolumeSnapshot takes its content with it where the policy says Delete."""
        described = found["metadata"]
        name = (found.get("status") or {}).get("boundVolumeSnapshotContentName") or f"snapcontent-{described['uid']}"
        content = self._contents.items.get(f"/{name}")
        if content and content["spec"]["deletionPolicy"] == "Delete" and \
                not content["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(Refused):
                await self._client.delete(f"{ROOT}/volumesnapshotcontents/{name}", {})
        if described.get("finalizers"):
            with contextlib.suppress(Refused):
                await self._client.merge(
                    f"{ROOT}/namespaces/{described['namespace']}/volumesnapshots/{described['name']}",
                    {"metadata": {"finalizers": None}})

    async def _delete(self, content: Object) -> None:
        """Deleted content takes the copy with it where the policy says Delete."""
        handle = (content.get("status") or {}).get("snapshotHandle") or content["spec"]["source"].get("snapshotHandle")
        if content["spec"]["deletionPolicy"] == "Delete" and handle:
            with contextlib.suppress(ValueError):
                await asyncio.to_thread(shutil.rmtree, self._disks.path(*split(handle)), ignore_errors=True)
        if content["metadata"].get("finalizers"):
            with contextlib.suppress(Refused):
                await self._client.merge(f"{ROOT}/volumesnapshotcontents/{content['metadata']['name']}",
                                         {"metadata": {"finalizers": None}})


def split(handle: str) -> tuple[str, str]:
    """(node, path on its disk) of a snapshot's handle, ``NODE:NAME``; raises ValueError."""
    node, colon, name = handle.partition(":")
    if not colon or "/" in handle or ".." in handle:
        raise ValueError(f"{handle!r} is no handle of a snapshot; NODE:NAME is one")
    return node, f"{SNAPSHOTS}/{name}"

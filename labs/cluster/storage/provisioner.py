"""The provisioner of local volumes: again and again, what claims ask for is compared with the volumes there are.

"Dynamic Volume Provisioning", "Volume Binding Mode", "Expanding Persistent Volumes Claims", "Volume Cloning"
(Kubernetes documentation).  The controller manager binds and protects; a provisioner makes, enlarges and deletes.
A volume is a folder on the disk of the node that the scheduler chose, and can be mounted there only.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from pathlib import Path

from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.environment import quantity
from labs.cluster.nodes.events import Events
from labs.cluster.nodes.node import Node
from labs.cluster.storage.places import VOLUMES, Disks
from labs.cluster.storage.setup import PROVISIONER
from labs.cluster.storage.snapshots import Snapshots, split
from labs.cluster.storage.watching import Watched
from labs.errors import TemporaryError

CHOSEN = "volume.kubernetes.io/selected-node"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
ASKED = "volume.kubernetes.io/storage-provisioner"
MODES = {"ReadWriteOnce", "ReadWriteOncePod"}
RETRIED_AFTER = 2.0
LOOKED_EVERY = 30.0


class Unable(Exception):
    """A claim cannot be served, or not yet; its text is the event's."""


class Provisioner:
    """The volumes of the class ``standard``, and of every class with our provisioner."""

    def __init__(self, client: Client, events: Events, disks: Disks, nodes: list[Node]) -> None:
        self._client = client
        self._events = events
        self._disks = disks
        self._nodes = nodes
        self._news = asyncio.Event()
        self._claims = Watched(client, "/api/v1/persistentvolumeclaims", self._news)
        self._volumes = Watched(client, "/api/v1/persistentvolumes", self._news)
        self._snapshots = Snapshots(client, events, disks, self._source, self._news)
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Without end."""
        async with asyncio.TaskGroup() as group:
            for watched in (self._claims, self._volumes, *self._snapshots.watched):
                group.create_task(watched.follow())
            group.create_task(self._reconcile())

    async def _reconcile(self) -> None:
        while True:
            again = LOOKED_EVERY
            self._news.clear()
            if self._claims.synced and self._volumes.synced:
                for work in (self._serve, self._enlarge, self._delete, self._snapshots.look):
                    try:
                        again = min(again, await work())
                    except (Refused, TemporaryError, OSError) as error:
                        print(f"volumes: {error}", file=sys.stderr)
                        again = RETRIED_AFTER
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(again):
                    await self._news.wait()

    # --- making ---------------------------------------------------------------------------------------------------

    async def _serve(self) -> float:
        """Make what pending claims ask for."""
        again = LOOKED_EVERY
        for name, claim in list(self._claims.items.items()):
            if not _pending(claim):
                self._told.pop(name, None)
                continue
            try:
                await self._provision(claim)
            except Unable as error:
                again = RETRIED_AFTER
                if str(error) and self._told.get(name) != str(error):
                    self._told[name] = str(error)
                    self._events.tell(
                        claim, "Warning", "ProvisioningFailed", "failed to provision volume with StorageClass "
                        f'"{claim["spec"].get("storageClassName")}": {error}')
        return again

    async def _provision(self, claim: Object) -> None:
        described, spec = claim["metadata"], claim["spec"]
        found = await self._client.get(f"/apis/storage.k8s.io/v1/storageclasses/{spec['storageClassName']}")
        chosen = (described.get("annotations") or {}).get(CHOSEN, "")
        if found.get("volumeBindingMode") == "WaitForFirstConsumer" and not chosen:
            return      # a pod that uses it decides where
        refused = set(spec["accessModes"]) - MODES
        if refused:
            raise Unable(f"a local volume has no {', '.join(sorted(refused))}; it has {', '.join(sorted(MODES))}")
        if spec.get("volumeMode") == "Block":
            raise Unable("a local volume is a file system, and no block device")
        node = self._node(chosen)
        name = f"pvc-{described['uid']}"
        if f"/{name}" in self._volumes.items:
            return      # it waits to be bound
        self._events.tell(claim, "Normal", "Provisioning", "External provisioner is provisioning volume for claim "
                          f'"{described["namespace"]}/{described["name"]}"')
        await self._fill(claim, node, name)
        with contextlib.suppress(Refused):      # made a moment ago, and not seen yet
            await self._client.create("/api/v1/persistentvolumes", volume(claim, found, node.name, name))
        self._events.tell(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")

    def _node(self, chosen: str) -> Node:
        """The chosen node, or any; raises Unable when it cannot be reached."""
        for node in self._nodes:
            if (not chosen or node.name == chosen) and not node.away:
                return node
        raise Unable(f"node {chosen or 'of any name'} is not there")

    async def _fill(self, claim: Object, node: Node, name: str) -> None:
        """Make the folder, with what the claim's data source holds."""
        target = self._disks.path(node.name, f"{VOLUMES}/{name}")
        if target.exists():
            return      # made before a kill
        source = self._data(claim)
        if source is None:
            self._disks.make(node.name, f"{VOLUMES}/{name}")
            return
        self._disks.open_up(node.name, target)
        await asyncio.to_thread(self._disks.copy, source, target)

    def _data(self, claim: Object) -> Path | None:
        """The folder of the claim's data source, None for an empty volume; raises Unable."""
        spec, namespace = claim["spec"], claim["metadata"]["namespace"]
        wanted = spec.get("dataSourceRef") or spec.get("dataSource")
        if not wanted:
            return None
        size = quantity(spec["resources"]["requests"]["storage"])
        if wanted["kind"] == "PersistentVolumeClaim":
            found = self._source(namespace, wanted["name"])
            if found is None:
                raise Unable(f'the source claim "{wanted["name"]}" is not there, not bound, or its node is away')
            least, path = quantity(found[1]["spec"]["capacity"]["storage"]), found[0]
        elif wanted["kind"] == "VolumeSnapshot":
            taken = self._snapshots.ready(namespace, wanted["name"])
            if taken is None:
                raise Unable(f'snapshot "{wanted["name"]}" is not there or not ready')
            handle, least = taken
            path = self._disks.path(*split(handle))
        else:
            raise Unable(f"a local volume cannot be made from a {wanted['kind']}")
        if size < least:
            raise Unable(f"requested volume size {int(size)} is less than the size {int(least)} of its source")
        return path

    def _source(self, namespace: str, name: str) -> tuple[Path, Object] | None:
        """(folder, PersistentVolume) of a bound claim of ours on a node that is there."""
        claim = self._claims.items.get(f"{namespace}/{name}")
        found = self._volumes.items.get(f"/{claim['spec'].get('volumeName')}") if claim else None
        if not found or (claim or {}).get("status", {}).get("phase") != "Bound" or not ours(found):
            return None
        node = home_of(found)
        if not any(each.name == node and not each.away for each in self._nodes):
            return None
        return self._disks.path(node, found["spec"]["local"]["path"]), found

    # --- enlarging and deleting -----------------------------------------------------------------------------------

    async def _enlarge(self) -> float:
        """A folder has all the room there is, so only the numbers change."""
        for claim in list(self._claims.items.values()):
            found = self._volumes.items.get(f"/{claim['spec'].get('volumeName')}")
            status = claim.get("status") or {}
            if not found or status.get("phase") != "Bound" or not ours(found):
                continue
            wanted = claim["spec"]["resources"]["requests"]["storage"]
            if quantity(wanted) <= quantity(status.get("capacity", {}).get("storage", "0")):
                continue
            if quantity(found["spec"]["capacity"]["storage"]) < quantity(wanted):
                await self._client.patch(f"/api/v1/persistentvolumes/{found['metadata']['name']}",
                                         {"spec": {"capacity": {"storage": wanted}}})
            described = claim["metadata"]
            await self._client.merge(
                f"/api/v1/namespaces/{described['namespace']}/persistentvolumeclaims/{described['name']}/status",
                {"status": {"capacity": {"storage": wanted}, "conditions": None}})
            self._events.tell(claim, "Normal", "FileSystemResizeSuccessful",
                              f"MountVolume.NodeExpandVolume succeeded for volume \"{found['metadata']['name']}\"")
        return LOOKED_EVERY

    async def _delete(self) -> float:
        """"Reclaiming: Delete"."""
        again = LOOKED_EVERY
        for found in list(self._volumes.items.values()):
            released = (found.get("status") or {}).get("phase") == "Released"
            if not ours(found) or not released or found["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
                continue
            node, name = home_of(found), found["metadata"]["name"]
            here = [each for each in self._nodes if each.name == node]
            if here and here[0].away:
                again = RETRIED_AFTER       # its disk cannot be reached
                continue
            await asyncio.to_thread(shutil.rmtree, self._disks.path(node, found["spec"]["local"]["path"]),
                                    ignore_errors=True)
            with contextlib.suppress(Refused):
                await self._client.delete(f"/api/v1/persistentvolumes/{name}", {
                    "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": found["metadata"]["uid"]}})
        return again


def _pending(claim: Object) -> bool:
    """Is it ours to serve, and not served?"""
    described = claim["metadata"]
    return (described.get("annotations") or {}).get(ASKED) == PROVISIONER and not claim["spec"].get("volumeName") \
        and not described.get("deletionTimestamp") and (claim.get("status") or {}).get("phase") == "Pending"


def ours(found: Object) -> bool:
    """Did this provisioner make a volume?"""
    return (found["metadata"].get("annotations") or {}).get(PROVISIONED_BY) == PROVISIONER and "local" in found["spec"]


def home_of(found: Object) -> str:
    """The node on whose disk a volume of ours lies."""
    terms = found["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    return str(terms[0]["matchExpressions"][0]["values"][0])


def volume(claim: Object, found: Object, node: str, name: str) -> Object:
    """The PersistentVolume for a claim, of a storage class, on a node."""
    described, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]}, "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"], "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": found.get("reclaimPolicy", "Delete"),
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": described["namespace"],
                         "name": described["name"], "uid": described["uid"]},
            "local": {"path": f"{VOLUMES}/{name}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}}}}

"""What a cluster has from its start, so that claims and snapshots work: classes and CRDs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from labs.cluster.nodes.api import Client, Object, Refused
from labs.errors import TemporaryError

PROVISIONER = "volumes.labs.internal"
"""Name of the provisioner, and of the driver that takes snapshots."""
CLASS: Object = {
    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
    "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    "allowVolumeExpansion": True}
SNAPSHOT_CLASS: Object = {
    "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
    "metadata": {"name": "standard", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
    "driver": PROVISIONER, "deletionPolicy": "Delete"}
SERVED_WITHIN = 15.0
"""Seconds until a CRD is served."""


async def make_classes(administrator: Client) -> None:
    """The StorageClass, if it is missing; what somebody changed in it stays as it is."""
    await _create(administrator, "/apis/storage.k8s.io/v1/storageclasses", CLASS)


async def make_snapshots(administrator: Client) -> None:
    """The CRDs of snapshots and their class; a cluster is ready before they are, as they take the server seconds."""
    while True:
        try:
            for path in sorted(Path(__file__).with_name("crds").glob("*.yaml")):
                await administrator.apply_yaml(
                    f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_name(path)}", path.read_text("utf-8"))
            await _create(administrator, "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses", SNAPSHOT_CLASS)
            return
        except (TemporaryError, Refused) as error:
            print(f"snapshots: {error}", file=sys.stderr)
            await asyncio.sleep(1.0)


def _name(path: Path) -> str:
    group, _, plural = path.stem.partition("_")
    return f"{plural}.{group}"


async def _create(administrator: Client, path: str, body: Object) -> None:
    """POST, until the kind is served; one that is there already is good."""
    end = asyncio.get_running_loop().time() + SERVED_WITHIN
    while True:
        try:
            await administrator.create(path, body)
            return
        except Refused as error:
            if error.status == 409:
                return
            if error.status != 404 or asyncio.get_running_loop().time() > end:
                raise
        await asyncio.sleep(0.05)

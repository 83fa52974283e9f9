"""Which folder stands behind a pod's persistentVolumeClaim, ephemeral volume or hostPath.

"Persistent Volumes", "Ephemeral Volumes", "hostPath" (Kubernetes documentation); messages are a kubelet's.
"""

from __future__ import annotations

import os
from pathlib import Path

from labs.cluster.nodes.api import Client, Object, Refused
from labs.cluster.nodes.environment import ConfigError
from labs.cluster.storage.places import Disks

KINDS = ("persistentVolumeClaim", "ephemeral", "hostPath")


def hosts_file(node: str) -> str:
    """A node's own ``/etc/hosts``."""
    return f"127.0.0.1\tlocalhost\n127.0.0.1\t{node}\n"


class Mounts:
    """The persistent volumes of one pod on one node."""

    def __init__(self, client: Client, node: str, labels: dict[str, str], disks: Disks) -> None:
        self._client = client
        self._node = node
        self._labels = labels
        self._disks = disks
        self._known: dict[str, tuple[Path, bool]] = {}

    async def find(self, pod: Object, volume: Object) -> tuple[Path, bool]:
        """(folder or file, may it be written); raises ConfigError when it cannot be mounted."""
        name = volume["name"]
        if name not in self._known:
            if "hostPath" in volume:
                self._known[name] = self._host_path(volume["hostPath"]), True
            else:
                self._known[name] = await self._claimed(pod, volume)
        return self._known[name]

    async def _claimed(self, pod: Object, volume: Object) -> tuple[Path, bool]:
        source = volume.get("persistentVolumeClaim") or {}
        name = source.get("claimName") or f"{pod['metadata']['name']}-{volume['name']}"
        claim = await self._get(f"/api/v1/namespaces/{pod['metadata']['namespace']}/persistentvolumeclaims/{name}",
                                f'persistentvolumeclaim "{name}" not found')
        if "ephemeral" in volume and pod["metadata"]["uid"] not in [
                each["uid"] for each in claim["metadata"].get("ownerReferences") or []]:
            raise ConfigError(f'PVC {pod["metadata"]["namespace"]}/{name} was not created for pod '
                              f'{pod["metadata"]["namespace"]}/{pod["metadata"]["name"]} (pod is not owner)')
        if (claim.get("status") or {}).get("phase") != "Bound":
            raise ConfigError(f'persistentvolumeclaim "{name}" is not bound')
        if claim["metadata"].get("deletionTimestamp"):
            raise ConfigError(f'persistentvolumeclaim "{name}" is being deleted')
        bound = claim["spec"]["volumeName"]
        found = await self._get(f"/api/v1/persistentvolumes/{bound}", f'persistentvolume "{bound}" not found')
        path = self._volume(found)
        readable = bool(source.get("readOnly")) or found["spec"].get("accessModes") == ["ReadOnlyMany"]
        return path, not readable

    def _volume(self, found: Object) -> Path:
        spec, name = found["spec"], found["metadata"]["name"]
        if spec.get("volumeMode") == "Block":
            raise ConfigError("this node has no block volumes")
        affinity = (spec.get("nodeAffinity") or {}).get("required")
        if affinity and not selects(affinity["nodeSelectorTerms"], self._labels):
            raise ConfigError(f'MountVolume.NodeAffinity check failed for volume "{name}" : no matching '
                              "NodeSelectorTerms")
        if "hostPath" in spec:
            return self._host_path(spec["hostPath"])
        if "local" not in spec:
            kinds = ", ".join(key for key in spec if isinstance(spec[key], dict) and key not in (
                "capacity", "claimRef", "nodeAffinity"))
            raise ConfigError(f"this node has no {kinds} volumes; it has hostPath and local ones")
        path = self._path(spec["local"]["path"])
        if not path.exists():
            raise ConfigError(f'path "{spec["local"]["path"]}" does not exist')
        return path

    def _host_path(self, source: Object) -> Path:
        """By its type, as "hostPath volume types" has it; one without a type is made as a folder."""
        inside, kind = source["path"], source.get("type") or ""
        path = self._path(inside)
        if os.path.normpath(inside) in ("/", "/etc", "/etc/hosts"):     # every machine has it
            self._make_hosts(self._path("/etc/hosts"))
        if kind == "FileOrCreate" and not path.exists():
            self._disks.open_up(self._node, path)
            path.touch()
            path.chmod(0o666)
        if kind == "DirectoryOrCreate" or (not kind and not path.exists()):
            if path.exists() and not path.is_dir():
                raise ConfigError(f"hostPath type check failed: {inside} is not a directory")
            return path if path.is_dir() else self._disks.make(self._node, inside)
        good, what = {
            "": (path.exists, "there"), "Directory": (path.is_dir, "a directory"), "File": (path.is_file, "a file"),
            "FileOrCreate": (path.is_file, "a file"), "Socket": (path.is_socket, "a socket file"),
            "CharDevice": (path.is_char_device, "a character device"),
            "BlockDevice": (path.is_block_device, "a block device"),
        }[kind]
        if not good():
            raise ConfigError(f"hostPath type check failed: {inside} is not {what}")
        return path

    def _make_hosts(self, path: Path) -> None:
        if not path.exists():
            self._disks.open_up(self._node, path)
            path.write_text(hosts_file(self._node), encoding="utf-8")
            path.chmod(0o644)

    def _path(self, inside: str) -> Path:
        try:
            return self._disks.path(self._node, inside)
        except ValueError as error:
            raise ConfigError(str(error)) from error

    async def _get(self, path: str, missing: str) -> Object:
        try:
            return await self._client.get(path)
        except Refused as error:
            if error.status == 404:
                raise ConfigError(missing) from error
            raise


def selects(terms: list[Object], labels: dict[str, str]) -> bool:
    """Does one of the terms of a node selector hold for these labels ("NodeSelectorTerm", API reference)?"""
    return any(_holds(term, labels) for term in terms)


def _holds(term: Object, labels: dict[str, str]) -> bool:
    wanted = term.get("matchExpressions") or []
    return bool(wanted) and all(_one(each, labels.get(each["key"])) for each in wanted)


def _one(wanted: Object, value: str | None) -> bool:
    values, operator = wanted.get("values") or [], wanted["operator"]
    if operator in ("Gt", "Lt"):
        if value is None or not value.lstrip("-").isdigit():
            return False
        return int(value) > int(values[0]) if operator == "Gt" else int(value) < int(values[0])
    return {"In": value in values, "NotIn": value not in values, "Exists": value is not None,
            "DoesNotExist": value is None}[operator]

"""Volumes of a pod as folders: emptyDir, configMap, secret, downwardAPI, projected.

Files are replaced as a kubelet does it, so that a reader sees one version or the other: they are links through
``..data``, which is moved to a new folder in one step.  Pages: "Volumes", "Projected Volumes", "Mounted ConfigMaps are
updated automatically", "Launch a Pod using service account token projection" (Kubernetes documentation).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from labs.cluster.nodes import volatile
from labs.cluster.nodes.api import Object
from labs.cluster.nodes.environment import ConfigError, Fetch, contents, field, resource
from labs.cluster.nodes.trust import Certificates
from labs.cluster.storage.mounts import KINDS
from labs.jail import NOBODY

Token = Callable[[Object], Awaitable[tuple[str, float]]]
"""(serviceAccountToken source) → a token and the Unix time when it should be replaced."""
Anchors = Callable[[Object], Awaitable[bytes]]
"""(clusterTrustBundle source) → its certificates as PEM; raises ConfigError."""
Find = Callable[[Object, Object], Awaitable[tuple[Path, bool]]]
"""(pod, volume) → the folder of a volume that is not the pod's own, and may it be written; raises ConfigError."""
Unpacked = Callable[[Object], Awaitable[Path]]
"""(image volume source) → the root of that image; raises ConfigError."""
Files = dict[str, tuple[bytes, int]]
"""Path in the volume → (content, mode)."""
DEFAULT_MODE = 0o644


class VolumeError(Exception):
    """A volume cannot be made now: FailedMount."""


class Volumes:
    """The volumes of one pod, below one folder."""

    def __init__(self, folder: Path, fetch: Fetch, token: Token, anchors: Anchors, certificates: Certificates,
                 find: Find, unpacked: Unpacked, allocatable: dict[str, str]) -> None:
        self._folder = folder
        self._fetch = fetch
        self._token = token
        self._anchors = anchors
        self._certificates = certificates
        self._find = find
        self._unpacked = unpacked
        self._allocatable = allocatable
        self._tokens: dict[str, tuple[str, float]] = {}

    async def prepare(self, pod: Object) -> tuple[dict[str, Path], dict[str, bool]]:
        """Make or refresh every volume: (folder by name, may it be written by name); raises VolumeError."""
        folders, writable = {}, {}
        for volume in pod["spec"].get("volumes") or []:
            name = volume["name"]
            try:
                if any(kind in volume for kind in KINDS):
                    folders[name], writable[name] = await self._find(pod, volume)
                    continue
                if "image" in volume:
                    folders[name], writable[name] = await self._unpacked(volume["image"]), False
                    continue
                files = await self._files(pod, volume, name)
            except ConfigError as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
            folders[name] = self._folder / name
            writable[name] = files is None
            if files is None:
                if (volume["emptyDir"] or {}).get("medium") == "Memory":
                    folders[name] = volatile.folder(folders[name])
                folders[name].mkdir(parents=True, exist_ok=True)
                folders[name].chmod(0o777)
            else:
                write(folders[name], files)
        return folders, writable

    async def _files(self, pod: Object, volume: Object, name: str) -> Files | None:
        """What a volume holds; None for an empty folder that containers fill."""
        if "emptyDir" in volume:
            return None
        if "projected" in volume:
            mode = volume["projected"].get("defaultMode", DEFAULT_MODE)
            made: Files = {}
            for index, source in enumerate(volume["projected"].get("sources") or []):
                made |= await self._source(pod, source, mode, f"{name}/{index}")
            return made
        for kind in ("configMap", "secret", "downwardAPI"):
            if kind in volume:
                source = dict(volume[kind])
                if kind == "secret":
                    source["name"] = source.get("secretName")
                return await self._source(pod, {kind: source}, source.get("defaultMode", DEFAULT_MODE), name)
        known = ", ".join(key for key in volume if key != "name")
        raise VolumeError(f'MountVolume.SetUp failed for volume "{name}" : this node has no {known} volumes; it has '
                          'emptyDir, configMap, secret, downwardAPI, projected, persistentVolumeClaim, '
                          'ephemeral, image and hostPath')

    async def _source(self, pod: Object, source: Object, mode: int, key: str) -> Files:
        if "serviceAccountToken" in source:
            wanted = source["serviceAccountToken"]
            if self._tokens.get(key, ("", 0.0))[1] < time.time():
                self._tokens[key] = await self._token(wanted)
            return {wanted["path"]: (self._tokens[key][0].encode(), mode)}
        if "clusterTrustBundle" in source:
            return {source["clusterTrustBundle"]["path"]: (await self._anchors(source["clusterTrustBundle"]), mode)}
        if "podCertificate" in source:
            made = await self._certificates.files(source["podCertificate"], key)
            return {path: (content, mode) for path, content in made.items()}
        if "downwardAPI" in source:
            return {item["path"]: (self._downward(pod, item), item.get("mode", mode))
                    for item in source["downwardAPI"].get("items") or []}
        for kind, plural in (("configMap", "configmaps"), ("secret", "secrets")):
            if kind in source:
                return await self._object(source[kind], kind, plural, mode)
        raise ConfigError(f"this node has no projected source {', '.join(source)}")

    async def _object(self, wanted: Object, kind: str, plural: str, mode: int) -> Files:
        found = await self._fetch(plural, wanted["name"])
        if found is None:
            if wanted.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{wanted["name"]}" not found')
        data = contents(found)
        if not wanted.get("items"):
            return {key: (value, mode) for key, value in data.items()}
        made: Files = {}
        for item in wanted["items"]:
            if item["key"] in data:
                made[item["path"]] = (data[item["key"]], item.get("mode", mode))
            elif not wanted.get("optional"):
                raise ConfigError(f"references non-existent {kind.lower()} key: {item['key']}")
        return made

    def _downward(self, pod: Object, item: Object) -> bytes:
        if "fieldRef" in item:
            return field(pod, item["fieldRef"]["fieldPath"]).encode()
        wanted = item["resourceFieldRef"]
        return resource(pod, wanted, {}, self._allocatable).encode()


def write(folder: Path, files: Files) -> None:
    """Make the folder hold these files, all at once; nothing is touched when it does already."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    current = folder / "..data"
    if current.is_symlink() and files == dict(_content(current)):
        return
    fresh = folder / f"..{time.strftime('%Y_%m_%d_%H_%M_%S')}.{time.monotonic_ns()}"
    fresh.mkdir(mode=0o755)
    fresh.chmod(0o755)
    for name, (content, mode) in files.items():
        path = fresh / name
        if not path.resolve().is_relative_to(fresh.resolve()):
            raise ConfigError(f"{name} leaves its volume")
        for parent in reversed([each for each in path.parents if each.is_relative_to(fresh) and each != fresh]):
            parent.mkdir(exist_ok=True)
            parent.chmod(0o755)
        path.write_bytes(content)
        path.chmod(mode)
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)      # a container's user, who stands for the owner
    before = current.readlink() if current.is_symlink() else None
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.replace(current)
    tops = {name.split("/")[0] for name in files}
    for top in tops:
        if not (folder / top).is_symlink():
            (folder / top).symlink_to(f"..data/{top}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if before is not None:
        shutil.rmtree(folder / before, ignore_errors=True)


def _content(folder: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            with contextlib.suppress(OSError):
                yield str(path.relative_to(folder)), (path.read_bytes(), path.stat().st_mode & 0o777)

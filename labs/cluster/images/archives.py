"""Images out of tar archives: OCI layouts (``oci-archive``, ``docker buildx -o type=oci``) and ``docker save``; into
them: OCI layouts.

"OCI Image Layout Specification"; "Docker Image Specification v1.2" for ``manifest.json``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from labs.cluster.images.names import DIGEST, Name
from labs.cluster.images.store import (
    CONFIG,
    MANIFEST,
    NAMED,
    PLAIN_LAYER,
    TAGGED,
    Descriptor,
    Store,
    choose,
    is_index,
)
from labs.errors import PermanentError

CHUNK = 1 << 20
SMALL = 16 * 2**20
"""Bytes; a manifest, index or configuration is no longer."""


def load(store: Store, archive: Path, name: Name) -> Descriptor:
    """Keep an archive's image under a name; returns what the name now means.  Raises PermanentError."""
    try:
        with store.filling(), tarfile.open(archive) as tar:
            files = _Files(tar, archive)
            if "index.json" in files.members:
                found = _oci(store, files, name)
            elif "manifest.json" in files.members:
                found = _docker(store, files, name)
            else:
                raise PermanentError(f"{archive} has neither index.json nor manifest.json.", EXPECTED)
            store.tag(name, found)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise PermanentError(f"{archive} is no whole tar archive: {error}", EXPECTED) from error
    except FileNotFoundError as error:
        raise PermanentError(f"{archive} is not there.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError(f"{archive} is no image: {error!r}", EXPECTED) from error
    return found


def save(store: Store, name: Name, target: Path) -> None:
    """Write an image of the store, as this machine needs it, as an OCI archive; PermanentError where there is none."""
    descriptor = store.find(name)
    if descriptor is None:
        raise PermanentError(f"There is no image {name}.", "`lab image list` shows those there are.")
    parts = store.parts(descriptor)
    entry = {"mediaType": MANIFEST, **parts.descriptor, "annotations": {NAMED: str(name), TAGGED: name.reference}}
    index = {"schemaVersion": 2, "manifests": [entry]}
    with tarfile.open(target, "w") as tar:
        for path, content in (("oci-layout", {"imageLayoutVersion": "1.0.0"}), ("index.json", index)):
            text = json.dumps(content).encode()
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
        digests = [parts.descriptor["digest"], *(
            each["digest"] for each in (parts.manifest["config"], *parts.manifest["layers"]))]
        for digest in dict.fromkeys(digests):
            tar.add(store.path(digest), _blob(digest))


EXPECTED = "Expected an OCI archive (index.json and blobs/) or what `docker save` writes (manifest.json)."


class _Files:
    """The files of an archive by name."""

    def __init__(self, tar: tarfile.TarFile, archive: Path) -> None:
        self.tar, self.archive = tar, archive
        self.members = {member.name.removeprefix("./"): member for member in tar}

    def open(self, path: str) -> IO[bytes]:
        """A file; docker save has links to others."""
        member = self.members.get(path)
        file = self.tar.extractfile(member) if member is not None else None
        if file is None:
            raise PermanentError(f"{self.archive} has no {path}.", EXPECTED)
        return file

    def json(self, path: str) -> Any:
        return json.loads(self.open(path).read(SMALL))

    def chunks(self, path: str) -> Iterator[bytes]:
        with self.open(path) as file:
            while chunk := file.read(CHUNK):
                yield chunk


def _oci(store: Store, files: _Files, name: Name) -> Descriptor:
    manifests = files.json("index.json")["manifests"]
    if len(manifests) > 1:
        manifests = [each for each in manifests if _is_called(each, name)] or manifests
    if len(manifests) > 1:
        try:        # one image for several platforms, without an index of its own
            manifests = [choose({"manifests": manifests})]
        except PermanentError:
            manifests = manifests[:0]
    if not manifests:
        raise PermanentError(f"None of the images in {files.archive} is for this machine.")
    found = dict(manifests[0])
    _keep(store, files, found)
    return found


def _is_called(descriptor: Descriptor, name: Name) -> bool:
    said = descriptor.get("annotations") or {}
    return said.get(NAMED) == str(name) or said.get(TAGGED) in (str(name), name.tag)


def _keep(store: Store, files: _Files, descriptor: Descriptor) -> None:
    """A manifest or index with all below it that the archive has; other platforms' images may be left out."""
    path = _blob(descriptor["digest"])
    store.add(files.chunks(path), descriptor["digest"], descriptor.get("size"))
    content = json.loads(store.read(descriptor["digest"]))
    if is_index(descriptor, content):
        wanted = choose(content)["digest"]
        for each in content["manifests"]:
            if each["digest"] == wanted or _blob(each["digest"]) in files.members:
                _keep(store, files, each)
        return
    for each in (content["config"], *content["layers"]):
        store.add(files.chunks(_blob(each["digest"])), each["digest"], each["size"])


def _blob(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        raise PermanentError(f"{digest!r} is no digest of a kind this store knows (sha256).")
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _docker(store: Store, files: _Files, name: Name) -> Descriptor:
    """``manifest.json``: configuration and plain layers, of which an OCI manifest is made."""
    images = files.json("manifest.json")
    wanted = [each for each in images if any(str(Name.parse(tag)) == str(name) for tag in each.get("RepoTags") or [])]
    if len(images) > 1 and not wanted:
        there = sorted(tag for each in images for tag in each.get("RepoTags") or [])
        raise PermanentError(f"{files.archive} has several images: {', '.join(there)}.", "Load it under one of these.")
    image = (wanted or images)[0]
    config = files.open(image["Config"]).read(SMALL)
    layers = []
    for path, expected in zip(image["Layers"], json.loads(config)["rootfs"]["diff_ids"], strict=True):
        packed = files.open(path).read(2) == b"\x1f\x8b"
        digest, size = _digest(files, path)
        if not packed and digest != expected:
            raise PermanentError(f"{path} in {files.archive} is {digest}, the configuration says {expected}.")
        store.add(files.chunks(path), digest, size)
        layers.append({"mediaType": PLAIN_LAYER + ("+gzip" if packed else ""), "digest": digest, "size": size})
    return describe(store, config, layers)


def _digest(files: _Files, path: str) -> tuple[str, int]:
    hashed, size = hashlib.sha256(), 0
    for chunk in files.chunks(path):
        hashed.update(chunk)
        size += len(chunk)
    return "sha256:" + hashed.hexdigest(), size


def describe(store: Store, config: bytes, layers: list[Descriptor]) -> Descriptor:
    """Keep a configuration and a manifest of it and these layers; returns the manifest's descriptor."""
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": store.put(config), "size": len(config)}, "layers": layers}
    content = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    return {"mediaType": MANIFEST, "digest": store.put(content), "size": len(content)}

"""The image store of this machine: an OCI image layout below LABS_HOME, shared by every cluster of that folder.

    images/oci-layout, index.json     which names there are, each with a manifest's (or index's) descriptor
    images/blobs/sha256/HEX           manifests, configurations, layers, by their digest
    images/roots/HEX/                 an image's layers unpacked, by its configuration's digest; see layers.py
    images/lock                       held while the index is changed, and while blobs are swept
    images/filling                    held (shared) while something is loaded, pulled, built or unpacked

A blob appears under its digest only when all of it has arrived and the digest is right, so a kill at any moment leaves
at most a file in ``images/incoming``.  (A power failure may leave more: nothing is synced.)  "OCI Image Layout
Specification" and "OCI Image Format Specification".
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labs.cluster.images.names import Name
from labs.errors import PermanentError

NAMED = "io.containerd.image.name"
TAGGED = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
INDICES = (INDEX, DOCKER_INDEX)
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
UNFINISHED_FOR = 24 * 3600.0
"""Seconds after which a file that is still incoming was left by a kill."""

Descriptor = dict[str, Any]
"""``mediaType``, ``digest``, ``size`` (bytes), ``annotations``."""


class Damaged(PermanentError):
    """Content is not what its digest or size says."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A named image.

    :param created: as in the configuration, RFC 3339
    :param size: bytes of manifest, configuration and layers as they are kept
    """

    name: Name
    digest: str
    size: int
    created: str


@dataclass(frozen=True, slots=True)
class Parts:
    """One image for this machine: its manifest and configuration, as they are written."""

    descriptor: Descriptor
    manifest: dict[str, Any]
    config: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of manifest, configuration and layers."""
        return int(self.descriptor.get("size", 0)) + sum(
            int(each["size"]) for each in (self.manifest["config"], *self.manifest["layers"]))


class Store:
    """The store in a folder; made when something is first kept in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"

    # --- blobs ----------------------------------------------------------------------------------------------------

    def path(self, digest: str) -> Path:
        """Where a blob is, or would be."""
        kind, _, value = digest.partition(":")
        if kind != "sha256" or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
            raise Damaged(f"{digest!r} is no digest of a kind this store knows (sha256).")
        return self.blobs / value

    def has(self, digest: str) -> bool:
        """Is it there, whole?"""
        return self.path(digest).is_file()

    def read(self, digest: str) -> bytes:
        """A small blob; raises FileNotFoundError."""
        return self.path(digest).read_bytes()

    def json(self, digest: str) -> dict[str, Any]:
        """A manifest, index or configuration."""
        return dict(json.loads(self.read(digest)))

    def put(self, content: bytes) -> str:
        """Keep a small blob; returns its digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        self.add([content], digest)
        return digest

    def add(self, chunks: Iterable[bytes], digest: str, size: int | None = None) -> None:
        """Keep a blob; raises Damaged when it is not what digest and size say."""
        target = self.path(digest)
        if target.is_file():
            os.utime(target)        # a sweep spares what was just asked for
            return
        with self.incoming() as (path, file):
            hashed, length = hashlib.sha256(), 0
            for chunk in chunks:
                hashed.update(chunk)
                length += len(chunk)
                if size is not None and length > size:
                    break
                file.write(chunk)
            found = "sha256:" + hashed.hexdigest()
            if size not in (None, length) or found != digest:
                raise Damaged(f"Expected {digest} of {size} bytes, got {found} of {length}.")
            self._arrive(path, target)

    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[Path, Any]]:
        """A new file that is removed unless it is moved away: (path, open binary file)."""
        folder = self._made() / "incoming"
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            path = Path(file.name)
            try:
                yield path, file
            finally:
                path.unlink(missing_ok=True)

    def accept(self, path: Path, file: Any, digest: str) -> None:
        """Take an incoming file, written and hashed by the caller, as a blob."""
        file.flush()
        self._arrive(path, self.path(digest))

    def _arrive(self, path: Path, target: Path) -> None:
        path.chmod(0o644)
        os.replace(path, target)

    def _made(self) -> Path:
        if not (self.folder / "oci-layout").is_file():
            for name in ("blobs/sha256", "incoming", "roots"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            _write(self.folder / "oci-layout", {"imageLayoutVersion": "1.0.0"})
        return self.folder

    @contextlib.contextmanager
    def filling(self) -> Iterator[None]:
        """While something comes that no name leads to yet: nothing is swept meanwhile."""
        with (self._made() / "filling").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    # --- names ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the index."""
        with (self._made() / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _index(self) -> list[Descriptor]:
        try:
            return list(json.loads((self.folder / "index.json").read_text(encoding="utf-8"))["manifests"])
        except FileNotFoundError:
            return []

    def _keep(self, manifests: list[Descriptor]) -> None:
        _write(self.folder / "index.json", {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})

    def tag(self, name: Name, descriptor: Descriptor) -> None:
        """Let a name mean this image, whatever it meant before; a name with a digest only notes where it is from."""
        text = str(name)
        entry = {"mediaType": descriptor["mediaType"], "digest": descriptor["digest"], "size": descriptor["size"],
                 "annotations": {NAMED: text, TAGGED: name.tag or name.digest}}
        with self.locked():
            self._keep([*(each for each in self._index() if each["annotations"].get(NAMED) != text), entry])

    def find(self, name: Name) -> Descriptor | None:
        """What a name means; with a digest, any image of that repository that has it."""
        for each in self._index():
            known = Name.parse(each["annotations"][NAMED])
            if name.digest:
                if (known.repository_name, each["digest"]) == (name.repository_name, name.digest):
                    return each
            elif str(known) == str(name):
                return each
        return None

    def remove(self, name: Name) -> bool:
        """Forget a name; False when there is none.  What it named goes with :meth:`sweep`."""
        with self.locked():
            before = self._index()
            text = str(name)
            after = [each for each in before if each["annotations"].get(NAMED) != text]
            if name.digest and len(after) == len(before):
                after = [each for each in before if not (
                    each["digest"] == name.digest
                    and Name.parse(each["annotations"][NAMED]).repository_name == name.repository_name)]
            if len(after) < len(before):
                self._keep(after)
            return len(after) < len(before)

    def entries(self) -> list[Entry]:
        """Every name, in alphabetical order."""
        made = []
        for each in self._index():
            parts = self.parts(each)
            made.append(Entry(Name.parse(each["annotations"][NAMED]), each["digest"], parts.size,
                              parts.config.get("created", "")))
        return sorted(made, key=lambda entry: str(entry.name))

    # --- images ---------------------------------------------------------------------------------------------------

    def parts(self, descriptor: Descriptor) -> Parts:
        """The image of this machine's architecture; raises PermanentError where an index has none, or one is not whole.
        """
        try:
            found = self.json(descriptor["digest"])
            if is_index(descriptor, found):
                descriptor = choose(found)
                found = self.json(descriptor["digest"])
            return Parts({**descriptor, "size": descriptor.get("size", 0)}, found, self.json(found["config"]["digest"]))
        except FileNotFoundError as error:
            raise PermanentError(f"{descriptor['digest']} is not whole: {error.filename} is missing.",
                                 "Load or pull the image again.") from error

    def whole(self, descriptor: Descriptor) -> bool:
        """Is everything there that this machine needs of an image?"""
        try:
            parts = self.parts(descriptor)
        except PermanentError:
            return False
        return all(self.has(each["digest"]) for each in parts.manifest["layers"])

    # --- garbage --------------------------------------------------------------------------------------------------

    def sweep(self, used: Iterable[Path] = (), spare: float = 600.0) -> int:
        """Remove blobs and roots that no name leads to; returns the bytes of blobs that went, 0 while it is filled.

        :param used: unpacked roots that containers run from
        :param spare: seconds that a blob stays without a name: somebody may be about to name it
        """
        if not (self.folder / "oci-layout").is_file():
            return 0
        with self.locked(), (self.folder / "filling").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            wanted, roots = self._reachable()
            roots |= {path.name for path in used}
            freed, oldest = 0, time.time() - spare
            for path in self.blobs.iterdir():
                found = path.stat()
                if path.name not in wanted and found.st_mtime < oldest:
                    freed += found.st_size
                    path.unlink()
            for path in (self.folder / "roots").iterdir():
                if path.name.partition(".")[0] not in roots and path.stat().st_mtime < oldest:
                    forget(path)
            for path in (self.folder / "incoming").iterdir():
                if path.stat().st_mtime < time.time() - UNFINISHED_FOR:
                    path.unlink(missing_ok=True)
            return freed

    def _reachable(self) -> tuple[set[str], set[str]]:
        """Names of the files of blobs, and of roots, that names lead to."""
        wanted: set[str] = set()
        roots: set[str] = set()
        waiting = [each["digest"] for each in self._index()]
        while waiting:
            digest = waiting.pop()
            if self.path(digest).name in wanted or not self.has(digest):
                continue
            wanted.add(self.path(digest).name)
            found = self.json(digest)
            waiting += [each["digest"] for each in found.get("manifests") or []]
            if "config" in found:
                roots.add(self.path(found["config"]["digest"]).name)
                wanted |= {self.path(each["digest"]).name for each in (found["config"], *found["layers"])}
        return wanted, roots


def forget(folder: Path) -> None:
    """Remove an unpacked root, also where folders in it may not be entered."""
    from labs.jail import rungs

    rungs.forget(folder)


def is_index(descriptor: Descriptor, content: dict[str, Any]) -> bool:
    """Does it list images of several platforms?"""
    return descriptor.get("mediaType") in INDICES or "manifests" in content


def choose(index: dict[str, Any]) -> Descriptor:
    """The image of an index for this machine; raises PermanentError with the platforms there are."""
    there = []
    for each in index["manifests"]:
        wanted = each.get("platform") or {"os": "linux", "architecture": ARCHITECTURE}
        if (wanted.get("os"), wanted.get("architecture")) == ("linux", ARCHITECTURE):
            return dict(each)
        there.append(f"{wanted.get('os')}/{wanted.get('architecture')}")
    raise PermanentError(f"no match for platform in manifest: linux/{ARCHITECTURE} is not among {', '.join(there)}")


def _write(path: Path, value: Any) -> None:
    """Replace a file in one step."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        json.dump(value, file)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def of_home(home: Path) -> Store:
    """The store of a state folder."""
    return Store(home / "images")

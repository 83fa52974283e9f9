"""Layers: unpacked one over the other to a root file system, and made out of files.

A path in a layer is followed within the root (``view.inside``): neither ``..`` nor a link leads out of it.  What a
layer says of devices, set-uid bits and extended attributes is left out.  Where root unpacks, files keep their owners,
and root's become NOBODY's (as whom a container's root runs); else everything is the caller's.

"Image Layer Filesystem Changeset" (OCI Image Format Specification): whiteouts, opaque folders, hard links.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from labs import jail
from labs.cluster.images.store import LAYER, PLAIN_LAYER, Descriptor, Parts, Store, forget
from labs.errors import PermanentError
from labs.jail import view

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
ROOT = "rootfs"
CHUNK = 1 << 20


def unpacked(store: Store, parts: Parts) -> Path:
    """The image's root, unpacked now or before; raises PermanentError for a layer that cannot be unpacked."""
    key = store.path(parts.manifest["config"]["digest"]).name
    done = store.folder / "roots" / key
    if done.is_dir():
        os.utime(done)      # a sweep spares what is about to be used
        return done / ROOT
    with store.filling():
        made = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=store.folder / "roots"))
        try:
            (made / ROOT).mkdir()
            unpack(store, parts, made / ROOT)
            made.chmod(0o755)
            with contextlib.suppress(OSError):      # somebody else was faster: the same files are there
                os.rename(made, done)
        finally:
            if made.is_dir():
                forget(made)
    return done / ROOT


def unpack(store: Store, parts: Parts, root: Path) -> None:
    """Every layer into an empty folder."""
    root.chmod(0o755)
    _own(str(root), 0, 0)
    modes: dict[str, int] = {}
    for layer in parts.manifest["layers"]:
        try:
            with store.path(layer["digest"]).open("rb") as file, tarfile.open(fileobj=file, mode="r|*") as archive:
                apply(archive, str(root), modes)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise PermanentError(f"Layer {layer['digest']} ({layer.get('mediaType')}) cannot be unpacked: {error}",
                                 "Layers are tar archives, as they are or packed by gzip.") from error
    for path, mode in sorted(modes.items(), reverse=True):      # the deepest first: a closed folder keeps its content
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, _allowed(mode, folder=True))


def apply(archive: tarfile.TarFile, root: str, modes: dict[str, int]) -> None:
    """One layer over what is there.

    :param modes: folders and their modes, to be set when nothing more is written into them
    """
    fresh: set[str] = set()         # what this layer itself brought: its opaque folders spare that
    for member in archive:
        path = view.inside(root, member.name, follow=False)
        if path == root:
            if member.isdir():
                modes[root] = member.mode
                _own(root, member.uid, member.gid)
            continue
        folder, name = os.path.split(path)
        if name == OPAQUE:
            for entry in os.listdir(folder) if os.path.isdir(folder) else ():
                if os.path.join(folder, entry) not in fresh:
                    _remove(os.path.join(folder, entry))
            continue
        if name.startswith(WHITEOUT):
            _remove(os.path.join(folder, name.removeprefix(WHITEOUT)))
            continue
        _parents(root, folder)
        _place(archive, member, path, root, modes)
        while path != root and path not in fresh:
            fresh.add(path)
            path = os.path.dirname(path)


def _place(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, root: str, modes: dict[str, int]) -> None:
    """One file, folder or link."""
    if member.isdir():
        if os.path.islink(path) or not os.path.isdir(path):
            _remove(path)
            os.mkdir(path, 0o755)
        modes[path] = member.mode
        _own(path, member.uid, member.gid)
        return
    modes.pop(path, None)
    if member.isreg():
        _remove(path)
        source = archive.extractfile(member)
        assert source is not None
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        _own(path, member.uid, member.gid)
        os.chmod(path, _allowed(member.mode, folder=False))
        os.utime(path, (member.mtime, member.mtime))
    elif member.issym():
        _remove(path)
        os.symlink(member.linkname, path)
        _own(path, member.uid, member.gid)
    elif member.islnk():
        target = view.inside(root, member.linkname, follow=False)
        if target != path:
            _remove(path)
            os.link(target, path, follow_symlinks=False)
    elif member.isfifo():
        _remove(path)
        os.mkfifo(path, _allowed(member.mode, folder=False))
        _own(path, member.uid, member.gid)


def _parents(root: str, folder: str) -> None:
    """Folders that no layer has an entry for; a file in their place goes."""
    missing = []
    while folder != root and not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for each in reversed(missing):
        _remove(each)
        os.mkdir(each)
        os.chmod(each, 0o755)       # whatever the umask is
        _own(each, 0, 0)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _own(path: str, uid: int, gid: int) -> None:
    if os.getuid() == 0:
        os.chown(path, uid or jail.NOBODY, gid or jail.NOBODY, follow_symlinks=False)


def _allowed(mode: int, *, folder: bool) -> int:
    """A file's mode here: no set-uid; who is no root must be able to read and remove it again."""
    mode &= 0o1777 if folder else 0o777
    return mode if os.getuid() == 0 else mode | (0o700 if folder else 0o400)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a layer that is being made.

    :param path: in the image, without a leading ``/``
    :param source: the host's file, or its content; None for a folder; a link's target for a link
    """

    path: str
    source: Path | bytes | None = None
    link: str = ""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


def pack(store: Store, items: Iterable[Item]) -> tuple[Descriptor, str]:
    """Make a layer and keep it: (descriptor, digest of the unpacked layer).

    The same items give the same bytes: entries are sorted, times are 1970, owners are numbers without names, and gzip's
    header says neither time nor name.
    """
    with store.incoming() as (path, file):
        packed, plain = _Hashed(file), hashlib.sha256()
        with (
            gzip.GzipFile("", "wb", 6, packed, mtime=0) as zipped,      # type: ignore[call-overload]
            tarfile.open(fileobj=_Tee(zipped, plain), mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for item in sorted(items, key=lambda item: item.path):
                _add(archive, item)
        digest = "sha256:" + packed.hashed.hexdigest()
        store.accept(path, file, digest)
    return {"mediaType": LAYER, "digest": digest, "size": packed.size}, "sha256:" + plain.hexdigest()


class _Hashed:
    """A file that knows the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.hashed, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.hashed.update(data)
        self.size += len(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


class _Tee:
    def __init__(self, file: IO[bytes], hashed: hashlib._Hash) -> None:
        self.file, self.hashed = file, hashed

    def write(self, data: bytes) -> int:
        self.hashed.update(data)
        return self.file.write(data)


def _add(archive: tarfile.TarFile, item: Item) -> None:
    entry = tarfile.TarInfo(item.path)
    entry.mode, entry.uid, entry.gid, entry.mtime = item.mode, item.uid, item.gid, 0
    if item.link:
        entry.type, entry.linkname = tarfile.SYMTYPE, item.link
        archive.addfile(entry)
    elif item.source is None:
        entry.type = tarfile.DIRTYPE
        archive.addfile(entry)
    elif isinstance(item.source, bytes):
        entry.size = len(item.source)
        archive.addfile(entry, io.BytesIO(item.source))
    else:
        with item.source.open("rb") as file:
            entry.size = os.fstat(file.fileno()).st_size
            archive.addfile(entry, file)


def changes(before: dict[str, tuple[int, ...]], root: Path) -> Iterator[Item]:
    """What differs in a root from a :func:`snapshot` of it: new and changed files, and whiteouts for removed ones."""
    after = snapshot(root)
    for path in sorted(set(before) - set(after)):
        parent = os.path.dirname(path)
        if not parent or parent in after:       # a removed folder's content goes with it
            yield Item(os.path.join(parent, WHITEOUT + os.path.basename(path)), b"", mode=0o644)
    for path, seen in after.items():
        if before.get(path) != seen:
            yield item(root, path)


def item(root: Path, path: str) -> Item:
    """A file of a root as an entry of a layer."""
    found = (root / path).lstat()
    mode, uid, gid = stat.S_IMODE(found.st_mode), *(_owner(each) for each in (found.st_uid, found.st_gid))
    if stat.S_ISLNK(found.st_mode):
        return Item(path, link=os.readlink(root / path), mode=0o777, uid=uid, gid=gid)
    return Item(path, None if stat.S_ISDIR(found.st_mode) else root / path, mode=mode, uid=uid, gid=gid)


def _owner(number: int) -> int:
    return 0 if number == jail.NOBODY or os.getuid() != 0 else number


def snapshot(root: Path) -> dict[str, tuple[int, ...]]:
    """Every path below a root, with what tells that it was changed.  Sockets, devices and FIFOs are passed over."""
    made: dict[str, tuple[int, ...]] = {}
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            full = os.path.join(folder, name)
            found = os.lstat(full)
            if stat.S_ISDIR(found.st_mode):
                made[os.path.relpath(full, root)] = (found.st_mode, found.st_uid, found.st_gid)
            elif stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
                made[os.path.relpath(full, root)] = (found.st_mode, found.st_uid, found.st_gid, found.st_size,
                                                     found.st_mtime_ns, found.st_ino)
    return made


__all__ = ["PLAIN_LAYER", "Item", "apply", "changes", "item", "pack", "snapshot", "unpack", "unpacked"]

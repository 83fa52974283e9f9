"""Images for tests: a few of the host's programs with their libraries, or plain files."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from labs.cluster.images import archives, layers
from labs.cluster.images.layers import Item
from labs.cluster.images.names import Name
from labs.cluster.images.store import ARCHITECTURE, Descriptor, Store


def made_of(store: Store, *each: list[Item], name: str = "made:1", **config: object) -> Descriptor:
    """An image of one layer for each list."""
    packed = [layers.pack(store, items) for items in each]
    described = {"architecture": ARCHITECTURE, "os": "linux", "config": config,
                 "rootfs": {"type": "layers", "diff_ids": [difference for _, difference in packed]}}
    found = archives.describe(store, json.dumps(described).encode(), [layer for layer, _ in packed])
    store.tag(Name.parse(name), found)
    return found


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> tarfile.TarFile:
    """A tar archive in memory, opened for reading."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tarfile.open(fileobj=io.BytesIO(written.getvalue()))


def entry(path: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """A member of an archive."""
    made = tarfile.TarInfo(path)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def programs(folder: Path, *names: str) -> None:
    """Put programs of the host below a folder, and the libraries they load where the loader looks for them."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    for name in names:
        found = shutil.which(name)
        assert found is not None, name
        shutil.copy(found, folder / "bin" / name)
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+)", listed):
            (folder / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, folder / library[1:])

"""Volumes in memory (``emptyDir.medium: Memory``): folders of the tmpfs that Linux systems have at /dev/shm.

A folder there belongs to a pod's folder of volumes, where a link leads to it; ``of`` leads back, so that what a killed
service left is found.  Where /dev/shm is none, or may not be written, such a volume lies on the disk.  "emptyDir"
(Kubernetes documentation): what is in it counts as memory, and is gone when the node starts again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")


def _shelf() -> Path:
    return MEMORY / f"production-labs-{os.getuid()}"


def _own(owner: Path) -> Path:
    """The folder in memory that belongs to a folder of volumes."""
    return _shelf() / hashlib.sha256(str(owner).encode()).hexdigest()[:24]


def folder(volume: Path) -> Path:
    """Make a volume's folder, in memory where there is some; ``volume`` is where it would lie, or leads to it."""
    if volume.is_symlink() and volume.is_dir():
        return volume.resolve()
    if volume.is_symlink():     # what it led to went when the nodes were stopped
        volume.unlink()
    with contextlib.suppress(OSError):
        if os.path.ismount(MEMORY):
            owner = volume.parent
            own = _own(owner)
            (own / "volumes").mkdir(parents=True, exist_ok=True)
            for path in (_shelf(), own, own / "volumes"):
                path.chmod(0o711)
            with contextlib.suppress(FileExistsError):
                (own / "of").symlink_to(owner)
            made = own / "volumes" / volume.name
            made.mkdir(exist_ok=True)
            owner.mkdir(parents=True, exist_ok=True)
            volume.symlink_to(made)
            return made
    volume.mkdir(parents=True, exist_ok=True)
    return volume


def remove(owner: Path) -> None:
    """A folder of volumes, those in memory too."""
    shutil.rmtree(_own(owner), ignore_errors=True)
    shutil.rmtree(owner, ignore_errors=True)
    _close()


def tidy(below: Path | None = None) -> None:
    """Remove what belongs to pods whose folders of volumes are gone, or lie below this folder."""
    for own in _shelf().iterdir() if _shelf().is_dir() else ():
        owner = Path(os.readlink(own / "of")) if (own / "of").is_symlink() else None
        if owner is None or not owner.is_dir() or (below is not None and owner.is_relative_to(below)):
            shutil.rmtree(own, ignore_errors=True)
    _close()


def _close() -> None:
    with contextlib.suppress(OSError):      # others are in it, or it is not there
        _shelf().rmdir()

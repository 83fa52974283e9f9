"""Where each node's own disk is: ``kubernetes/hosts/NODE`` in the state folder stands for the node's ``/``.

Nothing else of this machine can be reached through a hostPath or a local volume.  A node that is removed takes its disk
with it; `lab reset kubernetes` empties all of them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

VOLUMES = "/var/local/volumes"
SNAPSHOTS = "/var/local/snapshots"
"""On each node's own disk: what the provisioner makes."""


class Disks:
    """The disks of all nodes."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "kubernetes" / "hosts"

    def path(self, node: str, inside: str) -> Path:
        """A path of a node's as this machine has it; raises ValueError for one that leaves the node's disk."""
        root = self.folder / node
        found = root / inside.lstrip("/")
        if ".." in Path(inside).parts or not found.resolve().is_relative_to(root.resolve()):
            raise ValueError(f"{inside} leaves the disk of {node}")
        return found

    def make(self, node: str, inside: str) -> Path:
        """A folder that every container may write, made if it is not there."""
        path = self.path(node, inside)
        self.open_up(node, path)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        return path

    def open_up(self, node: str, path: Path) -> None:
        """Let containers, which have another user where root runs them, walk to a path."""
        root = self.folder / node
        for parent in reversed([each for each in path.parents if each.is_relative_to(root)]):
            parent.mkdir(parents=True, exist_ok=True)
            parent.chmod(0o755)

    def copy(self, source: Path, target: Path) -> None:
        """All files below a folder to a new one, in one step at the end; raises OSError.

        Owners, modes and times are kept; blocks are shared where the file system can.
        """
        fresh = target.with_name(f".{target.name}")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        done = subprocess.run(["cp", "-a", "--reflink=auto", f"{source}/.", str(fresh)], capture_output=True,
                              check=False, text=True)
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise OSError(f"copying {source.name}: {done.stderr.strip()[-300:]}")
        fresh.chmod(0o777)
        fresh.replace(target)

    def remove(self, node: str) -> None:
        """The whole disk of a node."""
        shutil.rmtree(self.folder / node, ignore_errors=True)

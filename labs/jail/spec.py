"""What a jail grants, and what came of a run."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NOBODY = 65534
"""The uid and gid a jail takes when root starts it and the spec names none."""

REQUIRED = frozenset({"files", "network", "ports", "processes", "others", "privileges", "limits", "gone"})
"""The promises a spec asks for unless it says otherwise; ``rungs`` says what each means."""


@dataclass(frozen=True, slots=True)
class Mount:
    """``source`` of the host seen at the absolute path ``target``; needs the bubblewrap or the PRoot rung."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    """A root file system that the command sees instead of the host's granted paths; needs bubblewrap or PRoot.

    All of it may be read, and changed where file modes and ``writable`` let the user; mounts and ``/proc`` lie over it.

    :param folder: the root; with ``changes`` it is only read and may be shared, else it is this jail's alone
    :param changes: an empty folder for what the command changes; needs ``rungs.overlay()``
    :param writable: may it be changed at all?
    :param uid: the user as the command sees it.  Started by root it really is that user, and 0 is NOBODY seen as 0
        (root's files in ``folder`` then belong to NOBODY); else it is the caller, seen under that number
    :param groups: further groups; only where root starts the jail
    :param hostname: what ``uname`` says; bubblewrap only
    """

    folder: str
    changes: str | None = None
    writable: bool = True
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    hostname: str | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """What a command may do; what is not granted here is refused.  Sizes in bytes, times in seconds.

    :param readable: files and folders (with all below them) it may read and execute
    :param writable: the one folder it may change, also its home; handed over to ``uid`` when root starts the jail
    :param writable_bytes: size of everything in that folder together, looked at every 50 to 250 ms
    :param connect: TCP ports it may connect to, at any address (Landlock knows ports, not addresses)
    :param bind: TCP ports it may listen on
    :param network: a network of its own by which it connects and listens, instead of the ports; see ``notify``
    :param unix_sockets: may it use Unix sockets?  Then also those of others that its uid may open
    :param system_v_ipc: may it use System V shared memory, semaphores and queues (PostgreSQL does)?
    :param terminal: is its standard input a terminal?  Then that is its controlling one, with job control
    :param environment: all of its environment
    :param directory: where it starts, as a path inside; None for the writable folder
    :param uid: when root starts the jail, its uid and gid (NOBODY by default); otherwise the caller's own
    :param memory: resident memory of everything in the jail together, looked at every 50 to 250 ms
    :param address_space: of each process, kept by the kernel; None: ``memory`` + 1 GiB
    :param private: bytes of memory of its own that each process may ask for, files and what is only reserved not
        counted; None: as much as ``address_space``
    :param cpu_seconds: of everything in the jail together; None for no limit
    :param wall_seconds: from start to end; None for no limit
    :param processes: processes and threads besides the command itself
    :param file_bytes: size of one file; None: ``writable_bytes``
    :param output_bytes: of standard output and standard error each, for ``run``
    :param requires: the promises without which it must not start
    :param rung: ``bubblewrap``, ``proot`` or ``plain``; None for the best that the host has and the spec needs
    :param root: a root file system of its own; ``readable`` and ``writable`` are then unused, and ``uid`` is the root's
    """

    readable: tuple[str, ...] = ()
    writable: str | None = None
    writable_bytes: int = 64 * 2**20
    mounts: tuple[Mount, ...] = ()
    connect: tuple[int, ...] = ()
    bind: tuple[int, ...] = ()
    network: Mapping[str, Any] | None = None
    unix_sockets: bool = False
    system_v_ipc: bool = False
    terminal: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: str | None = None
    uid: int | None = None
    memory: int = 2**30
    address_space: int | None = None
    private: int | None = None
    cpu_seconds: float | None = 60.0
    wall_seconds: float | None = 60.0
    processes: int = 0
    open_files: int = 256
    file_bytes: int | None = None
    output_bytes: int = 2**20
    requires: frozenset[str] = REQUIRED
    rung: str | None = None
    root: Root | None = None

    def plan(self) -> dict[str, Any]:
        """The same as plain JSON data, defaults filled in, for the supervisor; paths are absolute."""
        from labs.jail import landlock

        root, own = os.getuid() == 0, self.root
        uid, gid = (own.uid or NOBODY, own.gid or NOBODY) if own else (NOBODY if self.uid is None else self.uid,) * 2
        return {
            "readable": [] if own else [os.path.abspath(path) for path in self.readable],
            "writable": os.path.realpath(self.writable) if self.writable and not own else None,
            "root": None if own is None else {
                "folder": os.path.realpath(own.folder), "writable": own.writable, "uid": own.uid, "gid": own.gid,
                "changes": os.path.realpath(own.changes) if own.changes else None, "hostname": own.hostname,
                "groups": [each for each in own.groups if each], "owner": NOBODY},
            "writable_bytes": self.writable_bytes,
            "mounts": [[os.path.realpath(each.source), each.target, each.writable] for each in self.mounts],
            "connect": sorted(self.connect),
            "bind": sorted(self.bind),
            "network": None if self.network is None else dict(self.network),
            "notify": None,
            "unix_sockets": self.unix_sockets,
            "system_v_ipc": self.system_v_ipc,
            "terminal": self.terminal,
            "door": None,
            "environment": dict(self.environment),
            "directory": self.directory,
            "uid": uid if root else None,
            "gid": gid if root else None,
            "memory": self.memory,
            "address_space": self.memory + 2**30 if self.address_space is None else self.address_space,
            "private": self.private,
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
            "processes": self.processes,
            "landlock": landlock.abi(),
            "open_files": self.open_files,
            "file_bytes": self.writable_bytes if self.file_bytes is None else self.file_bytes,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended.

    :param status: exit status as a shell reports it: 128 + the signal's number where a signal ended it
    :param limit: which limit ended it: ``cpu``, ``wall``, ``memory``, ``processes``, ``output``, ``files``; else None
    :param rung: the rung it ran on
    :param enforced: the promises that were kept
    :param missing: required promises that were not, which the caller accepted
    :param cpu_seconds: used by everything in the jail
    :param left: processes that could not be ended (stuck in the kernel); 0 where ``gone`` was kept
    """

    status: int
    limit: str | None
    rung: str
    enforced: tuple[str, ...]
    missing: tuple[str, ...] = ()
    stdout: bytes = b""
    stderr: bytes = b""
    cpu_seconds: float = 0.0
    left: int = 0


@functools.cache
def runtime() -> tuple[str, ...]:
    """What a Python program of this interpreter has to read: interpreter, installed packages, system libraries, zones.

    Neither the caller's source tree nor anything in a home folder but the interpreter itself.
    """
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/bin", "/bin", "/usr/share/zoneinfo", "/etc/localtime",
              "/etc/ld.so.cache", "/etc/ssl/certs", "/usr/share/ca-certificates", "/etc/mime.types"]
    own = [sys.base_prefix, sys.prefix, os.path.dirname(os.__file__), os.path.realpath(sys.executable)]
    found = dict.fromkeys(path for path in [*own, *system] if os.path.exists(path))
    return tuple(path for path in found if not any(Path(path) != Path(other) and Path(path).is_relative_to(other)
                                                   for other in found))

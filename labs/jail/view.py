"""A root file system of its own for a command: what ``Spec.root`` asks for, made inside bubblewrap's mount namespace.

bubblewrap shows the host's Python and, below BASE, the root, the folder for changes and the mounts.  ``show`` puts them
together at NEW, as an overlay where there is a folder for changes; ``confine.enter`` then makes that the root.  Paths
of a root are followed as if it were ``/`` already: a link in it leads nowhere else.

"Overlay Filesystem" (Linux kernel documentation), user_namespaces(7), "Configuration Files" of OCI's runtime
specification (default devices and links).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat

from labs.jail import landlock

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

BASE = "/.jail"
NEW, LOWER, CHANGES, MOUNTS, HOST = (f"{BASE}/{name}" for name in ("new", "lower", "changes", "mounts", "host"))
UPPER, WORK = "upper", "work"
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 32, 4096, 16384
UNSHARE = {"x86_64": 272, "aarch64": 97}
CLONE_NEWUSER = 0x10000000
LINKS = 40
"""Symbolic links on one way, as the kernel counts them."""
STREAMS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}


def inside(root: str, path: str, *, follow: bool = True) -> str:
    """The host's path of ``path`` in ``root``, every link followed within it; ``follow``: the last one too.

    What is not there is taken as it is named.  Raises OSError for a circle of links.
    """
    done: list[str] = []
    waiting = [part for part in path.split("/") if part not in ("", ".")][::-1]
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            del done[-1:]
            continue
        here = os.path.join(root, *done, part)
        if os.path.islink(here) and (waiting or follow):
            links += 1
            if links > LINKS:
                raise OSError(40, os.strerror(40), path)
            target = os.readlink(here)
            if target.startswith("/"):
                done.clear()
            waiting += [each for each in target.split("/") if each not in ("", ".")][::-1]
        else:
            done.append(part)
    return os.path.join(root, *done)


def mount_point(root: str, target: str, folder: bool, owner: int | None) -> str:
    """The host's path of a place for a mount in ``root``, made where it is not there (None: owned by the caller)."""
    path = inside(root, target)
    if os.path.lexists(path):
        return path
    made = path if folder else os.path.dirname(path)
    missing = []
    while not os.path.lexists(made):
        missing.append(made)
        made = os.path.dirname(made)
    for each in reversed(missing):
        os.mkdir(each, 0o755)
        os.chmod(each, 0o755)       # whatever the umask is
        if owner is not None:
            os.chown(each, owner, owner)
    if not folder:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    return path


def furnish(root: str, plan: Mapping[str, Any]) -> None:
    """What every container expects to find: places for its mounts and devices, its folder, a ``/tmp`` for all."""
    owner = None if plan["uid"] is None else plan["root"]["owner"]
    for source, target, _ in plan["mounts"]:
        mount_point(root, target, os.path.isdir(source), owner)
    for device in landlock.DEVICES:
        mount_point(root, device, False, owner)
    mount_point(root, "/proc", True, owner)
    for name, target in STREAMS.items():
        with contextlib.suppress(FileExistsError):
            os.symlink(target, os.path.join(inside(root, "/dev"), name))
    for folder in ("/tmp", "/var/tmp", "/dev/shm"):
        mount_point(root, folder, True, owner)
        with contextlib.suppress(PermissionError):
            os.chmod(inside(root, folder), 0o1777)
    if plan["directory"]:
        mount_point(root, plan["directory"], True, owner)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """``mount(2)``; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags),
                  data.encode() or None) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {target}: {os.strerror(code)}")


def overlay(lower: str, changes: str, target: str) -> None:
    """Mount ``lower`` with the changes kept in ``changes``; raises OSError where the kernel has none for this user."""
    options = f"lowerdir={lower},upperdir={changes}/{UPPER},workdir={changes}/{WORK}"
    # in a user namespace the marks it leaves must be attributes that an ordinary user may set
    inner = "" if _first_user_namespace() else ",userxattr"
    mount("overlay", target, "overlay", MS_NOSUID | MS_NODEV, options + inner)


def _first_user_namespace() -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", "4294967295"]


def show(plan: Mapping[str, Any]) -> None:
    """Put the root together at NEW; needs CAP_SYS_ADMIN over this mount namespace."""
    root = plan["root"]
    if root["changes"]:
        overlay(LOWER, CHANGES, NEW)
    mounts = [(f"{MOUNTS}/{index}", target, 0) for index, (_, target, _) in enumerate(plan["mounts"])]
    furnish(NEW, {**plan, "mounts": mounts})
    for device in landlock.DEVICES:
        if os.path.exists(device):
            mount(device, inside(NEW, device), flags=MS_BIND)
    if os.path.isdir("/proc/self"):
        mount("/proc", inside(NEW, "/proc"), flags=MS_BIND | MS_REC)
    for source, target, _ in mounts:
        mount(source, inside(NEW, target), flags=MS_BIND)
    if not root["writable"]:
        mount("none", NEW, flags=MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def own_streams(uid: int, gid: int) -> None:
    """Let the command open its output by name (``/dev/stdout``): pipes belong to who made them."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                os.fchown(descriptor, uid, gid)


def appear_as(uid: int, gid: int) -> None:
    """Be seen under these numbers in a user namespace of one's own; raises OSError where none is to be had."""
    before = os.getuid(), os.getgid()
    landlock.call(UNSHARE[os.uname().machine], CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {before[0]} 1"), ("gid_map", f"{gid} {before[1]} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)

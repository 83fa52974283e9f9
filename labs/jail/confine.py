"""The last steps before somebody else's program: limits, another uid, no privileges, Landlock, the seccomp filter.

Runs in a process of its own that then becomes the program.  On the plain rung that is a fork of the supervisor, on the
others ``main`` inside the view of the file system that bubblewrap or PRoot made.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import resource
import signal
import struct
import sys
from collections.abc import Mapping

from labs.jail import landlock, seccomp, view

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 8, 24, 38
PR_CAP_AMBIENT, AMBIENT_RAISE, AMBIENT_CLEAR = 47, 2, 4
CAPSET, CAPABILITY_VERSION = {"x86_64": 126, "aarch64": 91}, 0x20080522
SLACK = 64
VISITORS = 8        # what a door takes: the process behind it, and the first of each further command
TIOCSCTTY = 0x540E
DAC_OVERRIDE, DAC_READ_SEARCH, SETPCAP, SYS_CHROOT = 1, 2, 8, 18
READY = re.compile(rb"ok (\d+) (\d+)\n")
"""What ``become`` reports last, with its pid and its doorman's (0: none), both as they are inside; what follows is why
the command could not be executed."""


def prctl(option: int, *arguments: int) -> None:
    """``prctl(2)``; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, *[ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def become(plan: Mapping[str, Any], command: list[str], report: int) -> None:
    """Confine this process as planned and become the command.  Never returns.

    Writes READY and what went wrong, to the file descriptor ``report``, which the command does not get.
    """
    try:
        os.set_inheritable(report, False)
        doorman = confine(plan, report)
        os.write(report, b"ok %d %d\n" % (os.getpid(), doorman))
        os.execve(command[0], command, plan["environment"]) if "/" in command[0] else os.execvpe(
            command[0], command, plan["environment"])
    except BaseException as error:  # noqa: BLE001 (whatever it is, the caller must hear of it and nothing may run)
        with contextlib.suppress(OSError):
            os.write(report, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(126)


def confine(plan: Mapping[str, Any], report: int) -> int:
    """All steps but the last; raises OSError where the kernel refuses one.  Single-threaded processes only.

    Returns the pid of the doorman, 0 for none.
    """
    linux = sys.platform == "linux"
    door, left = plan["door"], 0
    if door is not None:
        from labs.jail import doorman  # now: later its file is out of reach; most jails have no door
    if plan["network"]:
        from labs.jail import notify  # the same
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)       # Python and the supervisor ignore some, and exec would keep that
    if linux:
        prctl(PR_SET_DUMPABLE, 1)       # the supervisor is not, and /proc/self would be closed
    with contextlib.suppress(OSError):
        os.setsid()
    if plan["terminal"]:
        take_terminal()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")      # when memory runs out, the kernel ends this before anything of ours
    resource_limits(plan)
    version = plan["landlock"]
    rules = None
    new = view.NEW if plan["root"] and plan["rung"] == "bubblewrap" else ""
    if new:
        view.show(plan)
    if version:
        proc = ["/proc"] if plan["rung"] == "bubblewrap" or plan["root"] else []
        targets = [(view.inside(new, target) if new else target, writable) for _, target, writable in plan["mounts"]]
        readable = plan["readable"] + proc + [target for target, writable in targets if not writable]
        writable = [target for target, writable in targets if writable]
        if plan["root"]:
            (writable if plan["root"]["writable"] else readable).append(new or "/")
        rules = landlock.ruleset(version, readable, writable + ([plan["writable"]] if plan["writable"] else []),
                                 plan["connect"], plan["bind"])
    if new:
        enter(plan, new)
    else:
        give_up_privileges(plan, files_watched=rules is not None)
    limit_processes(plan)
    os.umask(0o022 if plan["root"] else 0o077)
    os.chdir(plan["directory"] or plan["writable"] or "/")
    keep = {0, 1, 2, report, rules, plan["notify"], *plan["pass_fds"]}
    for descriptor in open_files():
        if descriptor not in keep:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    if linux:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        with contextlib.suppress(OSError):
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)     # after the change of uid, which forgets it
    for descriptor in plan["pass_fds"]:
        os.set_inheritable(descriptor, True)
    if rules is not None:
        landlock.restrict(rules)
    scoped = version >= 6 or plan["rung"] == "bubblewrap"
    if door is not None:
        left = doorman.leave(plan, door, report, scoped)
        os.close(door)
    if seccomp.available():
        listener = seccomp.install(seccomp.program(plan, pid=os.getpid(), scoped=scoped), bool(plan["network"]))
        if listener:
            notify.hand_over(listener, plan["notify"])
    return left


def take_terminal() -> None:
    """Make standard input the controlling terminal of this session, so that it sends SIGINT and SIGWINCH."""
    import fcntl  # few jails have one

    with contextlib.suppress(OSError):
        fcntl.ioctl(0, TIOCSCTTY, 0)


def open_files() -> list[int]:
    """This process's file descriptors."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return [int(name) for name in os.listdir(folder)]
    return list(range(3, 1024))


def resource_limits(plan: Mapping[str, Any]) -> None:
    """CPU, memory, file size, open files; no core dumps."""
    wanted = [
        (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, plan["file_bytes"]),
        (resource.RLIMIT_NOFILE, plan["open_files"]),
    ]
    if plan["cpu_seconds"] is not None:
        # of one process; the supervisor, which adds all up, comes first
        wanted.append((resource.RLIMIT_CPU, int(plan["cpu_seconds"] + 1.999)))
    if sys.platform == "linux":
        wanted.append((resource.RLIMIT_AS, plan["address_space"]))
        if plan["private"] is not None:
            wanted.append((resource.RLIMIT_DATA, plan["private"]))
        wanted.append((resource.RLIMIT_MEMLOCK, 0))
    for what, limit in wanted:
        _, most = resource.getrlimit(what)
        least = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(what, (least, least))    # one number: the kernel's SIGKILL cannot be caught


def limit_processes(plan: Mapping[str, Any]) -> None:
    """RLIMIT_NPROC, which counts every task of the uid and does not bind root: the supervisor counts too."""
    if sys.platform != "linux":
        return
    # others of this uid, other jails among them, may start some meanwhile; bubblewrap's user namespace counts apart
    shared = plan["uid"] is not None or plan["rung"] != "bubblewrap"
    wanted = plan["processes"] + (0 if plan["door"] is None else VISITORS)
    allowed = wanted and wanted + plan["uid_tasks"] + (SLACK if shared else 0)
    _, most = resource.getrlimit(resource.RLIMIT_NPROC)
    allowed = allowed if most == resource.RLIM_INFINITY else min(allowed, most)
    resource.setrlimit(resource.RLIMIT_NPROC, (allowed, allowed))


def give_up_privileges(plan: Mapping[str, Any], *, files_watched: bool) -> None:
    """Another uid when root, and no capability.

    Where that uid could not reach what it is granted (an interpreter below a root-only home folder), it keeps
    CAP_DAC_READ_SEARCH (or CAP_DAC_OVERRIDE, which containers have more often): reading in spite of permissions, which
    Landlock then holds to the granted paths.  Without Landlock it stays root, and ``privileges`` is not promised.
    """
    uid = plan["uid"]
    if sys.platform != "linux":
        return
    hidden = out_of_reach(plan, os.getuid() if uid is None else uid) or (plan["root"] and uid is not None)
    kept = set()
    if hidden and files_watched:
        kept = set([each for each in (DAC_READ_SEARCH, DAC_OVERRIDE) if has_capability(each)][:1])
    if hidden and uid is not None and not kept:
        return
    for capability in set(range(64)) - kept:
        with contextlib.suppress(OSError):      # not ours to drop, or beyond the last one
            prctl(PR_CAPBSET_DROP, capability)
    if uid is not None:
        if plan["root"]:
            view.own_streams(uid, plan["gid"])
        prctl(PR_SET_KEEPCAPS, int(bool(kept)))
        os.setgroups(plan["root"]["groups"] if plan["root"] else [])
        os.setresgid(plan["gid"], plan["gid"], plan["gid"])
        os.setresuid(uid, uid, uid)
    set_capabilities(kept)


def enter(plan: Mapping[str, Any], new: str) -> None:
    """Make ``new`` the root, become the user it asks for, and give every capability up."""
    uid, gid, seen = plan["uid"], plan["gid"], (plan["root"]["uid"], plan["root"]["gid"])
    if uid is not None:
        view.own_streams(uid, gid)
        prctl(PR_SET_KEEPCAPS, 1)
        os.setgroups(plan["root"]["groups"])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        set_capabilities({SYS_CHROOT, SETPCAP})
        prctl(PR_SET_DUMPABLE, 1)
        if seen != (uid, gid):
            with contextlib.suppress(OSError):      # no user namespaces here: it is seen as who it is
                view.appear_as(*seen)
    os.chroot(new)
    os.chdir("/")
    for capability in range(64):
        with contextlib.suppress(OSError):
            prctl(PR_CAPBSET_DROP, capability)
    set_capabilities(set())


def out_of_reach(plan: Mapping[str, Any], uid: int) -> bool:
    """Are there granted paths that this uid could not come to by permissions?"""
    paths = [*plan["readable"], *(target for _, target, _ in plan["mounts"])]
    if plan["writable"]:
        paths.append(os.path.dirname(plan["writable"]))
    return not all(reachable(path, uid, walk_only=path not in plan["readable"]) for path in paths)


def set_capabilities(kept: set[int]) -> None:
    """Exactly these capabilities, also after the next exec; raises OSError for one that this process has not."""
    bits = sum(1 << each for each in kept)
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    with contextlib.suppress(OSError):
        prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR)
    number = CAPSET.get(os.uname().machine)
    if number is None:
        return
    landlock.call(number, header, struct.pack("IIIIII", bits, bits, bits, 0, 0, 0))
    for each in kept:
        prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, each)


def has_capability(number: int) -> bool:
    """Is it in this process's permitted set?"""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapPrm:"):
                return bool(int(line.split()[1], 16) >> number & 1)
    return False


def reachable(path: str, uid: int, *, walk_only: bool = False) -> bool:
    """Could this uid, in no group, walk to a path and read it?  A path that is not there is no obstacle."""
    real = os.path.realpath(path)
    try:
        found = os.stat(real)
        wanted = (0o1 if walk_only else 0o5) if os.path.isdir(real) else 0o4
        if not _may(found, uid, wanted):
            return False
        while real != "/":
            real = os.path.dirname(real)
            if not _may(os.stat(real), uid, 0o1):
                return False
    except FileNotFoundError:
        return True
    except PermissionError:
        return False
    return True


def _may(found: os.stat_result, uid: int, wanted: int) -> bool:
    bits = found.st_mode >> (6 if found.st_uid == uid else 0)
    return bits & wanted == wanted


def main(descriptor: int) -> None:
    """Read ``{"plan", "command", "report"}`` from a file descriptor and become the command."""
    with os.fdopen(descriptor, "rb") as file:
        order = json.loads(file.read())
    become(order["plan"], order["command"], order["report"])


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""What /proc says about the processes below one: who they are, what they use, and how they are ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
END_SECONDS = 5.0


def parents() -> dict[int, int]:
    """Parent pid by pid of every process there is."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[int(name)] = int(stat(int(name))[1])
    return found


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on (proc(5) counts that one as 3)."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].decode().split()


def below(root: int, *, quick: bool = False) -> list[int]:
    """Every descendant of a process, zombies included.

    ``quick`` reads only those processes' own lists of children (where the kernel keeps them), which may miss one that
    changes parents at that moment.
    """
    if quick and os.path.exists(f"/proc/{root}/task/{root}/children"):
        return [each for child in _children(root) for each in (child, *below(child, quick=True))]
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        mine = children.get(waiting.pop(), [])
        found += mine
        waiting += mine
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def usage(pids: list[int]) -> tuple[int, float, int]:
    """(resident bytes, CPU seconds with those of ended children, tasks) of these processes together."""
    resident, ticks, tasks = 0, 0, 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat(pid)
            ticks += sum(map(int, fields[11:15]))       # utime, stime, cutime, cstime
            if fields[0] != "Z":
                tasks += int(fields[17])                # num_threads
                resident += int(fields[21]) * PAGE
    return resident, ticks / TICKS, tasks


def tasks_of(uid: int) -> int:
    """Processes and threads that run as this real uid, as RLIMIT_NPROC counts them."""
    total = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if os.stat(f"/proc/{name}").st_uid == uid:
                    total += int(stat(int(name))[17])
    return total


def reap(leader: int | None) -> Iterator[tuple[int, int]]:
    """Collect ended children: yields (pid, wait status) of each; ``leader`` is left a zombie, so its group is ours."""
    while True:
        try:
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if seen is None or seen.si_pid == leader:
            return
        with contextlib.suppress(ChildProcessError):
            yield os.waitpid(seen.si_pid, 0)


def end(leader: int, deadline_seconds: float = END_SECONDS) -> int:
    """End a child's process group and every descendant of the caller, which must be a subreaper.

    A kill of a group is atomic: what forks at that moment dies too.  Returns how many would not end.
    """
    deadline = time.monotonic() + deadline_seconds
    while True:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        alive = [pid for pid in below(os.getpid()) if not ended(pid)]
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                group = os.getpgid(pid)     # of a further command, or of a job of a shell
                os.kill(pid, signal.SIGKILL) if group == os.getpgrp() else os.killpg(group, signal.SIGKILL)
        for _ in reap(leader):
            pass
        if not alive or time.monotonic() > deadline:
            return len(alive)


def ended(pid: int) -> bool:
    """Is it a zombie, or gone?"""
    try:
        return stat(pid)[0] in "ZX"
    except (OSError, IndexError):
        return True


def name_inside(pid: int) -> int:
    """A process's pid in its own namespace, 0 when it has gone (proc(5), ``NSpid``)."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"NSpid:"):
                return int(line.split()[-1])
    return 0

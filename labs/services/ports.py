"""Choosing a port on loopback, and proving which process listens on one."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from labs.errors import PermanentError

SEARCHED = 200
"""How many ports above the preferred one are tried."""


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:``port`` can be bound now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)   # a port in TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(preferred: int, remembered: int | None = None, taken: frozenset[int] = frozenset()) -> int:
    """The remembered port, else the preferred one, else the next free one above it."""
    for port in filter(None, (remembered, *range(preferred, preferred + SEARCHED))):
        if port not in taken and is_free(port):
            return port
    raise PermanentError(f"No port between {preferred} and {preferred + SEARCHED} is free on 127.0.0.1.",
                         "Stop what listens there: `ss -ltnp`.")


def listens(pid: int, port: int) -> bool:
    """Whether process ``pid`` or another of its process group listens on ``port`` (IPv4).

    Two clones that start at once may have chosen the same port; an answer on it proves nothing by itself.
    """
    inodes = _listening_inodes(port)
    return any(_holds(member, inodes) for member in _group(pid))


def _listening_inodes(port: int) -> set[str]:
    """Column 9 of /proc/net/tcp (proc(5)) in state 0A, LISTEN."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].rsplit(":", 1)[1], 16) == port}


def _group(pid: int) -> list[int]:
    with contextlib.suppress(ProcessLookupError):
        group = os.getpgid(pid)
        return [member for member in pids() if _group_of(member) == group]
    return []


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _holds(pid: int, inodes: set[str]) -> bool:
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return True
    return False


def pids() -> list[int]:
    """Every process id there is now."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]

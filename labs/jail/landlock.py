"""Landlock by system call: files, TCP ports, signals and abstract sockets out of reach for good.

The interface is found at run time (``abi()``): 1 files, 2 renames between folders, 3 truncation, 4 TCP ports, 5 device
controls, 6 signals and abstract Unix sockets (Linux kernel documentation, "Landlock: unprivileged access control").
It does not hide that a file exists, and it knows ports, not addresses.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446     # the same on every architecture
VERSION, PATH_BENEATH, NET_PORT = 1, 1, 2
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_UNIX, SCOPE_SIGNAL = 1, 2
READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def call(number: int, *arguments: int | bytes | None) -> int:
    """A raw system call; raises OSError with the kernel's errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [ctypes.c_char_p(each) if isinstance(each, bytes) else ctypes.c_long(each or 0) for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *passed)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


@functools.cache
def abi() -> int:
    """The version the running kernel offers, 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return call(CREATE_RULESET, None, 0, VERSION)
    except OSError:
        return 0


def _handled_files(version: int) -> int:
    handled = (1 << 13) - 1
    return handled | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0) | (
        IOCTL_DEV if version >= 5 else 0)


def ruleset(version: int, readable: list[str], writable: list[str], connect: list[int], bind: list[int]) -> int:
    """A file descriptor of the rules, as far as this version of the interface has them, for ``restrict``.

    ``readable`` and ``writable`` paths that do not exist are passed over.  Devices in DEVICES are always granted.
    """
    files = _handled_files(version)
    attribute = struct.pack("QQQ", files, (BIND_TCP | CONNECT_TCP) if version >= 4 else 0,
                            (SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL) if version >= 6 else 0)
    made = call(CREATE_RULESET, attribute, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    everything = files & ~IOCTL_DEV
    for paths, access in ((readable, READ), (writable, everything), (DEVICES, READ_FILE | WRITE_FILE)):
        for path in paths:
            _grant_path(made, path, access & files)
    if version >= 4:
        for port in sorted({*connect, *bind}):
            access = (CONNECT_TCP if port in connect else 0) | (BIND_TCP if port in bind else 0)
            call(ADD_RULE, made, NET_PORT, struct.pack("QQ", access, port), 0)
    return made


def _grant_path(rules: int, path: str, access: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{opened}") and not os.path.isdir(path):
            access &= OF_A_FILE
        call(ADD_RULE, rules, PATH_BENEATH, struct.pack("=Qi", access, opened), 0)
    finally:
        os.close(opened)


def restrict(rules: int) -> None:
    """From here on this process and all it starts are bound by the rules; needs PR_SET_NO_NEW_PRIVS first."""
    call(RESTRICT_SELF, rules, 0)
    os.close(rules)

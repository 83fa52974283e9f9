"""Further commands in a jail that runs: same view, same Landlock domain, same uid, same limits, other standard streams.

A jail cannot be joined from outside: a Landlock domain has no door, and joining namespaces takes privileges.  So the
process that becomes the command leaves one behind, forked before its seccomp filter, that starts others when it is
asked.  It takes requests at a listening Unix socket that was opened outside; nothing inside can reach that, and the
process cannot be traced, so that what it holds and may do stays its own.  It does not carry bytes: a request brings the
three files that become the command's own.

    request     8 hexadecimal digits: length of the JSON ``{"command", "environment", "directory", "terminal"}``, with
                which come three file descriptors.  Later single bytes: the number of a signal for the command's group.
    answers     lines of JSON: ``{"started": pid inside}`` or ``{"failed": errno}``, then ``{"status": N}``

The end of the connection does not end the command ("kubectl exec" of a client that went away goes on, too).
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket

from labs.jail import confine, notify, seccomp

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

UNKNOWN = 255
"""PRoot tells the last exit status it saw as the command's when a signal ended that: it must not be 0."""
REQUEST = 4 * 2**20
"""Bytes of one request, at most; the kernel itself takes about 2 MiB of arguments and environment."""


def leave(plan: Mapping[str, Any], door: int, report: int, scoped: bool) -> int:
    """Fork the process that stays at the door; returns its pid.  It is nobody's child that the command could wait for.

    Call it confined, but for the seccomp filter.
    """
    told, tell = os.pipe()
    between = os.fork()
    if not between:
        middle = os.getpid()
        if pid := os.fork():
            os.write(tell, b"%d" % pid)
            os._exit(UNKNOWN)
        try:
            os.close(report)
            os.close(told)
            _stay(plan, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, door), between=middle, scoped=scoped)
        finally:
            os._exit(1)
    os.close(tell)
    os.waitpid(between, 0)
    with os.fdopen(told, "rb") as answer:
        return int(answer.read())


def _stay(plan: Mapping[str, Any], door: socket.socket, between: int, scoped: bool) -> None:
    """Serve until whoever watches the jail ends it."""
    os.setsid()
    nowhere, _ = socket.socketpair()        # there may be no /dev/null
    for number in (0, 1, 2):        # the streams of the command are its own
        os.dup2(nowhere.fileno(), number)
    for descriptor in confine.open_files():
        if descriptor > 2 and descriptor not in (door.fileno(), plan["notify"]):
            with contextlib.suppress(OSError):
                os.close(descriptor)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # from here on without a path or an address in a system call: an ordinary user's PRoot would look into our memory
    confine.prctl(confine.PR_SET_DUMPABLE, 0)
    while os.getppid() == between:      # until the process between has ended: the next parent stays
        select.select([], [], [], 0.001)
    confine.prctl(confine.PR_SET_PDEATHSIG, signal.SIGKILL)
    visits: dict[socket.socket, int] = {}       # connection → pid
    while True:
        news, _, _ = select.select([door.fileno(), woken, *(each.fileno() for each in visits)], [], [])
        if woken in news:
            os.read(woken, 4096)
        for visit in [each for each in visits if each.fileno() in news]:
            if not _pass_on(visit, visits[visit]):
                del visits[visit]
                visit.close()
        if door.fileno() in news:
            visitor = _accept(door)
            if pid := _admit(plan, visitor, scoped):
                visits[visitor] = pid
        if _bury(visits) and plan["rung"] == "proot" and not os.fork():
            os._exit(UNKNOWN)


def _accept(door: socket.socket) -> socket.socket:
    """The next visitor, without asking for an address; see ``_stay``."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.accept(door.fileno(), None, None)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "accept")
    os.set_inheritable(descriptor, False)
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)


def _admit(plan: Mapping[str, Any], visitor: socket.socket, scoped: bool) -> int:
    """Start what is asked for; 0 when that failed, which the visitor is told."""
    files: list[int] = []
    try:
        request = _request(visitor, files)
        started, why = _start({**plan, "terminal": bool(request["terminal"])}, request, files, scoped)
        _tell(visitor, {"started": started} if started else {"failed": why})
    except (OSError, ValueError, LookupError) as error:
        started = 0
        _tell(visitor, {"failed": getattr(error, "errno", 0) or errno.EINVAL})
    finally:
        for each in files:
            os.close(each)
    if not started:
        visitor.close()
    return started


def _request(visitor: socket.socket, files: list[int]) -> dict[str, Any]:
    """What is asked for; the descriptors that came with it go into ``files``."""
    data, found, *_ = socket.recv_fds(visitor, 65536, 3)
    files += found
    if len(data) < 8 or len(files) != 3:
        raise ValueError("no request")
    length = int(data[:8], 16)
    if length > REQUEST:
        raise ValueError("too long")
    while len(data) < 8 + length:
        more = visitor.recv(65536)
        if not more:
            raise ValueError("cut off")
        data += more
    return dict(json.loads(data[8:]))


def _start(plan: Mapping[str, Any], request: Mapping[str, Any], files: Sequence[int], scoped: bool) -> tuple[int, int]:
    """(pid, 0), or (0, errno) for a command that could not be executed."""
    reports, report = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            _become(plan, request, files, report, scoped)
        except OSError as error:
            os.write(report, b"%d" % (error.errno or errno.EINVAL))
        finally:
            os._exit(126)
    os.close(report)
    with os.fdopen(reports, "rb") as said:
        why = said.read()
    if why:
        os.waitpid(pid, 0)
        return 0, int(why)
    return pid, 0


def _become(plan: Mapping[str, Any], request: Mapping[str, Any], files: Sequence[int], report: int,
            scoped: bool) -> None:
    """In the child: a session of its own, the three files, the filter, the command.  Raises OSError."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for number, descriptor in enumerate(files):
        os.dup2(descriptor, number)
    if request["terminal"]:
        confine.take_terminal()
    listener = 0
    if seccomp.available():
        listener = seccomp.install(seccomp.program(plan, pid=os.getpid(), scoped=scoped), bool(plan["network"]))
    # only now: without its filter nobody inside may get hold of it; and before the first path, which PRoot has to read
    confine.prctl(confine.PR_SET_DUMPABLE, 1)
    if listener:
        notify.hand_over(listener, plan["notify"])
    for descriptor in confine.open_files():
        if descriptor > 2 and descriptor != report:
            with contextlib.suppress(OSError):
                os.close(descriptor)
    environment = {**plan["environment"], **request.get("environment", {})}
    os.chdir(request.get("directory") or plan["directory"] or plan["writable"] or "/")
    command = [str(word) for word in request["command"]]
    if "/" in command[0]:
        os.execve(command[0], command, environment)
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        with contextlib.suppress(OSError):      # not there, or not granted
            os.execve(os.path.join(folder, command[0]), command, environment)
    raise FileNotFoundError(errno.ENOENT, "not in PATH")


def _pass_on(visit: socket.socket, pid: int) -> bool:
    """A signal from the visitor to the command's group; False when the visitor has gone."""
    try:
        numbers = visit.recv(64)
    except OSError:
        return False
    for number in numbers:
        with contextlib.suppress(OSError):
            os.killpg(pid, number)
    return bool(numbers)


def _bury(visits: dict[socket.socket, int]) -> bool:
    """Collect commands that ended, and tell their visitors; was there one?"""
    found = False
    while True:
        try:
            pid, waited = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        for visit in [each for each, whose in visits.items() if whose == pid]:
            status = os.waitstatus_to_exitcode(waited)
            _tell(visit, {"status": 128 - status if status < 0 else status})
            visit.close()
            del visits[visit]
            found = True


def _tell(visitor: socket.socket, message: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        visitor.sendall(json.dumps(message).encode() + b"\n")


def ask(door: socket.socket, command: Sequence[str], files: Sequence[int], *, terminal: bool = False,
        environment: Mapping[str, str] | None = None, directory: str | None = None) -> None:
    """From outside: send a request through a connection to the door; the answers come through it too.

    :param files: what becomes standard input, output and error; the caller may close its own copies afterwards
    :param environment: over the jail's own
    """
    request = json.dumps({"command": list(command), "terminal": terminal, "environment": dict(environment or {}),
                          "directory": directory}).encode()
    data = b"%08x" % len(request) + request
    sent = door.sendmsg([data[:65000]], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    door.sendall(data[sent:])

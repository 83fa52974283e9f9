"""The process beside a jail: starts the command, watches what no kernel limit covers, ends everything, reports.

``main(FD)``: FD is a Unix stream socket to the caller.  It first receives one line of JSON, ``{"plan", "command",
"wrap"}``; then lines ``{"signal": N}`` and ``{"memory": BYTES}``.  It sends ``{"started": pid}`` or
``{"failed": why}``, and at the end ``{"status", "limit", "cpu", "left"}``.  When the socket ends, so does the jail: a
killed caller leaves nothing behind.

It is a subreaper: daemons that detach become its children.  It keeps root where the caller has it, cannot be traced,
and is no part of the Landlock domain, so what it runs cannot signal it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time

from labs.jail import confine, processes, view

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from typing import Any

PR_SET_CHILD_SUBREAPER = 36
EAGER_SECONDS, EAGER, CALM = 2.0, 0.05, 0.25      # look this often in the first seconds, and afterwards
LISTING = 20_000        # names looked at in the writable folder; more are too many files


class Supervisor:
    """One command from its start to its report."""

    def __init__(self, caller: socket.socket, order: dict[str, Any]) -> None:
        self.caller = caller
        self.plan: dict[str, Any] = order["plan"]
        self.command: list[str] = order["command"]
        self.wrap: list[str] = order["wrap"]
        self.started = time.monotonic()
        self.limit: str | None = None
        self.leader = 0
        self.readiness = b""
        self.answered = False
        self.changed: str | None = self.plan["writable"]
        self.tracee = 0     # the command's pid where PRoot is the leader
        self.inside = 0     # the command's pid as it is inside
        self.doorman = 0

    def run(self) -> None:
        """Start, watch, end, report."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        reports = self.start()
        watched = {self.caller.fileno(), woken, reports}
        while True:
            ready, _, _ = select.select(list(watched), [], [], self.patience())
            if reports in watched and (not self.hear(reports) if reports in ready else self.silent()):
                watched.discard(reports)
            if woken in ready:
                os.read(woken, 4096)
            if self.caller.fileno() in ready and not self.obey():
                break
            for _ in processes.reap(self.leader):
                pass
            self.hurry()
            if self.over() or self.exceeded():
                break
        while reports in watched and self.over() and self.hear(reports):
            pass
        self.finish()

    def start(self) -> int:
        """Fork the command; returns the pipe on which it says whether it got as far as being itself."""
        plan = self.plan
        if plan["writable"] and plan["uid"] is not None:
            os.chown(plan["writable"], plan["uid"], plan["uid"])
        if plan["root"] and plan["root"]["changes"]:
            self.changed = plan["root"]["changes"]
            for name in (view.UPPER, view.WORK):
                path = os.path.join(self.changed, name)
                os.makedirs(path, exist_ok=True)
                os.chmod(path, 0o755)
                if plan["uid"] is not None:
                    os.chown(path, plan["root"]["owner"], plan["root"]["owner"])
        plan["uid_tasks"] = processes.tasks_of(os.getuid() if plan["uid"] is None else plan["uid"])
        reports, report = os.pipe()
        desk = None
        if plan["network"]:
            desk, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            desk.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)       # before anybody says anything
            plan["notify"] = theirs.fileno()
        self.leader = os.fork()
        if not self.leader:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if self.wrap:
                self._become_wrapped(report)
            confine.become(self.plan, self.command, report)
        os.close(report)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):        # the ends of the caller's pipes are the command's alone
            os.dup2(nowhere, number)
        for number in self.plan["pass_fds"]:
            os.close(number)
        if desk is not None:
            from labs.jail import notify  # few jails have a network of their own

            theirs.close()
            notify.begin(plan["network"], desk)
        return reports

    def _become_wrapped(self, report: int) -> None:
        """Become bubblewrap or PRoot, which start ``confine`` in the view they make."""
        try:
            os.setsid()
            order = json.dumps({"plan": self.plan, "command": self.command, "report": report}).encode()
            told, tell = os.pipe()
            os.write(tell, order)       # far below the 64 KiB a pipe holds; longer ones are refused by the caller
            os.close(tell)
            notify = self.plan["notify"]
            for number in (told, report, *self.plan["pass_fds"], *([] if notify is None else [notify])):
                os.set_inheritable(number, True)
            os.execve(self.wrap[0], [*self.wrap, str(told)], dict(os.environ))
        except OSError as error:
            os.write(report, str(error).encode())
        os._exit(126)

    def hear(self, reports: int) -> bool:
        """Take in what the command says on its way; False at the end, when the caller is told."""
        said = os.read(reports, 4096)
        if said:
            self.readiness += said
            return True
        os.close(reports)
        self.answer()
        return False

    def silent(self) -> bool:
        """PRoot keeps the pipe open as long as it runs: no word after READY then means that the command began."""
        if self.plan["rung"] == "proot" and confine.READY.fullmatch(self.readiness):
            self.answer()
            return True
        return False

    def answer(self) -> None:
        """Tell the caller whether the command began."""
        if began := confine.READY.fullmatch(self.readiness):
            self.inside = int(began[1])
            self.tracee = self.inside if self.plan["rung"] == "proot" else 0
            self.doorman = self.outside(int(began[2])) if int(began[2]) else 0
            self.tell({"started": self.leader, "doorman": self.doorman})
        else:
            why = confine.READY.sub(b"", self.readiness).decode("utf-8", "replace")
            self.tell({"failed": why or "the program that makes the view did not start"})
        self.answered = True

    def tell(self, message: dict[str, Any]) -> None:
        """A line to the caller, if it is still there."""
        with contextlib.suppress(OSError):
            self.caller.sendall(json.dumps(message).encode() + b"\n")

    def obey(self) -> bool:
        """Carry out what the caller asks; False when it is gone or wants the end."""
        try:
            lines = self.caller.recv(65536)
        except OSError:
            return False
        for line in lines.splitlines():
            said = json.loads(line)
            if "memory" in said:
                self.plan["memory"] = said["memory"]
                continue
            number = said["signal"]
            if number == signal.SIGKILL:
                return False
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.target(), number)
        return bool(lines)

    def hurry(self) -> None:
        """PRoot stays until its last tracee ends: once the command has, end the others, and PRoot tells its status."""
        if self.tracee and processes.ended(self.tracee):
            for pid in processes.below(os.getpid()):
                if pid != self.leader:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    def target(self) -> int:
        """The process that signals are for: the command, not the program that made its view."""
        return (self.inside and self.outside(self.inside)) or self.leader

    def outside(self, inside: int) -> int:
        """The pid of a process by its pid inside; 0 when it has gone."""
        found = [pid for pid in processes.below(os.getpid()) if processes.name_inside(pid) == inside]
        return found[-1] if found else 0        # bubblewrap's own first process may have that number outside

    def patience(self) -> float:
        """Seconds until the next look."""
        age = time.monotonic() - self.started
        calm = EAGER if age < EAGER_SECONDS else CALM
        wall = self.plan["wall_seconds"]
        return calm if wall is None else max(0.0, min(calm, wall - age))

    def over(self) -> bool:
        """Has the command ended?  It stays a zombie until ``finish``."""
        seen = os.waitid(os.P_PID, self.leader, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return seen is not None

    def exceeded(self) -> bool:
        """Is a limit passed?  Notes which."""
        plan = self.plan
        wall = plan["wall_seconds"]
        if wall is not None and time.monotonic() - self.started >= wall:
            self.limit = "wall"
            return True
        resident, cpu, tasks = processes.usage(
            [pid for pid in processes.below(os.getpid(), quick=True) if pid != self.doorman])
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        overhead = 3 if self.wrap else 1       # the command itself, and what made its view
        if plan["door"] is not None and not self.answered:
            overhead += 2       # the doorman, whom nobody knows yet, and his parent
        if resident > plan["memory"]:
            self.limit = "memory"
        elif plan["cpu_seconds"] is not None and cpu + ended.ru_utime + ended.ru_stime > plan["cpu_seconds"]:
            self.limit = "cpu"
        elif tasks > plan["processes"] + overhead:
            self.limit = "processes"
        elif self.changed and not within(self.changed, plan["writable_bytes"]):
            self.limit = "files"
        return self.limit is not None

    def finish(self) -> None:
        """End whatever is left, then report."""
        if not self.over() and self.limit is None:
            self.limit = "ended"        # by the caller
        left = processes.end(self.leader)
        status = 128 + signal.SIGKILL
        with contextlib.suppress(ChildProcessError):
            _, waited = os.waitpid(self.leader, os.WNOHANG if left else 0)
            status = os.waitstatus_to_exitcode(waited)
        for _ in processes.reap(None):
            pass
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = used.ru_utime + used.ru_stime
        wanted = self.plan["cpu_seconds"]
        if self.limit is None and wanted is not None and cpu >= wanted - 0.1 and status in (-signal.SIGKILL, 137):
            self.limit = "cpu"
        if not self.answered:
            self.tell({"failed": self.readiness.decode("utf-8", "replace") or "it was ended before it began"})
        self.tell({"status": 128 - status if status < 0 else status, "limit": self.limit, "cpu": cpu, "left": left})


def within(folder: str, most: int) -> bool:
    """Do the files below a folder take at most this many bytes, and are there fewer than LISTING?"""
    total, names = 0, 0
    waiting = [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                names += 1
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    total += max(found.st_blocks * 512, 0)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if total > most or names > LISTING:
                    return False
    return True


def main(descriptor: int) -> None:
    """See the module."""
    caller = socket.socket(fileno=descriptor)
    received = b""
    while not received.endswith(b"\n"):
        chunk = caller.recv(65536)
        if not chunk:
            return
        received += chunk
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)      # the caller decides, by its socket
    if sys.platform == "linux":
        confine.prctl(PR_SET_CHILD_SUBREAPER, 1)
        confine.prctl(confine.PR_SET_DUMPABLE, 0)
    Supervisor(caller, json.loads(received)).run()

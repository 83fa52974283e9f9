"""A limit of processors, as the kernel's CFS bandwidth control keeps it, for those who may not make control groups.

"Requests and limits" (Kubernetes documentation: "Resource Management for Pods and Containers") and "CFS Bandwidth
Control" (kernel documentation): in every period of 100 ms a container may use limit x period of processor time; when
that is used up it stands still until the next period.  Here the process beside a container measures what is used, and
stops and continues the processes (SIGSTOP, SIGCONT).  It looks when the time could be used up at the earliest, after
LIVELY seconds of idleness once in a period; what is used too much until then is paid back in the periods that follow,
so that the rate over a second is right.

The jail's supervisor and doorman are never stopped.  What stands still for another reason is left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from labs.jail import processes

PERIOD = 0.1
LEAST = 0.004
"""Seconds: of a period, and between two looks at least."""
LIVELY = 0.5
SWEEPS = 3
"""How often is looked for processes that began while the others were stopped."""


class Quota:
    """Holds what runs below a process to a rate.

    :param limit: processors, 0.5 is half of one
    :param root: the process beside the container; its first child is the jail's supervisor
    :param doorman: the jail's doorman, 0 for none
    :param path: where the counters are kept: ``PERIODS THROTTLED SECONDS``, as in ``cpu.stat`` (cgroups(7))
    """

    def __init__(self, limit: float, root: int, doorman: int, path: str) -> None:
        self._quota = limit * PERIOD
        self._root = root
        self._doorman = doorman
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._over = threading.Event()
        self._pardoned = False
        self._left = self._quota
        self._end = time.monotonic() + PERIOD
        self._active = False        # in this period
        self._periods = self._throttled = 0
        self._ran = 0.0
        self._stood, self._since = 0.0, 0.0
        self._stopped: list[int] = []
        self._clocks: dict[int, int] = {}
        self._total = self._measure()
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()

    def change(self, limit: float) -> None:
        """Another limit, from the next period on."""
        self._quota = limit * PERIOD

    def pardon(self) -> None:
        """It is told to end: let it do so now, whatever it owes."""
        self._pardoned = True

    def close(self) -> None:
        """It has ended."""
        self._over.set()
        self._thread.join()
        os.close(self._file)

    def _hold(self) -> None:
        while not self._over.wait(self._look()):
            pass
        self._go_on(time.monotonic())

    def _look(self) -> float:
        """Take in what was used; seconds until the next look."""
        ran = any(clock(pid) != used for pid, used in self._clocks.items())      # else nobody began, either
        if ran:
            total = self._measure()
            self._left -= max(0.0, total - self._total)     # less: nobody waited for one, whose time is lost
            self._total = total
            self._active = True
        now = time.monotonic()
        self._ran = now if ran else self._ran
        if now >= self._end:
            self._next_period(now)
        if self._pardoned:
            self._pardoned, self._left = False, self._quota
        if self._left <= 0:
            self._stop(now)
            return self._end - now
        self._go_on(now)
        soonest = self._left / (os.cpu_count() or 1)
        return min(max(soonest, LEAST) if now - self._ran < LIVELY else PERIOD, self._end - now)

    def _next_period(self, now: float) -> None:
        """What was not used is lost, what was used too much is not forgiven."""
        passed = int((now - self._end) / PERIOD) + 1
        self._end += passed * PERIOD
        self._left = min(self._left + passed * self._quota, self._quota)
        if self._active or self._stopped:
            self._periods += passed
            self._throttled += passed if self._stopped else 0
            stood = self._stood + (now - self._since if self._stopped else 0.0)
            os.pwrite(self._file, b"%d %d %.3f\n" % (self._periods, self._throttled, stood), 0)
            self._active = False

    def _everybody(self) -> list[int]:
        """What is below the jail's supervisor, and first that itself."""
        return processes.below(self._root, quick=True)

    def _measure(self) -> float:
        """Seconds that all who run and all who ended have used."""
        everybody, ended = self._everybody(), 0
        self._clocks = {pid: clock(pid) for pid in everybody[1:]}
        for pid in everybody:
            with contextlib.suppress(OSError, ValueError, IndexError):
                ended += sum(map(int, processes.stat(pid)[13:15]))      # cutime, cstime
        own = sum(used for pid, used in self._clocks.items() if pid != self._doorman)
        return own / 1e9 + ended / processes.TICKS

    def _stop(self, now: float) -> None:
        """Parents before their children, so that no shell sees a job of its own stand still."""
        if not self._stopped:
            self._since = now
        for _ in range(SWEEPS):
            found = [pid for pid in self._everybody()[1:] if pid != self._doorman and _runs(pid)]
            _send(signal.SIGSTOP, found)
            self._stopped += [pid for pid in found if pid not in self._stopped]
            if not found:
                break

    def _go_on(self, now: float) -> None:
        if self._stopped:
            self._stood += now - self._since
            _send(signal.SIGCONT, self._stopped[::-1])
            self._stopped = []


def clock(pid: int) -> int:
    """Nanoseconds of processor time of all of a process's threads (clock_getcpuclockid(3)); 0 when it has gone."""
    with contextlib.suppress(OSError):
        return time.clock_gettime_ns((~pid << 3) | 2)
    return 0


def _runs(pid: int) -> bool:
    try:
        return processes.stat(pid)[0] not in "TtZX"
    except (OSError, IndexError):
        return False


def _send(number: int, pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def counted(path: str) -> tuple[int, int, float]:
    """(periods, periods with a stop, seconds of stops) of a container; raises OSError or ValueError for none."""
    with open(path, encoding="ascii") as file:
        periods, throttled, seconds = file.read().split()
    return int(periods), int(throttled), float(seconds)


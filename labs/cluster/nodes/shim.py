"""The process beside one container: ``main(FOLDER)`` starts its jail, keeps its log, and notes how it ended.

It outlives a kill of the nodes (as containerd's shim outlives containerd), so that they find their containers again;
when nobody plays the nodes for ORPHANED_AFTER seconds, it ends the container.  In FOLDER:

    order.json      what to start: {"spec", "command", "log", "lock", "skew"}
    running.json    {"shim", "shim_started", "started"}: pid, its start in clock ticks since boot, Unix time
    exit.json       {"status", "limit", "finished"}, or {"error"} when the command could not be started

SIGTERM is passed on to the container, SIGUSR1 ends it at once.  It imports little: there is one for every container.
"""

from __future__ import annotations

import datetime
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import time

from labs.errors import LabError
from labs.jail import Mount, Result, Running, Spec, processes, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ORPHANED_AFTER = 60.0
LOOKED_EVERY = 5.0
LONGEST_LINE = 16 * 1024
LOG_BYTES = 10 * 2**20
"""A log that is longer is begun anew; the one before it is kept as ``.1``."""
DRAINED_WITHIN = 2.0


def main(folder: str) -> None:
    """Run the container to its end."""
    order = json.loads(read(folder, "order.json"))
    try:
        running = start(specification(order["spec"]), order["command"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except (LabError, OSError) as error:
        write(folder, "exit.json", {"error": str(error), "finished": time.time()})
        return
    signal.signal(signal.SIGTERM, lambda *_: running.signal(signal.SIGTERM))
    signal.signal(signal.SIGUSR1, lambda *_: running.signal(signal.SIGKILL))
    write(folder, "running.json", {
        "shim": os.getpid(), "shim_started": started(os.getpid()), "started": time.time()})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)        # the nodes read this pipe to its end: now it runs
    with Log(order["log"], order.get("skew", 0.0)) as log:
        result = attend(running, log, order["lock"])
    write(folder, "exit.json", {"status": result.status, "limit": result.limit, "finished": time.time()})


def specification(given: dict[str, Any]) -> Spec:
    """The jail that an order describes."""
    given["requires"] = frozenset(given["requires"])
    given["mounts"] = tuple(Mount(*each) for each in given["mounts"])
    for name in ("readable", "connect", "bind"):
        given[name] = tuple(given[name])
    return Spec(**given)


def attend(running: Running, log: Log, lock: str) -> Result:
    """Copy what it writes until it ends; returns how."""
    assert running.stdout is not None
    assert running.stderr is not None
    streams = {running.stdout.fileno(): "stdout", running.stderr.fileno(): "stderr"}
    with open(lock, "a", encoding="ascii") as held, selectors.DefaultSelector() as watched:
        for descriptor in (*streams, running.fileno()):
            watched.register(descriptor, selectors.EVENT_READ)
        last_seen, looked, end = time.monotonic(), 0.0, None
        result = None
        while result is None or (streams and time.monotonic() < (end or 0.0)):
            for key, _ in watched.select(LOOKED_EVERY if result is None else 0.1):
                if key.fd in streams:
                    if not log.copy(key.fd, streams[key.fd]):
                        watched.unregister(key.fd)
                        del streams[key.fd]
                elif result is None:
                    watched.unregister(key.fd)
                    result = _ended(running)
                    end = time.monotonic() + DRAINED_WITHIN
            if result is None and time.monotonic() - looked >= LOOKED_EVERY:
                looked = time.monotonic()
                if attended(held.fileno()):
                    last_seen = looked
                elif looked - last_seen > ORPHANED_AFTER:
                    running.signal(signal.SIGKILL)
    return result


def _ended(running: Running) -> Result:
    try:
        found = running.wait()
    except LabError:
        return running.kill()       # the jail's supervisor was killed, and what it ran with it
    assert found is not None
    return found


def attended(lock: int) -> bool:
    """Does somebody play the nodes?  They hold the lock exclusively."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


class Log:
    """A log file in the format of the CRI: ``TIME stdout|stderr F|P LINE``, P for a piece of a longer line."""

    def __init__(self, path: str, skew: float = 0.0) -> None:
        self._path = path
        self._skew = datetime.timedelta(seconds=skew)
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)
        self._left = {"stdout": b"", "stderr": b""}

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        for stream, left in self._left.items():
            if left:
                self._write(stream, b"F", left)
        self._file.close()

    def copy(self, source: int, stream: str) -> bool:
        """Take what can be read; False at its end."""
        data = os.read(source, 65536)
        *lines, left = (self._left[stream] + data).split(b"\n")
        for line in lines:
            self._write(stream, b"F", line)
        while len(left) >= LONGEST_LINE:
            self._write(stream, b"P", left[:LONGEST_LINE])
            left = left[LONGEST_LINE:]
        self._left[stream] = left
        return bool(data)

    def _write(self, stream: str, tag: bytes, line: bytes) -> None:
        moment = datetime.datetime.now(datetime.timezone.utc) + self._skew  # noqa: UP017
        written = moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        self._file.write(b"%s %s %s %s\n" % (written.encode(), stream.encode(), tag, line))
        if self._file.tell() > LOG_BYTES:
            self._file.close()
            os.replace(self._path, f"{self._path}.1")
            self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 (closed by __exit__)


def started(pid: int) -> int:
    """When a process started, in clock ticks since boot: with its pid, a name that is never used again."""
    return int(processes.stat(pid)[19])


def read(folder: str, name: str) -> bytes:
    """A small file of the container's."""
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def write(folder: str, name: str, value: dict[str, Any]) -> None:
    """Replace it in one step."""
    fresh = os.path.join(folder, f".{name}")
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(fresh, os.path.join(folder, name))


if __name__ == "__main__":
    main(sys.argv[1])

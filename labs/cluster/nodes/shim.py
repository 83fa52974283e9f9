"""The process beside one container: ``main(FOLDER)`` starts its jail, keeps its log, and notes how it ended.

It outlives a kill of the nodes (as containerd's shim outlives containerd), so that they find their containers again;
when nobody plays the nodes for ORPHANED_AFTER seconds, it ends the container.  In FOLDER:

    order.json      what to start: {"spec", "command", "log", "lock", "skew", "stdin", "stdin_once", "stop", "cpu"},
                    the last two a signal's number and a limit in processors, 0 for none
    running.json    {"shim", "shim_started", "started", "doorman"}: pid, its start in clock ticks since boot, Unix time,
                    pid of the process that starts further commands inside
    door            a Unix socket for further commands inside, see labs.jail.doorman
    attach          a Unix socket for what the container reads and writes, see Visitor
    cpu.stat        what its limit of processors did, see quota.py
    limits.json     {"cpu", "memory"}: other limits, in processors (0 for none) and bytes, since SIGUSR2 told of them
    exit.json       {"status", "limit", "finished"}, or {"error"} when the command could not be started

SIGTERM is passed on to the container, as its image's stop signal; SIGUSR1 ends it at once; SIGUSR2 has it take over
limits.json.  It imports little: there is one for every container.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time

from labs.cluster.nodes.quota import Quota
from labs.errors import LabError
from labs.jail import Mount, Result, Root, Running, Spec, processes, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ORPHANED_AFTER = 60.0
LOOKED_EVERY = 5.0
LONGEST_LINE = 16 * 1024
LOG_BYTES = 10 * 2**20
"""A log that is longer is begun anew; the one before it is kept as ``.1``."""
DRAINED_WITHIN = 2.0
UNSENT, UNREAD = 2**20, 2**16
"""Bytes that wait for somebody attached, and for the container, at most."""
TIOCSWINSZ = 0x5414


def main(folder: str) -> None:
    """Run the container to its end."""
    order = json.loads(read(folder, "order.json"))
    os.chdir(folder)        # a socket's path may have 107 bytes
    with listening("door") as door, listening("attach") as attach:
        os.chdir("/")
        try:
            running, streams = begin(order, door.fileno())
        except (LabError, OSError) as error:
            write(folder, "exit.json", {"error": str(error), "finished": time.time()})
            return
        door.close()
        processors = Processors(folder, running.doorman)
        processors.limit(float(order.get("cpu") or 0))

        def stop(*_: object) -> None:
            running.signal(order["stop"])
            processors.pardon()

        def resize(*_: object) -> None:
            given = json.loads(read(folder, "limits.json"))
            running.hold(given["memory"])
            processors.limit(given["cpu"])

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGUSR1, lambda *_: running.signal(signal.SIGKILL))
        signal.signal(signal.SIGUSR2, resize)
        write(folder, "running.json", {
            "shim": os.getpid(), "shim_started": started(os.getpid()), "started": time.time(),
            "doorman": running.doorman})
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)        # the nodes read this pipe to its end: now it runs
        with Log(order["log"], order.get("skew", 0.0)) as log:
            result = attend(running, streams, log, order["lock"], attach)
        running.close_pipes()
        processors.limit(0.0)
    write(folder, "exit.json", {"status": result.status, "limit": result.limit, "finished": time.time()})


class Processors:
    """The container's limit of processors, which may come, change and go while it runs."""

    def __init__(self, folder: str, doorman: int) -> None:
        self._path = os.path.join(folder, "cpu.stat")
        self._doorman = doorman
        self._quota: Quota | None = None

    def limit(self, processors: float) -> None:
        """From now on this one; 0 for none."""
        if self._quota is not None and processors:
            self._quota.change(processors)
        elif self._quota is not None:
            self._quota.close()
            self._quota = None
        elif processors:
            self._quota = Quota(processors, os.getpid(), self._doorman, self._path)

    def pardon(self) -> None:
        """It is told to end."""
        if self._quota is not None:
            self._quota.pardon()


def listening(name: str) -> socket.socket:
    """A Unix socket in the working folder."""
    made = socket.socket(socket.AF_UNIX)
    made.bind(name)
    made.listen(16)
    return made


def begin(order: dict[str, Any], door: int) -> tuple[Running, Streams]:
    """Start the container; raises LabError or OSError."""
    spec = specification(order["spec"])
    if spec.terminal:
        master, slave = os.openpty()
        running = start(spec, order["command"], stdin=slave, stdout=slave, stderr=slave, door=door)
        os.close(slave)
        return running, Streams({master: "stdout"}, master, order.get("stdin_once", False), terminal=True)
    given = subprocess.PIPE if order.get("stdin") else subprocess.DEVNULL
    running = start(spec, order["command"], stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, door=door)
    assert running.stdout is not None
    assert running.stderr is not None
    outputs = {running.stdout.fileno(): "stdout", running.stderr.fileno(): "stderr"}
    stdin = -1
    if running.stdin is not None:
        stdin = os.dup(running.stdin.fileno())
        running.stdin.close()
    return running, Streams(outputs, stdin, order.get("stdin_once", False))


def specification(given: dict[str, Any]) -> Spec:
    """The jail that an order describes."""
    given["requires"] = frozenset(given["requires"])
    given["mounts"] = tuple(Mount(*each) for each in given["mounts"])
    if given["root"] is not None:
        given["root"] = Root(**{**given["root"], "groups": tuple(given["root"]["groups"])})
    for name in ("readable", "connect", "bind"):
        given[name] = tuple(given[name])
    return Spec(**given)


def attend(running: Running, streams: Streams, log: Log, lock: str, attach: socket.socket) -> Result:
    """Copy what it writes until it ends; returns how."""
    with open(lock, "a", encoding="ascii") as held, selectors.DefaultSelector() as watched:
        streams.watch(watched)
        watched.register(attach, selectors.EVENT_READ)
        watched.register(running.fileno(), selectors.EVENT_READ)
        last_seen, looked, end = time.monotonic(), 0.0, None
        result = None
        while result is None or (streams.outputs and time.monotonic() < (end or 0.0)):
            for key, events in watched.select(LOOKED_EVERY if result is None else 0.1):
                if key.fileobj is attach:
                    streams.welcome(attach.accept()[0])
                elif key.data is not None or key.fd in streams.files:
                    streams.serve(key, events, log)
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
        streams.end()
    return result


class Visitor:
    """Somebody who is attached: gets what the container writes, may send what it reads.

    From him: a byte of flags (1 standard input, 2 output, 4 errors), then frames; to him: frames.  A frame is a stream
    (0, 1, 2 as the descriptors, 4 the terminal's new size as two numbers), four bytes of length, content; an empty one
    of stream 0 is the end of his input.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.wants = 0
        self.received = b""
        self.unsent = b""

    def frames(self) -> list[tuple[int, bytes]]:
        """Those that have arrived in full."""
        found = []
        if self.received and not self.wants:
            self.wants, self.received = self.received[0] or 8, self.received[1:]
        while len(self.received) >= 5:
            length = int.from_bytes(self.received[1:5], "big")
            if len(self.received) < 5 + length:
                break
            found.append((self.received[0], self.received[5:5 + length]))
            self.received = self.received[5 + length:]
        return found


class Streams:
    """The container's standard streams, its log and whoever is attached."""

    def __init__(self, outputs: dict[int, str], stdin: int, once: bool, terminal: bool = False) -> None:
        self.outputs = outputs
        self.stdin = stdin
        self.once = once
        self.terminal = terminal
        self.files = {*outputs, stdin} - {-1}
        self.input = b""
        self.visitors: list[Visitor] = []
        self._ending = False

    def watch(self, watched: selectors.BaseSelector) -> None:
        """Have these files served by a selector."""
        self.watched = watched
        for descriptor in self.files:
            os.set_blocking(descriptor, False)
        for descriptor in self.outputs:
            watched.register(descriptor, selectors.EVENT_READ)

    def welcome(self, connection: socket.socket) -> None:
        """Somebody attaches."""
        connection.setblocking(False)
        visitor = Visitor(connection)
        self.visitors.append(visitor)
        self.watched.register(connection, selectors.EVENT_READ, visitor)

    def serve(self, key: selectors.SelectorKey, events: int, log: Log) -> None:
        """A file or a visitor is ready."""
        if key.data is not None:
            if events & selectors.EVENT_WRITE:
                self._flush(key.data)
            if events & selectors.EVENT_READ and key.data in self.visitors:
                self._hear(key.data)
            return
        if events & selectors.EVENT_READ and key.fd in self.outputs:
            self._copy(key.fd, log)
        if events & selectors.EVENT_WRITE:
            self._feed()

    def _copy(self, source: int, log: Log) -> None:
        """From the container to its log and to those who are attached."""
        try:
            data = os.read(source, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""      # a terminal that nobody has open any more
        stream = self.outputs[source]
        if not data:
            self._forget(source)
            del self.outputs[source]
            return
        log.take(data, stream)
        number = 1 if stream == "stdout" else 2
        for visitor in list(self.visitors):
            if visitor.wants & 2 * number:
                visitor.unsent += bytes([number]) + len(data).to_bytes(4, "big") + data
                self._flush(visitor)

    def _flush(self, visitor: Visitor) -> None:
        """Send what can be sent; who is too slow is dropped: nobody may hold the container up."""
        try:
            while visitor.unsent:
                visitor.unsent = visitor.unsent[visitor.connection.send(visitor.unsent):]
        except BlockingIOError:
            if len(visitor.unsent) > UNSENT:
                self._leave(visitor)
                return
        except OSError:
            self._leave(visitor)
            return
        self._listen(visitor)

    def _listen(self, visitor: Visitor) -> None:
        """What of a visitor is looked at: no more input while the container does not read."""
        wanted = selectors.EVENT_WRITE if visitor.unsent else 0
        if len(self.input) < UNREAD:
            wanted |= selectors.EVENT_READ
        if visitor.connection in self.watched.get_map():
            self.watched.unregister(visitor.connection)
        if wanted:
            self.watched.register(visitor.connection, wanted, visitor)

    def _hear(self, visitor: Visitor) -> None:
        try:
            data = visitor.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave(visitor)
            return
        visitor.received += data
        for stream, content in visitor.frames():
            if stream == 4 and self.terminal:
                size = struct.pack("HHHH", *struct.unpack("!HH", content), 0, 0)
                fcntl.ioctl(self.stdin, TIOCSWINSZ, size)
            elif stream == 0 and visitor.wants & 1:
                if content:
                    self.input += content
                else:
                    self._no_more_input(visitor)
        self._feed()
        self._listen(visitor)

    def _feed(self) -> None:
        """Write to the container's standard input what it takes."""
        if self.stdin < 0:
            self.input = b""        # it has none, or no more
            return
        full = len(self.input) >= UNREAD
        try:
            while self.input:
                self.input = self.input[os.write(self.stdin, self.input):]
        except BlockingIOError:
            pass
        except OSError:
            self.input = b""        # it reads no more
        self._forget(self.stdin)
        events = (selectors.EVENT_READ if self.stdin in self.outputs else 0) | (
            selectors.EVENT_WRITE if self.input else 0)
        if events:
            self.watched.register(self.stdin, events)
        if not self.input and self._ending and not self.terminal:
            os.close(self.stdin)
            self.files.discard(self.stdin)
            self.stdin = -1
        if full and len(self.input) < UNREAD:
            for visitor in self.visitors:
                self._listen(visitor)

    def _no_more_input(self, visitor: Visitor) -> None:
        """"stdinOnce": the end of the first visitor's input is the end of the container's."""
        if visitor.wants & 1 and self.once:
            self._ending = True
            self._feed()

    def _leave(self, visitor: Visitor) -> None:
        if visitor in self.visitors:
            self.visitors.remove(visitor)
            self._forget(visitor.connection)
            visitor.connection.close()
            self._no_more_input(visitor)

    def _forget(self, file: int | socket.socket) -> None:
        if file in self.watched.get_map():
            self.watched.unregister(file)

    def end(self) -> None:
        """The container has ended: what is still to be sent is sent, for a moment."""
        for visitor in list(self.visitors):
            visitor.connection.settimeout(DRAINED_WITHIN)
            with contextlib.suppress(OSError):
                visitor.connection.sendall(visitor.unsent)
            visitor.connection.close()


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

    def take(self, data: bytes, stream: str) -> None:
        """Write down what came from ``stdout`` or ``stderr``."""
        *lines, left = (self._left[stream] + data).split(b"\n")
        for line in lines:
            self._write(stream, b"F", line)
        while len(left) >= LONGEST_LINE:
            self._write(stream, b"P", left[:LONGEST_LINE])
            left = left[LONGEST_LINE:]
        self._left[stream] = left

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

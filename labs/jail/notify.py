"""A network of its own for what runs in a jail, without any privilege: its socket calls are made on its behalf.

The seccomp filter hands calls that name an address to the supervisor ("Seccomp user-space notification",
seccomp_unotify(2)), which makes them on a duplicate of the socket (pidfd_getfd(2)) and answers with the result.  The
address is read once, and no such call of an IP socket is ever let through to the kernel as it was: what another thread
writes meanwhile changes nothing.  Calls that name none (read, write, send, recv) are not looked at.

    bind, listen            "", the own address and localhost become ends on loopback that are this network's alone
    connect, sendto, …      where they go is asked at a door, which knows names, Services and policies
    accept, getpeername, …  tell addresses as they are in the network
    socket                  UDP sockets come from here, tied to the loopback device; IPv6 is not there

``plan["network"]`` is a dict:

    address, end, inside    its own address; where on loopback its servers are for everybody; where for itself
    pairs                   prefixes of addresses: as the network shows them, and on loopback
    door, greeting          (host, port) where questions are asked, and the words they begin with
    void                    where (at the door's port) nobody ever answers
    hostname                what ``uname`` says
    direct                  ports of 127.0.0.1 that are reached as they are
    ports                   where it may listen, for one that has no ends of its own (None: everywhere)

Ports below 1024 are MOVED higher on loopback.  Linux 5.14.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time

from labs.jail import seccomp

TYPE_CHECKING = False      # typing takes longer to import than everything else here together
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import Any

    Waits = Generator[tuple[socket.socket, int, float | None], bool, int]

MOVED = 30000
RECEIVE, SEND, VALID, ADD, SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
REQUEST, ANSWER, ADDED = struct.Struct("QIIiIQ6Q"), struct.Struct("QqiI"), struct.Struct("QIIII")
HEADER, VECTOR, CONTROL = struct.Struct("QI4xQQQQi4x"), struct.Struct("QQ"), struct.Struct("Qii")
MESSAGE = 64                # struct mmsghdr
WAIT_FOR_ONE = 0x10000
CONTINUE, ADD_AND_SEND, SYNCHRONOUS = 1, 2, 1
PIDFD_GETFD, PIDFD_THREAD = 438, os.O_EXCL
SO_BINDTODEVICE, UDP = 25, 17
RESTART = 512               # ERESTARTSYS: the kernel makes the call again after the signal's handler
SENT, LET = -(2**40), -(2**40) - 1
"""Not results: the answer is given already; the kernel makes the call as it is."""
LOOKED_EVERY = 0.2
ASKED_WITHIN = 30.0
REMEMBERED = 10.0           # seconds for which where datagrams go is not asked again
ANSWERED = 30.0             # and for which who sent one may be answered, as Linux's connection tracking has it
KEPT = 4096                 # sockets that are kept in mind
LONGEST = 2**20             # bytes of one message; of a stream, more is sent by further calls
LOCAL = ("0.0.0.0", "127.")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int) -> int:
    found = int(_libc.syscall(ctypes.c_long(number), *(ctypes.c_long(each) for each in arguments)))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return found


class Call:
    """A socket call of a thread that waits for its result."""

    def __init__(self, listener: int, request: bytes) -> None:
        self.listener = listener
        self.identity, self.pid, _, self.number, _, _, *self.arguments = REQUEST.unpack(request)

    def argument(self, index: int) -> int:
        """An int."""
        return int(self.arguments[index] & 0xFFFFFFFF)

    def descriptor(self, number: int) -> int:
        """A duplicate of one of its file descriptors."""
        try:
            process = os.pidfd_open(self.pid, PIDFD_THREAD)
        except OSError:     # before Linux 6.9 only the first thread has one, and all share their files
            with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
                process = os.pidfd_open(next((int(line[5:]) for line in file if line.startswith("Tgid:")), 0))
        try:
            return _call(PIDFD_GETFD, process, number, 0)
        finally:
            os.close(process)

    def duplicate(self) -> socket.socket:
        """A duplicate of the socket that is its first argument."""
        made = self.descriptor(self.argument(0))
        try:
            return socket.socket(fileno=made)
        except OSError:
            os.close(made)
            raise

    def read(self, address: int, length: int) -> bytes:
        """Its memory; OSError EFAULT."""
        return self._memory(lambda memory: os.pread(memory, length, address) if length else b"", os.O_RDONLY)

    def write(self, address: int, data: bytes) -> None:
        """The same."""
        self._memory(lambda memory: os.pwrite(memory, data, address), os.O_WRONLY)

    def _memory(self, use: Callable[[int], Any], mode: int) -> Any:
        memory = os.open(f"/proc/{self.pid}/mem", mode | os.O_CLOEXEC)
        try:
            self.still()        # the pid is not another process's by now
            return use(memory)
        except (OverflowError, OSError) as error:
            raise OSError(errno.EFAULT, "bad address") from error
        finally:
            os.close(memory)

    def still(self) -> None:
        """Raises OSError when nobody waits any more."""
        fcntl.ioctl(self.listener, VALID, struct.pack("Q", self.identity))

    def answer(self, result: int) -> None:
        """Tell it; below zero is an errno."""
        flags = CONTINUE if result == LET else 0
        value, code = (0, 0) if result == LET else (0, result) if result < 0 else (result, 0)
        with contextlib.suppress(OSError):      # it was killed
            fcntl.ioctl(self.listener, SEND, ANSWER.pack(self.identity, value, code, flags))

    def give(self, descriptor: int, close_on_exec: bool) -> int:
        """A file of ours becomes its own, whose number is the result."""
        fcntl.ioctl(self.listener, ADD, ADDED.pack(
            self.identity, ADD_AND_SEND, descriptor, 0, os.O_CLOEXEC if close_on_exec else 0))
        return SENT

    def address(self, pointer: int, length: int) -> tuple[int, str, int]:
        """(family, host, port) of a ``sockaddr``."""
        data = self.read(pointer, min(length, 128))
        family = struct.unpack_from("H", data)[0] if len(data) >= 2 else 0
        if family == socket.AF_INET and len(data) >= 16:
            return family, socket.inet_ntoa(data[4:8]), int.from_bytes(data[2:4], "big")
        if family == socket.AF_INET:
            raise OSError(errno.EINVAL, "too short")
        return family, "", 0

    def tell(self, pointer: int, length: int, where: tuple[str, int]) -> None:
        """Write a ``sockaddr`` where there is a place for one, and its length."""
        if not pointer:
            return
        room = int.from_bytes(self.read(length, 4), "little")
        self.write(pointer, pack(where)[:room])
        self.write(length, (16).to_bytes(4, "little"))

    def interrupted(self) -> bool:
        """Does a handler wait for it to return?"""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as file:
            said = dict(line.split(":\t", 1) for line in file if line.startswith(("Sig", "ShdPnd")) and ":\t" in line)
        pending, shared, blocked, caught = (int(said[name], 16) for name in ("SigPnd", "ShdPnd", "SigBlk", "SigCgt"))
        return bool((pending | shared) & ~blocked & caught)


def pack(where: tuple[str, int]) -> bytes:
    """``struct sockaddr_in``."""
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", where[1]) + socket.inet_aton(where[0]) + bytes(8)


def _key(made: socket.socket) -> int:
    return os.fstat(made.fileno()).st_ino


def moved(port: int) -> int:
    """Where a port of a network is on loopback."""
    return port + MOVED if 0 < port < 1024 else port


def _blocking(made: socket.socket) -> bool:
    return not fcntl.fcntl(made, fcntl.F_GETFL) & os.O_NONBLOCK


def _patience(made: socket.socket, option: int) -> float | None:
    """SO_RCVTIMEO or SO_SNDTIMEO in seconds."""
    seconds, micros = struct.unpack("ll", made.getsockopt(socket.SOL_SOCKET, option, 16))
    return seconds + micros / 1e6 or None


@contextlib.contextmanager
def _without_waiting(made: socket.socket) -> Generator[None, None, None]:
    """Nobody here is held up by a socket; its owner waits for us meanwhile."""
    flags = fcntl.fcntl(made, fcntl.F_GETFL)
    if not flags & os.O_NONBLOCK:
        fcntl.fcntl(made, fcntl.F_SETFL, flags | os.O_NONBLOCK)
    try:
        yield
    finally:
        if not flags & os.O_NONBLOCK:
            fcntl.fcntl(made, fcntl.F_SETFL, flags)


class Network:
    """The calls, each a generator: it yields what it waits for (socket, events, seconds), and returns the result."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.address, self.end, self.inside = said["address"], said["end"], said["inside"]
        self.pairs, self.ports, self.greeting = said["pairs"], said["ports"], said["greeting"]
        self.door = tuple(said["door"])
        self.void = said["void"], self.door[1]
        self.direct, self.hostname = set(said["direct"]), said["hostname"]
        self.asked: dict[int, tuple[tuple[str, int], tuple[str, int]]] = {}     # socket → asked for, connected to
        self.ways: dict[tuple[int, str, int], tuple[tuple[str, int], float]] = {}
        self.names: dict[tuple[int, tuple[str, int]], tuple[str, int]] = {}     # socket, end → what it is for
        column = seccomp.ARCHITECTURES[os.uname().machine][0]
        self.calls: dict[int | None, Callable[[Call], Waits]] = {
            seccomp.JUDGED[name][column]: getattr(self, name) for name in seccomp.NOTIFIED}
        self.calls[seccomp.JUDGED["socket"][column]] = self.udp

    def here(self, host: str) -> str:
        """Where a server listens; OSError for an address that is not its own."""
        if host in ("0.0.0.0", self.address, self.end):
            return str(self.end)
        if host.startswith("127."):
            return str(self.inside)
        raise OSError(errno.EADDRNOTAVAIL, "not its own")

    def seen(self, where: tuple[str, int]) -> tuple[str, int]:
        """An end as the network shows it."""
        host, port = where[:2]
        port = port - MOVED if MOVED < port < MOVED + 1024 else port
        if host == self.inside:
            return "127.0.0.1", port
        for shown, real in self.pairs:
            if host.startswith(real):
                return shown + host[len(real):], port
        return host, port

    def ask(self, words: str) -> Generator[tuple[socket.socket, int, float | None], bool, list[str]]:
        """The door's answer; none when nobody is there (it is being restarted)."""
        with socket.socket() as asked:
            asked.setblocking(False)
            asked.connect_ex(self.door)
            said = b""
            if (yield asked, select.EPOLLOUT, ASKED_WITHIN):
                with contextlib.suppress(OSError):
                    asked.send(f"{self.greeting} {words}\n".encode())
                    while not said.endswith(b"\n") and (yield asked, select.EPOLLIN, ASKED_WITHIN):
                        data = asked.recv(4096)
                        if not data:
                            break
                        said += data
        return said.decode("ascii", "replace").split()

    def nowhere(self, said: list[str]) -> tuple[str, int]:
        """Where what the door does not let pass goes; raises OSError unless it gets lost."""
        if said == ["void"]:
            return self.void
        code = errno.ENETUNREACH if said == ["unreachable"] else errno.ECONNREFUSED
        raise OSError(code, os.strerror(code))

    def own_source(self, made: socket.socket) -> None:
        """What it sends comes from its own address."""
        if not made.getsockname()[1]:
            if made.type == socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((self.end, 0))

    def udp(self, call: Call) -> Waits:
        """A UDP socket, which only ever speaks by the loopback device: only root could untie it."""
        kind, protocol = call.argument(1), call.argument(2)
        if protocol not in (0, UDP):
            raise OSError(errno.EACCES, "UDP only")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
            os.set_blocking(made.fileno(), not kind & socket.SOCK_NONBLOCK)
            return call.give(made.fileno(), bool(kind & socket.SOCK_CLOEXEC))
        yield

    def uname(self, call: Call) -> Waits:
        """With the pod's name: not every rung has one of its own."""
        said = os.uname()
        words = (said.sysname, self.hostname or said.nodename, said.release, said.version, said.machine, "(none)")
        call.write(call.arguments[0], b"".join(each.encode()[:64].ljust(65, b"\0") for each in words))
        return 0
        yield

    def bind(self, call: Call) -> Waits:
        """At an end of its own."""
        _, host, port = call.address(call.arguments[1], call.argument(2))
        with call.duplicate() as made:
            if made.family != socket.AF_INET or not host:
                raise OSError(errno.EAFNOSUPPORT, "IPv4 only")
            if self.ports is not None and moved(port) not in self.ports:
                raise OSError(errno.EACCES, "not declared")
            made.bind((self.here(host), moved(port)))
        return 0
        yield

    def listen(self, call: Call) -> Waits:
        """Not on every address of loopback, where nothing was bound."""
        with call.duplicate() as made:
            if made.family == socket.AF_INET:
                self.own_source(made)
            made.listen(min(call.argument(1), 65535))
        return 0
        yield

    def connect(self, call: Call) -> Waits:
        """To where the door says."""
        family, host, port = call.address(call.arguments[1], call.argument(2))
        with call.duplicate() as made:
            key = _key(made)
            if family == socket.AF_UNSPEC:
                self.asked.pop(key, None)
                if _libc.connect(made.fileno(), bytes(16), 16):
                    raise OSError(ctypes.get_errno(), "connect")
                return 0
            if made.family != socket.AF_INET or family != socket.AF_INET:
                raise OSError(errno.EAFNOSUPPORT, "IPv4 only")
            before, where = self.asked.get(key, (None, None))
            datagrams = made.type == socket.SOCK_DGRAM
            if datagrams:
                try:
                    where = yield from self.for_datagrams(made, host, port)
                except ConnectionRefusedError:  # this sends nothing yet; what it sends is refused there, too
                    where = self.void
            elif where is None or before != (host, port):
                where = yield from self.way(made, host, port)
            assert where is not None
            _keep(self.asked, key, ((host, port), where))
            with _without_waiting(made):
                code = made.connect_ex(where)
            if code in (errno.EINPROGRESS, errno.EALREADY) and _blocking(made):
                done = yield made, select.EPOLLOUT, _patience(made, socket.SO_SNDTIMEO)
                code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if done else errno.EINPROGRESS
            if code not in (0, errno.EINPROGRESS, errno.EALREADY, errno.EISCONN):
                self.asked.pop(key, None)
            return -code

    def way(self, made: socket.socket, host: str, port: int) -> Generator[Any, bool, tuple[str, int]]:
        """Where a stream goes; raises OSError."""
        if host == "127.0.0.1" and port in self.direct:
            return host, port
        self.own_source(made)
        source = made.getsockname()
        said = yield from self.ask(f"connect {source[0]} {source[1]} {host} {port}")
        if said == ["door"]:
            return self.door
        return self.nowhere(said)

    def for_datagrams(self, made: socket.socket, host: str, port: int) -> Generator[Any, bool, tuple[str, int]]:
        """Where datagrams go; raises OSError."""
        self.own_source(made)
        key, now = _key(made), time.monotonic()
        where, until = self.ways.get((key, host, port), (None, 0.0))
        if where is None or until < now:
            where = yield from self._for_datagrams(host, port)
            _keep(self.ways, (key, host, port), (where, now + REMEMBERED))
            _keep(self.names, (key, where), (host, port))
        return where

    def _for_datagrams(self, host: str, port: int) -> Generator[Any, bool, tuple[str, int]]:
        if host == self.address:
            return self.end, moved(port)
        if host.startswith(LOCAL):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind((self.inside, moved(port)))
                except OSError:
                    return self.inside, moved(port)
            return self.end, moved(port)
        said = yield from self.ask(f"datagrams {host} {port}")
        if len(said) == 3 and said[0] == "to":
            return said[1], int(said[2])
        return self.nowhere(said)

    def accept(self, call: Call) -> Waits:
        """As ``accept4`` without flags."""
        return (yield from self._accept(call, 0))

    def accept4(self, call: Call) -> Waits:
        """The next connection, with the caller's address as the network shows it."""
        return (yield from self._accept(call, call.argument(3)))

    def _accept(self, call: Call, flags: int) -> Waits:
        with call.duplicate() as made:
            if made.family != socket.AF_INET:
                return LET
            while True:
                try:
                    with _without_waiting(made):
                        found, peer = made._accept()    # type: ignore[attr-defined]
                    break
                except BlockingIOError:
                    if not _blocking(made) or not (yield made, select.EPOLLIN, _patience(made, socket.SO_RCVTIMEO)):
                        raise
            try:
                os.set_blocking(found, not flags & socket.SOCK_NONBLOCK)
                call.tell(call.arguments[1], call.arguments[2], self.seen(peer))
                return call.give(found, bool(flags & socket.SOCK_CLOEXEC))
            finally:
                os.close(found)

    def getsockname(self, call: Call) -> Waits:
        """Its own end."""
        with call.duplicate() as made:
            if made.family != socket.AF_INET:
                return LET
            call.tell(call.arguments[1], call.arguments[2], self.seen(made.getsockname()))
        return 0
        yield

    def getpeername(self, call: Call) -> Waits:
        """What it asked for, else who came."""
        with call.duplicate() as made:
            if made.family != socket.AF_INET:
                return LET
            peer = made.getpeername()
            asked = self.asked.get(_key(made))
            call.tell(call.arguments[1], call.arguments[2], asked[0] if asked else self.seen(peer))
        return 0
        yield

    def sendto(self, call: Call) -> Waits:
        """With an address; without one it does not come here."""
        with call.duplicate() as made:
            data = call.read(call.arguments[1], min(call.arguments[2], LONGEST))
            return (yield from self._send(call, made, data, [], call.argument(3), call.arguments[4], call.argument(5)))

    def sendmsg(self, call: Call) -> Waits:
        """The same."""
        with call.duplicate() as made:
            return (yield from self._send_message(call, made, call.arguments[1], call.argument(2)))

    def sendmmsg(self, call: Call) -> Waits:
        """Several."""
        with call.duplicate() as made:
            return (yield from self._several(
                call, lambda place, _: self._send_message(call, made, place, call.argument(3))))

    def _several(self, call: Call, one: Callable[[int, bool], Waits]) -> Waits:
        """Each of the messages at the call's second argument, until one fails; only the first one's error is told.

        :param one: does it, by its place and whether it is not the first, and returns its length
        """
        done = 0
        for index in range(min(call.argument(2), 1024)):
            place = call.arguments[1] + index * MESSAGE
            try:
                length = yield from one(place, bool(done))
            except OSError:
                if not done:
                    raise
                break
            call.write(place + HEADER.size, length.to_bytes(4, "little"))
            done += 1
        return done

    def _send_message(self, call: Call, made: socket.socket, place: int, flags: int) -> Waits:
        name, length, vectors, count, control, size, _ = HEADER.unpack(call.read(place, HEADER.size))
        data = b""
        for at, many in VECTOR.iter_unpack(call.read(vectors, VECTOR.size * min(count, 1024))):
            data += call.read(at, min(many, LONGEST - len(data)))
        descriptors = _rights(call.read(control, min(size, 4096))) if made.family == socket.AF_UNIX and control else []
        duplicates = []
        try:
            for each in descriptors:
                duplicates.append(call.descriptor(each))
            return (yield from self._send(call, made, data, duplicates, flags, name, length))
        finally:
            for each in duplicates:
                os.close(each)

    def _send(self, call: Call, made: socket.socket, data: bytes, files: list[int], flags: int, name: int,
              length: int) -> Waits:
        where: tuple[str, int] | None = None
        if made.type == socket.SOCK_DGRAM and name:
            _, host, port = call.address(name, length)
            if made.family != socket.AF_INET or not host:
                raise OSError(errno.EAFNOSUPPORT, "IPv4 only")
            where = yield from self.for_datagrams(made, host, port)
            if where == self.void:
                return len(data)        # a policy denies it: it gets lost
        wait = _blocking(made) and not flags & socket.MSG_DONTWAIT
        with_files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(files)}i", *files))] if files else []
        flags |= socket.MSG_DONTWAIT
        sent = 0
        while True:
            try:
                sent += made.sendmsg([data[sent:]], with_files, flags, where) if where else made.sendmsg(
                    [data[sent:]], with_files, flags)
                with_files = []
                if sent >= len(data) or not wait:
                    return sent
            except BlockingIOError:
                if not wait or not (yield made, select.EPOLLOUT, _patience(made, socket.SO_SNDTIMEO)):
                    if sent:
                        return sent
                    raise

    def recvfrom(self, call: Call) -> Waits:
        """With a place for the sender's address."""
        with call.duplicate() as made:
            if made.family != socket.AF_INET or made.type != socket.SOCK_DGRAM:
                return LET
            data, _, peer = yield from self._receive(made, min(call.arguments[2], LONGEST), call.argument(3))
            call.write(call.arguments[1], data)
            call.tell(call.arguments[4], call.arguments[5], peer)
            return len(data)

    def recvmsg(self, call: Call) -> Waits:
        """The same; control messages of UDP are left out."""
        with call.duplicate() as made:
            if made.family != socket.AF_INET or made.type != socket.SOCK_DGRAM:
                return LET
            return (yield from self._receive_message(call, made, call.arguments[1], call.argument(2)))

    def recvmmsg(self, call: Call) -> Waits:
        """Several; with a time limit, the first and what is there by then."""
        flags = call.argument(3)
        rest = flags | socket.MSG_DONTWAIT if flags & WAIT_FOR_ONE or call.arguments[4] else flags
        with call.duplicate() as made:
            if made.family != socket.AF_INET or made.type != socket.SOCK_DGRAM:
                return LET
            return (yield from self._several(call, lambda place, later: self._receive_message(
                call, made, place, (rest if later else flags) & ~WAIT_FOR_ONE)))

    def _receive_message(self, call: Call, made: socket.socket, place: int, flags: int) -> Waits:
        name, room, vectors, count, *_ = HEADER.unpack(call.read(place, HEADER.size))
        places = list(VECTOR.iter_unpack(call.read(vectors, VECTOR.size * min(count, 1024))))
        most = min(sum(each[1] for each in places), LONGEST)
        data, found, peer = yield from self._receive(made, most, flags)
        left = data
        for at, many in places:
            call.write(at, left[:many])
            left = left[many:]
        if name:
            call.write(name, pack(peer)[:room])
            call.write(place + 8, (16).to_bytes(4, "little"))
        call.write(place + 40, struct.pack("Qi", 0, found))
        return len(data)

    def sender(self, key: int, peer: tuple[str, int]) -> tuple[str, int]:
        """Whose datagram it is as the network shows it; one that nobody here had called may be answered for a while."""
        if asked := self.names.get((key, peer)):
            return asked
        shown = self.seen(peer)
        _keep(self.ways, (key, *shown), (peer, time.monotonic() + ANSWERED))
        return shown

    def _receive(self, made: socket.socket, most: int, flags: int) -> Generator[
            Any, bool, tuple[bytes, int, tuple[str, int]]]:
        wait = _blocking(made) and not flags & socket.MSG_DONTWAIT
        while True:
            try:
                data, _, found, peer = made.recvmsg(most, 0, flags | socket.MSG_DONTWAIT)
                return data, int(found), self.sender(_key(made), peer)
            except BlockingIOError:
                if not wait or not (yield made, select.EPOLLIN, _patience(made, socket.SO_RCVTIMEO)):
                    raise


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    known.pop(key, None)
    known[key] = value
    if len(known) > KEPT:
        del known[next(iter(known))]


def _rights(control: bytes) -> list[int]:
    """The file descriptors of ``cmsghdr`` structures ("cmsg(3)")."""
    found: list[int] = []
    while len(control) >= CONTROL.size:
        length, level, kind = CONTROL.unpack_from(control)
        if length < CONTROL.size:
            break
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            count = (min(length, len(control)) - CONTROL.size) // 4
            found += struct.unpack_from(f"{count}i", control, CONTROL.size)
        control = control[(length + 7) & ~7:]
    return found


class Desk:
    """Serves all listeners of one jail, in a thread of the supervisor's.

    :param control: where processes that have installed the filter say under which number they hold its listener
    """

    def __init__(self, network: Network, control: socket.socket) -> None:
        self._network = network
        self._control = control
        self._watched = select.epoll()
        self._watched.register(control, select.EPOLLIN)
        self._listeners: set[int] = set()
        self._waiting: dict[int, tuple[Call, Waits, float | None]] = {}     # descriptor → whose, and until when

    def serve(self) -> None:
        """Without end."""
        looked = time.monotonic()
        while True:
            for descriptor, events in self._watched.poll(LOOKED_EVERY if self._waiting else None):
                if descriptor in self._waiting:
                    self._resume(descriptor, True)
                elif descriptor in self._listeners:
                    self._hear(descriptor, events)
                else:
                    self._welcome()
            if self._waiting and time.monotonic() - looked >= LOOKED_EVERY:
                looked = time.monotonic()
                for descriptor in list(self._waiting):
                    self._look(descriptor, looked)

    def _welcome(self) -> None:
        """Take a listener over, and let its process go on."""
        try:
            said, control, *_ = self._control.recvmsg(16, socket.CMSG_SPACE(12))
            if not said:
                self._watched.unregister(self._control)
                return
            pid = struct.unpack("3i", control[0][2][:12])[0]
            process = os.pidfd_open(pid)
            listener = _call(PIDFD_GETFD, process, int(said), 0)
            os.close(process)
        except (OSError, ValueError, IndexError, struct.error):
            with contextlib.suppress(OSError):
                self._control.send(b"no")
            return
        with contextlib.suppress(OSError):      # Linux 6.6: who waits and who answers take turns on one processor
            fcntl.ioctl(listener, SET_FLAGS, SYNCHRONOUS)
        self._listeners.add(listener)
        self._watched.register(listener, select.EPOLLIN)
        self._control.send(b"go")

    def _hear(self, listener: int, events: int) -> None:
        if events & select.EPOLLHUP:        # all of them have ended
            self._watched.unregister(listener)
            self._listeners.discard(listener)
            os.close(listener)
            return
        request = bytearray(REQUEST.size)
        try:
            fcntl.ioctl(listener, RECEIVE, request)
        except OSError:
            return      # who called is gone
        call = Call(listener, bytes(request))
        self._drive(call, self._network.calls[call.number](call), None)

    def _drive(self, call: Call, steps: Waits, value: bool | None) -> None:
        """Go on with a call until it waits or is done."""
        try:
            made, events, seconds = steps.send(value)       # type: ignore[arg-type]
            call.still()
            self._waiting[made.fileno()] = call, steps, None if seconds is None else time.monotonic() + seconds
            self._watched.register(made.fileno(), events)
        except StopIteration as done:
            if done.value != SENT:
                call.answer(done.value)
        except Exception as error:  # noqa: BLE001 (one call's trouble must not be that of all who wait)
            steps.close()
            call.answer(-(getattr(error, "errno", 0) or errno.EINVAL))

    def _resume(self, descriptor: int, value: bool) -> None:
        call, steps, _ = self._waiting.pop(descriptor)
        self._watched.unregister(descriptor)
        self._drive(call, steps, value)

    def _look(self, descriptor: int, now: float) -> None:
        """Is it time, has it been killed, does a signal's handler wait?"""
        call, steps, until = self._waiting[descriptor]
        try:
            call.still()
            interrupted = call.interrupted()
        except (OSError, KeyError, ValueError):
            interrupted = True
        if interrupted:
            del self._waiting[descriptor]
            self._watched.unregister(descriptor)
            steps.close()
            call.answer(-RESTART)
        elif until is not None and now >= until:
            self._resume(descriptor, False)


def begin(said: Mapping[str, Any], control: socket.socket) -> None:
    """Serve in a thread of this process; ``control`` has SO_PASSCRED."""
    _thread.start_new_thread(Desk(Network(said), control).serve, ())


def hand_over(listener: int, control: int) -> None:
    """In the process that installed the filter: have the supervisor take the listener.  Raises OSError.

    By its number: it could not send it, since sending is what is asked there.
    """
    os.write(control, b"%d" % listener)
    if os.read(control, 2) != b"go":
        raise OSError(errno.EPERM, "the supervisor may not take the filter's listener")
    os.close(listener)
    os.close(control)

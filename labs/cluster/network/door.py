"""The pods' door to the network: one port through which every connection of a pod goes, and by which it is known.

The jail lets a container connect to this port and the API server's (Landlock knows ports, not addresses), so what
passes by the door is what the network allows.  Each pod has a credential.  The ways to use it:

    an HTTP proxy       ``CONNECT HOST:PORT`` and ``GET http://HOST/…``, for programs that heed ``http_proxy``
    labs U T connect …  where may a connection from this source go?  The jail's supervisor asks (``labs.jail.notify``),
                        else the start-up shim
    labs U T datagrams… where do datagrams go?  ``to ADDRESS PORT``, or an answer as below
    (nothing)           a connection from a source that asked before: it is joined with what it asked for

The answer to the second is ``door`` (connect here, it is prepared), ``void`` (where nobody ever answers: a policy
denies it), ``closed`` (where nobody listens), ``unreachable`` or ``unknown``: the shim connects there, and the kernel
tells the program.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import errno
import hashlib
import hmac
import socket
from typing import Any
from urllib.parse import urlsplit

from labs.cluster.network.addresses import DOOR, Ranges, listening
from labs.cluster.network.egress import authority, target
from labs.cluster.network.forward import HEAD, End, join
from labs.cluster.network.router import Caller, Denied, Router, Unknown

KEPT = 10.0
"""Seconds a prepared connection waits for its program."""
SILENT = 130.0
"""Seconds until a denied connection through the HTTP proxy is ended: as long as Linux tries to connect."""
HOP = (b"proxy-authorization", b"proxy-connection", b"connection", b"keep-alive", b"te", b"upgrade")


class Door:
    """Listens at the first pod address of the cluster.

    :param secret: makes the pods' credentials
    """

    def __init__(self, ranges: Ranges, router: Router, listener: socket.socket, secret: bytes) -> None:
        self.ranges = ranges
        self.router = router
        self._listener = listener
        self._secret = secret
        self._prepared: dict[tuple[str, int], tuple[End, asyncio.TimerHandle]] = {}

    def credential(self, uid: str) -> str:
        """A pod's."""
        return hmac.new(self._secret, uid.encode(), hashlib.sha256).hexdigest()[:32]

    def known(self, uid: str, credential: str) -> Caller | None:
        """Whose credential it is."""
        if not hmac.compare_digest(self.credential(uid), credential):
            return None
        found = self.router.table.pod_named(uid)
        return Caller(*found) if found else None

    async def serve(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Visitor(self), sock=self._listener)
        with contextlib.ExitStack() as stack:
            void = stack.enter_context(listening(self.ranges.void, DOOR, 0))
            # with one connection waiting to be accepted its queue is full: the kernel drops whatever comes next
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            await loop.sock_connect(filler, void.getsockname())
            try:
                await loop.create_future()
            finally:
                server.close()

    def prepare(self, source: tuple[str, int], end: End) -> None:
        """Keep a connection for the program that will come from ``source``."""
        self.take(source)
        timer = asyncio.get_running_loop().call_later(KEPT, self._forget, source)
        self._prepared[source] = (end, timer)

    def _forget(self, source: tuple[str, int]) -> None:
        if (end := self.take(source)) is not None:
            end.close()

    def take(self, source: tuple[str, int]) -> End | None:
        """What was prepared for ``source``."""
        found = self._prepared.pop(source, None)
        if found is None:
            return None
        found[1].cancel()
        return found[0]


class Visitor(End):
    """A connection to the door."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door = door
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """One that asked before is joined at once."""
        super().connection_made(transport)
        prepared = self._door.take(tuple(transport.get_extra_info("peername")[:2]))
        if prepared is not None:
            join(self, prepared)

    def early(self, data: bytes) -> None:
        """A question, or the head of an HTTP request."""
        if self._task is not None:
            super().early(data)
            return
        self._head += data
        question = b"labs ".startswith(self._head[:5]) or self._head.startswith(b"labs ")
        head, found, rest = self._head.partition(b"\n" if question else b"\r\n\r\n")
        if found:
            if rest:
                super().early(rest)
            self._task = asyncio.create_task(self._ask(head) if question else self._http(head))
        elif len(self._head) > HEAD:
            self.close()

    def say(self, text: bytes) -> None:
        """Write."""
        if self.transport is not None:
            self.transport.write(text)

    def reset(self) -> None:
        """End the connection the hard way."""
        if self.transport is not None:
            self.transport.abort()

    async def _ask(self, line: bytes) -> None:
        """The shim's question."""
        words = line.decode("utf-8", "replace").split()
        caller = self._door.known(words[1], words[2]) if len(words) > 4 else None
        if caller is None:
            self.say(b"stranger\n")
        elif words[3] == "resolve" and len(words) == 5:
            self.say(await self._resolve(caller, words[4]))
        elif words[3] == "connect" and len(words) == 8 and words[5].isdigit() and words[7].isdigit():
            self.say(await self._connect(caller, (words[4], int(words[5])), words[6], int(words[7])))
        elif words[3] == "datagrams" and len(words) == 6 and words[5].isdigit():
            self.say(self._datagrams(caller, words[4], int(words[5])))
        else:
            self.say(b"what?\n")
        self.close()

    async def _resolve(self, caller: Caller, name: str) -> bytes:
        try:
            found = await self._door.router.resolve(caller, name)
        except Denied:
            return b"again\n"
        return " ".join(found or ["unknown"]).encode() + b"\n"

    def _datagrams(self, caller: Caller, host: str, port: int) -> bytes:
        try:
            way = self._door.router.ways(caller, host, port, "UDP")[0]
        except Denied:
            return b"void\n"
        except OSError as error:
            return b"unreachable\n" if error.errno == errno.ENETUNREACH else b"closed\n"
        return f"to {way.address} {way.port}\n".encode()

    async def _connect(self, caller: Caller, source: tuple[str, int], host: str, port: int) -> bytes:
        try:
            end = await self._door.router.dial(caller, host, port)
        except Denied:
            return b"void\n"
        except Unknown:
            return b"unknown\n"
        except OSError as error:
            return b"unreachable\n" if error.errno == errno.ENETUNREACH else b"closed\n"
        self._door.prepare(source, end)
        return b"door\n"

    async def _http(self, head: bytes) -> None:
        """A request to the HTTP proxy."""
        first, *lines = head.split(b"\r\n")
        headers = [tuple(line.split(b":", 1)) for line in lines if b":" in line]
        caller = self._credential({name.strip().lower(): value.strip() for name, value in headers})
        if caller is None:
            self._refuse("407 Proxy Authentication Required", "Proxy-Authenticate: Basic realm=\"pods\"\r\n")
            return
        try:
            if first.startswith(b"CONNECT "):
                host, port = target(first)
                begin = None
            else:
                host, port, request = _origin(first)
                kept = [line for line in lines if line.split(b":", 1)[0].strip().lower() not in HOP]
                begin = b"\r\n".join([request, *kept, b"Connection: close", b"", b""])
        except ValueError:
            self._refuse("400 Bad Request")
            return
        try:
            far = await self._door.router.dial(caller, host, port)
        except Denied:
            self.abandon()
            await asyncio.sleep(SILENT)
            self.reset()
            return
        except (Unknown, OSError):
            self.reset()        # a program must not take our own words for the server's answer
            return
        if begin is None:
            self.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        elif far.transport is not None:
            far.transport.write(begin)
        join(self, far)

    def _credential(self, headers: dict[bytes, bytes]) -> Caller | None:
        kind, _, text = headers.get(b"proxy-authorization", b"").partition(b" ")
        if kind.lower() != b"basic":
            return None
        try:
            uid, _, credential = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._door.known(uid, credential)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for it need not."""
        super().connection_lost(error)
        if self._task is not None and self.other is None:
            self._task.cancel()

    def _refuse(self, status: str, more: str = "") -> None:
        self.say(f"HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        self.close()


def _origin(first: bytes) -> tuple[str, int, bytes]:
    """(host, port, the request line for the server) of ``METHOD http://HOST/PATH HTTP/1.1``; ValueError."""
    words = first.decode("latin-1").split(" ")
    if len(words) != 3 or not words[1].lower().startswith("http://"):
        raise ValueError("an absolute http URL is expected")
    parts = urlsplit(words[1])
    host, port = authority(parts.netloc.rpartition("@")[2], 80)
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    return host, port, f"{words[0]} {path} {words[2]}".encode("latin-1")

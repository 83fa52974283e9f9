"""`kubectl exec`, `attach` and `cp` over WebSockets, as the API server passes them on.

"WebSocket" (Kubernetes API reference, "v5.channel.k8s.io"): the first byte of a message is its channel: 0 standard
input, 1 output, 2 errors, 3 a Status at the end, 4 the terminal's size; 255 and a channel end that channel (v5 only).
An API server passes them on as they are to a node that declares ExtendWebSocketsToKubelet.  SPDY is not spoken.
Before version 4 a failure is told in words, and success by silence; ``base64`` protocols are made of text, the channel
being a digit.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import struct
import termios
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket, WebSocketDisconnect

from labs.cluster.nodes.containers import Container
from labs.cluster.nodes.visits import Visit, VisitError, reading_from, writing_to

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io",
             "base64.channel.k8s.io")
STDIN, STDOUT, STDERR, STATUS, RESIZE, END = 0, 1, 2, 3, 4, 255
CHUNK = 2**15


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams a caller wants: PodExecOptions and PodAttachOptions of the API reference."""

    stdin: bool
    stdout: bool
    stderr: bool
    terminal: bool

    @staticmethod
    def of(query: QueryParams) -> Wanted:
        """From the query of a request; raises ValueError."""
        stdin, stdout, stderr, terminal = (query.get(name) in ("1", "true") for name in
                                           ("input", "output", "error", "tty"))
        if not (stdin or stdout or stderr):
            raise ValueError("you must specify at least 1 of stdin, stdout, stderr")
        return Wanted(stdin, stdout, stderr and not terminal, terminal)     # a terminal has one output


class Channels:
    """One accepted WebSocket."""

    def __init__(self, socket: WebSocket, protocol: str) -> None:
        self._socket = socket
        self._text = "base64" in protocol
        self._status = protocol.startswith("v")

    async def send(self, channel: int, data: bytes) -> None:
        """A message on a channel; OSError when nobody listens."""
        try:
            if self._text:
                await self._socket.send_text(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await self._socket.send_bytes(bytes([channel]) + data)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise ConnectionResetError("the WebSocket is closed") from error

    async def receive(self) -> tuple[int, bytes] | None:
        """(channel, content); None when the caller has gone."""
        while True:
            try:
                if self._text:
                    text = await self._socket.receive_text()
                    data = bytes([int(text[:1])]) + base64.b64decode(text[1:]) if text else b""
                else:
                    data = await self._socket.receive_bytes()
            except (WebSocketDisconnect, RuntimeError, KeyError, ValueError):
                return None
            if data:
                return data[0], data[1:]

    async def finish(self, status: dict[str, Any]) -> None:
        """Say how it ended, and close."""
        with contextlib.suppress(OSError, RuntimeError, WebSocketDisconnect):
            if self._status:
                await self.send(STATUS, json.dumps(status).encode())
            elif status["status"] != "Success":
                await self.send(STATUS, status["message"].encode())
            await self._socket.close(1000)


def succeeded() -> dict[str, Any]:
    """The Status of a command that ended with 0."""
    return {"metadata": {}, "status": "Success"}


def exited(status: int) -> dict[str, Any]:
    """The Status of a command that ended."""
    if not status:
        return succeeded()
    return {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: exit status {status}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(status)}]}}


def failed(message: str) -> dict[str, Any]:
    """The Status of what could not be done."""
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": f"Internal error occurred: {message}", "details": {"causes": [{"message": message}]}}


async def run(socket: WebSocket, container: Container, command: list[str], wanted: Wanted) -> None:
    """`kubectl exec`."""
    channels = await accept(socket, wanted)
    try:
        streams = await _Streams.opened(container, command, wanted)
    except VisitError as error:
        await channels.finish(failed(f"error executing command in container: {error}"))
        return
    copying = [asyncio.create_task(streams.copy(number, channels)) for number in streams.outputs]
    hearing = asyncio.create_task(_hear(channels, streams.take))
    ended = asyncio.create_task(streams.visit.wait())
    everything = asyncio.create_task(_all(ended, copying))
    try:
        await asyncio.wait([everything, hearing], return_when=asyncio.FIRST_COMPLETED)
        if everything.done() and not everything.exception():
            await channels.finish(exited(everything.result()))
    finally:
        tasks = (everything, hearing, ended, *copying)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        streams.close()


async def _all(ended: asyncio.Task[int], copying: list[asyncio.Task[None]]) -> int:
    """The status, when all that was written has been sent too."""
    await asyncio.gather(*copying)
    return await ended


class _Streams:
    """Our ends of a command's standard streams."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.outputs: dict[int, tuple[asyncio.StreamReader, asyncio.ReadTransport]] = {}
        self.stdin: asyncio.StreamWriter | None = None
        self.terminal = -1

    @staticmethod
    async def opened(container: Container, command: list[str], wanted: Wanted) -> _Streams:
        """Start the command; raises VisitError."""
        ours: dict[int, int] = {}
        theirs: list[int] = []
        try:
            if wanted.terminal:
                ours[STDOUT], slave = os.openpty()
                theirs = [slave, os.dup(slave), os.dup(slave)]
            else:
                for number, on in enumerate((wanted.stdin, wanted.stdout, wanted.stderr)):
                    ends = os.pipe() if on else (os.open(os.devnull, os.O_RDWR),) * 2
                    theirs.append(ends[0 if number == STDIN else 1])
                    if on:
                        ours[number] = ends[1 if number == STDIN else 0]
            visit = await Visit.start(container, command, theirs, terminal=wanted.terminal)
        except BaseException:
            _close(ours.values())
            raise
        finally:
            _close(theirs)
        made = _Streams(visit)
        if wanted.terminal:
            made.terminal = os.dup(ours[STDOUT])
            if wanted.stdin:
                ours[STDIN] = os.dup(ours[STDOUT])
        if STDIN in ours:
            made.stdin = await writing_to(ours[STDIN])
        made.outputs = {number: await reading_from(ours[number]) for number in (STDOUT, STDERR) if number in ours}
        return made

    async def copy(self, number: int, channels: Channels) -> None:
        """From the command to the caller, to its end."""
        reader, _ = self.outputs[number]
        while data := await _read(reader):
            await channels.send(number, data)

    async def take(self, channel: int, data: bytes) -> None:
        """What the caller sent."""
        if channel == STDIN and self.stdin is not None and not self.stdin.is_closing():
            with contextlib.suppress(OSError):      # the command reads no more
                self.stdin.write(data)
                await self.stdin.drain()
        elif channel == END and data == bytes([STDIN]) and self.stdin is not None and self.terminal < 0:
            self.stdin.close()
        elif channel == RESIZE and self.terminal >= 0 and (size := terminal_size(data)) is not None:
            fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def close(self) -> None:
        """A terminal's end is a hang-up for its programs."""
        for _, transport in self.outputs.values():
            transport.close()
        if self.stdin is not None:
            self.stdin.transport.abort()
        if self.terminal >= 0:
            os.close(self.terminal)
        self.visit.close()


async def attach(socket: WebSocket, container: Container, wanted: Wanted) -> None:
    """`kubectl attach`: until the container ends or the caller goes."""
    channels = await accept(socket, wanted)
    try:
        reader, writer = await asyncio.open_unix_connection(sock=container.connect("attach"))
    except OSError as error:
        await channels.finish(failed(f"error attaching to container: {error}"))
        return
    writer.write(bytes([wanted.stdin | wanted.stdout << 1 | wanted.stderr << 2]))

    async def take(channel: int, data: bytes) -> None:
        if channel == RESIZE and (size := terminal_size(data)) is not None:
            writer.write(_frame(RESIZE, struct.pack("!HH", *size)))
        elif channel == STDIN and data:
            writer.write(_frame(STDIN, data))
        elif channel == END and data == bytes([STDIN]):
            writer.write(_frame(STDIN, b""))
        with contextlib.suppress(ConnectionError):
            await writer.drain()

    async def copy() -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                header = await reader.readexactly(5)
                await channels.send(header[0], await reader.readexactly(int.from_bytes(header[1:], "big")))

    tasks = [asyncio.create_task(copy()), asyncio.create_task(_hear(channels, take))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done() and not tasks[0].exception():
            await channels.finish(succeeded())
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


async def accept(socket: WebSocket, wanted: Wanted) -> Channels:
    """Accept in the first protocol both know, and say at once that the way is open."""
    protocol = next((each for each in PROTOCOLS if each in socket.scope["subprotocols"]), "")
    await socket.accept(protocol or None)
    channels = Channels(socket, protocol)
    await channels.send(STDOUT if wanted.stdout else STDERR if wanted.stderr else STATUS, b"")
    return channels


async def _hear(channels: Channels, take: Callable[[int, bytes], Awaitable[None]]) -> None:
    """Pass on what the caller sends until it goes."""
    while (message := await channels.receive()) is not None:
        await take(*message)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(CHUNK)
    except OSError:
        return b""      # a terminal that no program has open any more


def terminal_size(data: bytes) -> tuple[int, int] | None:
    """(rows, columns) of a message on the resize channel."""
    try:
        said = json.loads(data)
        rows, columns = int(said["Height"]), int(said["Width"])
    except (ValueError, LookupError, TypeError):
        return None
    return (rows, columns) if 0 <= rows < 2**16 and 0 <= columns < 2**16 else None


def _frame(stream: int, data: bytes) -> bytes:
    return bytes([stream]) + len(data).to_bytes(4, "big") + data


def _close(descriptors: Iterable[int]) -> None:
    for each in descriptors:
        os.close(each)

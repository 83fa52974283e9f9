"""Commands inside a container that runs: what exec, exec probes and lifecycle hooks have in common.

They share the container's files, processes, environment and limits (see :mod:`labs.jail.doorman`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from labs.cluster.nodes.containers import Container
from labs.jail import doorman

STARTED_WITHIN = 10.0
OUTPUT = 10 * 2**10
"""Bytes that are kept of what a probe or a hook writes (a kubelet keeps 10 KiB)."""


class VisitError(Exception):
    """A command could not be started; the message is containerd's and runc's, which are behind most kubelets."""


class Visit:
    """A command that was started inside a container; close it when it is of no interest any more."""

    def __init__(self, connection: socket.socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connection = connection
        self._reader = reader
        self._writer = writer

    @staticmethod
    async def start(container: Container, command: Sequence[str], files: Sequence[int], *,
                    terminal: bool = False) -> Visit:
        """Start it; raises VisitError.

        :param files: its standard input, output and error; the caller closes them afterwards
        """
        try:
            connection = container.connect("door")
        except OSError as error:
            raise VisitError(f"failed to exec in container: container {container.name} is not running ({error})") \
                from error
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        visit = Visit(connection, reader, writer)
        connection = connection.dup()
        try:
            connection.setblocking(True)
            await asyncio.to_thread(doorman.ask, connection, command, files, terminal=terminal,
                                    environment={"TERM": "xterm"} if terminal else None)
            connection.setblocking(False)
            async with asyncio.timeout(STARTED_WITHIN):
                said = json.loads(await reader.readline() or "{}")
        except (OSError, TimeoutError) as error:
            visit.close()
            raise VisitError(f"failed to exec in container: {error or 'no answer'}") from error
        finally:
            connection.close()
        if "started" not in said:
            visit.close()
            raise VisitError(_why(container, command, said.get("failed", errno.EPIPE)))
        return visit

    async def wait(self) -> int:
        """Its exit status, as a shell reports it; 137 when everything in the container was ended."""
        with contextlib.suppress(ConnectionError):
            if line := await self._reader.readline():
                return int(json.loads(line)["status"])
        return 128 + signal.SIGKILL

    def signal(self, number: int) -> None:
        """Send a signal to its process group."""
        self._writer.write(bytes([number]))

    def close(self) -> None:
        """Hear no more of it; it goes on."""
        self._writer.close()


def _why(container: Container, command: Sequence[str], number: int) -> str:
    word = command[0] if command else ""
    reason = os.strerror(number).lower()
    if number in (errno.ENOENT, errno.ENOTDIR):
        reason = f"stat {word}: {reason}" if "/" in word else "executable file not found in $PATH"
    name = f"{container.identifier.partition('//')[2]}"
    return f'failed to exec in container: failed to start exec "{name}": OCI runtime exec failed: exec failed: ' \
           f'unable to start container process: exec: "{word}": {reason}: unknown'


@dataclass(frozen=True, slots=True)
class Ran:
    """How a short command ended; ``status`` is None when it took too long and was killed."""

    status: int | None
    output: bytes


async def run(container: Container, command: Sequence[str], timeout: float) -> Ran:
    """Run a command inside to its end; raises VisitError."""
    said, say = os.pipe()
    with open(os.devnull, "rb") as nothing:
        try:
            visit = await Visit.start(container, command, (nothing.fileno(), say, say))
        except BaseException:
            os.close(said)
            raise
        finally:
            os.close(say)
    kept = bytearray()
    reading = asyncio.create_task(_keep(said, kept))
    try:
        async with asyncio.timeout(timeout):
            status = await visit.wait()
            await asyncio.wait([reading], timeout=1.0)      # what it left in the background may have it open
    except TimeoutError:
        visit.signal(signal.SIGKILL)
        status = None
    except asyncio.CancelledError:
        visit.signal(signal.SIGKILL)
        raise
    finally:
        reading.cancel()
        visit.close()
    return Ran(status, bytes(kept))


async def _keep(source: int, kept: bytearray) -> None:
    reader, transport = await reading_from(source)
    try:
        while data := await reader.read(4096):
            kept += data[:OUTPUT - len(kept)]
    finally:
        transport.close()


async def reading_from(source: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Read a pipe or a terminal in the event loop; closing the transport closes it."""
    reader = asyncio.StreamReader(2**16)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0))
    return reader, transport


async def writing_to(target: int) -> asyncio.StreamWriter:
    """Write to a pipe or a terminal in the event loop."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(target, "wb", buffering=0))
    return asyncio.StreamWriter(transport, protocol, None, loop)

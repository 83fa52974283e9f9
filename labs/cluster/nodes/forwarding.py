"""`kubectl port-forward`: SPDY in a WebSocket, as client and API server tunnel it ("SPDY/3.1+portforward.k8s.io").

For each connection the client opens two streams with the same request id: ``error``, on which it hears why not, and
``data``.  The other end is the pod's own address: what listens on no address of the pod cannot be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from starlette.websockets import WebSocket, WebSocketDisconnect

from labs.cluster.network import addresses
from labs.cluster.nodes import spdy

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
CHUNK = 2**15
CONNECTED_WITHIN = 5.0
WAITING = 64
"""Pieces that wait for one connection to the pod; more make the whole tunnel wait."""


class Tunnel:
    """One client's tunnel to one pod.

    :param host: where the pod listens
    :param name: of the pod, for what goes wrong
    """

    def __init__(self, socket: WebSocket, host: str, name: str) -> None:
        self._socket = socket
        self._host = host
        self._name = name
        self._spdy = spdy.Connection()
        self._errors: dict[str, int] = {}       # request id → error stream
        self._queues: dict[int, asyncio.Queue[bytes | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Until the client goes."""
        await self._socket.accept(PROTOCOL)
        try:
            while True:
                try:
                    received = await self._socket.receive_bytes()
                except (WebSocketDisconnect, RuntimeError, KeyError):
                    return
                for event in self._spdy.receive(received):
                    if isinstance(event, spdy.GoAway):
                        return
                    await self._take(event)
        except spdy.ProtocolError as error:
            await self._socket.close(1002, str(error)[:100])
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _take(self, event: spdy.Event) -> None:
        if isinstance(event, spdy.Opened):
            await self._open(event)
        elif isinstance(event, spdy.Data) and (queue := self._queues.get(event.stream)) is not None:
            if event.content:
                await queue.put(event.content)
            if event.last:
                await queue.put(None)
        elif isinstance(event, spdy.Reset) and (task := self._tasks.get(event.stream)) is not None:
            task.cancel()
        elif isinstance(event, spdy.Ping):
            await self._send(spdy.pong(event.number))

    async def _open(self, event: spdy.Opened) -> None:
        """A pair of streams is a connection; the data stream comes second."""
        request, kind = event.headers.get("requestid", ""), event.headers.get("streamtype", "")
        port = event.headers.get("port", "")
        if kind not in ("error", "data") or not port.isdigit() or not 0 < int(port) < 2**16:
            await self._send(spdy.reset(event.stream))
            return
        await self._send(self._spdy.reply(event.stream))
        if kind == "error":
            self._errors[request] = event.stream
            return
        self._queues[event.stream] = asyncio.Queue(WAITING)
        task = self._tasks[event.stream] = asyncio.create_task(
            self._connect(event.stream, self._errors.pop(request, 0), int(port)))
        task.add_done_callback(lambda _: self._closed(event.stream))

    def _closed(self, stream: int) -> None:
        self._tasks.pop(stream, None)
        queue = self._queues.pop(stream, None)
        while queue is not None and not queue.empty():
            queue.get_nowait()      # lets go of who waits for room in it

    async def _connect(self, stream: int, error_stream: int, port: int) -> None:
        """One connection to the pod, from its begin to its end."""
        why = ""
        try:
            async with asyncio.timeout(CONNECTED_WITHIN):
                reader, writer = await asyncio.open_connection(self._host, addresses.port(port))
        except (OSError, TimeoutError) as error:
            reason = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else "i/o timeout"
            why = f"error forwarding port {port} to pod {self._name}, uid : failed to connect to localhost:{port} " \
                  f"inside namespace: dial tcp4 {self._host}:{port}: connect: {reason}"
        else:
            sending = asyncio.create_task(self._feed(writer, self._queues[stream]))
            try:
                while content := await reader.read(CHUNK):
                    await self._send(spdy.data(stream, content))
            except ConnectionError as error:
                why = f"error forwarding port {port} to pod {self._name}, uid : {error}"
            finally:
                sending.cancel()
                writer.close()
        if error_stream:
            await self._send(spdy.data(error_stream, why.encode(), last=True))
        await self._send(spdy.data(stream, b"", last=True))

    async def _feed(self, writer: asyncio.StreamWriter, queue: asyncio.Queue[bytes | None]) -> None:
        """From the client to the pod."""
        while (content := await queue.get()) is not None:
            writer.write(content)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def _send(self, frame: bytes) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            await self._socket.send_bytes(frame)

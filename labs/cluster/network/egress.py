"""The API server's way into the cluster: HTTP CONNECT over a Unix socket, as its egress selector speaks it.

"Set up Konnectivity service" (Kubernetes documentation) describes the file that names it: everything the API server
sends to pods, Services and nodes (``…/proxy``, admission webhooks, aggregated APIs, kubelets) asks here for a
connection.  Only the user who runs the cluster may open the socket.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from labs.cluster.network.forward import HEAD, End, join

Dial = Callable[[str, int], Awaitable[End]]
"""(host, port) as the API shows them → a connection; OSError when there is none."""
Endpoints = Callable[[str, str], list[dict[str, Any]]]
"""(namespace, name) of a Service → where its endpoints really listen."""
ASKED = re.compile(rb"GET /endpoints/([a-z0-9.-]+)/([a-z0-9.-]+) HTTP/1\.[01]\r?\n?")


class Connect(End):
    """A client's end: says ``CONNECT HOST:PORT``, is told 200, and is joined."""

    def __init__(self, dial: Dial, endpoints: Endpoints) -> None:
        super().__init__()
        self._dial = dial
        self._endpoints = endpoints
        self._head = b""
        self._task: asyncio.Task[None] | None = None

    def early(self, data: bytes) -> None:
        """The head of the request, then what waits for the connection."""
        if self._task is not None:
            super().early(data)
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found:
            if rest:
                super().early(rest)
            if asked := ASKED.match(head):
                self.answer("200 OK", json.dumps(self._endpoints(asked[1].decode(), asked[2].decode())))
            else:
                self._task = asyncio.create_task(self._serve(head))
        elif len(self._head) > HEAD:
            self.close()

    async def _serve(self, head: bytes) -> None:
        try:
            host, port = target(head)
            far = await self._dial(host, port)
        except ValueError as error:
            self.answer("400 Bad Request", str(error))
        except OSError as error:
            self.answer("502 Bad Gateway", str(error) or type(error).__name__)
        else:
            if self.transport is not None:
                self.transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            join(self, far)

    def answer(self, status: str, why: str) -> None:
        """Say why not, and end."""
        if self.transport is not None:
            body = why.encode()
            self.transport.write(b"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
                                 b"Connection: close\r\n\r\n%s" % (status.encode(), len(body), body))
            self.close()


def target(head: bytes) -> tuple[str, int]:
    """(host, port) of a CONNECT request; ValueError for any other."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    if len(words) != 3 or words[0] != "CONNECT":
        raise ValueError("CONNECT HOST:PORT HTTP/1.1 is expected")
    return authority(words[1])


def authority(text: str, default: int = 0) -> tuple[str, int]:
    """(host, port) of ``HOST:PORT``; ValueError when either is missing."""
    host, colon, number = text.rpartition(":")
    if not colon and default:
        host, number = text, str(default)
    if not host or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(number)


async def serve(path: Path, dial: Dial, endpoints: Endpoints = lambda namespace, name: []) -> None:
    """Listen until cancelled.  ``GET /endpoints/NAMESPACE/SERVICE`` answers JSON, for whoever routes to Services."""
    path.unlink(missing_ok=True)        # of one that was killed
    server = await asyncio.get_running_loop().create_unix_server(lambda: Connect(dial, endpoints), str(path))
    path.chmod(0o600)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        server.close()
        path.unlink(missing_ok=True)

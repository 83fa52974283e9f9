"""A gateway answering on sockets, for as long as an event loop runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn

from labs.aws.gateway import certificates
from labs.errors import TemporaryError

READY_SECONDS = 30.0


class Serving:
    """Servers of one gateway, a socket each.

    :param sockets: bound and listening, by the listener's name; only ``host`` takes the shorthand credentials
    :param state: folder with the certificate of the listener ``https``
    """

    def __init__(self, gateway: Any, sockets: Mapping[str, socket.socket], state: Path) -> None:
        self._sockets = list(sockets.values())
        self._servers = [
            _server(gateway.listener(name == "host"), certificates.ensure(state) if name == "https" else None)
            for name in sockets
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Returns when every one of them answers.

        :raises TimeoutError: not within ``READY_SECONDS``
        :raises TemporaryError: one ended at once, as after a signal
        """
        pairs = zip(self._servers, self._sockets, strict=True)
        self._tasks = [asyncio.create_task(server.serve([bound])) for server, bound in pairs]
        async with asyncio.timeout(READY_SECONDS):
            while not all(server.started for server in self._servers):
                for task in self._tasks:
                    if task.done():
                        await task  # says why
                        raise TemporaryError("The gateway's server ended before it was ready.")
                await asyncio.sleep(0.002)

    def end(self) -> None:
        """Begin to stop."""
        for server in self._servers:
            server.should_exit = True

    async def ended(self) -> None:
        """Wait until one of them ends, as uvicorn does at SIGTERM and SIGINT, or after ``end``."""
        await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def leave(self) -> None:
        """As ``stop``, in a millisecond where nobody is being answered; uvicorn's own way takes 0.2 s."""
        for server in self._servers:
            for listening in server.servers:
                listening.close()
            for connection in list(server.server_state.connections):
                connection.shutdown()
        async with asyncio.timeout(READY_SECONDS):
            while any(server.server_state.connections for server in self._servers):
                await asyncio.sleep(0.001)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Finish what is being answered, close the connections and the sockets."""
        self.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def bind(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 picks a free one.

    :raises OSError: the port is taken
    """
    # The protocol is given by number because event loops set TCP_NODELAY only then.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    # Here and not in the event loop: two sockets may be bound to one port until one listens, and uvloop passes over the
    # error that the other one's listen gets.
    bound.listen(2048)
    return bound


def url_of(name: str, bound: socket.socket) -> str:
    """Where a listener is reached."""
    return f"{'https' if name == 'https' else 'http'}://127.0.0.1:{bound.getsockname()[1]}"


def _server(application: object, certificate: Path | None) -> uvicorn.Server:
    config = uvicorn.Config(
        application,  # type: ignore[arg-type]  # a plain ASGI callable
        interface="asgi3",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,  # aws:SourceIp and aws:SecureTransport are the connection's, whatever a header claims
        ssl_certfile=certificate,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=3,
        ws="none",
    )
    return uvicorn.Server(config)

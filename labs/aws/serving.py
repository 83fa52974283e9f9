"""A small ASGI application on a loopback port of its own, in a thread that ends with the process that started it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any

from labs.errors import TemporaryError

Application = Callable[[Any, Any, Any], Awaitable[None]]
START_SECONDS = 10.0
STOP_SECONDS = 5.0


class Serving:
    """Answers at :attr:`url` from :meth:`start` until :meth:`stop`; also a context manager.  Both may run twice."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def start(self) -> Serving:
        """Listen on a free port of 127.0.0.1.

        :raises TemporaryError: it did not answer within ``START_SECONDS``
        """
        if self._thread is not None:
            return self
        import uvicorn

        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = uvicorn.Config(
            self._application, interface="asgi3", lifespan="off", log_level="error", access_log=False,
            server_header=False, ws="none", loop="asyncio", timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name=f"serving {self.url}", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise TemporaryError(f"{self.url} did not start to answer within {START_SECONDS:.0f} s.")
            self._thread.join(0.005)
        return self

    def leave(self) -> None:
        """Begin to stop, which takes a fifth of a second, and do not wait for it."""
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        """Stop listening and wait for the thread."""
        if self._thread is None:
            return
        self.leave()
        self._thread.join(STOP_SECONDS)
        self._thread = None

    def __enter__(self) -> Serving:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


async def answer(
    send: Any, status: int, body: bytes | str | Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> None:
    """Send one whole response; a mapping goes out as JSON, text as ``text/plain``."""
    kind = "application/json" if isinstance(body, Mapping) else "text/plain"
    if isinstance(body, Mapping):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    fields = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})

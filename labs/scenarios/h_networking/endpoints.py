"""Two copies of the shop's API, blue and green, each on an address of its own; and customers who ask for a name.

Customers look the name up for every request, as the resolver of the internet answers it, and connect to the address
they are given.
"""

from __future__ import annotations

import http.client
import http.server
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from labs.aws.dns.asking import dig
from labs.aws.dns.health import Clock
from labs.errors import LabError, TemporaryError
from labs.scenarios.h_networking.resolvers import Resolvers

CHECKER = "Amazon-Route53-Health-Check-Service"
EVERY = 0.5
"""Seconds of the clock between two requests."""
WITHIN = 10.0
"""Seconds of the clock that a customer waits."""
LATE = 1.0
"""Real seconds that a request may start late before nothing can be said about times."""


class Copy:
    """A web server that can lose its database, or be switched off.

    ``/`` is for customers, ``/ready`` says whether they are served, ``/healthz`` that the process runs.
    """

    def __init__(self, name: str, address: str, port: int = 0) -> None:
        self.name = name
        self.database = True
        self.lose = 0
        """How many of the next checks get no good answer, whatever the state is."""
        self.checked = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status = outer._status(self.path, self.headers.get("User-Agent", ""))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server: http.server.ThreadingHTTPServer | None = http.server.ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.address, self.port = address, int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name=name, daemon=True).start()

    def _status(self, path: str, client: str) -> int:
        if client == CHECKER:
            self.checked += 1
            if self.lose:
                self.lose -= 1
                return 503
        if path not in ("/", "/ready", "/healthz"):
            return 404
        return 200 if self.database or path == "/healthz" else 503

    def off(self) -> None:
        """Nobody listens any more; again is nothing."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def copies(addresses: tuple[str, str]) -> tuple[Copy, Copy]:
    """Blue and green on one port, since a name has no port; raises TemporaryError when none is free on both."""
    for _ in range(20):
        blue = Copy("blue", addresses[0])
        try:
            return blue, Copy("green", addresses[1], blue.port)
        except OSError:
            blue.off()
    raise TemporaryError("no port is free on both addresses")


@dataclass(frozen=True)
class Request:
    """One customer's request: when, to which address, with which status; 0 and a reason where there was no answer."""

    at: float
    address: str
    status: int
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Was the customer not served?"""
        return self.status != 200


@dataclass
class Customers:
    """Requests at a steady rate until ``stop``."""

    resolvers: Resolvers
    name: str
    port: int
    clock: Clock
    sent: list[Request] = field(default_factory=list)
    late: float = 0.0

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._at = self.resolvers.at("internet")
        self.began = self.clock.now()
        self._thread = threading.Thread(target=self._run, name="customers", daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Seconds of the clock since they began."""
        return self.clock.now() - self.began

    def _run(self) -> None:
        next_at = self.began
        while not self._ended.is_set():
            behind = (self.clock.now() - next_at) / self.clock.speed
            if behind < 0:
                time.sleep(-behind)
            self.late = max(self.late, behind)
            next_at = max(next_at + EVERY, self.clock.now() - EVERY)
            self.sent.append(self._request())

    def _request(self) -> Request:
        at, address = self.now(), ""
        try:
            values = dig(self._at, self.name).values
            if not values:
                return Request(at, "", 0, "the name has no address")
            address = values[0]
            return Request(at, address, self._get(address))
        except (OSError, http.client.HTTPException, LabError) as error:
            return Request(at, address, 0, type(error).__name__)

    def _get(self, address: str) -> int:
        connection = http.client.HTTPConnection(address, self.port, timeout=WITHIN / self.clock.speed)
        try:
            connection.request("GET", "/", headers={"Host": self.name})
            return connection.getresponse().status
        finally:
            connection.close()

    def wait(self, until: Any, seconds: float) -> bool:
        """Wait until something is the case, so many seconds of the clock at most; whether it came to be."""
        end = self.clock.now() + seconds
        while not until():
            if self.clock.now() > end:
                return False
            time.sleep(0.02)
        return True

    def pause(self, seconds: float) -> None:
        """Let so many seconds of the clock pass."""
        self.wait(lambda: False, seconds)

    def stop(self) -> list[Request]:
        """All requests; raises TemporaryError where this machine was too busy for their times to mean anything."""
        self._ended.set()
        self._thread.join()
        if self.late > LATE:
            raise TemporaryError(f"this machine was too busy: a request started {self.late:.1f} s late")
        return self.sent

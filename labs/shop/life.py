"""From start to orderly end: what each health endpoint says, what every request carries, and how SIGTERM is answered.

    /livez      the process can serve; it asks nobody else, so an outage elsewhere restarts nothing (also /healthz)
    /readyz     it should get traffic: started, not shutting down, and what it cannot do without answers
    /startupz   its start-up work is done, whatever the state of others

After SIGTERM readiness is false at once and the program serves on for a while, because a Service's endpoints change
later than the signal comes ("Pod Lifecycle", "Termination of Pods").  Then it takes no more connections and lets
running requests end.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labs.shop import logs
from labs.shop.config import Settings
from labs.shop.errors import Unavailable
from labs.shop.faults import Faults
from labs.shop.telemetry import Metrics, Traces, failed, trace_id_of

log = logging.getLogger("shop")

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
PROBES = ("/livez", "/readyz", "/startupz", "/healthz", "/metrics", "/faults")
CHECK_SECONDS = 2.0  # that a dependency may take to answer a readiness check
KEPT_CHECK = 0.5  # seconds that its result is kept, so that many probes ask once
Check = Callable[[], Awaitable[None]]


@dataclass
class Lifecycle:
    """Where the process is in its life."""

    started: bool = False
    draining: bool = False


class Health:
    """The health endpoints of one process.

    :param checks: what it cannot do without, by name
    """

    def __init__(self, life: Lifecycle, metrics: Metrics, checks: Mapping[str, Check]) -> None:
        self._life, self._metrics, self._checks = life, metrics, checks
        self._known: tuple[float, dict[str, str]] = (-1e9, {})
        self._lock = asyncio.Lock()

    def routes(self) -> list[Route]:
        """The endpoints."""
        return [
            Route("/livez", self._livez),
            Route("/healthz", self._livez),
            Route("/readyz", self._readyz),
            Route("/startupz", self._startupz),
        ]

    async def _livez(self, request: Request) -> Response:
        if not self._life.started:
            return JSONResponse({"status": "starting"}, 503)
        return JSONResponse({"status": "ok"})

    async def _startupz(self, request: Request) -> Response:
        if not self._life.started:
            return JSONResponse({"status": "starting"}, 503)
        return JSONResponse({"status": "started"})

    async def _readyz(self, request: Request) -> Response:
        if not self._life.started or self._life.draining:
            self._metrics.ready.set(0)
            return JSONResponse({"status": "shutting down" if self._life.draining else "starting"}, 503)
        said = await self._look()
        ready = all(answer == "ok" for answer in said.values())
        self._metrics.ready.set(int(ready))
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": said}, 200 if ready else 503)

    async def _look(self) -> dict[str, str]:
        async with self._lock:
            if time.monotonic() - self._known[0] > KEPT_CHECK:
                said = {name: await _result(name, check) for name, check in self._checks.items()}
                self._known = time.monotonic(), said
            return self._known[1]


async def _result(name: str, check: Check) -> str:
    try:
        await asyncio.wait_for(check(), CHECK_SECONDS)
    except (Unavailable, TimeoutError) as error:
        log.error("not ready", extra={"reason": f"{name}: {error or f'no answer in {CHECK_SECONDS:.0f} s'}"})
        return "unavailable"
    return "ok"


class Observed:
    """Around every request: its id, its span, its metrics, one log line, and the lab's faults."""

    def __init__(
        self, app: ASGIApp, routes: list[Route], life: Lifecycle, metrics: Metrics, traces: Traces, faults: Faults
    ) -> None:
        self._app, self._life, self._metrics, self._traces, self._faults = app, life, metrics, traces, faults
        self._routes = {route.endpoint: route.path for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        identifier = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        token = logs.request_id.set(identifier)
        try:
            if scope["path"].startswith(PROBES):
                await self._probe(scope, receive, self._sender(send, identifier, [0]))
            else:
                await self._request(scope, receive, send, headers, identifier)
        finally:
            logs.request_id.reset(token)

    def _sender(self, send: Send, identifier: str, status: list[int]) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                added = [(b"x-request-id", identifier.encode())]
                if self._life.draining:  # a client that keeps its connection would never learn of the other replicas
                    added.append((b"connection", b"close"))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        return answer

    async def _probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Probes and scrapes are no customers: not traced, not counted, not broken; logged for debugging."""
        await self._app(scope, receive, send)
        log.debug("probe", extra={"path": scope["path"]})

    async def _request(
        self, scope: Scope, receive: Receive, send: Send, headers: Mapping[bytes, bytes], identifier: str
    ) -> None:
        method, status, began = scope["method"], [500], time.perf_counter()
        self._metrics.in_flight.inc()
        with self._traces.span(method, SpanKind.SERVER, self._traces.parent(headers)) as span:
            trace_id = trace_id_of(span)
            token = logs.trace_id.set(trace_id)
            try:
                answer = self._sender(send, identifier, status)
                wrong = await self._faults.before_request() if self._life.started else 503
                if wrong:
                    await JSONResponse({"error": "something went wrong", "request_id": identifier}, wrong)(
                        scope, receive, answer
                    )
                else:
                    await self._app(scope, receive, answer)
            finally:
                spent = time.perf_counter() - began
                route = self._routes.get(scope.get("endpoint"), "other")  # never the path: its values have no end
                self._metrics.in_flight.dec()
                self._metrics.requests.labels(method, route, str(status[0])).inc()
                self._metrics.seconds.labels(method, route).observe(spent, {"trace_id": trace_id})
                if span.is_recording():
                    span.update_name(f"{method} {route}")
                    span.set_attributes({
                        "http.request.method": method, "http.route": route, "url.path": scope["path"],
                        "http.response.status_code": status[0], "shop.request_id": identifier,
                    })  # fmt: skip
                    if status[0] >= 500:
                        failed(span)
                about = {"method": method, "path": scope["path"], "route": route, "status": status[0]}
                log.info("request", extra={**about, "ms": round(spent * 1000, 1)})
                logs.trace_id.reset(token)


class Program:
    """The parts every program of the shop has."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.life, self.metrics, self.traces = Lifecycle(), Metrics(settings), Traces(settings)
        self.faults = Faults(settings.fault_key, self.metrics, settings.error_share)

    def application(
        self,
        routes: list[Route],
        checks: Mapping[str, Check],
        handlers: dict[Any, Any],
        close: Callable[[], Awaitable[None]],
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Starlette:
        """The ASGI application with health, metrics, fault switch and all that surrounds a request.

        :param prepare: start-up work; the program is not started before it is done
        """

        async def metrics(request: Request) -> Response:
            body, kind = self.metrics.exposition(request.headers.get("accept", ""))
            return Response(body, headers={"content-type": kind})

        async def start() -> None:
            await asyncio.sleep(self.settings.start_seconds)
            if prepare is not None:
                await prepare()
            self.life.started = True

        @asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncIterator[None]:
            if not self.settings.start_seconds:
                await start()
            starting = asyncio.create_task(start()) if self.settings.start_seconds else None
            yield
            if starting is not None:
                starting.cancel()
            await close()
            await asyncio.to_thread(self.traces.close)

        health = Health(self.life, self.metrics, checks)
        everything = [*routes, *health.routes(), Route("/metrics", metrics), *self.faults.routes()]
        app = Starlette(routes=everything, exception_handlers=handlers, lifespan=lifespan)
        app.add_middleware(
            Observed, routes=routes, life=self.life, metrics=self.metrics, traces=self.traces, faults=self.faults
        )
        return app

    def serve(self, app: Starlette, listening: socket.socket) -> None:
        """Serve on a socket until a signal comes."""
        # A signal may come before uvicorn listens to it; and at its end uvicorn hands the signal on to whoever handled
        # it before, which must not end the process before the last log line.
        early: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: early.append(number))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, round(self.settings.grace_seconds)),
        )
        _Server(config, self.life, self.settings, early).run(sockets=[listening])
        log.info("stopped")


class _Server(uvicorn.Server):
    """uvicorn that goes on serving for some seconds after the first SIGTERM."""

    def __init__(self, config: uvicorn.Config, life: Lifecycle, settings: Settings, early: list[int]) -> None:
        super().__init__(config)
        self._life, self._settings, self._early = life, settings, early
        self._drain, self._until = settings.drain_seconds, 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            host, port = listening.getsockname()[:2]
            told = self._settings
            about = {"role": told.role, "version": told.version, "environment": told.environment}
            log.info("serving", extra={"host": host, "port": port, **about})

    def handle_exit(self, sig: int, frame: Any) -> None:
        first, self._life.draining = not self._life.draining, True
        if first and sig == signal.SIGTERM and self._drain:
            self._until = time.monotonic() + self._drain
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        while self._early:
            self.handle_exit(self._early.pop(0), None)
        if self._until and time.monotonic() >= self._until:
            self.should_exit = True
        return await super().on_tick(counter)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    :raises OSError: the address is not ours, or the port is taken
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
    except OSError:
        listening.close()
        raise
    return listening

"""The shop's HTTP interface (JSON).

    GET  /api/products                         the products
    POST /api/carts                            a new cart
    GET  /api/carts/{cart}                     what is in it
    PUT  /api/carts/{cart}/items/{sku}         {"quantity": 1…100}
    POST /api/carts/{cart}/order               order it; a second time gives the same order
    GET  /api/orders/{order}                   an order
    GET  /healthz                              200 while the process lives
    GET  /readyz                               200 when the database answers, else 503

Every answer carries ``X-Request-Id``: the caller's, if it is well formed, else a new one.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pg8000.exceptions import DatabaseError, InterfaceError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labs.shop import logs
from labs.shop.database import Unavailable
from labs.shop.store import EmptyCart, NotFound, Store

log = logging.getLogger("shop")

REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
LARGEST = 10_000  # bytes of a request's body


def create_app(store: Store, on_stop: Callable[[], None] = lambda: None) -> Starlette:
    """The ASGI application.

    :param on_stop: called at shutdown, after the last request
    """

    async def products(request: Request) -> Response:
        return JSONResponse({"products": await run_in_threadpool(store.products)})

    async def new_cart(request: Request) -> Response:
        return JSONResponse({"id": await run_in_threadpool(store.new_cart)}, 201)

    async def cart(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(store.cart, _uuid(request, "cart")))

    async def put_item(request: Request) -> Response:
        quantity = await _quantity(request)
        found = await run_in_threadpool(store.put_item, _uuid(request, "cart"), request.path_params["sku"], quantity)
        return JSONResponse(found)

    async def check_out(request: Request) -> Response:
        order, new = await run_in_threadpool(store.check_out, _uuid(request, "cart"))
        return JSONResponse(order, 201 if new else 200)

    async def order(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(store.order, _uuid(request, "order")))

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        await run_in_threadpool(store.ping)
        return JSONResponse({"status": "ready"})

    routes = [
        Route("/api/products", products),
        Route("/api/carts", new_cart, methods=["POST"]),
        Route("/api/carts/{cart}", cart),
        Route("/api/carts/{cart}/items/{sku}", put_item, methods=["PUT"]),
        Route("/api/carts/{cart}/order", check_out, methods=["POST"]),
        Route("/api/orders/{order}", order),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        on_stop()

    handlers: dict[Any, Any] = {
        BadRequest: lambda _, error: _error(400, error),
        NotFound: lambda _, error: _error(404, error),
        EmptyCart: lambda _, error: _error(409, error),
        Unavailable: _unavailable,
        InterfaceError: _unavailable,
        DatabaseError: _unavailable,
    }
    app = Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan)
    app.add_middleware(RequestLog)
    return app


class BadRequest(Exception):
    """The request's own fault."""


def _uuid(request: Request, name: str) -> str:
    try:
        return str(uuid.UUID(request.path_params[name]))
    except ValueError:
        raise NotFound(f"there is no {name} {request.path_params[name]}") from None


async def _quantity(request: Request) -> int:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise BadRequest("the body is too large")
    try:
        quantity = json.loads(body)["quantity"]
    except (ValueError, KeyError, TypeError):
        raise BadRequest('the body must be JSON such as {"quantity": 1}') from None
    if type(quantity) is not int or not 1 <= quantity <= 100:
        raise BadRequest("quantity must be a whole number from 1 to 100")
    return quantity


def _error(status: int, error: Exception | str) -> Response:
    return JSONResponse({"error": str(error), "request_id": logs.request_id.get()}, status)


async def _unavailable(request: Request, error: Exception) -> Response:
    reason = str(error) if isinstance(error, Unavailable) else f"query failed ({type(error).__name__})"
    log.error("database unavailable", extra={"reason": reason})
    return _error(503, "the shop cannot reach its data; try again")


class RequestLog:
    """Gives every request its id and one log line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        identifier = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
        token = logs.request_id.set(identifier)
        status, started = 500, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", identifier.encode())]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            spent = round((time.perf_counter() - started) * 1000, 1)
            about = {"method": scope["method"], "path": scope["path"], "status": status, "ms": spent}
            log.info("request", extra=about)
            logs.request_id.reset(token)

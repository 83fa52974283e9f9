"""The backend: the shop's data over HTTP, as JSON.

    GET  /api/products                         the products
    GET  /api/products/{sku}                   one product
    GET  /api/products/{sku}/image             its picture, from S3
    POST /api/carts                            a new cart
    GET  /api/carts/{cart}                     what is in it
    PUT  /api/carts/{cart}/items/{sku}         {"quantity": 0…100}; 0 takes it out
    POST /api/carts/{cart}/order               order it; a second time gives the same order
    POST /api/orders                           {"items": [{"sku", "quantity"}]} with the header Idempotency-Key
    GET  /api/orders/{order}                   an order

An error is ``{"error", "request_id"}``.  Health, metrics and the fault switch: :mod:`labs.shop.life`,
:mod:`labs.shop.faults`.  Every answer carries ``X-Request-Id``: the caller's, if it is well formed, else a new one.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labs.shop import logs
from labs.shop.errors import AwsError, Conflict, KeyReused, NotFound, Unavailable
from labs.shop.life import Program
from labs.shop.store import Store

if TYPE_CHECKING:
    from labs.shop.aws import Aws

log = logging.getLogger("shop")

KEY = re.compile(r"[\x21-\x7e]{8,100}")
LARGEST = 10_000  # bytes of a request's body
MOST_ITEMS = 50
Answer = TypeVar("Answer")


def create_app(program: Program, store: Store, aws: Aws | None = None) -> Starlette:
    """The ASGI application.

    :param aws: reads pictures; without it, or without a bucket, there are none
    """
    api = _Api(program, store, aws)
    routes = [
        Route("/api/products", api.products),
        Route("/api/products/{sku}", api.product),
        Route("/api/products/{sku}/image", api.image),
        Route("/api/carts", api.new_cart, methods=["POST"]),
        Route("/api/carts/{cart}", api.cart),
        Route("/api/carts/{cart}/items/{sku}", api.put_item, methods=["PUT"]),
        Route("/api/carts/{cart}/order", api.check_out, methods=["POST"]),
        Route("/api/orders", api.place_order, methods=["POST"]),
        Route("/api/orders/{order}", api.order),
    ]
    handlers: dict[Any, Any] = {
        BadRequest: lambda _, error: _error(400, error),
        NotFound: lambda _, error: _error(404, error),
        Conflict: api.conflict,
        KeyReused: lambda _, error: _error(422, error),
        Unavailable: _unavailable,
    }

    async def close() -> None:
        await store.close()
        if aws is not None:
            await aws.close()

    return program.application(routes, {"database": api.reachable}, handlers, close)


class BadRequest(Exception):
    """The request's own fault."""


class _Api:
    """The endpoints."""

    def __init__(self, program: Program, store: Store, aws: Aws | None) -> None:
        self._program, self._store, self._aws = program, store, aws
        self._metrics = program.metrics

    async def _asked(self, name: str, answer: Awaitable[Answer], dependency: str = "database") -> Answer:
        """An answer of the store's (or of S3's), with its span and metrics; fails while the lab says it is out."""
        began, result = time.perf_counter(), "error"
        try:
            with self._program.traces.span(name, SpanKind.CLIENT, peer_service=dependency):
                try:
                    self._program.faults.reach(dependency)
                except Unavailable:
                    answer.close()  # type: ignore[attr-defined]
                    raise
                found = await answer
            result = "ok"
            return found
        except (NotFound, Conflict, KeyReused):
            result = "ok"  # it answered
            raise
        finally:
            self._metrics.calls.labels(dependency, result).inc()
            self._metrics.call_seconds.labels(dependency).observe(time.perf_counter() - began)

    async def reachable(self) -> None:
        await self._asked("ping", self._store.ping())

    async def products(self, request: Request) -> Response:
        return JSONResponse({"products": await self._asked("products", self._store.products())})

    async def product(self, request: Request) -> Response:
        return JSONResponse(await self._asked("product", self._store.product(request.path_params["sku"])))

    async def image(self, request: Request) -> Response:
        sku, bucket = request.path_params["sku"], self._program.settings.images_bucket
        if not sku.isalnum() or not bucket or self._aws is None:
            raise NotFound(f"there is no picture of {sku}")
        try:
            found = await self._asked("image", self._aws.s3("GET", bucket, f"products/{sku}.svg"), "s3")
        except AwsError as error:
            if error.code in ("403", "404"):  # without s3:ListBucket, S3 says 403 for what is not there
                raise NotFound(f"there is no picture of {sku}") from None
            raise Unavailable(str(error)) from error
        headers = {"cache-control": "public, max-age=3600", "content-security-policy": "default-src 'none'"}
        return Response(found.content, media_type="image/svg+xml", headers=headers)

    async def new_cart(self, request: Request) -> Response:
        return JSONResponse({"id": await self._asked("new cart", self._store.new_cart())}, 201)

    async def cart(self, request: Request) -> Response:
        return JSONResponse(await self._asked("cart", self._store.cart(_uuid(request, "cart"))))

    async def put_item(self, request: Request) -> Response:
        quantity = _whole(await _json(request), "quantity", 0)
        cart, sku = _uuid(request, "cart"), request.path_params["sku"]
        return JSONResponse(await self._asked("put item", self._store.put_item(cart, sku, quantity)))

    async def check_out(self, request: Request) -> Response:
        cart = _uuid(request, "cart")
        return self._ordered(*await self._asked("check out", self._store.check_out(cart)))

    async def place_order(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        if not KEY.fullmatch(key):
            raise BadRequest("send a header Idempotency-Key: 8 to 100 visible characters, another for each order")
        items = _items(await _json(request))
        return self._ordered(*await self._asked("place order", self._store.place_order(items, key)))

    async def order(self, request: Request) -> Response:
        return JSONResponse(await self._asked("order", self._store.order(_uuid(request, "order"))))

    def _ordered(self, order: dict[str, Any], new: bool) -> Response:
        if new:
            self._metrics.orders.inc()
            self._metrics.sold.inc(order["cents"])
        return JSONResponse(order, 201 if new else 200)

    async def conflict(self, request: Request, error: Conflict) -> Response:
        self._metrics.refused.labels(error.reason).inc()
        return JSONResponse({"error": str(error), "reason": error.reason, "request_id": logs.request_id.get()}, 409)


def _uuid(request: Request, name: str) -> str:
    try:
        return str(uuid.UUID(request.path_params[name]))
    except ValueError:
        raise NotFound(f"there is no {name} {request.path_params[name]}") from None


async def _json(request: Request) -> dict[str, Any]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise BadRequest("the body is too large")
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadRequest('the body must be a JSON object such as {"quantity": 1}')
    return found


def _whole(found: dict[str, Any], name: str, least: int) -> int:
    value = found.get(name)
    if type(value) is not int or not least <= value <= 100:
        raise BadRequest(f"{name} must be a whole number from {least} to 100")
    return value


def _items(found: dict[str, Any]) -> dict[str, int]:
    listed, items = found.get("items"), {}
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_ITEMS:
        raise BadRequest(f"items must be a list of 1 to {MOST_ITEMS} items")
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("sku"), str) or item["sku"] in items:
            raise BadRequest('each item is {"sku": "1001", "quantity": 1}, each SKU once')
        items[item["sku"]] = _whole(item, "quantity", 1)
    return items


def _error(status: int, error: Exception | str) -> Response:
    return JSONResponse({"error": str(error), "request_id": logs.request_id.get()}, status)


async def _unavailable(request: Request, error: Exception) -> Response:
    log.error("dependency unavailable", extra={"reason": str(error)})
    return _error(503, "the shop cannot reach its data; try again")

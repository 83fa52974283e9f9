"""The store in the process's own memory: for a first look and for tests.

It works once, in one process, until that ends.  It is not production-ready, and the course shows why.
"""

from __future__ import annotations

import uuid
from typing import Any

from labs.shop.catalog import PRODUCTS
from labs.shop.errors import Conflict, KeyReused, NotFound
from labs.shop.store import Found, Items, fingerprint, sold_out, total


class MemoryStore:
    """See :class:`labs.shop.store.Store`.  No method waits in its middle, so each is atomic."""

    def __init__(self) -> None:
        self._products: dict[str, Found] = {product["sku"]: dict(product) for product in PRODUCTS}
        self._carts: dict[str, dict[str, int]] = {}
        self._orders: dict[str, Found] = {}
        self._of_cart: dict[str, str] = {}
        self._of_key: dict[str, tuple[str, str]] = {}

    async def ping(self) -> None:
        return None

    async def products(self) -> list[Found]:
        return [dict(product) for product in self._products.values()]

    async def product(self, sku: str) -> Found:
        if sku not in self._products:
            raise NotFound(f"there is no product {sku}")
        return dict(self._products[sku])

    async def new_cart(self) -> str:
        cart = str(uuid.uuid4())
        self._carts[cart] = {}
        return cart

    async def put_item(self, cart: str, sku: str, quantity: int) -> Found:
        items = self._items(cart)
        if cart in self._of_cart:
            raise Conflict(f"cart {cart} is ordered already", "ordered")
        await self.product(sku)
        items.pop(sku, None)
        if quantity:
            items[sku] = quantity
        return await self.cart(cart)

    async def cart(self, cart: str) -> Found:
        items = self._with_prices(self._items(cart))
        return {"id": cart, "items": items, "cents": total(items)}

    async def check_out(self, cart: str) -> tuple[Found, bool]:
        items = self._items(cart)
        if cart in self._of_cart:
            return self._orders[self._of_cart[cart]], False
        if not items:
            raise Conflict(f"cart {cart} is empty", "empty")
        order = self._take(items, cart)
        self._of_cart[cart] = order["id"]
        return order, True

    async def place_order(self, items: Items, key: str) -> tuple[Found, bool]:
        if key in self._of_key:
            asked, order = self._of_key[key]
            if asked != fingerprint(items):
                raise KeyReused(f"the idempotency key {key} was used for another order")
            return self._orders[order], False
        made = self._take(items, None)
        self._of_key[key] = fingerprint(items), made["id"]
        return made, True

    async def order(self, order: str) -> Found:
        if order not in self._orders:
            raise NotFound(f"there is no order {order}")
        return self._orders[order]

    async def close(self) -> None:
        return None

    def _items(self, cart: str) -> dict[str, int]:
        if cart not in self._carts:
            raise NotFound(f"there is no cart {cart}")
        return self._carts[cart]

    def _with_prices(self, items: Items) -> list[dict[str, Any]]:
        products = self._products
        return [
            {"sku": sku, "name": products[sku]["name"], "quantity": count, "cents": products[sku]["cents"]}
            for sku, count in sorted(items.items())
        ]

    def _take(self, items: Items, cart: str | None) -> Found:
        for sku, quantity in items.items():
            if sku not in self._products:
                raise NotFound(f"there is no product {sku}")
            if self._products[sku]["stock"] < quantity:
                raise sold_out(sku)
        for sku, quantity in items.items():
            self._products[sku]["stock"] -= quantity
        priced = self._with_prices(items)
        order = {"id": str(uuid.uuid4()), "cart": cart, "items": priced, "cents": total(priced)}
        self._orders[order["id"]] = order
        return order

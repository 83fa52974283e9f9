"""Products, carts and orders: what every store can do, and every query of the one in PostgreSQL.

Stock is taken with a condition in the very statement that lowers it, so that two customers never buy the last piece
both: one order succeeds, the other is told that it is sold out.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from labs.shop.database import Pool
from labs.shop.errors import Conflict, KeyReused, NotFound

Items = Mapping[str, int]  # SKU to quantity
Found = dict[str, Any]


class Store(Protocol):
    """The shop's data.  Every method may raise :class:`labs.shop.errors.Unavailable`.

    A product is ``{"sku", "name", "cents", "stock"}``, a cart ``{"id", "items", "cents"}``, an order
    ``{"id", "cart", "items", "cents"}`` (``cart`` is ``None`` for an order without one), an item
    ``{"sku", "name", "quantity", "cents"}`` with the price of one piece.
    """

    async def ping(self) -> None:
        """Return if the data can be reached."""

    async def products(self) -> list[Found]:
        """Every product, by SKU."""

    async def product(self, sku: str) -> Found:
        """One product.

        :raises NotFound: there is none
        """

    async def new_cart(self) -> str:
        """The id of a new, empty cart."""

    async def put_item(self, cart: str, sku: str, quantity: int) -> Found:
        """Set how many of a product are in the cart (0 takes it out), and return the cart.

        :raises NotFound: no such cart or product
        :raises Conflict: the cart was ordered
        """

    async def cart(self, cart: str) -> Found:
        """A cart.

        :raises NotFound: there is none
        """

    async def check_out(self, cart: str) -> tuple[Found, bool]:
        """The order made from a cart, and whether it is new: doing it twice gives the same order.

        :raises NotFound: no such cart
        :raises Conflict: nothing is in it, or too little is left of a product
        """

    async def place_order(self, items: Items, key: str) -> tuple[Found, bool]:
        """An order without a cart, and whether it is new: the same key gives the same order.

        :raises NotFound: no such product
        :raises Conflict: too little is left of a product
        :raises KeyReused: the key came with other items before
        """

    async def order(self, order: str) -> Found:
        """An order.

        :raises NotFound: there is none
        """

    async def close(self) -> None:
        """Let go of connections."""


def fingerprint(items: Items) -> str:
    """What an order asks for, in short."""
    return hashlib.sha256(json.dumps(sorted(items.items())).encode()).hexdigest()


def sold_out(sku: str) -> Conflict:
    """The same words from every store."""
    return Conflict(f"there is not enough left of product {sku}", "sold_out")


def total(items: list[Found]) -> int:
    """Cents."""
    return sum(item["quantity"] * item["cents"] for item in items)


class PostgresStore:
    """The store in PostgreSQL; see :class:`Store`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ping(self) -> None:
        await self._pool.run(lambda connection: connection.execute("SELECT 1"))

    async def products(self) -> list[Found]:
        query = "SELECT sku, name, cents, stock FROM products ORDER BY sku"
        rows = await self._pool.run(lambda connection: connection.fetch(query))
        return [dict(row) for row in rows]

    async def product(self, sku: str) -> Found:
        query = "SELECT sku, name, cents, stock FROM products WHERE sku = $1"
        row = await self._pool.run(lambda connection: connection.fetchrow(query, sku))
        if row is None:
            raise NotFound(f"there is no product {sku}")
        return dict(row)

    async def new_cart(self) -> str:
        cart = uuid.uuid4()
        await self._pool.run(lambda connection: connection.execute("INSERT INTO carts (id) VALUES ($1)", cart))
        return str(cart)

    async def put_item(self, cart: str, sku: str, quantity: int) -> Found:
        async def work(connection: Any) -> Found | Exception:
            # the lock makes a concurrent order wait, or lets this see that there is one
            await _lock_cart(connection, cart)
            if await connection.fetchval("SELECT 1 FROM orders WHERE cart = $1", uuid.UUID(cart)):
                raise Conflict(f"cart {cart} is ordered already", "ordered")
            if not await connection.fetchval("SELECT 1 FROM products WHERE sku = $1", sku):
                raise NotFound(f"there is no product {sku}")
            if quantity:
                await connection.execute(
                    "INSERT INTO cart_items VALUES ($1, $2, $3)"
                    " ON CONFLICT (cart, sku) DO UPDATE SET quantity = excluded.quantity",
                    uuid.UUID(cart), sku, quantity,
                )  # fmt: skip
            else:
                await connection.execute("DELETE FROM cart_items WHERE cart = $1 AND sku = $2", uuid.UUID(cart), sku)
            return await _cart(connection, cart)

        return await self._transaction(work)

    async def cart(self, cart: str) -> Found:
        async def work(connection: Any) -> Found:
            if not await connection.fetchval("SELECT 1 FROM carts WHERE id = $1", uuid.UUID(cart)):
                raise NotFound(f"there is no cart {cart}")
            return await _cart(connection, cart)

        return await self._transaction(work)

    async def check_out(self, cart: str) -> tuple[Found, bool]:
        async def work(connection: Any) -> tuple[Found, bool]:
            await _lock_cart(connection, cart)
            made = await connection.fetchval("SELECT id FROM orders WHERE cart = $1", uuid.UUID(cart))
            if made:
                return await _order(connection, made), False
            content = await _cart(connection, cart)
            if not content["items"]:
                raise Conflict(f"cart {cart} is empty", "empty")
            return await _take(connection, {item["sku"]: item["quantity"] for item in content["items"]}, cart), True

        return await self._transaction(work)

    async def place_order(self, items: Items, key: str) -> tuple[Found, bool]:
        async def work(connection: Any) -> tuple[Found, bool]:
            order = uuid.uuid4()
            # a second request with this key waits here until the first has committed or failed
            new = await connection.fetchval(
                "INSERT INTO idempotency_keys (key, fingerprint, order_id) VALUES ($1, $2, $3)"
                " ON CONFLICT (key) DO NOTHING RETURNING key",
                key, fingerprint(items), order,
            )  # fmt: skip
            if new:
                return await _take(connection, items, None, order), True
            row = await connection.fetchrow("SELECT fingerprint, order_id FROM idempotency_keys WHERE key = $1", key)
            if row["fingerprint"] != fingerprint(items):
                raise KeyReused(f"the idempotency key {key} was used for another order")
            return await _order(connection, row["order_id"]), False

        return await self._transaction(work)

    async def order(self, order: str) -> Found:
        return await self._transaction(lambda connection: _order(connection, uuid.UUID(order)))

    async def close(self) -> None:
        await self._pool.close()

    async def _transaction(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """``work`` in a transaction.  Its own refusals roll back and keep the connection."""

        async def whole(connection: Any) -> Any:
            try:
                async with connection.transaction():
                    return await work(connection)
            except (NotFound, Conflict, KeyReused) as error:
                return error

        answer = await self._pool.run(whole)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def _lock_cart(connection: Any, cart: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM carts WHERE id = $1 FOR UPDATE", uuid.UUID(cart)):
        raise NotFound(f"there is no cart {cart}")


async def _cart(connection: Any, cart: str) -> Found:
    rows = await connection.fetch(
        "SELECT sku, name, quantity, cents FROM cart_items JOIN products USING (sku) WHERE cart = $1 ORDER BY sku",
        uuid.UUID(cart),
    )
    items = [dict(row) for row in rows]
    return {"id": cart, "items": items, "cents": total(items)}


async def _take(connection: Any, items: Items, cart: str | None, order: uuid.UUID | None = None) -> Found:
    """Lower the stock and write the order.  By SKU, so that two orders never wait for each other in a circle."""
    order, taken = order or uuid.uuid4(), []
    for sku, quantity in sorted(items.items()):
        row = await connection.fetchrow(
            "UPDATE products SET stock = stock - $2 WHERE sku = $1 AND stock >= $2 RETURNING name, cents", sku, quantity
        )
        if row is None:
            if await connection.fetchval("SELECT 1 FROM products WHERE sku = $1", sku):
                raise sold_out(sku)
            raise NotFound(f"there is no product {sku}")
        taken.append({"sku": sku, "name": row["name"], "quantity": quantity, "cents": row["cents"]})
    made = {"id": str(order), "cart": cart, "items": taken, "cents": total(taken)}
    await connection.execute(
        "INSERT INTO orders (id, cart, cents) VALUES ($1, $2, $3)",
        order, uuid.UUID(cart) if cart else None, made["cents"],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO order_items VALUES ($1, $2, $3, $4)",
        [(order, item["sku"], item["quantity"], item["cents"]) for item in taken],
    )
    return made


async def _order(connection: Any, order: uuid.UUID) -> Found:
    row = await connection.fetchrow("SELECT cart, cents FROM orders WHERE id = $1", order)
    if row is None:
        raise NotFound(f"there is no order {order}")
    rows = await connection.fetch(
        "SELECT sku, name, quantity, i.cents FROM order_items i JOIN products USING (sku)"
        " WHERE order_id = $1 ORDER BY sku",
        order,
    )
    cart = str(row["cart"]) if row["cart"] else None
    return {"id": str(order), "cart": cart, "items": [dict(item) for item in rows], "cents": row["cents"]}

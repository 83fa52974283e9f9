"""Products, carts and orders: the tables, and every query the shop makes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from labs.shop.database import Pool

SCHEMA = (
    "CREATE TABLE products (sku text PRIMARY KEY, name text NOT NULL, cents integer NOT NULL CHECK (cents > 0))",
    "CREATE TABLE carts (id uuid PRIMARY KEY, made timestamptz NOT NULL DEFAULT now())",
    "CREATE TABLE cart_items (cart uuid REFERENCES carts ON DELETE CASCADE, sku text REFERENCES products,"
    " quantity integer NOT NULL CHECK (quantity BETWEEN 1 AND 100), PRIMARY KEY (cart, sku))",
    "CREATE TABLE orders (id uuid PRIMARY KEY, cart uuid UNIQUE NOT NULL, cents integer NOT NULL,"
    " placed timestamptz NOT NULL DEFAULT now())",
    "CREATE ROLE shop_app NOLOGIN",
    "GRANT SELECT ON products TO shop_app",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON carts, cart_items TO shop_app",
    "GRANT SELECT, INSERT ON orders TO shop_app",
)
PRODUCTS = (
    ("1001", "Espresso cup", 1290),
    ("1002", "Filter kettle", 5490),
    ("1003", "Hand grinder", 7900),
    ("1004", "Scale", 3450),
    ("1005", "Beans, 1 kg", 2390),
)


class NotFound(Exception):
    """There is no such product, cart or order."""


class EmptyCart(Exception):
    """An order needs at least one item."""


class Store:
    """The shop's data.  Every method may raise :class:`labs.shop.database.Unavailable`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def ping(self) -> None:
        """Return if the database answers."""
        with self._pool.connection() as connection:
            connection.run("SELECT 1")

    def products(self) -> list[dict[str, Any]]:
        """Every product: ``{"sku", "name", "cents"}``."""
        with self._pool.connection() as connection:
            rows = connection.run("SELECT sku, name, cents FROM products ORDER BY sku")
        return [{"sku": sku, "name": name, "cents": cents} for sku, name, cents in rows]

    def new_cart(self) -> str:
        """The id of a new, empty cart."""
        cart = str(uuid.uuid4())
        with self._pool.connection() as connection:
            connection.run("INSERT INTO carts (id) VALUES (:cart)", cart=cart)
        return cart

    def put_item(self, cart: str, sku: str, quantity: int) -> dict[str, Any]:
        """Set how many of a product are in the cart, and return the cart.

        :raises NotFound: no such cart or product
        """
        with self._transaction() as connection:
            known = connection.run(
                "SELECT EXISTS (SELECT FROM carts WHERE id = CAST(:cart AS uuid)),"
                " EXISTS (SELECT FROM products WHERE sku = :sku)",
                cart=cart,
                sku=sku,
            )[0]
            for there, what in zip(known, (f"cart {cart}", f"product {sku}"), strict=True):
                if not there:
                    raise NotFound(f"there is no {what}")
            connection.run(
                "INSERT INTO cart_items VALUES (CAST(:cart AS uuid), :sku, :quantity)"
                " ON CONFLICT (cart, sku) DO UPDATE SET quantity = excluded.quantity",
                cart=cart,
                sku=sku,
                quantity=quantity,
            )
            return _cart(connection, cart)

    def cart(self, cart: str) -> dict[str, Any]:
        """``{"id", "items": [{"sku", "quantity", "cents"}], "cents"}``.

        :raises NotFound: no such cart
        """
        with self._transaction() as connection:
            return _cart(connection, cart)

    def check_out(self, cart: str) -> tuple[dict[str, Any], bool]:
        """The order made from a cart, and whether it is new: doing it twice gives the same order.

        :raises NotFound: no such cart
        :raises EmptyCart: nothing is in it
        """
        with self._transaction() as connection:
            content = _cart(connection, cart)
            if not content["items"]:
                raise EmptyCart(f"cart {cart} is empty")
            made = connection.run(
                "INSERT INTO orders (id, cart, cents) VALUES (CAST(:id AS uuid), CAST(:cart AS uuid), :cents)"
                " ON CONFLICT (cart) DO NOTHING RETURNING id",
                id=str(uuid.uuid4()),
                cart=cart,
                cents=content["cents"],
            )
            row = connection.run("SELECT id, cents FROM orders WHERE cart = CAST(:cart AS uuid)", cart=cart)[0]
            return {"id": str(row[0]), "cart": cart, "cents": row[1]}, bool(made)

    def order(self, order: str) -> dict[str, Any]:
        """``{"id", "cart", "cents"}``.

        :raises NotFound: no such order
        """
        with self._pool.connection() as connection:
            rows = connection.run("SELECT id, cart, cents FROM orders WHERE id = CAST(:id AS uuid)", id=order)
        if not rows:
            raise NotFound(f"there is no order {order}")
        return {"id": str(rows[0][0]), "cart": str(rows[0][1]), "cents": rows[0][2]}

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self._pool.connection() as connection:
            connection.run("BEGIN")
            yield connection  # after an error the pool closes the connection, which rolls back
            connection.run("COMMIT")


def _cart(connection: Any, cart: str) -> dict[str, Any]:
    if not connection.run("SELECT 1 FROM carts WHERE id = CAST(:cart AS uuid)", cart=cart):
        raise NotFound(f"there is no cart {cart}")
    rows = connection.run(
        "SELECT sku, quantity, cents FROM cart_items JOIN products USING (sku) WHERE cart = CAST(:cart AS uuid)"
        " ORDER BY sku",
        cart=cart,
    )
    items: list[Mapping[str, Any]] = [{"sku": sku, "quantity": q, "cents": cents} for sku, q, cents in rows]
    return {"id": cart, "items": items, "cents": sum(item["quantity"] * item["cents"] for item in items)}

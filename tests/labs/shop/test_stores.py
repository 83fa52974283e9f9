"""Every store keeps the same promises: in memory, in a real PostgreSQL, in DynamoDB behind the gateway."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from labs.shop import aws
from labs.shop.catalog import PRODUCTS
from labs.shop.database import Pool, open_connection
from labs.shop.dynamo import DynamoStore, make_table
from labs.shop.errors import Conflict, KeyReused, NotFound
from labs.shop.memory import MemoryStore
from labs.shop.migrate import migrate_postgres
from labs.shop.postgres import Postgres
from labs.shop.store import PostgresStore, Store
from tests.labs.shop.conftest import aws_environment

Run = Callable[[Callable[[Any], Awaitable[None]]], None]
SCALE = "1004"


@pytest.fixture(params=["memory", "postgres", "dynamodb"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a coroutine function with a new store, 120 scales in it."""

    async def store() -> Store:
        if request.param == "memory":
            return MemoryStore()
        if request.param == "postgres":
            server: Postgres = request.getfixturevalue("server")
            name = f"shop_{secrets.token_hex(4)}"
            admin = server.admin()
            admin.run(f"CREATE DATABASE {name}")
            admin.close()
            await migrate_postgres(server.login(dbname=name), None, "disable")
            login = {**server.set_user(f"u_{name}", "word"), "dbname": name}
            return PostgresStore(Pool(lambda: open_connection(login, "disable"), 8, 300))
        account = str(secrets.randbelow(10**11) + 4 * 10**11)
        for key, value in aws_environment(request.getfixturevalue("endpoint"), account).items():
            monkeypatch.setenv(key, value)
        aws._session.cache_clear()
        client = aws.Aws()
        await make_table(client, "shop")
        await make_table(client, "shop")  # once more changes nothing
        return DynamoStore(client, "shop")

    def running(work: Callable[[Any], Awaitable[None]]) -> None:
        async def whole() -> None:
            made = await store()
            try:
                await work(made)
            finally:
                await made.close()

        asyncio.run(whole())

    yield running
    aws._session.cache_clear()


def test_the_first_products_are_those_of_the_catalogue(run: Run) -> None:
    async def work(store: Store) -> None:
        await store.ping()
        assert await store.products() == list(PRODUCTS)
        assert await store.product(SCALE) == PRODUCTS[3]
        with pytest.raises(NotFound, match="no product 9999"):
            await store.product("9999")

    run(work)


def test_a_cart_is_filled_changed_emptied_and_ordered_once(run: Run) -> None:
    async def work(store: Store) -> None:
        cart = await store.new_cart()
        assert await store.cart(cart) == {"id": cart, "items": [], "cents": 0}
        with pytest.raises(Conflict) as caught:
            await store.check_out(cart)
        assert caught.value.reason == "empty"
        await store.put_item(cart, "1001", 1)
        await store.put_item(cart, "1001", 2)
        await store.put_item(cart, "1002", 1)
        await store.put_item(cart, "1002", 0)
        filled = await store.put_item(cart, SCALE, 3)
        assert filled["cents"] == 2 * 1290 + 3 * 3450
        assert [(item["sku"], item["name"], item["quantity"]) for item in filled["items"]] == [
            ("1001", "Espresso cup", 2), (SCALE, "Scale", 3)
        ]  # fmt: skip
        first, new = await store.check_out(cart)
        again, newer = await store.check_out(cart)
        assert (new, newer) == (True, False)
        assert first == again == await store.order(first["id"])
        assert (first["cart"], first["items"], first["cents"]) == (cart, filled["items"], filled["cents"])
        assert (await store.product(SCALE))["stock"] == 117
        with pytest.raises(Conflict) as caught:
            await store.put_item(cart, "1001", 1)
        assert caught.value.reason == "ordered"

    run(work)


def test_what_is_not_there_is_named(run: Run) -> None:
    async def work(store: Store) -> None:
        nobody, cart = str(uuid.uuid4()), await store.new_cart()
        for call in (
            lambda: store.cart(nobody),
            lambda: store.order(nobody),
            lambda: store.check_out(nobody),
            lambda: store.put_item(nobody, "1001", 1),
            lambda: store.put_item(cart, "9999", 1),
            lambda: store.place_order({"9999": 1}, "a key of mine"),
        ):
            with pytest.raises(NotFound):
                await call()

    run(work)


def test_many_customers_at_once_never_buy_more_than_there_is(run: Run) -> None:
    async def work(store: Store) -> None:
        async def buy(number: int) -> int:
            for _ in range(30):  # "try again" is an answer, too; "sold out" is final
                try:
                    return int((await store.place_order({SCALE: 7, "1001": 1}, f"customer {number}"))[1])
                except Conflict as error:
                    assert error.reason == "sold_out"
                    return 0
            raise AssertionError("never answered")

        bought = sum(await asyncio.gather(*(buy(number) for number in range(24))))
        assert bought == 120 // 7
        assert (await store.product(SCALE))["stock"] == 120 % 7
        assert (await store.product("1001"))["stock"] == 1_000_000 - bought  # what failed gave everything back

    run(work)


def test_one_cart_ordered_by_many_at_once_is_one_order(run: Run) -> None:
    async def work(store: Store) -> None:
        cart = await store.new_cart()
        await store.put_item(cart, SCALE, 2)
        orders = await asyncio.gather(*(store.check_out(cart) for _ in range(8)))
        assert len({order["id"] for order, _ in orders}) == 1
        assert sum(new for _, new in orders) == 1
        assert (await store.product(SCALE))["stock"] == 118

    run(work)


def test_an_idempotency_key_gives_one_order_and_no_other(run: Run) -> None:
    async def work(store: Store) -> None:
        orders = await asyncio.gather(*(store.place_order({SCALE: 5}, "the same key") for _ in range(6)))
        assert len({order["id"] for order, _ in orders}) == 1
        assert sum(new for _, new in orders) == 1
        assert (await store.product(SCALE))["stock"] == 115
        with pytest.raises(KeyReused):
            await store.place_order({SCALE: 6}, "the same key")
        assert (await store.place_order({SCALE: 5}, "another key"))[1]

    run(work)


def test_a_failed_order_leaves_its_key_free(run: Run) -> None:
    async def work(store: Store) -> None:
        with pytest.raises(Conflict):
            await store.place_order({SCALE: 121}, "too many at first")
        assert (await store.place_order({SCALE: 1}, "too many at first"))[1]

    run(work)


def test_migrations_run_twice_and_twice_at_once_and_give_the_shop_no_more_than_it_needs(server: Postgres) -> None:
    async def work() -> None:
        name = f"shop_{secrets.token_hex(4)}"
        admin = server.admin()
        admin.run(f"CREATE DATABASE {name}")
        admin.close()
        login, user = server.login(dbname=name), server.login(f"u_{name}", "it's", name)
        done = await asyncio.gather(*(migrate_postgres(login, user, "disable") for _ in range(3)))
        assert sorted(done, key=len) == [[], [], ["0001_shop", "0002_products"]]
        connection = await open_connection(user, "disable")
        try:
            for forbidden in ("DELETE FROM orders", "UPDATE products SET cents = 1", "CREATE TABLE mine (x int)"):
                with pytest.raises(Exception, match="permission denied"):
                    await connection.execute(forbidden)
        finally:
            await connection.close()

    asyncio.run(work())

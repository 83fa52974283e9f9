"""The pages as a browser sees them, in this process, before a real backend on the store in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from labs.shop.app import create_app as create_backend
from labs.shop.config import FRONTEND, Settings
from labs.shop.errors import AwsError
from labs.shop.frontend import create_app
from labs.shop.life import Program
from labs.shop.memory import MemoryStore
from labs.shop.sessions import Session, Sessions
from tests.labs.shop.conftest import served


class World:
    """A customer, the frontend, and a backend that can be broken: ``wrong`` holds its next answers."""

    def __init__(self, customer: httpx.AsyncClient, frontend: Program, store: MemoryStore, wrong: list[Any]) -> None:
        self.customer, self.frontend, self.store, self.wrong = customer, frontend, store, wrong
        self.asked: list[httpx.Request] = []

    async def fields(self, path: str) -> dict[str, str]:
        page = (await self.customer.get(path)).text
        return dict(re.findall(r'name="(token|cart|sku)" value="([^"]*)"', page))

    async def put(self, sku: str, quantity: Any, **more: Any) -> httpx.Response:
        form = {"token": (await self.fields("/"))["token"], "sku": sku, "quantity": quantity}
        return await self.customer.post("/basket", data=form, follow_redirects=True, **more)


class Network(httpx.AsyncBaseTransport):
    """Between frontend and backend."""

    def __init__(self, app: Any, world: dict[str, Any], wrong: list[Any]) -> None:
        self._inner, self._world, self._wrong = httpx.ASGITransport(app), world, wrong

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._world["world"].asked.append(request)
        instead = self._wrong.pop(0) if self._wrong else None
        if isinstance(instead, Exception):
            raise instead
        if isinstance(instead, int):
            return httpx.Response(instead, json={"error": "broken", "reason": "broken"}, request=request)
        if instead == "lost":  # done, but the answer never came
            await self._inner.handle_async_request(request)
            raise httpx.ReadError("lost")
        return await self._inner.handle_async_request(request)


def with_shop(work: Callable[[World], Awaitable[None]], store: MemoryStore | None = None, **settings: Any) -> None:
    async def whole() -> None:
        kept, wrong, world = store or MemoryStore(), [], {}
        backend = create_backend(Program(Settings(store="memory")), kept)
        program = Program(Settings(role=FRONTEND, backend_url="http://backend.test", **settings))
        async with (
            backend.router.lifespan_context(backend),
            served(create_app(program, Network(backend, world, wrong)), "https://shop.test") as customer,
        ):
            world["world"] = World(customer, program, kept, wrong)
            await work(world["world"])

    asyncio.run(whole())


def test_a_customer_browses_fills_the_basket_changes_it_and_buys() -> None:
    async def work(world: World) -> None:
        home = await world.customer.get("/")
        assert "Espresso cup" in home.text
        assert "12.90 €" in home.text
        assert "<script" not in home.text
        assert (await world.put("1001", 1)).url.path == "/basket"
        await world.put("1004", 2)
        basket = await world.put("1001", 3)
        assert f"{(3 * 1290 + 2 * 3450) / 100:.2f} €" in basket.text
        bought = await world.customer.post("/checkout", data=await world.fields("/basket"), follow_redirects=True)
        assert bought.url.path.startswith("/orders/")
        assert "3 × Espresso cup" in bought.text
        assert (await world.store.product("1004"))["stock"] == 118
        assert "There is nothing in it" in (await world.customer.get("/basket")).text
        assert "1 × " not in (await world.put("1002", 1)).text  # a new basket

    with_shop(work)


def test_buying_twice_with_one_form_buys_once() -> None:
    async def work(world: World) -> None:
        await world.put("1004", 1)
        form, cookie = await world.fields("/basket"), world.customer.cookies["shop_session"]
        first = await world.customer.post("/checkout", data=form)
        assert world.customer.cookies["shop_session"] == cookie  # as with a double click: both have the same cookie
        second = await world.customer.post("/checkout", data=form)
        assert (first.status_code, first.headers["location"]) == (303, second.headers["location"])
        assert (await world.store.product("1004"))["stock"] == 119

    with_shop(work)


def test_an_answer_that_was_lost_on_the_way_is_asked_for_again_and_buys_once() -> None:
    async def work(world: World) -> None:
        await world.put("1004", 1)
        form = await world.fields("/basket")
        world.wrong.append("lost")
        assert (await world.customer.post("/checkout", data=form)).status_code == 303
        assert (await world.store.product("1004"))["stock"] == 119

    with_shop(work)


@pytest.mark.parametrize("token", ["", "0" * 64, None])
def test_a_form_without_the_sessions_token_changes_nothing(token: str | None) -> None:
    async def work(world: World) -> None:
        stranger = await Sessions(lambda: [b"another key"], 60).token(Session("0" * 32))
        await world.customer.get("/")
        form = {"sku": "1001", "quantity": "1", "token": stranger if token is None else token}
        assert (await world.customer.post("/basket", data=form)).status_code == 403
        assert (await world.customer.post("/checkout", data=form)).status_code == 403
        assert not world.store._carts

    with_shop(work)


def test_a_token_is_worth_nothing_in_another_session() -> None:
    async def work(world: World) -> None:
        form = {"sku": "1001", "quantity": "1", "token": (await world.fields("/"))["token"]}
        world.customer.cookies.clear()
        await world.customer.get("/")
        assert (await world.customer.post("/basket", data=form)).status_code == 403

    with_shop(work)


def test_a_form_that_another_site_sends_is_refused_even_with_a_token() -> None:
    async def work(world: World) -> None:
        assert (await world.put("1001", 1, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        assert (await world.put("1001", 1, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200

    with_shop(work)


def test_what_comes_from_elsewhere_is_escaped() -> None:
    store = MemoryStore()
    store._products["1001"]["name"] = '<img src=x onerror="alert(1)">'

    async def work(world: World) -> None:
        for path in ("/", "/products/1001"):
            page = (await world.customer.get(path)).text
            assert "<img src=x" not in page
            assert "&lt;img src=x" in page
        assert "<script>" not in (await world.customer.get("/products/<script>")).text
        assert "<img src=x" not in (await world.put("1001", 1)).text

    with_shop(work, store)


def test_pages_may_load_and_send_nothing_elsewhere_and_cookies_are_the_servers_alone() -> None:
    async def work(world: World) -> None:
        page = await world.customer.get("/")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        cookie = page.headers["set-cookie"].lower()
        assert {"httponly", "samesite=lax", "secure"} <= set(cookie.split("; "))

    with_shop(work, secure_cookies=True)


def test_a_forged_cookie_is_a_new_session() -> None:
    async def work(world: World) -> None:
        await world.put("1001", 1)
        identifier, cart, mac = world.customer.cookies["shop_session"].split(".")
        for forged in (f"{identifier}.{cart}.{'0' * 64}", f"{'0' * 32}.{cart}.{mac}", f"{identifier}..{mac}", "x"):
            world.customer.cookies.clear()
            page = await world.customer.get("/basket", headers={"Cookie": f"shop_session={forged}"})
            assert "There is nothing in it" in page.text

    with_shop(work)


@pytest.mark.parametrize("quantity", ["-1", "101", "1.5", "many", "", "٣"])
def test_a_quantity_without_sense_is_refused_in_words(quantity: str) -> None:
    async def work(world: World) -> None:
        answer = await world.put("1001", quantity)
        assert answer.status_code == 400
        assert "How many?" in answer.text

    with_shop(work)


def test_sold_out_is_said_and_the_basket_kept() -> None:
    async def work(world: World) -> None:
        await world.put("1004", 100)
        world.store._products["1004"]["stock"] = 3
        answer = await world.customer.post("/checkout", data=await world.fields("/basket"))
        assert answer.status_code == 409
        assert "not enough left" in answer.text
        assert 'value="100"' in answer.text

    with_shop(work)


def test_a_failed_read_is_tried_again_and_a_lasting_failure_is_a_page_that_says_so() -> None:
    async def work(world: World) -> None:
        world.wrong += [503, httpx.ConnectError("refused")]
        assert (await world.customer.get("/")).status_code == 200
        world.wrong += [503] * 3
        before = len(world.asked)
        answer = await world.customer.get("/")
        assert answer.status_code == 503
        assert len(world.asked) - before == 3  # a budget, not a storm
        assert answer.headers["x-request-id"] in answer.text
        assert (await world.customer.get("/readyz")).status_code == 200  # its own pages it can serve
        assert 'shop_dependency_calls_total{dependency="backend",result="error"} 5.0' in (
            await world.customer.get("/metrics")
        ).text  # fmt: skip

    with_shop(work)


def test_a_backend_that_does_not_answer_costs_a_customer_no_more_than_the_deadline() -> None:
    async def work(world: World) -> None:
        world.store.products = lambda: asyncio.sleep(30)  # type: ignore[method-assign, assignment, return-value]
        answer = await asyncio.wait_for(world.customer.get("/"), 5)
        assert answer.status_code == 503

    with_shop(work, backend_seconds=0.2)


def test_the_backend_hears_request_id_and_trace() -> None:
    async def work(world: World) -> None:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        sent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "request-of-mine"}
        await world.customer.get("/", headers=sent)
        (asked,) = world.asked
        assert asked.headers["x-request-id"] == "request-of-mine"
        assert asked.headers["traceparent"].split("-")[1] == trace
        assert asked.headers["traceparent"].split("-")[2] != "00f067aa0ba902b7"

    with_shop(work)


def test_a_missing_picture_is_a_plain_one() -> None:
    async def work(world: World) -> None:
        answer = await world.customer.get("/products/1001/image")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")

    with_shop(work)


class Keys:
    """A secret that rotates: what a read returns, and how often it was read."""

    def __init__(self, *keys: bytes) -> None:
        self.keys, self.reads = list(keys), 0

    def __call__(self) -> list[bytes]:
        self.reads += 1
        if not self.keys:
            raise AwsError("GetSecretValue: ThrottlingException", "ThrottlingException")
        return list(self.keys)


def test_a_rotated_session_secret_ends_no_session() -> None:
    async def work() -> None:
        keys = Keys(b"old")
        sessions = Sessions(keys, 0.0)  # read every time
        cookie = await sessions.write(Session("1" * 32, ""))
        token = await sessions.token(Session("1" * 32))
        keys.keys = [b"new", b"old"]
        assert (await sessions.read(cookie)).id == "1" * 32
        assert await sessions.proves(Session("1" * 32), token)
        assert await sessions.write(Session("1" * 32, "")) != cookie
        keys.keys = [b"newest", b"new"]
        await asyncio.sleep(0)
        sessions._looked = -1e9
        assert (await sessions.read(cookie)).id != "1" * 32

    asyncio.run(work())


def test_the_secret_is_read_seldom_and_old_keys_serve_while_it_cannot_be_read() -> None:
    async def work() -> None:
        keys = Keys(b"key")
        sessions = Sessions(keys, 60)
        cookie = await sessions.write(Session("1" * 32))
        for _ in range(20):
            await sessions.read(cookie)
            await sessions.read("1" * 32 + ".." + "0" * 64)  # a forged one must not cause a read each
        assert keys.reads == 1
        keys.keys = []
        sessions._looked = -1e9
        assert (await sessions.read(cookie)).id == "1" * 32
        assert keys.reads == 2

    asyncio.run(work())

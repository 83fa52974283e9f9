"""The backend's HTTP interface, in this process, on the store in memory."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from labs.shop import logs
from labs.shop.app import create_app
from labs.shop.config import Settings
from labs.shop.errors import Unavailable
from labs.shop.life import Program
from labs.shop.memory import MemoryStore
from tests.labs.shop.conftest import served

Work = Callable[[httpx.AsyncClient, Program, MemoryStore], Awaitable[None]]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def with_backend(work: Work, **settings: Any) -> None:
    async def whole() -> None:
        program, store = Program(Settings(store="memory", **settings)), MemoryStore()
        async with served(create_app(program, store)) as client:
            await work(client, program, store)

    asyncio.run(whole())


def order(*items: tuple[Any, Any]) -> dict[str, Any]:
    return {"items": [{"sku": sku, "quantity": quantity} for sku, quantity in items]}


def test_an_order_needs_a_key_and_the_key_makes_it_one() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        assert (await client.post("/api/orders", json=order(("1001", 1)))).status_code == 400
        named = {"Idempotency-Key": "customer-1-tuesday"}
        first = await client.post("/api/orders", json=order(("1001", 1), ("1004", 2)), headers=named)
        again = await client.post("/api/orders", json=order(("1004", 2), ("1001", 1)), headers=named)
        other = await client.post("/api/orders", json=order(("1001", 2)), headers=named)
        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 422)
        assert first.json() == again.json() == (await client.get(f"/api/orders/{first.json()['id']}")).json()
        assert first.json()["cents"] == 1290 + 2 * 3450

    with_backend(work)


@pytest.mark.parametrize(
    "body",
    [
        {}, [], {"items": []}, {"items": "1001"}, order(("1001", 0)), order(("1001", 101)), order((1001, 1)),
        order(("1001", 1), ("1001", 2)), {"items": [{"sku": "1001"}]}, order(*((str(n), 1) for n in range(51))),
        order(("1001", True)), "x" * 20_000,
    ],
)  # fmt: skip
def test_an_order_without_sense_is_the_callers_fault(body: Any) -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        answer = await client.post("/api/orders", json=body, headers={"Idempotency-Key": "customer-1"})
        assert answer.status_code == 400
        assert answer.json()["request_id"] == answer.headers["x-request-id"]

    with_backend(work)


def test_sold_out_is_a_conflict_with_a_reason_that_metrics_count() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        for number in range(2):
            named = {"Idempotency-Key": f"customer-{number}"}
            answer = await client.post("/api/orders", json=order(("1004", 61)), headers=named)
        assert (answer.status_code, answer.json()["reason"]) == (409, "sold_out")
        metrics = (await client.get("/metrics")).text
        assert 'shop_orders_refused_total{reason="sold_out"} 1.0' in metrics
        assert "shop_orders_total 1.0" in metrics
        assert f"shop_order_cents_total {61 * 3450:.1f}" in metrics

    with_backend(work)


def test_metrics_have_rate_errors_and_duration_by_route_and_never_by_path() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        for sku in ("1001", "1002", "nothing"):
            await client.get(f"/api/products/{sku}")
        await client.get("/wp-login.php")
        await client.get("/livez")
        metrics = (await client.get("/metrics")).text
        about = 'method="GET",route="/api/products/{sku}"'
        assert f'http_requests_total{{{about},status="200"}} 2.0' in metrics
        assert f'http_requests_total{{{about},status="404"}} 1.0' in metrics
        assert f"http_request_duration_seconds_count{{{about}}} 3.0" in metrics
        assert 'http_request_duration_seconds_bucket{le="0.25",' in metrics
        assert 'route="other",status="404"' in metrics
        for absent in ("wp-login", "livez", "nothing"):
            assert absent not in metrics
        assert 'shop_dependency_calls_total{dependency="database",result="ok"} 3.0' in metrics

    with_backend(work)


def test_a_trace_goes_on_where_the_caller_left_it_and_an_exemplar_and_the_log_lead_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        await client.get("/api/products", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
        await client.get("/api/carts/none", headers={"traceparent": "nonsense"})
        wanted = {"accept": "application/openmetrics-text; version=1.0.0"}
        metrics = await client.get("/metrics", headers=wanted)
        assert f'trace_id="{TRACE}"' in metrics.text
        assert metrics.text.endswith("# EOF\n")

    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.configure()
    try:
        with_backend(work)
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    first, second = (line for line in lines if line["message"] == "request")
    assert first["trace_id"] == TRACE
    assert len(second["trace_id"]) == 32
    assert second["trace_id"] != TRACE


def test_health_says_different_things_while_the_data_is_gone_and_while_it_drains() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        async def health() -> list[int]:
            return [(await client.get(path)).status_code for path in ("/livez", "/startupz", "/readyz")]

        assert await health() == [200, 200, 200]

        async def gone() -> None:
            raise Unavailable("no connection to db:5432 as shop")

        store.ping = gone  # type: ignore[method-assign]
        await asyncio.sleep(0.6)  # longer than a result is kept
        assert await health() == [200, 200, 503]
        answer = await client.get("/readyz")
        assert answer.json() == {"status": "not ready", "checks": {"database": "unavailable"}}
        assert "shop_ready 0.0" in (await client.get("/metrics")).text
        program.life.draining = True
        assert await health() == [200, 200, 503]
        served_on = await client.get("/api/products")
        assert (served_on.status_code, served_on.headers["connection"]) == (200, "close")

    with_backend(work)


def test_a_dependency_that_never_answers_makes_not_ready_within_seconds() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        store.ping = lambda: asyncio.sleep(60)  # type: ignore[method-assign]
        answer = await asyncio.wait_for(client.get("/readyz"), 5)
        assert answer.status_code == 503

    with_backend(work)


def test_many_probes_ask_the_dependency_once() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        asked = 0

        async def count() -> None:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.05)

        store.ping = count  # type: ignore[method-assign]
        assert {one.status_code for one in await asyncio.gather(*(client.get("/readyz") for _ in range(20)))} == {200}
        assert asked == 1

    with_backend(work)


def test_an_exception_nobody_expected_is_an_error_that_is_counted_and_not_shown() -> None:
    async def work(client: httpx.AsyncClient, program: Program, store: MemoryStore) -> None:
        async def broken() -> list[Any]:
            raise RuntimeError("password=swordfish")

        store.products = broken  # type: ignore[method-assign]
        answer = await client.get("/api/products")
        assert answer.status_code == 500
        assert "swordfish" not in answer.text
        assert 'route="/api/products",status="500"} 1.0' in (await client.get("/metrics")).text

    with_backend(work)

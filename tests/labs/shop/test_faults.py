"""The fault switch: only the lab flips it, every fault does what it says, and every fault ends."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from labs.errors import PermanentError
from labs.shop.app import create_app
from labs.shop.config import Settings
from labs.shop.life import Program
from labs.shop.memory import MemoryStore
from labs.shop.switch import FaultSwitch
from tests.labs.shop.conftest import served

LAB = FaultSwitch()


def with_backend(work: Callable[[httpx.AsyncClient, Program], Awaitable[None]], key: str = LAB.public_key) -> None:
    async def whole() -> None:
        program = Program(Settings(store="memory", fault_key=key))
        async with served(create_app(program, MemoryStore())) as client:
            await work(client, program)

    asyncio.run(whole())


async def flip(
    client: httpx.AsyncClient, fault: str, method: str = "PUT", by: FaultSwitch = LAB, **asked: Any
) -> httpx.Response:
    path, body = f"/faults/{fault}", json.dumps(asked).encode() if asked else b""
    return await client.request(method, path, content=body, headers=by.headers(method, path, body))


async def metric(client: httpx.AsyncClient, fault: str) -> float:
    text = (await client.get("/metrics")).text
    found = re.search(rf'shop_fault_active{{fault="{fault}"}} (\S+)', text)
    assert found is not None
    return float(found[1])


def test_without_a_key_there_is_no_switch() -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        assert (await flip(client, "errors", seconds=5, rate=1)).status_code == 404
        assert "shop_fault_active{" not in (await client.get("/metrics")).text

    with_backend(work, key="")


def test_only_who_holds_the_private_key_flips_it() -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        path, body = "/faults/errors", b'{"seconds": 5, "rate": 1}'
        good = LAB.headers("PUT", path, body)
        stranger = FaultSwitch().headers("PUT", path, body)
        late = {**good, "X-Fault-Time": f"{time.time() - 60:.3f}"}
        for headers, sent in (
            ({}, body), (stranger, body), (late, body), (good, b'{"seconds": 3600, "rate": 1}'),
            ({**good, "X-Fault-Signature": "zz"}, body), ({**good, "X-Fault-Time": "nan"}, body),
            (LAB.headers("DELETE", path, body), body), (LAB.headers("PUT", "/faults/leak", body), body),
        ):  # fmt: skip
            assert (await client.put(path, content=sent, headers=headers)).status_code == 401
        assert await metric(client, "errors") == 0
        assert (await client.put(path, content=body, headers=good)).status_code == 200
        assert await metric(client, "errors") == 1
        assert (await client.put(path, content=body, headers=good)).status_code == 401  # overheard and sent again

    with_backend(work)


def test_errors_come_at_their_rate_and_end_by_themselves_and_probes_are_spared() -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        assert (await flip(client, "errors", seconds=30, rate=0.3, status=503)).status_code == 200
        answers = [(await client.get("/api/products")).status_code for _ in range(300)]
        assert set(answers) == {200, 503}
        assert 50 < answers.count(503) < 130
        assert (await client.get("/livez")).status_code == 200
        await flip(client, "errors", seconds=0.2, rate=1)
        assert (await client.get("/api/products")).status_code == 500
        await asyncio.sleep(0.25)
        assert (await client.get("/api/products")).status_code == 200
        assert await metric(client, "errors") == 0

    with_backend(work)


def test_latency_has_the_median_and_the_tail_that_were_asked_for() -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        await flip(client, "latency", seconds=30, median=40, p99=160)

        async def one() -> float:
            began = time.perf_counter()
            await program.faults.before_request()
            return time.perf_counter() - began

        spent = sorted(await asyncio.gather(*(one() for _ in range(400))))
        assert 0.032 < spent[200] < 0.060
        assert 0.100 < spent[395] < 0.400
        await flip(client, "latency", "DELETE")
        assert await one() < 0.02

    with_backend(work)


def test_an_outage_is_felt_by_requests_and_readiness_and_not_by_liveness() -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        await flip(client, "outage", seconds=30, dependency="database")
        assert (await client.get("/api/products")).status_code == 503
        assert [(await client.get(path)).status_code for path in ("/readyz", "/livez", "/startupz")] == [503, 200, 200]
        answer = await flip(client, "outage", "DELETE")
        assert answer.json() == {"active": {}}
        assert (await client.get("/api/products")).status_code == 200

    with_backend(work)


@pytest.mark.parametrize(
    ("fault", "asked", "said"),
    [
        ("fire", {"seconds": 1}, "there is no fault fire"),
        ("errors", {"rate": 1}, "seconds must be a number from"),
        ("errors", {"seconds": 1, "rate": 2}, "rate must be a number from 0 to 1"),
        ("errors", {"seconds": 1, "rate": 1, "status": 200}, "status must be a number from 500 to 599"),
        ("latency", {"seconds": 1, "median": 100, "p99": 50}, "p99 must be a number from 100"),
        ("block", {"seconds": 3000}, "seconds must be a number from 0.01 to 120"),
        ("leak", {"seconds": 5, "megabytes_per_second": 1e6}, "megabytes_per_second must be"),
        ("outage", {"seconds": 5}, "dependency must be a name"),
    ],
)
def test_a_fault_without_sense_is_named(fault: str, asked: dict[str, Any], said: str) -> None:
    async def work(client: httpx.AsyncClient, program: Program) -> None:
        answer = await flip(client, fault, **asked)
        assert answer.status_code == 400
        assert said in answer.json()["error"]

    with_backend(work)


def resident(shop: Any) -> float:
    """Memory of the process in MB."""
    with open(f"/proc/{shop.process.pid}/status") as status:
        found = re.search(r"VmRSS:\s+(\d+)", status.read())
    assert found is not None
    return int(found[1]) / 1024


def test_a_leak_takes_memory_and_healing_gives_it_back(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_FAULT_KEY=LAB.public_key)
    before = resident(shop)
    LAB.set(shop.url, "leak", seconds=60, megabytes_per_second=100)
    deadline = time.monotonic() + 20
    while resident(shop) < before + 60:
        assert time.monotonic() < deadline, f"{resident(shop)} MB"
        time.sleep(0.05)
    assert LAB.heal(shop.url, "leak") == {}
    while resident(shop) > before + 30:
        assert time.monotonic() < deadline, f"{resident(shop)} MB, {before} before"
        time.sleep(0.05)


def test_a_blocked_loop_answers_nobody_not_even_its_liveness_and_comes_back(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_FAULT_KEY=LAB.public_key)
    assert "block" in LAB.set(shop.url, "block", seconds=3)
    time.sleep(0.3)
    with pytest.raises(httpx.TimeoutException):
        httpx.get(f"{shop.url}/livez", timeout=1, trust_env=False)
    assert httpx.get(f"{shop.url}/livez", timeout=10, trust_env=False).status_code == 200
    assert LAB.active(shop.url) == {}
    with pytest.raises(PermanentError, match="401"):
        FaultSwitch().active(shop.url)


def test_a_slow_start_is_not_live_not_started_and_serves_nobody_until_it_is(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_FAULT_START_SECONDS="2")
    paths = ("/livez", "/readyz", "/startupz", "/api/products")
    assert [httpx.get(shop.url + path, trust_env=False).status_code for path in paths] == [503] * 4
    deadline = time.monotonic() + 20
    while httpx.get(f"{shop.url}/startupz", trust_env=False).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [httpx.get(shop.url + path, trust_env=False).status_code for path in paths] == [200] * 4


def test_a_broken_build_fails_for_its_share_of_the_customers_and_stays_ready(run_shop: Any) -> None:
    shop = run_shop(SHOP_STORE="memory", SHOP_FAULT_ERRORS="0.5")
    statuses = [httpx.get(f"{shop.url}/api/products", trust_env=False).status_code for _ in range(60)]
    assert set(statuses) == {200, 500}
    assert 10 <= statuses.count(500) <= 50
    assert httpx.get(f"{shop.url}/readyz", trust_env=False).status_code == 200

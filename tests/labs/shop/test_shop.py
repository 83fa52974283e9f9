"""The shop as its customers and its operator see it: over HTTP, by its log, by signals."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from typing import Any

import httpx
import pytest

from labs.shop.postgres import Postgres
from tests.labs.shop.conftest import environment_of


def ask(shop: Any, method: str, path: str, **more: Any) -> httpx.Response:
    return httpx.request(method, f"{shop.url}{path}", trust_env=False, timeout=15, **more)


def test_a_customer_browses_fills_a_cart_and_orders_once(shop: Any) -> None:
    products = ask(shop, "GET", "/api/products").json()["products"]
    assert [p["sku"] for p in products] == ["1001", "1002", "1003", "1004", "1005"]
    cart = f"/api/carts/{ask(shop, 'POST', '/api/carts').json()['id']}"
    ask(shop, "PUT", f"{cart}/items/1001", json={"quantity": 1})
    ask(shop, "PUT", f"{cart}/items/1001", json={"quantity": 2})
    filled = ask(shop, "PUT", f"{cart}/items/1004", json={"quantity": 1}).json()
    assert filled["cents"] == 2 * 1290 + 3450 == ask(shop, "GET", cart).json()["cents"]
    first, again = ask(shop, "POST", f"{cart}/order"), ask(shop, "POST", f"{cart}/order")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == ask(shop, "GET", f"/api/orders/{first.json()['id']}").json()


def until(shop: Any, path: str, status: int, seconds: float = 15) -> httpx.Response:
    """The first answer with this status: the state of what the shop depends on is looked at now and then."""
    deadline = time.monotonic() + seconds
    while (answer := ask(shop, "GET", path)).status_code != status:
        assert time.monotonic() < deadline, f"{path} still says {answer.status_code} {answer.text}"
        time.sleep(0.05)
    return answer


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/carts/{none}", None, 404),
        ("GET", "/api/carts/1; DROP TABLE orders", None, 404),
        ("GET", "/api/orders/{none}", None, 404),
        ("PUT", "/api/carts/{cart}/items/9999", {"quantity": 1}, 404),
        ("PUT", "/api/carts/{cart}/items/1001", {"quantity": -1}, 400),
        ("PUT", "/api/carts/{cart}/items/1001", {"quantity": True}, 400),
        ("PUT", "/api/carts/{cart}/items/1001", ["quantity"], 400),
        ("PUT", "/api/carts/{cart}/items/1001", {"quantity": 1, "note": "x" * 20_000}, 400),
        ("POST", "/api/carts/{cart}/order", None, 409),
        ("DELETE", "/api/products", None, 405),
    ],
)
def test_a_bad_request_is_the_callers_fault(shop: Any, method: str, path: str, body: Any, status: int) -> None:
    cart = ask(shop, "POST", "/api/carts").json()["id"]
    answer = ask(shop, method, path.format(cart=cart, none=uuid.uuid4()), json=body)
    assert answer.status_code == status
    if status in (400, 404, 409):
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_every_request_has_an_id_and_one_line_and_no_line_has_the_password(shop: Any, login: dict[str, str]) -> None:
    mine = f"load-{uuid.uuid4()}"
    assert ask(shop, "GET", "/api/products", headers={"X-Request-Id": mine}).headers["x-request-id"] == mine
    made = ask(shop, "GET", "/healthz", headers={"X-Request-Id": 'x"\\ {}'}).headers["x-request-id"]
    assert uuid.UUID(made)
    lines = shop.log()
    assert [(x["path"], x["status"]) for x in lines if x.get("request_id") == mine] == [("/api/products", 200)]
    assert login["password"] not in str(lines)


def test_without_its_database_the_shop_lives_but_is_not_ready_and_recovers(run_shop: Any) -> None:
    with Postgres() as server:
        shop = run_shop(**environment_of(dict(server.set_user("shop", "first"))), SHOP_DB_MAX_AGE="0")
        assert ask(shop, "GET", "/readyz").status_code == 200
        server.set_user("shop", "second")
        answer = until(shop, "/readyz", 503)
        assert "rejected" not in answer.text
        assert ask(shop, "GET", "/healthz").status_code == 200
        assert any("user shop was rejected" in x.get("reason", "") for x in shop.log())
        server.set_user("shop", "first")
        until(shop, "/readyz", 200)
    assert ask(shop, "GET", "/api/products").status_code == 503
    assert shop.stop() == 0


def test_connections_that_were_cut_are_replaced(shop: Any, server: Postgres, login: dict[str, str]) -> None:
    assert ask(shop, "GET", "/api/products").status_code == 200
    admin = server.admin()
    cut = admin.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :n", n=login["username"])
    admin.close()
    assert cut
    assert ask(shop, "GET", "/api/products").status_code == 200


def test_sigterm_lets_running_requests_end_and_takes_no_new_ones(shop: Any, server: Postgres) -> None:
    admin = server.admin()
    admin.run("BEGIN")
    admin.run("LOCK TABLE carts IN ACCESS EXCLUSIVE MODE")  # holds the next request until it is released
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(shop, "POST", "/api/carts").status_code))
    waiting.start()
    blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'shop'"
    while not server_says(server, blocked):
        assert waiting.is_alive()
    shop.process.send_signal(signal.SIGTERM)
    while accepts(shop):
        assert waiting.is_alive()
    admin.run("COMMIT")
    admin.close()
    waiting.join(15)
    assert answers == [201]
    assert shop.process.wait(15) == 0
    assert shop.log()[-1]["message"] == "stopped"


def accepts(shop: Any) -> bool:
    try:
        ask(shop, "GET", "/healthz")
    except httpx.HTTPError:
        return False
    return True


def server_says(server: Postgres, query: str) -> Any:
    connection = server.admin()
    try:
        return connection.run(query)[0][0]
    finally:
        connection.close()


def test_sigterm_ends_a_shop_whose_request_hangs_within_its_deadline(
    run_shop: Any, server: Postgres, login: dict[str, str]
) -> None:
    shop = run_shop(**environment_of(login), SHOP_GRACE_SECONDS="1")
    admin = server.admin()
    admin.run("BEGIN")
    admin.run("LOCK TABLE carts IN ACCESS EXCLUSIVE MODE")
    answers: list[Any] = []

    def order() -> None:
        try:
            answers.append(ask(shop, "POST", "/api/carts").status_code)
        except httpx.HTTPError as error:
            answers.append(error)

    waiting = threading.Thread(target=order)
    waiting.start()
    while not server_says(server, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert waiting.is_alive()
    shop.process.terminate()
    assert shop.process.wait(15) is not None
    admin.run("ROLLBACK")
    admin.close()
    waiting.join(15)
    assert answers != [201]

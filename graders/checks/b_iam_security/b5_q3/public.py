"""Three changes of user while customers order: who notices, and how often the secret is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx

from graders.checks.b_iam_security.b5_q3.changes import take_turns, why_not
from graders.checks.b_iam_security.shop_checks import (
    NOT_COUNTED,
    mistake,
    no_request_failed,
    nothing_leaks,
    running_shop,
)
from graders.exercise import Finding
from labs.errors import PermanentError

TURNS = 3
MOST_READS = TURNS + 1
START = "The first time the cache is empty: read the secret, open a connection, keep the login, return the connection."
TWICE = (
    "After two changes the cached user's password is another one. When open_connection raises LoginRejected, read the "
    "secret and open again, in the same call."
)
CACHE = "Each read costs money and quota. Keep the login in cache and read only when the database rejects it."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with running_shop(live, connecting=answer["connect_source"]) as shop:
            yield from _judge(shop, live)
    except PermanentError as error:
        yield Finding("the shop opens", 2.5, False, why_not(error), "a function connect that can be defined", START)


def _judge(shop: Any, live: Any) -> Iterator[Finding]:
    answer = httpx.get(f"{shop.url}/api/products", timeout=15, trust_env=False)
    opens = answer.status_code == 200
    seen = f"status {answer.status_code}" + ("" if opens else mistake(shop))
    yield Finding("the shop opens", 0.5, opens, seen, "status 200", START)
    _, report = shop.under_traffic(lambda: take_turns(shop, live, TURNS)) if opens else (None, None)
    unnoticed = no_request_failed(report, 1, opens, TWICE)
    yield unnoticed
    reads = shop.reads() if unnoticed.passed else 0
    observed = f"{reads} GetSecretValue calls in the event history" if unnoticed.passed else NOT_COUNTED
    expected = f"at most {MOST_READS}"
    few = unnoticed.passed and reads <= MOST_READS
    yield Finding(f"the secret is read at most {MOST_READS} times", 0.5, few, observed, expected, CACHE)
    yield nothing_leaks(shop, 0.5, unnoticed.passed)

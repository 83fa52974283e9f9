"""A secret that is wrong for some seconds: the shop must neither insist nor stay down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx

from graders.checks.b_iam_security.b5_q3.changes import put
from graders.checks.b_iam_security.shop_checks import NOT_COUNTED, mistake, running_shop
from graders.exercise import Finding
from labs.errors import PermanentError

WRONG_SECONDS, PAUSE, RECOVERY = 4.0, 2.0, 15.0
PATIENT = (
    "The secret was just read and its login is rejected too. Remember in cache when that was, and until two seconds "
    "have passed raise LoginRejected instead of reading again."
)
ONCE = "A call tries at most the cached login and the one it read. A loop keeps customers waiting, and the lock."
AGAIN = "A login that was rejected must not stay in the way: after the pause, read the secret again."


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    try:
        with running_shop(live, connecting=answer["connect_source"]) as shop:
            yield from _judge(shop, live)
    except PermanentError as error:
        yield Finding("the shop opens", 0, False, str(error).splitlines()[0], "a shop that serves", PATIENT)


def _judge(shop: Any, live: Any) -> Iterator[Finding]:
    opens = _status(shop) == 200
    good, before = shop.current(), shop.reads()
    shop.database.set_user(good["username"], "changed by somebody else")
    time.sleep(1.0)
    traffic, began = shop.traffic(), time.monotonic()
    time.sleep(WRONG_SECONDS)
    report = traffic.stop()
    spent, reads = time.monotonic() - began + 1, shop.reads() - before
    most = int(spent / PAUSE) + 2
    answered = opens and set(report.statuses) == {"503"}
    quick = Finding(
        "while no login works, customers get an answer at once",
        0.5,
        answered,
        str(report) + ("" if answered else mistake(shop)) if opens else NOT_COUNTED,
        "only status 503",
        ONCE,
    )
    yield quick
    observed = f"{reads} reads in {spent:.0f} s" if answered else NOT_COUNTED
    few = answered and reads <= most
    yield Finding("while no login works, the secret is hardly read", 0.5, few, observed, f"at most {most}", PATIENT)
    put(shop.database.set_user(good["username"], "repaired by somebody else"), live)
    deadline, status = time.monotonic() + RECOVERY, 0
    while answered and (status := _status(shop)) != 200 and time.monotonic() < deadline:
        time.sleep(0.2)
    observed = f"status {status}" if answered else NOT_COUNTED
    yield Finding("with a repaired secret the shop opens by itself", 0.5, status == 200, observed, "status 200", AGAIN)


def _status(shop: Any) -> int:
    try:
        return int(httpx.get(f"{shop.url}/api/products", timeout=15, trust_env=False).status_code)
    except httpx.HTTPError:
        return 0

"""A running shop for an attempt, and what the checks of b5 say about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.confined_shop import BROKEN
from labs.scenarios.b_iam_security.rotation_parts import ensure_function
from labs.scenarios.b_iam_security.shop_run import ShopRun

SOURCE = {
    "type": "string",
    "minLength": 1,
    "maxLength": 20_000,
    "description": "the source of your functions; leave the last line of the cell as it is",
}
NOT_COUNTED = "not counted yet: see the first finding that failed"


@contextmanager
def running_shop(live: Any, *, steps: str = "", connecting: str = "", serve: bool = True) -> Iterator[ShopRun]:
    """The shop of the attempt's lab; stopped afterwards, whatever happens.

    :param steps: source of the rotation function's changeable steps; it runs as the Lambda function only
    :param connecting: source of the shop's ``connect``; it runs in the shop's own process only
    :param serve: whether the shop itself runs, or only its database
    """
    lab = live.lab
    aws, values = account_of(live)
    if steps:
        ensure_function(aws, values, steps)
    keys = lab.credentials(aws, values, "shop")
    with ShopRun(aws, values, keys, connecting=connecting, serve=serve) as shop:
        yield shop


def mistake(shop: ShopRun) -> str:
    """What stopped the learner's ``connect`` last, as a continuation of what was observed; "" for nothing."""
    said = ""
    for line in shop.log().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("message") == BROKEN:
            said = f"; {str(record.get('reason', ''))[:200]}"
    return said


def no_request_failed(report: Any, points: float, counted: bool, hint: str) -> Finding:
    """Whether customers noticed; counts only when what they should not have noticed did happen."""
    expected = "every request is answered with success"
    if not counted:
        return Finding("no customer notices", points, False, NOT_COUNTED, expected, "First make the rotation succeed.")
    observed = str(report)
    if report.failed:
        first = report.failed[0]
        observed += f"; the first was {first['what']} after {first['at']} s (status {first['status']})"
    passed = bool(report.sent) and not report.failed
    return Finding("no customer notices", points, passed, observed, expected, hint)


def nothing_leaks(shop: ShopRun, points: float, counted: bool = True) -> Finding:
    """Whether a password of the secret's stands in an environment or a log."""
    found = shop.leaks() if counted else []
    observed = f"a password can be read in {' and in '.join(found)}" if found else "no password found"
    return Finding(
        "no password in an environment or a log",
        points,
        counted and not found,
        observed if counted else NOT_COUNTED,
        "the shop's environment, its log and the function's log hold none",
        "Look for a print or a log call that is given the login, the secret's text or an exception that holds it.",
    )

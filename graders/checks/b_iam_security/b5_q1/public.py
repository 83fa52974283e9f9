"""One rotation while customers order: how it ends, where the labels are, which logins work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b5_q1.rotations import HINTS, both_work, labels_moved, rotated
from graders.checks.b_iam_security.shop_checks import no_request_failed, nothing_leaks, running_shop
from graders.exercise import Finding


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with running_shop(live, steps=answer["steps"]) as shop:
        before = shop.version("AWSCURRENT")
        rotation, report = shop.under_traffic(shop.rotate)
        yield rotated("the rotation ends well", rotation, 1)
        yield labels_moved(shop, before, rotation, 1)
        working = both_work(shop, rotation, 1)
        yield working
        yield nothing_leaks(shop, 0.5, rotation.succeeded)
        yield no_request_failed(report, 1, rotation.succeeded and working.passed, HINTS["customers"])

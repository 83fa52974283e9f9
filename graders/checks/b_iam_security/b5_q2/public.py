"""A rotation with the learner's policies, the shop's read, and the first thing that must not work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b5_q2.roles import attacks, try_roles
from graders.checks.b_iam_security.shop_checks import running_shop
from graders.exercise import Finding
from labs.scenarios import attempt

NEEDS = (
    "The reason names the action and the secret that were refused. A secret's ARN ends in a hyphen and six characters; "
    "GetRandomPassword belongs to no secret; the function reads two of them."
)


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    roles = try_roles(answer, live, 2)
    if isinstance(roles, Finding):
        yield roles
        return
    with running_shop(live, serve=False) as shop:
        rotation = shop.rotate()
        yield Finding("the function rotates the secret", 1, rotation.succeeded, str(rotation), "it succeeds", NEEDS)
        outcome = attempt(roles.reads(roles.shop, "secret"))
        yield Finding("the shop reads its secret", 0.5, outcome.allowed, str(outcome), "AWS allows this call", NEEDS)
        yield from attacks(
            [
                (
                    "the function reads the payment provider's secret",
                    roles.reads(roles.rotation, "other_secret"),
                    0.5,
                    "Some statement covers more secrets than the work needs: name them one by one.",
                )
            ],
            rotation.succeeded and outcome.allowed,
        )

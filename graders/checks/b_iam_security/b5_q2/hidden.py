"""The ways in which either policy may reach too far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b5_q2.roles import attacks, try_roles
from graders.checks.b_iam_security.shop_checks import running_shop
from graders.exercise import Finding
from labs.scenarios import attempt

ACTIONS = "Name the actions one by one; a wildcard brings others with it."
ONLY_READS = "The shop only reads. Which action is that, and what else did you give it?"
SIX = (
    "The administrator's secret has the name of the shop's followed by -admin, so a pattern that ends in -* covers it "
    "too. Six question marks stand for exactly six characters."
)


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    roles = try_roles(answer, live, 2)
    if isinstance(roles, Finding):
        yield roles
        return
    own, admin = roles.values["secret"], roles.values["admin_secret"]
    policy = '{"Version": "2012-10-17", "Statement": []}'
    with running_shop(live, serve=False) as shop:
        working = shop.rotate().succeeded and attempt(roles.reads(roles.shop, "secret")).allowed
        current = shop.version("AWSCURRENT")
        move = {"SecretId": own, "VersionStage": "mine", "MoveToVersionId": current}
        function, reader = roles.rotation, roles.shop
        yield from attacks(
            [
                (
                    "the function overwrites the administrator's secret",
                    lambda: function.put_secret_value(SecretId=admin, SecretString="x"),
                    0.25,
                    "The function only reads the administrator's secret: give that secret a statement of its own.",
                ),
                (
                    "the function opens the secret to others",
                    lambda: function.put_resource_policy(SecretId=own, ResourcePolicy=policy),
                    0.25,
                    ACTIONS,
                ),
                ("the function deletes the secret", lambda: function.delete_secret(SecretId=own), 0.25, ACTIONS),
                ("the function lists all secrets", lambda: function.list_secrets(), 0.25, ACTIONS),
                ("the shop reads the administrator's secret", roles.reads(reader, "admin_secret"), 0.5, SIX),
                ("the shop moves a label", lambda: reader.update_secret_version_stage(**move), 0.25, ONLY_READS),
                (
                    "the shop overwrites its secret",
                    lambda: reader.put_secret_value(SecretId=own, SecretString="x"),
                    0.25,
                    ONLY_READS,
                ),
            ],
            working,
        )

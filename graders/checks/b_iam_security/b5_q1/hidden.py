"""A rotation that is interrupted after createSecret and attempted again, and the one after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graders.checks.b_iam_security.b5_q1.rotations import HINTS, rotated
from graders.checks.b_iam_security.shop_checks import NOT_COUNTED, running_shop
from graders.exercise import Finding
from labs.scenarios.creation import administrator

ADMIN_SECRETS = "arn:aws:secretsmanager:*:*:secret:*-admin-*"
DENY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": ADMIN_SECRETS}],
}


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    with running_shop(live, steps=answer["steps"], serve=False) as shop:
        first_user = shop.current()["username"]
        iam, role = administrator(live.aws, "iam"), {"RoleName": live.values["rotation_role"], "PolicyName": "outage"}
        iam.put_role_policy(**role, PolicyDocument=json.dumps(DENY))
        broken = shop.rotate()
        pending = shop.current("AWSPENDING") if broken.step == "setSecret" else {}
        iam.delete_role_policy(**role)
        again = shop.rotate() if pending else broken
        name = "a rotation that stopped at setSecret is attempted again and ends well, with the same password"
        if again.succeeded and shop.current() != pending:
            yield Finding(name, 1, False, "the second attempt made another login", "the same login", HINTS["again"])
        else:
            yield rotated(name, again, 1)
        yield _returns(shop, first_user, again.succeeded)


def _returns(shop: Any, first_user: str, counted: bool) -> Finding:
    name, expected = "the rotation after that goes back to the first user, with a new password", f"user {first_user}"
    if not counted:
        return Finding(name, 0.5, False, NOT_COUNTED, expected, HINTS["turns"])
    passwords = {shop.current(label)["password"] for label in ("AWSCURRENT", "AWSPREVIOUS")}
    rotation = shop.rotate()
    if not rotation.succeeded:
        return rotated(name, rotation, 0.5)
    found = shop.current()
    fresh = found["password"] not in passwords and len(found["password"]) >= 16
    observed = f"user {found['username']}, password {'new' if fresh else 'known or short'}"
    return Finding(name, 0.5, found["username"] == first_user and fresh, observed, expected, HINTS["turns"])

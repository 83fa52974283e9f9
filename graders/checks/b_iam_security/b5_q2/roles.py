"""The two roles with the learner's policies, and one rotation with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.probes import account_of, refused
from graders.checks.b_iam_security.shop_checks import NOT_COUNTED
from graders.exercise import Finding
from labs.scenarios import attempt
from labs.scenarios.creation import administrator

Attack = tuple[str, Callable[[], Any], float, str]


class Roles:
    """Sessions of both roles; ``values`` are the lab's."""

    def __init__(self, answer: dict[str, Any], live: Any) -> None:
        """:raises botocore.exceptions.ClientError: AWS refuses a document"""
        lab = live.lab
        aws, self.values = account_of(live)
        iam = administrator(aws, "iam")
        for role, name in (("rotation_role", "rotation"), ("shop_role", "shop")):
            text = json.dumps(answer[f"{name}_policy"])
            iam.put_role_policy(RoleName=self.values[role], PolicyName=name, PolicyDocument=text)
        self.rotation, self.shop = (
            aws.client_as("secretsmanager", **lab.credentials(aws, self.values, who)) for who in ("rotation", "shop")
        )

    def reads(self, who: Any, key: str) -> Callable[[], Any]:
        """A call that reads one of the lab's secrets."""
        return lambda: who.get_secret_value(SecretId=self.values[key])


def try_roles(answer: dict[str, Any], live: Any, points: float) -> Roles | Finding:
    """The roles, or the finding that AWS does not take a document."""
    try:
        return Roles(answer, live)
    except (ClientError, ParamValidationError) as error:
        return refused(error, points)


def attacks(tried: list[Attack], working: bool) -> Iterator[Finding]:
    """Calls that must be denied; they count only while the work gets done."""
    for name, call, points, hint in tried:
        if not working:
            yield Finding(name, points, False, NOT_COUNTED, "AWS denies this call", "First make the work succeed.")
            continue
        outcome = attempt(call)
        yield Finding(name, points, outcome.denied, str(outcome), "AWS denies this call", hint)

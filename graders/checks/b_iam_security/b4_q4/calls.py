"""The web server's role with the learner's policy, its credentials, and the addresses they are used from."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b4 import everybody
from labs.scenarios.b_iam_security.cases import document
from labs.scenarios.creation import access_key, role_session

WORK_HINTS = {
    "explicit deny": (
        "The Deny also matches the web server at its own address: the condition must be false for exactly that address."
    )
}
ALLOW_HINT = (
    "Another policy of the role allows this, and one more Allow takes nothing away. Only a Deny does, under a "
    "condition that is true for everybody but the web server."
)
ADDRESS_HINT = "The thief has moved. Do not name the addresses that are bad: name the one that is good."
ACTION_HINT = "Only some actions are denied: stolen credentials must be good for nothing."


class Role:
    """The role with the policy; one session, as the instance and the thief share it.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.session = self.new_session()
        self.aws.client("iam").put_role_policy(
            RoleName=self.values["web"], PolicyName="containment", PolicyDocument=json.dumps(policy)
        )

    def new_session(self) -> dict[str, str]:
        """Fresh credentials of the instance, as it gets them every few hours."""
        operator = access_key(self.aws, self.values["operator"])
        return role_session(self.aws, operator, self.values["web"], self.values["instance"])

    def from_(self, address: str, service: str = "s3", keys: dict[str, str] | None = None) -> Any:
        """A client with the instance's credentials at an address."""
        return self.aws.client_as(service, **(keys or self.session), source_ip=address)

    def read(self, client: Any) -> Any:
        """A call that reads an object of the site bucket."""
        return partial(client.get_object, Bucket=self.values["site"], Key="cart.js")

    def write(self, client: Any) -> Any:
        """A call that writes one."""
        return partial(client.put_object, Bucket=self.values["site"], Key="cart.js", Body=b"/* cart */")

    def open(self, client: Any) -> Any:
        """The thief's call: the bucket for everybody."""
        policy = json.dumps(document(everybody(self.values)))
        return partial(client.put_bucket_policy, Bucket=self.values["site"], Policy=policy)

"""The role for the vendor with the learner's trust policy, and who then wants to assume it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.aws.account import AwsAccount
from labs.scenarios.b_iam_security.b1 import vendor_account
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import access_key, ensure_role, ensure_user, role_session

NAME_HINT = (
    "The trust policy does not match the vendor's call. Its Principal is the ARN of the vendor's role, in the vendor's "
    "account; the condition key is sts:ExternalId, compared with StringEquals."
)
ID_HINT = (
    "The vendor calls for all its customers with the same role: only the external id tells for whom. Ask for yours in "
    "a Condition."
)
PRINCIPAL_HINT = (
    "The external id is no secret, so the Principal still has to be right: name the one role of the vendor that does "
    "this work."
)


class Images:
    """The role ``images`` with the learner's trust policy.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, trust: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.external_id = self.values["external_id"]
        self.arn = f"arn:aws:iam::{self.aws.account}:role/{self.values['images']}"
        self.aws.client("iam").update_assume_role_policy(
            RoleName=self.values["images"], PolicyDocument=json.dumps(trust)
        )

    def vendor(self, role: str) -> Any:
        """An STS client of one of the vendor's roles: ``deputy`` or ``intern``."""
        return self._from(vendor_account(self.aws, self.values), role)

    def stranger(self) -> Any:
        """An STS client of a role of the deputy's name in a third account."""
        there = AwsAccount(self.aws.endpoint, str(999_999_999_998 - int(self.values["vendor_account"])).zfill(12))
        ensure_user(there, self.values["operator"], {"assume": document(allow("sts:AssumeRole"))})
        its_operator = f"arn:aws:iam::{there.account}:user/{self.values['operator']}"
        trust = document({"Effect": "Allow", "Principal": {"AWS": its_operator}, "Action": "sts:AssumeRole"})
        ensure_role(there, self.values["deputy"], trust, {"assume": document(allow("sts:AssumeRole"))})
        return self._from(there, "deputy")

    def _from(self, account: AwsAccount, role: str) -> Any:
        operator = access_key(account, self.values["operator"])
        return account.client_as("sts", **role_session(account, operator, self.values[role], "scan"))

    def assume(self, sts: Any, external_id: str = "") -> Any:
        """A call that assumes the role with this external id, or none."""
        more = {"ExternalId": external_id} if external_id else {}
        return partial(sts.assume_role, RoleArn=self.arn, RoleSessionName="scan", **more)

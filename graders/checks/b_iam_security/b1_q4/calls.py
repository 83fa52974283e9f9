"""The lead: AdministratorAccess under the learner's boundary."""

from __future__ import annotations

import json
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b1 import ADMINISTRATOR
from labs.scenarios.b_iam_security.cases import allow, document
from labs.scenarios.creation import access_key, ensure_policy, ensure_user

TRUST = json.dumps(
    document({"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"})
)
WORK_HINT = (
    "A boundary is the outer limit of everything, the daily work too: allow the work in it. What it does not name is "
    "denied, whatever AdministratorAccess says."
)
CREATE_HINT = (
    "Allow iam:CreateRole and iam:PutRolePolicy when the condition key iam:PermissionsBoundary equals the ARN of "
    "this boundary."
)
UNBOUNDED_HINT = (
    "An identity without the boundary is a way out. Make creating and changing identities depend on the condition key "
    "iam:PermissionsBoundary."
)
BOUNDARY_HINT = (
    "Removing, replacing or rewriting the boundary is a way out: nothing may allow the Delete…PermissionsBoundary, "
    "Put…PermissionsBoundary and CreatePolicyVersion actions here."
)


class Lead:
    """A user with AdministratorAccess and the learner's policy as boundary.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, boundary: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.name = self.values["lead"]
        self.arn = ensure_policy(self.aws, self.values["boundary"], boundary)
        ensure_user(self.aws, self.name, managed=(ADMINISTRATOR,), boundary=self.arn)
        keys = access_key(self.aws, self.name)
        self.iam, self.s3, self.sqs = (self.aws.client_as(service, **keys) for service in ("iam", "s3", "sqs"))

    def create_role(self, name: str, boundary: str = "") -> Any:
        """A role for a function, with the boundary of this ARN or none."""
        more = {"PermissionsBoundary": boundary} if boundary else {}
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, **more)

    def grant(self, role: str) -> Any:
        """Give a role an inline policy that allows everything."""
        return self.iam.put_role_policy(
            RoleName=role, PolicyName="more", PolicyDocument=json.dumps(document(allow("*")))
        )

"""The app's role with the learner's trust policy, and the pods that show it a token."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b2 import assume_with, keys_of, web_identity

NAME_HINT = (
    "The trust policy does not match the pod's token. STS does not say why; compare three things with the token's "
    "claims: the provider in Principal, the action sts:AssumeRoleWithWebIdentity, and the keys ISSUER:sub and "
    "ISSUER:aud, where ISSUER is the issuer's URL without https://."
)
SUBJECT_HINT = "The subject names namespace and service account: compare the whole of it with StringEquals."
AUDIENCE_HINT = (
    "The provider knows two audiences. A token that was made for the shop's own API must not open AWS: ask for "
    "sts.amazonaws.com in ISSUER:aud."
)


class App:
    """The app's role with the learner's trust policy.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, trust: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.aws.client("iam").update_assume_role_policy(
            RoleName=self.values["app_role"], PolicyDocument=json.dumps(trust)
        )

    def takes(self, name: str = "", **more: Any) -> Any:
        """A call by which a pod of a service account takes the role."""
        return partial(web_identity, self.aws, self.values, "app_role", name, **more)

    def reads(self) -> Any:
        """The app takes its role and reads its file, with nothing but the session."""
        s3 = self.aws.client_as("s3", **keys_of(self.takes()()))
        return s3.get_object(Bucket=self.values["bucket"], Key=self.values["key"])

    def with_token(self, token: str) -> Any:
        """A call that shows any token."""
        return partial(assume_with, self.aws, self.values["app_role"], token, "pod")

"""A stolen session, the learner's policy on the role, and sessions that were opened afterwards."""

from __future__ import annotations

import json
import time
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.b_iam_security.b2 import app_trust, keys_of, moment, steal, web_identity

NEW_HINT = (
    "Sessions that were opened after the moment must live. Deny only those whose aws:TokenIssueTime is earlier: "
    "DateLessThan."
)
OLD_HINT = (
    "The stolen session was opened before the moment. When a session was opened is in aws:TokenIssueTime, and a Deny "
    "in the role's policies is asked at each call, of old sessions too."
)
ALL_HINT = "A thief uses whatever the role may do: deny every action on every resource."


class Theft:
    """The role after the theft, with the learner's policy attached at a moment between two seconds.

    Sessions are opened in whole seconds, so "before" and "not after" the moment are the same sessions.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        iam, role = self.aws.client("iam"), self.values["app_role"]
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(app_trust(self.values)))
        self.thief, self.pod = steal(self.aws, self.values), keys_of(web_identity(self.aws, self.values, "app_role"))
        self.moment = moment(_next_second() - 1).replace("Z", ".500Z")
        text = json.dumps(policy).replace(self.values["now"], self.moment)
        iam.put_role_policy(RoleName=role, PolicyName="revoke", PolicyDocument=text)
        self.fresh = keys_of(web_identity(self.aws, self.values, "app_role"))

    def get(self, keys: dict[str, str]) -> Any:
        return self.aws.client_as("s3", **keys).get_object(Bucket=self.values["bucket"], Key=self.values["key"])

    def put(self, keys: dict[str, str]) -> Any:
        s3 = self.aws.client_as("s3", **keys)
        return s3.put_object(Bucket=self.values["bucket"], Key=self.values["key"], Body=b"id,total\n1001,19.90\n")

    def list(self, keys: dict[str, str]) -> Any:
        return self.aws.client_as("s3", **keys).list_objects_v2(Bucket=self.values["bucket"])


def _next_second() -> float:
    """Wait until the clock shows a second in which no session was opened yet; at most one second."""
    start = int(time.time())
    deadline = time.monotonic() + 3
    while int(time.time()) == start and time.monotonic() < deadline:
        time.sleep(max(0.001, start + 1 - time.time()))
    return time.time()

"""Putting the answer on the vault, and who then comes to it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.creation import access_key, role_session

HINTS = {
    "implicit deny by permissions boundary": (
        "The bucket policy names the role. A role ARN leaves the boundary in force; the ARN of the session "
        "(arn:aws:sts::…:assumed-role/ROLE/SESSION) is answered before it."
    ),
    "implicit deny by identity-based policy": (
        "The bucket policy does not match this call: compare its Principal with the caller in AWS's message (no * "
        "inside an ARN there), and its Resource with the object's ARN (a bucket's ARN does not cover its objects)."
    ),
}


class Vault:
    """The vault with the learner's bucket policy.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.name = self.values["vault"]
        self.aws.client("s3").put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))
        self.operator = access_key(self.aws, self.values["operator"])
        self.restore = self.session(self.values["restore"])

    def session(self, name: str, role: str = "reader") -> Any:
        """An S3 client of a session of one of the lab's roles."""
        return self.aws.client_as("s3", **role_session(self.aws, self.operator, self.values[role], name))

    def read(self, client: Any, key: str = "nightly/orders.json") -> Any:
        """A call that reads one object."""
        return partial(client.get_object, Bucket=self.name, Key=key)

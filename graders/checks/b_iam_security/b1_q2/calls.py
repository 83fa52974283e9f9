"""Attaching the answer to alice, and what alice then tries."""

from __future__ import annotations

import json
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from labs.scenarios.creation import access_key

OBJECT_ARN = (
    "s3:GetObject and s3:PutObject act on objects: their ARN is the bucket's followed by / and a key or pattern. "
    "Compare it with the ARN in AWS's message."
)
BUCKET_ARN = (
    "s3:ListBucket acts on the bucket: its ARN has no slash. If there is a condition on s3:prefix, compare its pattern "
    "with the prefix that is asked for."
)
QUEUE_ARN = "Compare the queue's name in your ARN with the one in AWS's message."


class Alice:
    """alice with the learner's policy as her only one.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        iam, name = self.aws.client("iam"), self.values["alice"]
        iam.put_user_policy(UserName=name, PolicyName="shop", PolicyDocument=json.dumps(policy))
        keys = access_key(self.aws, name)
        self.s3, self.sqs = self.aws.client_as("s3", **keys), self.aws.client_as("sqs", **keys)
        self.bucket, self.team, self.other = (self.values[name] for name in ("bucket", "team", "other_team"))

    def get(self, key: str, bucket: str = "") -> Any:
        return self.s3.get_object(Bucket=bucket or self.bucket, Key=key)

    def put(self, key: str) -> Any:
        return self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"sku,price\n")

    def list(self, prefix: str) -> Any:
        return self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)

    def send(self, queue: str) -> Any:
        url = self.aws.client("sqs").get_queue_url(QueueName=self.values[queue])["QueueUrl"]
        return self.sqs.send_message(QueueUrl=url, MessageBody="1001")

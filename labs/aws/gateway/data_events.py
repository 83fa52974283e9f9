"""Data events: what CloudTrail writes about calls on objects, items, messages and functions.

CloudTrail User Guide, "Logging data events"; S3 User Guide, "Amazon S3 CloudTrail events"; DynamoDB Developer Guide,
"Logging DynamoDB operations by using AWS CloudTrail".  Contents (objects, items, messages, payloads) are never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

TYPES = {
    "s3": "AWS::S3::Object",
    "lambda": "AWS::Lambda::Function",
    "dynamodb": "AWS::DynamoDB::Table",
    "sqs": "AWS::SQS::Queue",
    "sns": "AWS::SNS::Topic",
}
"""Services whose data events a trail may ask for, with the resource type that its selectors name."""
_CONTENT = {
    "payload", "item", "items", "requestItems", "transactItems", "expressionAttributeValues", "attributeUpdates",
    "expected", "parameters", "message", "messageBody", "messageAttributes", "entries", "publishBatchRequestEntries",
}  # fmt: skip


def as_data_event(record: dict[str, Any], service: str, arns: Iterable[str], owner: str) -> dict[str, Any]:
    """The record of a data event, from the one that a management event would have been.

    :param arns: resources that were asked for, as they stand in the authorization decisions
    :param owner: account that owns them
    """
    parameters = record["requestParameters"] or {}
    record["requestParameters"] = {name: value for name, value in parameters.items() if name not in _CONTENT} or None
    record["responseElements"] = None
    record["resources"] = _s3(arns, owner) if service == "s3" else _others(service, arns, owner)
    record["managementEvent"], record["eventCategory"] = False, "Data"
    return record


def _s3(arns: Iterable[str], owner: str) -> list[dict[str, str]]:
    objects: list[dict[str, str]] = []
    buckets: list[dict[str, str]] = []
    for arn in dict.fromkeys(arns):
        bucket, slash, _ = arn.partition("/")
        objects.append({"type": TYPES["s3"], "ARN" if slash else "ARNPrefix": arn if slash else f"{arn}/"})
        entry = {"accountId": owner, "type": "AWS::S3::Bucket", "ARN": bucket}
        if entry not in buckets:
            buckets.append(entry)
    return objects + buckets


def _others(service: str, arns: Iterable[str], owner: str) -> list[dict[str, str]]:
    return [{"accountId": owner, "type": TYPES[service], "ARN": arn} for arn in dict.fromkeys(arns)]

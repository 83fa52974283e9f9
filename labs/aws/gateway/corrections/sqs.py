"""SQS: encryption by default, sources of a dead-letter queue, permissions (Amazon SQS API Reference)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask
from labs.aws.gateway.policies import document

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _got_attributes(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """ "SqsManagedSseEnabled": new queues are encrypted with SQS-owned keys unless they have a KMS key."""
    wanted = set(params.get("AttributeNames") or ())
    given = dict(result.get("Attributes") or {})
    if not wanted & {"All", "SqsManagedSseEnabled"} or "SqsManagedSseEnabled" in given:
        return None
    whole = await ask(exchange, "GetQueueAttributes", QueueUrl=params["QueueUrl"], AttributeNames=["KmsMasterKeyId"])
    given["SqsManagedSseEnabled"] = "false" if (whole.get("Attributes") or {}).get("KmsMasterKeyId") else "true"
    return {"Attributes": given}


async def _sources(exchange: Exchange, params: Params) -> Params:
    """The queues whose redrive policy names this one."""
    url = params.get("QueueUrl", "")
    arn = (await ask(exchange, "GetQueueAttributes", QueueUrl=url, AttributeNames=["QueueArn"]))["Attributes"][
        "QueueArn"
    ]
    urls = []
    for other in (await ask(exchange, "ListQueues")).get("QueueUrls", []):
        answer = await ask(exchange, "GetQueueAttributes", QueueUrl=other, AttributeNames=["RedrivePolicy"])
        redrive = json.loads((answer.get("Attributes") or {}).get("RedrivePolicy") or "{}")
        if redrive.get("deadLetterTargetArn") == arn:
            urls.append(other)
    return {"queueUrls": urls}


_ATTRIBUTES = frozenset(
    [
        "DelaySeconds",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "ReceiveMessageWaitTimeSeconds",
        "RedrivePolicy",
        "VisibilityTimeout",
        "KmsMasterKeyId",
        "KmsDataKeyReusePeriodSeconds",
        "SqsManagedSseEnabled",
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit",
        "RedriveAllowPolicy",
    ]
)


_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo")


async def _create(exchange: Exchange, params: Params) -> None:
    if not _NAME.fullmatch(str(params.get("QueueName", ""))):
        text = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
        raise AwsError("InvalidParameterValue", text, 400)
    await _set_attributes(exchange, params)


async def _set_attributes(exchange: Exchange, params: Params) -> None:
    for name in params.get("Attributes") or {}:
        if name not in _ATTRIBUTES:
            raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.", 400)


async def _remove_permission(exchange: Exchange, params: Params) -> None:
    answer = await ask(exchange, "GetQueueAttributes", QueueUrl=params.get("QueueUrl", ""), AttributeNames=["Policy"])
    policy = document((answer.get("Attributes") or {}).get("Policy") or "{}")
    label = params.get("Label")
    if label not in [statement.get("Sid") for statement in policy.get("Statement", [])]:
        raise AwsError(
            "InvalidParameterValue",
            f"Value {label} for parameter Label is invalid. Reason: can't find label on existing policy.",
            400,
        )


CORRECTIONS = Corrections(
    before={"SetQueueAttributes": _set_attributes, "CreateQueue": _create, "RemovePermission": _remove_permission},
    instead={"ListDeadLetterSourceQueues": _sources},
    after={"GetQueueAttributes": _got_attributes},
)

"""SQS: encryption by default, dead-letter queues and their redrive, permissions (Amazon SQS API Reference)."""

from __future__ import annotations

import base64
import json
import re
import uuid
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found
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


# -- dead-letter queue redrive -----------------------------------------------------------------------------------------


def _tasks(exchange: Exchange) -> list[Params]:
    tasks: list[Params] = exchange.gateway.notes.setdefault(("sqs", "moves", exchange.account, exchange.region), [])
    return tasks


async def _url(exchange: Exchange, arn: str) -> str:
    answer = await found(exchange, "GetQueueUrl", QueueName=arn.rpartition(":")[2])
    if answer is None:
        text = "The resource that you specified for the SourceArn parameter doesn't exist."
        raise AwsError("ResourceNotFoundException", text, 404)
    return str(answer["QueueUrl"])


async def _start_move(exchange: Exchange, params: Params) -> Params:
    """Move what waits in a dead-letter queue, at once: to the destination, or to the one queue it comes from."""
    source = str(params.get("SourceArn"))
    here = await _url(exchange, source)
    sources = (await _sources(exchange, {"QueueUrl": here}))["queueUrls"]
    if not sources:
        raise AwsError("UnsupportedOperation", "Source queue must be configured as a Dead Letter Queue.", 400)
    target = await _url(exchange, str(params["DestinationArn"])) if params.get("DestinationArn") else sources[0]
    moved = 0
    while True:
        batch = await ask(exchange, "ReceiveMessage", QueueUrl=here, MaxNumberOfMessages=10, VisibilityTimeout=30,
                          MessageAttributeNames=["All"], AttributeNames=["All"])  # fmt: skip
        if not batch.get("Messages"):
            break
        for message in batch["Messages"]:
            system = message.get("Attributes") or {}
            fifo = {name: system[name] for name in ("MessageGroupId", "MessageDeduplicationId") if name in system}
            attributes = {"MessageAttributes": message["MessageAttributes"]} if message.get("MessageAttributes") else {}
            await ask(exchange, "SendMessage", QueueUrl=target, MessageBody=message["Body"], **attributes, **fifo)
            await ask(exchange, "DeleteMessage", QueueUrl=here, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    handle = base64.b64encode(json.dumps({"taskId": str(uuid.uuid4()), "sourceArn": source}).encode()).decode()
    task = {"TaskHandle": handle, "Status": "COMPLETED", "SourceArn": source}
    task |= {f"ApproximateNumberOfMessages{name}": moved for name in ("Moved", "ToMove")}
    task["StartedTimestamp"] = int(exchange.now.timestamp() * 1000)
    if params.get("DestinationArn"):
        task["DestinationArn"] = params["DestinationArn"]
    _tasks(exchange).append(task)
    return {"TaskHandle": handle}


async def _list_moves(exchange: Exchange, params: Params) -> Params:
    """The newest first; the handle is shown of a task that runs."""
    source = str(params.get("SourceArn"))
    await _url(exchange, source)
    mine = [task for task in reversed(_tasks(exchange)) if task["SourceArn"] == source]
    shown = [{name: value for name, value in task.items() if name != "TaskHandle"} for task in mine]
    return {"Results": shown[: int(params.get("MaxResults") or 1)]}


async def _cancel_move(exchange: Exchange, params: Params) -> Params:
    """Every task is done when its start is answered."""
    raise AwsError("ResourceNotFoundException", "Task does not exist.", 404)


CORRECTIONS = Corrections(
    before={"SetQueueAttributes": _set_attributes, "CreateQueue": _create, "RemovePermission": _remove_permission},
    instead={
        "ListDeadLetterSourceQueues": _sources,
        "StartMessageMoveTask": _start_move,
        "ListMessageMoveTasks": _list_moves,
        "CancelMessageMoveTask": _cancel_move,
    },
    after={"GetQueueAttributes": _got_attributes},
)

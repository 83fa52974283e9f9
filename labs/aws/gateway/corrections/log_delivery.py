"""CloudWatch Logs that leave their group: subscription filters to Kinesis and Firehose, export tasks to S3.

The engine delivers to Lambda functions only.  An export is done at once.  Pages: PutSubscriptionFilter,
CreateExportTask (CloudWatch Logs API Reference); "Log group-level subscription filters", "Export log data to Amazon S3"
(CloudWatch Logs User Guide).
"""

from __future__ import annotations

import gzip
import json
import uuid
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

FILTERS_PER_GROUP = 2
_PLACES = {
    "lambda": ("GetFunction", "FunctionName", 6),
    "kinesis": ("DescribeStreamSummary", "StreamName", 5),
    "firehose": ("DescribeDeliveryStream", "DeliveryStreamName", 5),
}


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text, 400)


async def put_subscription(exchange: Exchange, params: Params) -> None:
    """The destination exists, a stream comes with a role, and a group has two filters at most."""
    arn = str(params.get("destinationArn"))
    parts = arn.split(":")
    if len(parts) < 6 or (parts[2] not in _PLACES and parts[2] != "logs"):
        raise _invalid(f"PutSubscriptionFilter operation cannot work with destinationArn for vendor {arn}")
    group = params.get("logGroupName")
    existing = (await ask(exchange, "DescribeSubscriptionFilters", logGroupName=group)).get("subscriptionFilters") or []
    names = {entry["filterName"] for entry in existing} | {params.get("filterName")}
    if len(names) > FILTERS_PER_GROUP:
        raise AwsError("LimitExceededException", "Resource limit exceeded.", 400)
    if parts[2] == "logs":
        return
    operation, name, place = _PLACES[parts[2]]
    if parts[2] != "lambda" and not params.get("roleArn"):
        raise _invalid("destinationArn for vendor " + parts[2] + " cannot be used without roleArn")
    identifier = parts[place].rpartition("/")[2] if len(parts) > place else ""
    if parts[4] == exchange.account and await found(exchange, operation, parts[2], **{name: identifier}) is None:
        text = "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute"
        other = f"Could not deliver test message to specified {parts[2].capitalize()} stream."
        raise _invalid(f"{text} your function." if parts[2] == "lambda" else f"{other} Check if it exists.")


async def deliver(exchange: Exchange, filters: list[Params], group: str, stream: str, events: list[Params]) -> None:
    """Put matching events into the streams of subscription filters, in the envelope that CloudWatch Logs has."""
    from labs.aws.gateway.corrections.logs import pattern_of

    for entry in filters:
        service = str(entry.get("destinationArn")).split(":")[2]
        if service not in ("kinesis", "firehose"):
            continue
        pattern = pattern_of(entry.get("filterPattern"))
        matching = [event for event in events if pattern(str(event.get("message", ""))) is not None]
        if not matching:
            continue
        content = {
            "messageType": "DATA_MESSAGE",
            "owner": exchange.account,
            "logGroup": group,
            "logStream": stream,
            "subscriptionFilters": [entry["filterName"]],
            "logEvents": [
                {"id": uuid.uuid4().hex, "timestamp": event["timestamp"], "message": event["message"]}
                for event in matching
            ],
        }
        data = gzip.compress(json.dumps(content).encode())
        name = str(entry["destinationArn"]).rpartition("/")[2]
        if service == "kinesis":
            await found(exchange, "PutRecord", "kinesis", StreamName=name, Data=data, PartitionKey=uuid.uuid4().hex)
        else:
            await found(exchange, "PutRecord", "firehose", DeliveryStreamName=name, Record={"Data": data})


# -- exports -----------------------------------------------------------------------------------------------------------


def _tasks(exchange: Exchange) -> dict[str, Params]:
    found: dict[str, Params] = exchange.gateway.notes.setdefault(
        ("logs", "exports", exchange.account, exchange.region), {}
    )
    return found


async def create_export(exchange: Exchange, params: Params) -> Params:
    """Write a group's events into a bucket whose policy lets CloudWatch Logs do so."""
    group, bucket = str(params.get("logGroupName")), str(params.get("destination"))
    start, end = int(params.get("from") or 0), int(params.get("to") or 0)
    if start >= end:
        raise _invalid("The start time must be before the end time.")
    streams = (await ask(exchange, "DescribeLogStreams", logGroupName=group)).get("logStreams") or []
    prefix, identifier = params.get("destinationPrefix") or "exportedlogs", str(uuid.uuid4())
    owner = await exchange.gateway.authorizer.bucket_owner(bucket, exchange.account)
    if owner is None:
        raise AwsError("ResourceNotFoundException", "The specified bucket does not exist.", 400)
    allowed = await exchange.gateway.authorizer.service_may(
        f"logs.{exchange.region}.amazonaws.com", "s3:PutObject", f"arn:aws:s3:::{bucket}/{prefix}/{identifier}", owner,
        {"aws:SourceAccount": exchange.account, "s3:x-amz-acl": "bucket-owner-full-control",
         "aws:SourceArn": f"arn:aws:logs:{exchange.region}:{exchange.account}:log-group:{group}:*"},
    )  # fmt: skip
    if not allowed.allowed:
        text = "PutObject call on the given bucket failed. Please check if CloudWatch Logs has been granted permission."
        raise _invalid(text)
    wanted = params.get("logStreamNamePrefix") or ""
    for stream in (entry["logStreamName"] for entry in streams if entry["logStreamName"].startswith(wanted)):
        read = await ask(exchange, "GetLogEvents", logGroupName=group, logStreamName=stream, startTime=start,
                         endTime=end, startFromHead=True)  # fmt: skip
        content = "".join(f"{event['message']}\n" for event in read.get("events") or [])
        key = f"{prefix}/{identifier}/{stream.replace('/', '-')}/000000.gz"
        body = gzip.compress(content.encode())
        await exchange.engine("s3", "PutObject", account=owner, Bucket=bucket, Key=key, Body=body)
    now = int(exchange.now.timestamp() * 1000)
    _tasks(exchange)[identifier] = {
        "taskId": identifier,
        "taskName": params.get("taskName") or "",
        "logGroupName": group,
        "from": start,
        "to": end,
        "destination": bucket,
        "destinationPrefix": prefix,
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": now, "completionTime": now},
    }
    return {"taskId": identifier}


async def describe_exports(exchange: Exchange, params: Params) -> Params:
    """``DescribeExportTasks``."""
    chosen: list[Any] = [
        task
        for task in _tasks(exchange).values()
        if params.get("taskId") in (None, task["taskId"])
        and params.get("statusCode") in (None, task["status"]["code"])
    ]
    return {"exportTasks": chosen}


async def cancel_export(exchange: Exchange, params: Params) -> Params:
    """Nothing is pending."""
    task = _tasks(exchange).get(str(params.get("taskId")))
    if task is None:
        raise AwsError("ResourceNotFoundException", "The specified export task does not exist.", 400)
    raise AwsError("InvalidOperationException", f"The export task is {task['status']['code']}.", 400)

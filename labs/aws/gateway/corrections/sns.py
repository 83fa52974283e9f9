"""SNS: empty messages, subscriptions that wait for their owner (Amazon SNS API Reference)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}|[A-Za-z0-9_-]{1,251}\.fifo")


async def _create(exchange: Exchange, params: Params) -> None:
    if not _NAME.fullmatch(str(params.get("Name", ""))):
        raise AwsError("InvalidParameter", "Invalid parameter: Topic Name", 400)


async def _publish(exchange: Exchange, params: Params) -> None:
    if not params.get("Message"):
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message", 400)


_PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")


async def _subscribe(exchange: Exchange, params: Params) -> None:
    if params.get("Protocol") not in _PROTOCOLS:
        text = f"Invalid parameter: Does not support this protocol string: {params.get('Protocol')}"
        raise AwsError("InvalidParameter", text, 400)


async def _subscribed(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """ "If the subscription requires subscription confirmation, the value is … pending confirmation" (Subscribe)."""
    waits = params.get("Protocol") in ("email", "email-json", "http", "https")
    if waits and str(params.get("ReturnSubscriptionArn", "false")).lower() != "true":
        return {**result, "SubscriptionArn": "pending confirmation"}
    return None


CORRECTIONS = Corrections(
    before={"CreateTopic": _create, "Publish": _publish, "Subscribe": _subscribe}, after={"Subscribe": _subscribed}
)

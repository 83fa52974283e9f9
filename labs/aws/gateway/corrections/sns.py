"""SNS: empty messages, subscriptions that wait for their owner (Amazon SNS API Reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _publish(exchange: Exchange, params: Params) -> None:
    if not params.get("Message"):
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message", 400)


async def _subscribed(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """"If the subscription requires subscription confirmation, the value is … pending confirmation" (Subscribe)."""
    waits = params.get("Protocol") in ("email", "email-json", "http", "https")
    if waits and str(params.get("ReturnSubscriptionArn", "false")).lower() != "true":
        return {**result, "SubscriptionArn": "pending confirmation"}
    return None


CORRECTIONS = Corrections(before={"Publish": _publish}, after={"Subscribe": _subscribed})

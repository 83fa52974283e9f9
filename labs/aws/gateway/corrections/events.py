"""EventBridge: rules that have targets, rules without a trigger (Amazon EventBridge API Reference)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

# EventBridge User Guide, "Creating a rule that runs on a schedule": rate(value unit) and cron(six fields).
_SCHEDULE = re.compile(
    r"rate\((?:1 (?:minute|hour|day)|(?:[2-9]|[1-9]\d+) (?:minutes|hours|days))\)|cron\(\s*\S+(?:\s+\S+){5}\s*\)"
)


async def _delete_rule(exchange: Exchange, params: Params) -> None:
    bus = {"EventBusName": params["EventBusName"]} if params.get("EventBusName") else {}
    targets = await found(exchange, "ListTargetsByRule", Rule=params.get("Name", ""), **bus)
    if targets and targets.get("Targets"):
        raise AwsError("ValidationException", "Rule can't be deleted since it has targets.", 400)


async def _put_rule(exchange: Exchange, params: Params) -> None:
    schedule = params.get("ScheduleExpression")
    if not schedule and not params.get("EventPattern"):
        raise AwsError("ValidationException", "Parameter(s) EventPattern or ScheduleExpression must be specified.", 400)
    if schedule and not _SCHEDULE.fullmatch(str(schedule)):
        raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.", 400)


CORRECTIONS = Corrections(before={"DeleteRule": _delete_rule, "PutRule": _put_rule})

"""CloudWatch: metric math, newest values first, parameters that AWS refuses (Amazon CloudWatch API Reference)."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask
from labs.aws.models import service_model
from labs.aws.providers.metric_math import BadExpression, Series, evaluate

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _get_metric_data(exchange: Exchange, params: Params) -> Params:
    """The engine reads the metrics; expressions are worked out here."""
    queries = params.get("MetricDataQueries") or []
    known: dict[str, Series] = {}
    labels: dict[str, str] = {}
    period = 60.0
    metrics = [{**query, "ReturnData": True} for query in queries if query.get("MetricStat")]
    if metrics:
        window = {name: params[name] for name in ("StartTime", "EndTime")}
        answer = await ask(exchange, "GetMetricData", MetricDataQueries=metrics, **window)
        for found in answer.get("MetricDataResults", []):
            moments = [_seconds(moment) for moment in found.get("Timestamps", [])]
            known[found["Id"]] = dict(zip(moments, map(float, found.get("Values", [])), strict=False))
        for query in metrics:
            labels[query["Id"]] = query["MetricStat"]["Metric"].get("MetricName", query["Id"])
            period = max(period, float(query["MetricStat"].get("Period") or 60))
    _expressions([query for query in queries if query.get("Expression")], known, period)
    descending = params.get("ScanBy") != "TimestampAscending"
    results = []
    for query in queries:
        if query.get("ReturnData") is False:
            continue
        points = sorted(known.get(query["Id"], {}).items(), reverse=descending)
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or labels.get(query["Id"]) or query["Id"],
                "Timestamps": [moment for moment, _ in points],
                "Values": [value for _, value in points],
                "StatusCode": "Complete",
            }
        )
    return {"MetricDataResults": results, "Messages": []}


def _expressions(queries: list[Params], known: dict[str, Series], period: float) -> None:
    """Work out expressions in whatever order they refer to each other.

    :raises AwsError: one of them cannot be worked out
    """
    left = list(queries)
    while left:
        stuck: list[Params] = []
        reason = ""
        for query in left:
            try:
                known[query["Id"]] = evaluate(query["Expression"], known, period)
            except BadExpression as error:
                stuck.append(query)
                reason = str(error)
        if len(stuck) == len(left):
            raise AwsError("ValidationError", f"Error in expression '{stuck[0]['Id']}': {reason}", 400)
        left = stuck


def _seconds(moment: Any) -> float:
    if isinstance(moment, datetime.datetime):
        return moment.timestamp()
    return float(moment)


async def _put_alarm(exchange: Exchange, params: Params) -> None:
    for name, shape in (("ComparisonOperator", "ComparisonOperator"), ("Statistic", "Statistic")):
        value, allowed = params.get(name), service_model("cloudwatch").shape_for(shape).enum
        if value is not None and value not in allowed:
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{value}' at '{name[0].lower() + name[1:]}' failed to satisfy"
                f" constraint: Member must satisfy enum value set: [{', '.join(allowed)}]",
                400,
            )


async def _put_dashboard(exchange: Exchange, params: Params) -> None:
    try:
        widgets = json.loads(params.get("DashboardBody") or "")["widgets"]
        fine = isinstance(widgets, list)
    except (ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        raise AwsError("InvalidParameterInput", "The field DashboardBody must be a valid JSON object with widgets", 400)


CORRECTIONS = Corrections(
    before={"PutMetricAlarm": _put_alarm, "PutDashboard": _put_dashboard},
    instead={"GetMetricData": _get_metric_data},
)

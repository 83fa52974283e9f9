"""CloudWatch: metric math, alarm history, anomaly detectors, parameters that AWS refuses (CloudWatch API Reference).

Anomaly detectors are kept and never trained.
"""

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


DIMENSIONS = 30  # of one metric at most
HISTORY = 1_000  # changes of alarms that are remembered in one account and region


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
    period = params.get("Period")
    if period is not None and int(period) not in (10, 20, 30) and (int(period) < 60 or int(period) % 60):
        raise AwsError("ValidationError", "Metric period must be 10, 20, 30 or a multiple of 60 seconds.", 400)


async def _put_dashboard(exchange: Exchange, params: Params) -> None:
    try:
        widgets = json.loads(params.get("DashboardBody") or "")["widgets"]
        fine = isinstance(widgets, list)
    except (ValueError, KeyError, TypeError):
        fine = False
    if not fine:
        raise AwsError("InvalidParameterInput", "The field DashboardBody must be a valid JSON object with widgets", 400)


async def _put_data(exchange: Exchange, params: Params) -> None:
    """What ``PutMetricData`` and ``MetricDatum`` do not allow."""
    namespace = str(params.get("Namespace", ""))
    if namespace.startswith("AWS/"):
        raise AwsError("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.", 400)
    for datum in params.get("MetricData") or []:
        ways = [name for name in ("Value", "Values", "StatisticValues") if datum.get(name) is not None]
        if len(ways) != 1:
            text = f"The parameters {' and '.join(ways) or 'Value and StatisticValues'} are mutually exclusive."
            code = "InvalidParameterCombination" if ways else "MissingParameter"
            raise AwsError(code, text, 400)
        if len(datum.get("Counts") or datum.get("Values") or []) != len(datum.get("Values") or []):
            raise AwsError("InvalidParameterValue", "The parameters Values and Counts must be of the same size.", 400)
        if len(datum.get("Dimensions") or []) > DIMENSIONS:
            text = f"The collection MetricData.member.1.Dimensions must not have a size greater than {DIMENSIONS}."
            raise AwsError("InvalidParameterValue", text, 400)


# -- alarm history -----------------------------------------------------------------------------------------------------


def _kept(exchange: Exchange, what: str) -> list[Params]:
    assert exchange.call is not None
    place = ("cloudwatch", what, exchange.account, exchange.call.region)
    found: list[Params] = exchange.gateway.notes.setdefault(place, [])
    return found


async def _changed_alarm(exchange: Exchange, params: Params, result: Params) -> None:
    """A change of an alarm is in its history ("ConfigurationUpdate"); the engine notes its states only."""
    assert exchange.call is not None
    composite = exchange.call.operation == "PutCompositeAlarm"
    names = params.get("AlarmNames") if exchange.call.operation == "DeleteAlarms" else [params["AlarmName"]]
    items = _kept(exchange, "history")
    for name in names or []:
        deleted = exchange.call.operation == "DeleteAlarms"
        known = any(item["AlarmName"] == name and "deleted" not in item["HistorySummary"] for item in items)
        verb = "deleted" if deleted else "updated" if known else "created"
        data = {"version": "1.0", "type": {"deleted": "Delete", "updated": "Update", "created": "Create"}[verb]}
        items.append(
            {
                "AlarmName": name,
                "AlarmType": "CompositeAlarm" if composite else "MetricAlarm",
                "Timestamp": exchange.now.replace(microsecond=0),
                "HistoryItemType": "ConfigurationUpdate",
                "HistorySummary": f'Alarm "{name}" {verb}',
                "HistoryData": json.dumps(data),
            }
        )
    del items[:-HISTORY]


async def _history(exchange: Exchange, params: Params, result: Params) -> Params | None:
    kinds = params.get("AlarmTypes") or ["MetricAlarm"]
    name, wanted = params.get("AlarmName"), params.get("HistoryItemType")
    if wanted not in (None, "ConfigurationUpdate") or params.get("NextToken"):
        return None
    mine = [
        item
        for item in _kept(exchange, "history")
        if name in (None, item["AlarmName"]) and (item["AlarmType"] in kinds or name)
    ]
    ascending = params.get("ScanBy") == "TimestampAscending"
    theirs = list(result.get("AlarmHistoryItems") or [])
    items = sorted([*mine, *(theirs if ascending else theirs[::-1])], key=_when)  # in one second, changes come first
    items = items if ascending else items[::-1]
    return {**result, "AlarmHistoryItems": items[: int(params.get("MaxRecords") or len(items) or 1)]}


def _when(item: Params) -> float:
    return _seconds(item["Timestamp"])


# -- anomaly detectors -------------------------------------------------------------------------------------------------


def _detected(params: Params) -> Params:
    """What a detector is about, however it was said."""
    single = params.get("SingleMetricAnomalyDetector")
    math = params.get("MetricMathAnomalyDetector")
    if math:
        return {"MetricMathAnomalyDetector": math}
    given = single or params
    about = {name: given[name] for name in ("Namespace", "MetricName", "Dimensions", "Stat") if given.get(name)}
    if not all(about.get(name) for name in ("Namespace", "MetricName", "Stat")):
        raise AwsError("MissingParameter", "A detector needs Namespace, MetricName and Stat.", 400)
    return {**about, "SingleMetricAnomalyDetector": about}


async def _put_detector(exchange: Exchange, params: Params) -> Params:
    about = _detected(params)
    detectors = _kept(exchange, "detectors")
    detectors[:] = [entry for entry in detectors if not about.items() <= entry.items()]
    settings = {"Configuration": params.get("Configuration") or {}, "StateValue": "PENDING_TRAINING"}
    detectors.append({**about, **settings})
    return {}


async def _describe_detectors(exchange: Exchange, params: Params) -> Params:
    wanted = {name: params[name] for name in ("Namespace", "MetricName") if params.get(name)}
    kinds = params.get("AnomalyDetectorTypes") or ["SINGLE_METRIC"]
    found = [
        entry
        for entry in _kept(exchange, "detectors")
        if wanted.items() <= entry.items()
        and ("METRIC_MATH" if "MetricMathAnomalyDetector" in entry else "SINGLE_METRIC") in kinds
    ]
    return {"AnomalyDetectors": found}


async def _delete_detector(exchange: Exchange, params: Params) -> Params:
    about, detectors = _detected(params), _kept(exchange, "detectors")
    left = [entry for entry in detectors if not about.items() <= entry.items()]
    if len(left) == len(detectors):
        raise AwsError("ResourceNotFoundException", "The anomaly detector does not exist.", 404)
    detectors[:] = left
    return {}


CORRECTIONS = Corrections(
    before={"PutMetricAlarm": _put_alarm, "PutDashboard": _put_dashboard, "PutMetricData": _put_data},
    instead={
        "GetMetricData": _get_metric_data,
        "PutAnomalyDetector": _put_detector,
        "DescribeAnomalyDetectors": _describe_detectors,
        "DeleteAnomalyDetector": _delete_detector,
    },
    after={
        "PutMetricAlarm": _changed_alarm,
        "PutCompositeAlarm": _changed_alarm,
        "DeleteAlarms": _changed_alarm,
        "DescribeAlarmHistory": _history,
    },
)

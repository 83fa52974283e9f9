"""CloudWatch Logs: filter patterns, metric filters that act, Logs Insights, saved queries (its API Reference)."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask
from labs.aws.gateway.corrections.log_delivery import (
    cancel_export,
    create_export,
    deliver,
    describe_exports,
    put_subscription,
)
from labs.aws.providers import insights
from labs.aws.providers.filter_patterns import InvalidPattern, Pattern, compile_pattern, select

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_ROUNDS = 1000  # pages of events read from the engine at most
_KEPT_QUERIES = 100  # of an account and region, the latest ones
_RETENTION = frozenset(
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
)  # days (PutRetentionPolicy)


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message, 400)


def _note(exchange: Exchange, kind: str) -> dict[str, Any]:
    """What is remembered of one kind in the call's account and region."""
    assert exchange.call is not None
    kept: dict[str, Any] = exchange.gateway.notes.setdefault((kind, exchange.account, exchange.call.region), {})
    return kept


def pattern_of(text: Any) -> Pattern:
    try:
        return compile_pattern(str(text or ""))
    except InvalidPattern as error:
        raise _invalid(f"Invalid filter pattern: {error}") from error


# -- reading -----------------------------------------------------------------------------------------------------------


async def _events(exchange: Exchange, **params: Any) -> list[Params]:
    """Every event that the engine has for these parameters of ``FilterLogEvents``, oldest first."""
    found: list[Params] = []
    token: dict[str, str] = {}
    for _ in range(_ROUNDS):
        answer = await ask(exchange, "FilterLogEvents", **params, **token)
        found += answer.get("events") or []
        if not answer.get("nextToken"):
            break
        token = {"nextToken": answer["nextToken"]}
    return found


async def _filter_events(exchange: Exchange, params: Params) -> Params:
    """The engine reads, the pattern is matched here."""
    pattern = pattern_of(params.get("filterPattern"))
    names = ("filterPattern", "limit", "nextToken", "interleaved")
    rest = {name: value for name, value in params.items() if name not in names}
    events = [event for event in await _events(exchange, **rest) if pattern(event.get("message", "")) is not None]
    start, size = _place(params.get("nextToken")), int(params.get("limit") or 10_000)
    answer: Params = {"events": events[start : start + size], "searchedLogStreams": []}
    if start + size < len(events):
        answer["nextToken"] = base64.urlsafe_b64encode(b"events:%d" % (start + size)).decode()
    return answer


def _place(token: Any) -> int:
    if not token:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(str(token)).partition(b":")
        if kind == b"events":
            return int(number)
    except ValueError:
        pass
    raise _invalid("The specified nextToken is invalid.")


# -- metric filters ----------------------------------------------------------------------------------------------------


async def _put_events(exchange: Exchange, params: Params, result: Params) -> None:
    """Metric filters see what is written from now on ("Creating metrics from log events using filters")."""
    group = str(params.get("logGroupName") or str(params.get("logGroupIdentifier", "")).rpartition(":log-group:")[2])
    assert exchange.call is not None

    async def read() -> Any:
        return (await ask(exchange, "DescribeMetricFilters", logGroupName=group)).get("metricFilters", [])

    filters = await exchange.gateway.policies.keep(
        ("logs", exchange.account, "metric-filters", exchange.call.region, group), read
    )

    async def put(**metrics: Any) -> Any:
        return await ask(exchange, "PutMetricData", "cloudwatch", **metrics)

    events = params.get("logEvents") or []
    await measure(filters, events, put)

    async def subscribed() -> Any:
        return (await ask(exchange, "DescribeSubscriptionFilters", logGroupName=group)).get("subscriptionFilters", [])

    subscriptions = await exchange.gateway.policies.keep(
        ("logs", exchange.account, "subscription-filters", exchange.call.region, group), subscribed
    )
    await deliver(exchange, subscriptions, group, str(params.get("logStreamName")), events)


async def measure(filters: list[Params], events: list[Params], put: Callable[..., Awaitable[Any]]) -> None:
    """Put the metric data that metric filters make of events.

    :param put: CloudWatch's ``PutMetricData``
    """
    for entry in filters:
        pattern = pattern_of(entry.get("filterPattern"))
        for change in entry.get("metricTransformations", []):
            data = _data(pattern, change, events)
            if data:
                await put(Namespace=change["metricNamespace"], MetricData=data)


def _data(pattern: Pattern, change: Params, events: list[Params]) -> list[Params]:
    data: list[Params] = []
    for event in events:
        message = str(event.get("message", ""))
        found = pattern(message)
        value = change.get("defaultValue") if found is None else _value(str(change["metricValue"]), found, message)
        if value is None:
            continue
        datum: Params = {"MetricName": change["metricName"], "Value": float(value)}
        datum["Timestamp"] = int(event.get("timestamp", 0)) / 1000
        if change.get("unit"):
            datum["Unit"] = change["unit"]
        if found is not None and change.get("dimensions"):
            named = {
                name: found.get(source) or _selected(message, source) for name, source in change["dimensions"].items()
            }
            datum["Dimensions"] = [{"Name": name, "Value": text} for name, text in named.items() if text]
        data.append(datum)
    return data


def _value(source: str, found: dict[str, str], message: str) -> float | None:
    """A number, or the number at ``$.field`` or ``$name``."""
    text = (found.get(source) or _selected(message, source)) if source.startswith("$") else source
    try:
        return float(text)
    except ValueError:
        return None


def _selected(message: str, selector: str) -> str:
    try:
        value = select(json.loads(message), selector)
    except ValueError:
        return ""
    return str(value) if isinstance(value, str | int | float) else ""


async def _put_metric_filter(exchange: Exchange, params: Params) -> None:
    pattern_of(params.get("filterPattern"))


async def _test_metric_filter(exchange: Exchange, params: Params) -> Params:
    pattern = pattern_of(params.get("filterPattern"))
    matches = []
    for number, message in enumerate(params.get("logEventMessages") or [], 1):
        found = pattern(message)
        if found is not None:
            matches.append({"eventNumber": number, "eventMessage": message, "extractedValues": found})
    return {"matches": matches}


# -- Logs Insights -----------------------------------------------------------------------------------------------------


def _groups(params: Params) -> list[str]:
    named = [params.get("logGroupName"), *(params.get("logGroupNames") or [])]
    named += [str(text).rpartition(":log-group:")[2] for text in params.get("logGroupIdentifiers") or []]
    return [str(name).removesuffix(":*") for name in named if name]


async def _start_query(exchange: Exchange, params: Params) -> Params:
    groups = _groups(params)
    if not groups:
        raise _invalid("Either logGroupName, logGroupNames or logGroupIdentifiers must be given.")
    try:
        commands = insights.compile_query(str(params.get("queryString", "")))
    except insights.MalformedQuery as error:
        raise AwsError("MalformedQueryException", str(error), 400) from error
    start, end = int(params.get("startTime") or 0), int(params.get("endTime") or 0)
    if end < start:
        raise _invalid("The query's end date and time is before its start.")
    # Both are seconds, though clients send milliseconds, too; the end is included.
    first, last = (value if value > 10**11 else value * 1000 for value in (start, end))
    records, size = [], 0
    for group in groups:
        for event in await _events(exchange, logGroupName=group, startTime=first, endTime=last + 999):
            pointer = f"{group}/{event.get('logStreamName')}/{event.get('eventId')}"
            size += len(event.get("message", "").encode())
            found = insights.record(event, f"{exchange.account}:{group}")
            records.append({**found, "@ptr": base64.b64encode(pointer.encode()).decode()})
    rows, matched = insights.run(commands, records, params.get("limit"))
    queries = _note(exchange, "logs-queries")
    identifier = str(uuid.uuid4())
    statistics = {"recordsMatched": float(matched), "recordsScanned": float(len(records)), "bytesScanned": float(size)}
    queries[identifier] = {
        "queryId": identifier,
        "queryString": params.get("queryString", ""),
        "status": "Complete",
        "createTime": int(exchange.now.timestamp() * 1000),
        "logGroupName": groups[0],
        "results": [[{"field": name, "value": value} for name, value in row.items()] for row in rows],
        "statistics": statistics,
    }
    while len(queries) > _KEPT_QUERIES:
        del queries[next(iter(queries))]
    return {"queryId": identifier}


def _query(exchange: Exchange, params: Params) -> Params:
    query: Params | None = _note(exchange, "logs-queries").get(str(params.get("queryId")))
    if query is None:
        raise AwsError("ResourceNotFoundException", f"Query {params.get('queryId')} does not exist", 400)
    return query


async def _query_results(exchange: Exchange, params: Params) -> Params:
    query = _query(exchange, params)
    return {**{name: query[name] for name in ("results", "statistics", "status")}, "queryLanguage": "CWLI"}


async def _stop_query(exchange: Exchange, params: Params) -> Params:
    _query(exchange, params)
    raise _invalid("The specified query has already ended.")


async def _describe_queries(exchange: Exchange, params: Params) -> Params:
    group, status = params.get("logGroupName"), params.get("status")
    members = ("queryId", "queryString", "status", "createTime", "logGroupName")
    found = [
        {name: query[name] for name in members}
        for query in reversed(_note(exchange, "logs-queries").values())
        if group in (None, query["logGroupName"]) and status in (None, query["status"])
    ]
    return {"queries": found[: int(params.get("maxResults") or 1000)]}


async def _put_definition(exchange: Exchange, params: Params) -> Params:
    identifier = params.get("queryDefinitionId")
    saved = _note(exchange, "logs-definitions")
    if identifier and identifier not in saved:
        raise AwsError("ResourceNotFoundException", "The specified query definition does not exist.", 400)
    identifier = identifier or str(uuid.uuid4())
    saved[identifier] = {
        "queryDefinitionId": identifier,
        "name": params.get("name"),
        "queryString": params.get("queryString"),
        "logGroupNames": params.get("logGroupNames") or [],
        "lastModified": int(exchange.now.timestamp() * 1000),
    }
    return {"queryDefinitionId": identifier}


async def _definitions(exchange: Exchange, params: Params) -> Params:
    prefix = params.get("queryDefinitionNamePrefix") or ""
    saved = _note(exchange, "logs-definitions").values()
    found = sorted((entry for entry in saved if entry["name"].startswith(prefix)), key=lambda entry: entry["name"])
    return {"queryDefinitions": found[: int(params.get("maxResults") or 1000)]}


async def _delete_definition(exchange: Exchange, params: Params) -> Params:
    if _note(exchange, "logs-definitions").pop(params.get("queryDefinitionId"), None) is None:
        raise AwsError("ResourceNotFoundException", "The specified query definition does not exist.", 400)
    return {"success": True}


# -- groups ------------------------------------------------------------------------------------------------------------


async def _retention(exchange: Exchange, params: Params) -> None:
    days = params.get("retentionInDays")
    if days not in _RETENTION:
        raise _invalid(f"Invalid retention value: {days}. It must be one of {sorted(_RETENTION)}")


def _group(params: Params) -> str:
    return str(params.get("logGroupName") or str(params.get("resourceIdentifier", "")).rpartition(":log-group:")[2])


async def _associate_key(exchange: Exchange, params: Params) -> Params:
    group = _group(params)
    await ask(exchange, "DescribeLogStreams", logGroupName=group)  # refuses a group that does not exist
    key = await ask(exchange, "DescribeKey", "kms", KeyId=params.get("kmsKeyId", ""))
    _note(exchange, "logs-keys")[group] = key["KeyMetadata"]["Arn"]
    return {}


async def _disassociate_key(exchange: Exchange, params: Params) -> Params:
    group = _group(params)
    await ask(exchange, "DescribeLogStreams", logGroupName=group)
    _note(exchange, "logs-keys")[group] = None
    return {}


async def _described_groups(exchange: Exchange, params: Params, result: Params) -> Params | None:
    keys = _note(exchange, "logs-keys")
    if not keys:
        return None
    groups = []
    for group in result.get("logGroups", []):
        if group["logGroupName"] in keys:
            group = {**group, "kmsKeyId": keys[group["logGroupName"]]}
        groups.append({name: value for name, value in group.items() if value is not None})
    return {**result, "logGroups": groups}


async def _deleted_group(exchange: Exchange, params: Params, result: Params) -> None:
    _note(exchange, "logs-keys").pop(_group(params), None)


CORRECTIONS = Corrections(
    before={
        "PutMetricFilter": _put_metric_filter,
        "PutRetentionPolicy": _retention,
        "PutSubscriptionFilter": put_subscription,
    },
    instead={
        "CreateExportTask": create_export,
        "DescribeExportTasks": describe_exports,
        "CancelExportTask": cancel_export,
        "FilterLogEvents": _filter_events,
        "TestMetricFilter": _test_metric_filter,
        "StartQuery": _start_query,
        "GetQueryResults": _query_results,
        "StopQuery": _stop_query,
        "DescribeQueries": _describe_queries,
        "PutQueryDefinition": _put_definition,
        "DescribeQueryDefinitions": _definitions,
        "DeleteQueryDefinition": _delete_definition,
        "AssociateKmsKey": _associate_key,
        "DisassociateKmsKey": _disassociate_key,
    },
    after={
        "PutLogEvents": _put_events,
        "DescribeLogGroups": _described_groups,
        "DeleteLogGroup": _deleted_group,
    },
)

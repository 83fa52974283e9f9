"""AWS X-Ray: segments that are put are found again, as traces, summaries and a service graph; groups, sampling rules.

A filter expression may use ``service("name")``, ``http.status``, ``http.url``, ``http.method``, ``duration``,
``responsetime``, ``annotation.name`` / ``annotation[name]``, ``error``, ``fault``, ``throttle``, ``ok``, joined by AND
and OR, negated by ``!``.  Left out: insights, encryption settings, telemetry.  Pages: "AWS X-Ray API Reference"; "AWS
X-Ray segment documents", "Using filter expressions" (AWS X-Ray Developer Guide).
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from labs.aws.engines.own import Neighbours
from labs.aws.engines.own.operations import Operations, Params, page
from labs.aws.gateway.calls import AwsError

MOST = 10_000  # segments that are kept of one account and region
_TRACE = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}|[0-9a-f]{32}")
_SEGMENT = re.compile(r"[0-9a-f]{16}")
_PAGES: tuple[str, str, int, str] = ("MaxResults", "NextToken", 100, "InvalidRequestException")
_TERM = re.compile(
    r"""\s*(?P<not>!)?\s*(?P<name>service\("[^"]*"\)|annotation\[[\w.-]+\]|[\w.]+)"""
    r"""\s*(?:(?P<test>>=|<=|!=|=|>|<|CONTAINS|BEGINSWITH|ENDSWITH)\s*(?P<value>"[^"]*"|[\w.-]+))?\s*"""
)
_DEFAULT_RULE: Params = {
    "RuleName": "Default", "ResourceARN": "*", "Priority": 10000, "FixedRate": 0.05, "ReservoirSize": 1,
    "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
    "Attributes": {},
}  # fmt: skip


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidRequestException", text, 400)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Space:
    """What one account has in one region."""

    def __init__(self) -> None:
        self.segments: dict[tuple[str, str], Params] = {}  # (trace, id) → document
        self.groups: dict[str, Params] = {}
        self.rules: dict[str, Params] = {}


class XRay(Operations):
    """The service, by account and region."""

    def __init__(self) -> None:
        self._spaces: dict[tuple[str, str], Space] = {}

    def reset(self) -> None:
        """Forget everything."""
        self._spaces.clear()

    def _space(self, neighbours: Neighbours) -> Space:
        return self._spaces.setdefault((neighbours.account, neighbours.region), Space())

    # -- segments and traces -------------------------------------------------------------------------------------------

    async def _do_put_trace_segments(self, params: Params, neighbours: Neighbours) -> Params:
        segments, refused = self._space(neighbours).segments, []
        for text in params.get("TraceSegmentDocuments") or []:
            document, problem = _read(text)
            if problem:
                refused.append({"Id": document.get("id"), "ErrorCode": problem[0], "Message": problem[1]})
                continue
            segments[document["trace_id"], document["id"]] = document
        for key in list(segments)[:-MOST]:
            del segments[key]
        return {"UnprocessedTraceSegments": refused}

    async def _do_put_telemetry_records(self, params: Params, neighbours: Neighbours) -> Params:
        return {}

    def _traces(self, neighbours: Neighbours) -> dict[str, list[Params]]:
        traces: dict[str, list[Params]] = {}
        for (trace, _), document in self._space(neighbours).segments.items():
            traces.setdefault(trace, []).append(document)
        return traces

    def _between(self, params: Mapping[str, Any], neighbours: Neighbours) -> dict[str, list[Params]]:
        start, end = (_moment(params.get(name)) for name in ("StartTime", "EndTime"))
        if start >= end:
            raise _invalid("StartTime must be before EndTime.")
        return {
            trace: documents
            for trace, documents in self._traces(neighbours).items()
            if start <= min(d["start_time"] for d in documents) <= end
        }

    async def _do_batch_get_traces(self, params: Params, neighbours: Neighbours) -> Params:
        traces, wanted = self._traces(neighbours), params.get("TraceIds") or []
        found = [
            {
                "Id": trace,
                "Duration": _duration(traces[trace]),
                "LimitExceeded": False,
                "Segments": [{"Id": d["id"], "Document": json.dumps(d)} for d in traces[trace]],
            }
            for trace in wanted
            if trace in traces
        ]
        return {"Traces": found, "UnprocessedTraceIds": []}

    async def _do_get_trace_summaries(self, params: Params, neighbours: Neighbours) -> Params:
        traces = self._between(params, neighbours)
        expression = str(params.get("FilterExpression") or "")
        found = [_summary(t, documents) for t, documents in traces.items() if _matches(expression, documents)]
        answer = page(found, params, "TraceSummaries", "MaxResults", "NextToken", 1000, "InvalidRequestException")
        return {**answer, "ApproximateTime": _now(), "TracesProcessedCount": len(traces)}

    async def _do_get_service_graph(self, params: Params, neighbours: Neighbours) -> Params:
        traces = list(self._between(params, neighbours).values())
        span = {"StartTime": params["StartTime"], "EndTime": params["EndTime"]}
        return {**span, "Services": _graph(traces), "ContainsOldGroupVersions": False}

    async def _do_get_trace_graph(self, params: Params, neighbours: Neighbours) -> Params:
        traces = self._traces(neighbours)
        return {"Services": _graph([traces[t] for t in params.get("TraceIds") or [] if t in traces])}

    # -- groups and sampling rules -------------------------------------------------------------------------------------

    def _group(self, params: Mapping[str, Any], neighbours: Neighbours) -> Params:
        for group in self._space(neighbours).groups.values():
            if params.get("GroupName") == group["GroupName"] or params.get("GroupARN") == group["GroupARN"]:
                return group
        raise _invalid("Group not found.")

    async def _do_create_group(self, params: Params, neighbours: Neighbours) -> Params:
        groups, name = self._space(neighbours).groups, str(params.get("GroupName"))
        if name in groups or name == "Default":
            raise _invalid(f"Group {name} already exists.")
        place = f"arn:aws:xray:{neighbours.region}:{neighbours.account}"
        given = {key: params[key] for key in ("FilterExpression", "InsightsConfiguration") if params.get(key)}
        groups[name] = {"GroupName": name, "GroupARN": f"{place}:group/{name}/{uuid.uuid4().hex.upper()}", **given}
        return {"Group": groups[name]}

    async def _do_get_group(self, params: Params, neighbours: Neighbours) -> Params:
        return {"Group": self._group(params, neighbours)}

    async def _do_get_groups(self, params: Params, neighbours: Neighbours) -> Params:
        return page(list(self._space(neighbours).groups.values()), params, "Groups", *_PAGES)

    async def _do_update_group(self, params: Params, neighbours: Neighbours) -> Params:
        group = self._group(params, neighbours)
        names = ("FilterExpression", "InsightsConfiguration")
        group.update({name: params[name] for name in names if params.get(name) is not None})
        return {"Group": group}

    async def _do_delete_group(self, params: Params, neighbours: Neighbours) -> Params:
        del self._space(neighbours).groups[self._group(params, neighbours)["GroupName"]]
        return {}

    async def _do_get_sampling_rules(self, params: Params, neighbours: Neighbours) -> Params:
        start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        arn = f"arn:aws:xray:{neighbours.region}:{neighbours.account}:sampling-rule/Default"
        default = {"SamplingRule": {**_DEFAULT_RULE, "RuleARN": arn}, "CreatedAt": start, "ModifiedAt": start}
        mine = sorted(self._space(neighbours).rules.values(), key=lambda rule: rule["SamplingRule"]["Priority"])
        return page([*mine, default], params, "SamplingRuleRecords", *_PAGES)

    async def _do_create_sampling_rule(self, params: Params, neighbours: Neighbours) -> Params:
        rules, given = self._space(neighbours).rules, dict(params.get("SamplingRule") or {})
        name = str(given.get("RuleName"))
        if name in rules or name == "Default":
            raise _invalid(f"A sampling rule with the name {name} already exists.")
        if not 0 <= float(given.get("FixedRate", -1)) <= 1:
            raise _invalid("FixedRate must be between 0 and 1.")
        given["RuleARN"] = f"arn:aws:xray:{neighbours.region}:{neighbours.account}:sampling-rule/{name}"
        rules[name] = {"SamplingRule": given, "CreatedAt": _now(), "ModifiedAt": _now()}
        return {"SamplingRuleRecord": rules[name]}

    def _rule(self, given: Mapping[str, Any], neighbours: Neighbours) -> Params:
        arn, name = given.get("RuleARN"), given.get("RuleName")
        for record in self._space(neighbours).rules.values():
            if name == record["SamplingRule"]["RuleName"] or arn == record["SamplingRule"]["RuleARN"]:
                return record
        raise _invalid("Sampling rule not found.")

    async def _do_update_sampling_rule(self, params: Params, neighbours: Neighbours) -> Params:
        change = params.get("SamplingRuleUpdate") or {}
        record = self._rule(change, neighbours)
        record["SamplingRule"].update({name: value for name, value in change.items() if value is not None})
        record["ModifiedAt"] = _now()
        return {"SamplingRuleRecord": record}

    async def _do_delete_sampling_rule(self, params: Params, neighbours: Neighbours) -> Params:
        record = self._rule(params, neighbours)
        del self._space(neighbours).rules[record["SamplingRule"]["RuleName"]]
        return {"SamplingRuleRecord": record}


def _read(text: Any) -> tuple[Params, tuple[str, str] | None]:
    """A segment document, and why it is not one."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        return {}, ("ParseError", "The segment document is not valid JSON.")
    if not isinstance(document, dict):
        return {}, ("ParseError", "The segment document is not an object.")
    for name, pattern in (("trace_id", _TRACE), ("id", _SEGMENT)):
        if not pattern.fullmatch(str(document.get(name, ""))):
            return document, ("MissingId" if name == "id" else "InvalidTraceId", f"{name} is missing or not valid.")
    if not document.get("name") or not isinstance(document.get("start_time"), int | float):
        return document, ("MissingField", "name and start_time are required.")
    return document, None


def _moment(value: Any) -> float:
    return float(value.timestamp() if isinstance(value, datetime.datetime) else value or 0)


def _duration(documents: list[Params]) -> float:
    ends = [float(d.get("end_time") or d["start_time"]) for d in documents]
    return max(ends) - min(float(d["start_time"]) for d in documents)


def _root(documents: list[Params]) -> Params:
    known = {d["id"] for d in documents}
    roots = [d for d in documents if d.get("parent_id") not in known]
    return min(roots or documents, key=lambda d: float(d["start_time"]))


def _status(document: Mapping[str, Any]) -> int | None:
    status = ((document.get("http") or {}).get("response") or {}).get("status")
    return int(status) if status is not None else None


def _is(document: Mapping[str, Any], kind: str) -> bool:
    """Whether a segment is marked as an error, a fault or throttled, or has the status of one."""
    status = _status(document) or 0
    by_status = {"error": 400 <= status < 500, "fault": status >= 500, "throttle": status == 429}
    return bool(document.get(kind)) or by_status[kind]


def _annotations(documents: list[Params]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    waiting = list(documents)
    while waiting:
        document = waiting.pop()
        found.update(document.get("annotations") or {})
        waiting += document.get("subsegments") or []
    return found


def _typed(value: Any) -> Params:
    if isinstance(value, bool):
        return {"BooleanValue": value}
    return {"NumberValue": float(value)} if isinstance(value, int | float) else {"StringValue": str(value)}


def _summary(trace: str, documents: list[Params]) -> Params:
    root = _root(documents)
    request = (root.get("http") or {}).get("request") or {}
    http = {"HttpURL": request.get("url"), "HttpMethod": request.get("method"), "HttpStatus": _status(root),
            "UserAgent": request.get("user_agent"), "ClientIp": request.get("client_ip")}  # fmt: skip
    names = list(dict.fromkeys(str(d["name"]) for d in documents))
    return {
        "Id": trace,
        "StartTime": datetime.datetime.fromtimestamp(float(root["start_time"]), datetime.UTC),
        "Duration": _duration(documents),
        "ResponseTime": float(root.get("end_time") or root["start_time"]) - float(root["start_time"]),
        "HasFault": any(_is(d, "fault") for d in documents),
        "HasError": any(_is(d, "error") for d in documents),
        "HasThrottle": any(_is(d, "throttle") for d in documents),
        "IsPartial": any(d.get("in_progress") for d in documents),
        "Http": {name: value for name, value in http.items() if value is not None},
        "Annotations": {k: [{"AnnotationValue": _typed(v)}] for k, v in _annotations(documents).items()},
        "ServiceIds": [{"Name": name, "Names": [name]} for name in names],
        "EntryPoint": {"Name": root["name"], "Names": [root["name"]]},
    }


def _graph(traces: list[list[Params]]) -> list[Params]:
    """Services with their edges: a segment's parent is a segment, or a subsegment of one."""
    services: dict[str, Params] = {}
    edges: dict[str, set[str]] = {}
    roots: set[str] = set()
    for documents in traces:
        owner: dict[str, str] = {}
        for document in documents:
            waiting = [document]
            while waiting:
                part = waiting.pop()
                owner[str(part.get("id"))] = str(document["name"])
                waiting += part.get("subsegments") or []
        roots.add(str(_root(documents)["name"]))
        for document in documents:
            name = str(document["name"])
            seen = services.setdefault(name, {"ok": 0, "error": 0, "fault": 0, "time": 0.0})
            kind = "fault" if _is(document, "fault") else "error" if _is(document, "error") else "ok"
            seen[kind] += 1
            seen["time"] += float(document.get("end_time") or document["start_time"]) - float(document["start_time"])
            parent = owner.get(str(document.get("parent_id") or ""))
            if parent and parent != name:
                edges.setdefault(parent, set()).add(name)
    numbers = {name: number for number, name in enumerate(services)}
    return [
        {
            "ReferenceId": numbers[name],
            "Name": name,
            "Names": [name],
            "Root": name in roots,
            "State": "active",
            "Edges": [{"ReferenceId": numbers[target], "Aliases": []} for target in sorted(edges.get(name, ()))],
            "SummaryStatistics": {
                "OkCount": seen["ok"],
                "ErrorStatistics": {"ThrottleCount": 0, "OtherCount": seen["error"], "TotalCount": seen["error"]},
                "FaultStatistics": {"OtherCount": seen["fault"], "TotalCount": seen["fault"]},
                "TotalCount": seen["ok"] + seen["error"] + seen["fault"],
                "TotalResponseTime": seen["time"],
            },
        }
        for name, seen in services.items()
    ]


# -- filter expressions ------------------------------------------------------------------------------------------------


def _matches(expression: str, documents: list[Params]) -> bool:
    """:raises AwsError: the expression cannot be read"""
    if not expression.strip():
        return True
    return any(
        all(_term(term, documents) for term in re.split(r"\s+AND\s+", part))
        for part in re.split(r"\s+OR\s+", expression.strip())
    )


def _term(text: str, documents: list[Params]) -> bool:
    read = _TERM.fullmatch(text)
    if read is None:
        raise _invalid(f"Invalid filter expression: {text}")
    name, test, wanted = read["name"], read["test"], (read["value"] or "").strip('"')
    if name.startswith("service("):
        result = any(d["name"] == name[9:-2] for d in documents)
    elif name in ("error", "fault", "throttle", "ok") and not (test and name == "ok"):
        has = {kind: any(_is(d, kind) for d in documents) for kind in ("error", "fault", "throttle")}
        result = has[name] if name != "ok" else not any(has.values())
        if test and wanted == "false":
            result = not result
    else:
        result = _compare(_looked_up(name, documents), test, wanted)
    return result != bool(read["not"])


def _looked_up(name: str, documents: list[Params]) -> Any:
    summary = _summary("", documents)
    if name.startswith("annotation"):
        return _annotations(documents).get(name[11:].rstrip("]"))
    names = {"http.status": "HttpStatus", "http.url": "HttpURL", "http.method": "HttpMethod",
             "http.useragent": "UserAgent", "http.clientip": "ClientIp"}  # fmt: skip
    if name in names:
        return summary["Http"].get(names[name])
    if name in ("duration", "responsetime"):
        return summary["Duration" if name == "duration" else "ResponseTime"]
    raise _invalid(f"Invalid filter expression: unknown keyword {name}")


def _compare(value: Any, test: str | None, wanted: str) -> bool:
    if test is None or value is None:
        return value is not None and test is None
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int | float):
        try:
            number = float(wanted)
        except ValueError as error:
            raise _invalid(f"Invalid filter expression: {wanted} is not a number") from error
        tests = {"=": value == number, "!=": value != number, ">": value > number, "<": value < number,
                 ">=": value >= number, "<=": value <= number}  # fmt: skip
    else:
        tests = {"=": value == wanted, "!=": value != wanted, "CONTAINS": wanted in value,
                 "BEGINSWITH": value.startswith(wanted), "ENDSWITH": value.endswith(wanted)}  # fmt: skip
    if test not in tests:
        raise _invalid(f"Invalid filter expression: {test} does not suit the value")
    return bool(tests[test])


SERVICE = XRay

"""AWS X-Ray.  Pages: AWS X-Ray API Reference; "Using filter expressions" (AWS X-Ray Developer Guide)."""

from __future__ import annotations

import json
import time
from typing import Any


def put(cloud: Any, trace: str, now: float, *segments: dict[str, Any]) -> None:
    documents = [json.dumps({"trace_id": trace, "start_time": now - 1, "end_time": now, **s}) for s in segments]
    assert cloud.xray.put_trace_segments(TraceSegmentDocuments=documents)["UnprocessedTraceSegments"] == []


def test_traces_are_put_found_and_drawn(cloud: Any, refused: Any) -> None:
    xray, now = cloud.xray, time.time()
    good, bad = (f"1-{int(now):08x}-{letter * 24}" for letter in "ab")
    request = {"method": "GET", "url": "http://shop/cart"}
    call = {"id": "1" * 16, "name": "backend", "start_time": now - 0.5, "end_time": now - 0.1, "namespace": "remote"}
    put(cloud, good, now, {"id": "a" * 16, "name": "frontend", "annotations": {"customer": "c-1"},
                           "http": {"request": request, "response": {"status": 200}}, "subsegments": [call]},
        {"id": "b" * 16, "name": "backend", "parent_id": "1" * 16})  # fmt: skip
    put(cloud, bad, now, {"id": "c" * 16, "name": "frontend", "fault": True,
                          "http": {"request": request, "response": {"status": 502}}})  # fmt: skip
    (trace,) = xray.batch_get_traces(TraceIds=[good])["Traces"]
    assert [json.loads(segment["Document"])["name"] for segment in trace["Segments"]] == ["frontend", "backend"]
    window = {"StartTime": now - 60, "EndTime": now + 60}

    def ids(expression: str) -> set[str]:
        found = xray.get_trace_summaries(**window, FilterExpression=expression)["TraceSummaries"]
        return {summary["Id"] for summary in found}

    assert {s["Id"] for s in xray.get_trace_summaries(**window)["TraceSummaries"]} == {good, bad}
    assert ids("fault") == {bad}
    assert ids('service("backend")') == {good}
    assert ids('annotation.customer = "c-1" AND http.status = 200') == {good}
    assert ids("http.status >= 500 OR responsetime > 5") == {bad}
    assert ids("!fault") == {good}
    refused("InvalidRequestException", xray.get_trace_summaries, **window, FilterExpression="colour = red = blue")
    graph = {service["Name"]: service for service in xray.get_service_graph(**window)["Services"]}
    assert graph["frontend"]["Edges"][0]["ReferenceId"] == graph["backend"]["ReferenceId"]
    assert graph["frontend"]["SummaryStatistics"]["FaultStatistics"]["TotalCount"] == 1


def test_segments_that_are_no_segments(cloud: Any) -> None:
    refused = cloud.xray.put_trace_segments(TraceSegmentDocuments=["{", '{"id": "1"}'])["UnprocessedTraceSegments"]
    assert [entry["ErrorCode"] for entry in refused] == ["ParseError", "InvalidTraceId"]


def test_groups_and_sampling_rules(cloud: Any, refused: Any) -> None:
    xray = cloud.xray
    made = xray.create_group(GroupName="slow", FilterExpression="responsetime > 5")["Group"]
    refused("InvalidRequestException", xray.create_group, GroupName="slow")
    assert xray.get_group(GroupName="slow")["Group"]["GroupARN"] == made["GroupARN"]
    xray.delete_group(GroupName="slow")
    refused("InvalidRequestException", xray.get_group, GroupName="slow")
    rule = {"RuleName": "checkout", "ResourceARN": "*", "Priority": 10, "FixedRate": 0.5, "ReservoirSize": 1,
            "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "POST", "URLPath": "/checkout",
            "Version": 1}  # fmt: skip
    xray.create_sampling_rule(SamplingRule=rule)
    records = xray.get_sampling_rules()["SamplingRuleRecords"]
    assert [record["SamplingRule"]["RuleName"] for record in records] == ["checkout", "Default"]
    xray.delete_sampling_rule(RuleName="checkout")

"""CloudTrail's event history: ``LookupEvents`` over what the gateway recorded (CloudTrail API Reference, LookupEvents).

Management events of the last 90 days, newest first, in the caller's account and region.  Trails and their
delivery to S3 are in ``trails``; Insights are not here.
"""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Mapping
from typing import Any

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.record import RETENTION, Trail

_ATTRIBUTES = (
    "EventId",
    "EventName",
    "ReadOnly",
    "Username",
    "ResourceType",
    "ResourceName",
    "EventSource",
    "AccessKeyId",
)


class LookupRate:
    """ "The rate of lookup requests is limited to two per second, per account, per Region"."""

    PER_SECOND = 2

    def __init__(self) -> None:
        self._recent: dict[tuple[str, str], list[float]] = {}

    def take(self, account: str, region: str) -> None:
        """:raises AwsError: ``ThrottlingException`` when this is the third call within a second"""
        now = time.monotonic()
        recent = [moment for moment in self._recent.get((account, region), []) if now - moment < 1]
        if len(recent) >= self.PER_SECOND:
            raise AwsError("ThrottlingException", "Rate exceeded", 400)
        self._recent[(account, region)] = [*recent, now]


def lookup_events(
    call: ServiceCall, account: str, trail: Trail, rate: LookupRate, now: datetime.datetime
) -> dict[str, Any]:
    """Answer one ``LookupEvents``.

    :raises AwsError: ``InvalidLookupAttributesException``, ``InvalidTimeRangeException``,
        ``InvalidMaxResultsException``, ``InvalidNextTokenException``, ``InvalidEventCategoryException``,
        ``ThrottlingException``
    """
    rate.take(account, call.region)
    params = call.params
    attribute = _attribute(params.get("LookupAttributes"))
    start, end = _range(params, now)
    limit = params.get("MaxResults", 50)
    if not isinstance(limit, int) or not 1 <= limit <= 50:
        raise AwsError("InvalidMaxResultsException", "Specify a value between 1 and 50 for max results.", 400)
    if params.get("EventCategory") not in (None, "insight"):
        raise AwsError("InvalidEventCategoryException", "Invalid event category. Valid value: insight", 400)
    if params.get("EventCategory") == "insight":
        return {"Events": []}
    question = json.dumps(
        [account, call.region, attribute, params.get("StartTime"), params.get("EndTime")], default=str
    )
    skip, end = _continue(params.get("NextToken"), question, end)
    found: list[dict[str, Any]] = []
    for number, (when, username, resources, body) in enumerate(
        _matching(trail, account, call.region, start, end, attribute)
    ):
        if number < skip:
            continue
        if len(found) == limit:
            return {"Events": found, "NextToken": _token(question, skip + limit, end)}
        found.append(_shown(when, username, json.loads(resources), body))
    return {"Events": found}


def _attribute(attributes: Any) -> tuple[str, str] | None:
    if not attributes:
        return None
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "You can only specify one lookup attribute.", 400)
    key, value = attributes[0].get("AttributeKey"), attributes[0].get("AttributeValue")
    if key not in _ATTRIBUTES or not isinstance(value, str) or not 1 <= len(value) <= 2000:
        raise AwsError(
            "InvalidLookupAttributesException",
            f"Specify one of {', '.join(_ATTRIBUTES)} and a value of 1 to 2000 characters.",
            400,
        )
    return key, value


def _range(params: Mapping[str, Any], now: datetime.datetime) -> tuple[float, float]:
    oldest = now.timestamp() - RETENTION
    start = max(_seconds(params.get("StartTime"), oldest), oldest)
    end = _seconds(params.get("EndTime"), now.timestamp() - 1e-6)  # not this very call
    if _seconds(params.get("StartTime"), oldest) > end:
        raise AwsError("InvalidTimeRangeException", "Start time cannot be after end time.", 400)
    return start, end


def _seconds(value: Any, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    try:
        return float(value)
    except (TypeError, ValueError):
        raise AwsError("InvalidTimeRangeException", "Times are given in seconds since 1970-01-01.", 400) from None


def _matching(
    trail: Trail, account: str, region: str, start: float, end: float, attribute: tuple[str, str] | None
) -> Any:
    for row in trail.events(account, region, start, end):
        if attribute is None or _has(row, *attribute):
            yield row


def _has(row: tuple[float, str, str, dict[str, Any]], key: str, value: str) -> bool:
    _, username, resources, event = row
    if key == "Username":
        return username == value
    if key in ("ResourceType", "ResourceName"):
        listed = json.loads(resources)
        if key == "ResourceType":
            return any(resource["type"] == value for resource in listed)
        return any(value in (resource.get("ARN"), resource.get("name")) for resource in listed)
    if key == "ReadOnly":
        return str(event["readOnly"]).lower() == value.lower()
    if key == "AccessKeyId":
        return event["userIdentity"].get("accessKeyId") == value
    return event[{"EventId": "eventID", "EventName": "eventName", "EventSource": "eventSource"}[key]] == value


def _shown(when: float, username: str, resources: list[dict[str, str]], event: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "EventId": event["eventID"],
        "EventName": event["eventName"],
        "ReadOnly": str(event["readOnly"]).lower(),
        "EventTime": datetime.datetime.fromtimestamp(int(when), datetime.UTC),
        "EventSource": event["eventSource"],
        "Username": username,
        "Resources": [
            {"ResourceType": resource["type"], "ResourceName": resource.get("ARN") or resource.get("name", "")}
            for resource in resources
        ],
        "CloudTrailEvent": json.dumps(event, separators=(",", ":")),
    }
    if event["userIdentity"].get("accessKeyId"):
        shown["AccessKeyId"] = event["userIdentity"]["accessKeyId"]
    return shown


def _token(question: str, skip: int, end: float) -> str:
    return base64.urlsafe_b64encode(json.dumps([question, skip, end]).encode()).decode()


def _continue(token: Any, question: str, end: float) -> tuple[int, float]:
    """Where the next page begins; the end of the time range stays that of the first page."""
    if token is None:
        return 0, end
    try:
        asked, skip, first_end = json.loads(base64.urlsafe_b64decode(str(token)))
    except (ValueError, TypeError):
        asked, skip, first_end = None, 0, end
    if asked != question or not isinstance(skip, int) or skip < 0:
        raise AwsError(
            "InvalidNextTokenException",
            "A token that is not valid, or a token that was previously used in a request with different parameters.",
            400,
        )
    return skip, float(first_end)

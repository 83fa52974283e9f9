"""The incident once more in the attempt's account, and what the learner's search finds there."""

from __future__ import annotations

import json
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b4 import incident


class Search:
    """The incident, staged; the true event is known by the request id of the call itself."""

    def __init__(self, live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.lab = live.lab
        self.request_id = incident(self.aws, self.values)

    def found(self, lookup: dict[str, str], match: dict[str, Any]) -> list[dict[str, Any]]:
        """Records that LookupEvents gives for the attribute and that say what ``match`` asks for."""
        pages = self.aws.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=[lookup])
        records = [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
        return [record for record in records if all(at(record, path) == wanted for path, wanted in match.items())]

    def finding(self, name: str, records: list[dict[str, Any]], points: float) -> Finding:
        """Whether exactly the responsible event is left."""
        right = [record for record in records if record["requestID"] == self.request_id]
        wrong = [record for record in records if record["requestID"] != self.request_id]
        passed = len(right) == 1 and not wrong
        seen = f"{len(records)} events" + (f", among them {_told(wrong[0])}" if wrong else "")
        if passed:
            seen = f"one event, {_told(right[0])}, id {right[0]['eventID']}"
        return Finding(
            name, points, passed, seen, "one event: the call that opened the site bucket", self._advice(right, wrong)
        )

    def _advice(self, right: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> str:
        if not right:
            return (
                "The responsible event is not among them. Print one record and compare each path and value: a key "
                "that is absent is None, a value that depends on the account's ids will differ here."
            )
        if not wrong:
            return "Well found."
        return _why(wrong[0], self.values)


def _why(record: dict[str, Any], values: dict[str, Any]) -> str:
    if record["eventName"] != "PutBucketPolicy":
        return "Another operation matches as well: which one changes a bucket's policy?"
    if record.get("errorCode"):
        return "This call was refused and changed nothing: what does its record have that a successful one has not?"
    if record["sourceIPAddress"] != values["attacker"]:
        return "The same operation on the same bucket, by somebody else or from elsewhere: look at who, and from where."
    return "The thief made the same call for another bucket: ask for the bucket too."


def _told(record: dict[str, Any]) -> str:
    who = record["userIdentity"].get("arn", "").rpartition("/")[2] or record["userIdentity"].get("type", "")
    resource = next((one.get("name") or one.get("ARN", "") for one in record.get("resources") or ()), "")
    error = f" ({record['errorCode']})" if record.get("errorCode") else ""
    return f"{record['eventName']} {resource} by {who} from {record['sourceIPAddress']}{error}"


def at(record: Any, path: str) -> Any:
    """A value of a record by its path, e.g. ``userIdentity.type``; ``None`` where there is none."""
    for step in path.split("."):
        record = record.get(step) if isinstance(record, dict) else None
    return record

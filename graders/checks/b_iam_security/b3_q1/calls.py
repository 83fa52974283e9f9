"""The learner's selectors on a live trail, a day's traffic, and what its log files then hold."""

from __future__ import annotations

import gzip
import json
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b3 import clients, deliver, deploy, session_of

MANAGEMENT_HINT = (
    "Selectors replace what the trail logged before. Management events need a selector of their own, with nothing but "
    "the field eventCategory."
)
READS_HINT = (
    "The job reads, too, and lists: a selector that is limited to writes shows half of it, and one that is limited to "
    "folders leaves out ListObjects, whose ARN is the bucket's and a slash."
)
TYPE_HINT = (
    "Each kind of resource needs a selector: eventCategory Data, one resources.type, and the ARNs of what the job "
    "touches."
)
WIDE_HINT = "Somebody else's events are in the log: limit this kind of resource by resources.ARN."


def refused(error: ClientError | ParamValidationError, points: float) -> Finding:
    """CloudTrail, or boto3 before it, does not take the selectors."""
    said = str(error.response["Error"]["Message"]) if isinstance(error, ClientError) else str(error)
    return Finding(
        "CloudTrail accepts the selectors",
        points,
        False,
        f"{type(error).__name__}: {said}",
        "selectors that CloudTrail stores",
        'Each is {"Name": …, "FieldSelectors": [{"Field": …, "Equals": […]}, …]}; compare it with the example above.',
    )


class Day:
    """A trail with the selectors; the job's night and other people's calls; the events of the log files.

    :raises botocore.exceptions.ClientError: AWS refuses the selectors
    """

    def __init__(self, selectors: list[dict[str, Any]], live: Any) -> None:
        self.aws, self.values = account_of(live)
        trail = self.aws.client("cloudtrail")
        trail.put_event_selectors(TrailName=self.values["trail"], AdvancedEventSelectors=selectors)
        before = set(self._keys())
        deploy(self.aws, self.values)
        self._end_of_month()
        self._others()
        deliver(self.aws)
        self.events = [event for key in self._keys() if key not in before for event in self._records(key)]

    def _end_of_month(self) -> None:
        """The job's monthly step, in its own session: selectors may ask who acts as well as on what."""
        job = clients(self.aws, session_of(self.aws, self.values, "deploy"))
        month = f"{self.values['reports']}/2026-10.txt"
        job("s3").delete_object(Bucket=self.values["bucket"], Key=month)

    def _others(self) -> None:
        """The rest of the shop goes on: customers, orders, a checkout, and an auditor who reads the logs."""
        s3, sqs, functions = (self.aws.client(service) for service in ("s3", "sqs", "lambda"))
        s3.put_object(Bucket=self.values["photos"], Key="customer-2.txt", Body=b"a face\n")
        s3.get_object(Bucket=self.values["photos"], Key="customer-1.txt")
        url = sqs.get_queue_url(QueueName=self.values["orders"])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="1001")
        functions.invoke(FunctionName=self.values["checkout"], InvocationType="DryRun")
        for key in self._keys()[:3]:
            s3.get_object(Bucket=self.values["logs"], Key=key)

    def _keys(self) -> list[str]:
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.values["logs"])
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def _records(self, key: str) -> list[dict[str, Any]]:
        body = self.aws.client("s3").get_object(Bucket=self.values["logs"], Key=key)["Body"].read()
        found: list[dict[str, Any]] = json.loads(gzip.decompress(body))["Records"]
        return found

    def names(self, resource: str, category: str = "Data") -> list[str]:
        """Names of the events of a category about a resource (part of its ARN; "" = any)."""
        return sorted(
            {
                event["eventName"]
                for event in self.events
                if event["eventCategory"] == category and resource in json.dumps(event.get("resources", []))
            }
        )

    def has(self, name: str, resource: str, wanted: set[str], points: float, hint: str, **more: Any) -> Finding:
        """The events ``wanted`` must be in the log files."""
        seen = self.names(resource, **more)
        expected = f"among them {', '.join(sorted(wanted))}"
        return Finding(name, points, wanted <= set(seen), ", ".join(seen) or "no such event", expected, hint)

    def lacks(self, name: str, resource: str, points: float, working: bool) -> Finding:
        """Data events about somebody else's resource must not be there; counts only while the job's are."""
        if not working:
            first = "First make the job's events appear; then see that these do not."
            return Finding(name, points, False, "not counted yet: events of the job are missing", "no event", first)
        seen = self.names(resource)
        return Finding(name, points, not seen, ", ".join(seen) or "no such event", "no event", WIDE_HINT)


def of_the_job(day: Day, points: float) -> list[Finding]:
    """The findings about what must be logged; each is worth ``points``."""
    values = day.values
    return [
        day.has("management events", "", {"CreateFunction20150331", "GetQueueUrl"}, points, MANAGEMENT_HINT,
                category="Management"),
        day.has("the job's objects: reads", values["bucket"], {"GetObject", "ListObjects"}, points, READS_HINT),
        day.has("the job's objects: writes", values["bucket"], {"PutObject", "DeleteObject"}, points, TYPE_HINT),
        day.has("the canary's invocations", values["canary"], {"Invoke"}, points, TYPE_HINT),
        day.has("messages to the queue", values["queue"], {"SendMessage"}, points, TYPE_HINT),
    ]  # fmt: skip

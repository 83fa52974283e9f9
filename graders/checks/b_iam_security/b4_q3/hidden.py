"""The day goes on: a repair, a second visit of the thief, more of the server's own work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from graders.checks.b_iam_security.b4_q3.calls import Search
from graders.checks.b_iam_security.probes import refused
from graders.exercise import Finding
from labs.scenarios import attempt
from labs.scenarios.b_iam_security.b4 import partner_reads
from labs.scenarios.b_iam_security.cases import document


def check(answer: dict[str, Any], live: Any) -> Iterator[Finding]:
    search = Search(live)
    _afterwards(search)
    try:
        records = search.found(answer["lookup"], answer["match"])
    except (ClientError, ParamValidationError) as error:
        yield refused(error, 2)
        return
    # The public check may have staged the incident in this account before: its event is as responsible as ours.
    earlier = [record for record in records if record["requestID"] != search.request_id and _same(record, search)]
    others = [record for record in records if record not in earlier]
    yield search.finding("it still does when the day goes on", others, 2)


def _same(record: dict[str, Any], search: Search) -> bool:
    """The call that opened the site bucket in an earlier staging."""
    resources = [one.get("name") or one.get("ARN", "") for one in record.get("resources") or ()]
    return (
        record["eventName"] == "PutBucketPolicy"
        and record["sourceIPAddress"] == search.values["attacker"]
        and not record.get("errorCode")
        and any(name.endswith(search.values["site"]) for name in resources)
    )


def _afterwards(search: Search) -> None:
    aws, values = search.aws, search.values
    policy = json.dumps(document(partner_reads(values)))
    aws.client("s3").put_bucket_policy(Bucket=values["site"], Policy=policy)
    instance = aws.client_as("s3", **search.lab.credentials(aws, values, "instance"))
    instance.put_bucket_policy(Bucket=values["site"], Policy=policy)
    thief = aws.client_as("s3", **search.lab.credentials(aws, values, "thief"))
    attempt(lambda: thief.delete_bucket_policy(Bucket=values["site"]))
    attempt(lambda: thief.put_bucket_policy(Bucket=values["archive"], Policy=policy))
    attempt(lambda: thief.put_bucket_policy(Bucket=values["site"], Policy="{"))  # refused: not a document
    attempt(lambda: thief.get_bucket_policy(Bucket=values["site"]))

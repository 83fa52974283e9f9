"""The learner's filter as an archive rule of the account's analyzer, and what it does to findings."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b4 import analyzer_arn, everybody, external, partner_reads, principal
from labs.scenarios.b_iam_security.cases import allow, document

RULE = "agreed"
KEPT_HINT = (
    "This finding is agreed with the partner. Compare the filter with the finding as list_findings shows it: every key "
    "of the filter must match."
)


class Review:
    """An analyzer with the rule, applied to the findings that are there.

    :raises botocore.exceptions.ClientError: AWS refuses the filter
    """

    def __init__(self, given: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.client, self.arn = self.aws.client("accessanalyzer"), analyzer_arn(self.aws)
        self.name = self.arn.rpartition("/")[2]
        external(self.aws, self.values)  # the findings are there before the rule
        try:
            self.client.delete_archive_rule(analyzerName=self.name, ruleName=RULE)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
        self.client.create_archive_rule(analyzerName=self.name, ruleName=RULE, filter=given)
        self.client.apply_archive_rule(analyzerArn=self.arn, ruleName=RULE)

    def status(self, resource: str, who: str) -> str:
        """Status of the finding about a resource (end of its ARN) and a principal (part of it)."""
        found = [
            one["status"]
            for one in external(self.aws, self.values)
            if one["resource"].endswith(resource) and who in principal(one) and one["status"] != "RESOLVED"
        ]
        return found[0] if found else "no such finding"

    def archived(self, name: str, resource: str, who: str, points: float) -> Finding:
        """An agreed finding: it must be archived."""
        seen = self.status(resource, who)
        return Finding(name, points, seen == "ARCHIVED", seen, "ARCHIVED", KEPT_HINT)

    def active(self, name: str, resource: str, who: str, points: float, working: bool, hint: str) -> Finding:
        """A finding that somebody must look at; counts only while the agreed ones are archived."""
        seen = self.status(resource, who)
        if not working:
            return Finding(
                name,
                points,
                False,
                "not counted yet: an agreed finding is still active",
                "ACTIVE",
                "First make the agreed findings disappear; then see that this one stays.",
            )
        return Finding(name, points, seen == "ACTIVE", seen, "ACTIVE", hint)

    # -- what may happen later

    def trainee_gets_the_queue(self) -> None:
        """Somebody adds the partner's other role to the queue's policy."""
        sqs = self.aws.client("sqs")
        url = sqs.get_queue_url(QueueName=self.values["queue"])["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{self.aws.account}:{self.values['queue']}"
        trainee = self.values["sync_arn"].replace(self.values["sync"], self.values["trainee"])
        both = document(
            allow("sqs:ReceiveMessage", arn, Principal={"AWS": self.values["sync_arn"]}),
            allow("sqs:ReceiveMessage", arn, Principal={"AWS": trainee}),
        )
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(both)})

    def site_becomes_public(self) -> None:
        """Somebody opens the site bucket."""
        opened = document(partner_reads(self.values), everybody(self.values))
        self.aws.client("s3").put_bucket_policy(Bucket=self.values["site"], Policy=json.dumps(opened))

    def partner_gets_the_archive(self) -> None:
        """Somebody shares another bucket with the agreed role."""
        everything = f"arn:aws:s3:::{self.values['archive']}/*"
        shared = document(allow("s3:GetObject", everything, Principal={"AWS": self.values["sync_arn"]}))
        self.aws.client("s3").put_bucket_policy(Bucket=self.values["archive"], Policy=json.dumps(shared))

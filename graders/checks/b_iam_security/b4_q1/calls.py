"""The site bucket after the incident, with the learner's policy on it, and who then comes to it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from graders.checks.b_iam_security.probes import account_of
from graders.exercise import Finding
from labs.scenarios.b_iam_security.b4 import (
    analyzer_arn,
    another_account,
    everybody,
    external,
    partner_reads,
    principal,
)
from labs.scenarios.b_iam_security.cases import document

WORK_HINT = (
    "The partner's call comes from another account: the bucket policy must name its role as Principal, with the action "
    "and an object ARN under reports/."
)
WIDE_HINT = "The Principal is wider than the one role that was agreed: a whole account, or *, lets others in."


class Site:
    """The bucket, public first (so that there is a finding), then under the learner's policy.

    :raises botocore.exceptions.ClientError: AWS refuses the document
    """

    def __init__(self, policy: dict[str, Any], live: Any) -> None:
        self.aws, self.values = account_of(live)
        self.lab, self.name = live.lab, self.values["site"]
        s3 = self.aws.client("s3")
        opened = document(partner_reads(self.values), everybody(self.values))
        s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(opened))
        self.public = next(one["id"] for one in self.findings() if one["isPublic"])
        s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps(policy))

    def findings(self) -> list[dict[str, Any]]:
        """Active findings about the bucket."""
        arn = f"arn:aws:s3:::{self.name}"
        return [one for one in external(self.aws, self.values) if one["resource"] == arn and one["status"] == "ACTIVE"]

    def as_(self, who: str) -> Any:
        """An S3 client of one of the lab's people."""
        return self.aws.client_as("s3", **self.lab.credentials(self.aws, self.values, who))

    def stranger(self) -> Any:
        """An S3 client of somebody whom nobody knows."""
        return another_account(self.aws, self.values["stranger_account"]).client("s3")

    def read(self, client: Any, key: str = "") -> Any:
        """A call that reads one object, the report by default."""
        return partial(client.get_object, Bucket=self.name, Key=key or self.values["report"])

    def write(self, client: Any, key: str = "cart.js") -> Any:
        """A call that overwrites one object."""
        return partial(client.put_object, Bucket=self.name, Key=key, Body=b"/* changed */")

    def resolved(self, points: float, working: bool) -> Finding:
        """Whether the finding about everybody is resolved; counts only while the partner's call works."""
        client, arn = self.aws.client("accessanalyzer"), analyzer_arn(self.aws)
        finding = client.get_finding(analyzerArn=arn, id=self.public)["finding"]
        left = [f"{principal(one)} {one['condition'] or ''}".strip() for one in self.findings()]
        seen = f"{finding['status']}; active about this bucket: {', '.join(left) or 'none'}"
        if not working:
            seen = "not counted yet: the partner's call is refused"
        return Finding(
            "the analyzer's public finding is resolved",
            points,
            working and finding["status"] == "RESOLVED" and not any(self._open(one) for one in self.findings()),
            seen,
            "RESOLVED, and no finding with the principal * that lets in anybody but the partner's role",
            "A finding resolves when no external principal is let in that way any more. A condition on * changes the "
            "finding or leaves it; naming the partner's role removes it.",
        )

    def _open(self, finding: dict[str, Any]) -> bool:
        """It names everybody, and no condition leaves only the partner's role."""
        only = (finding["condition"] or {}).get("aws:PrincipalArn")
        return principal(finding) == "*" and (finding["isPublic"] or only != self.values["sync_arn"])

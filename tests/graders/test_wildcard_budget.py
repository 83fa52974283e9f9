"""The wildcard budget of exercise b3-q3."""

from __future__ import annotations

import pytest

from graders.checks.b_iam_security.b3_q3.budget import overspent
from labs.scenarios import registry
from labs.scenarios.b_iam_security.b3 import needed
from labs.scenarios.b_iam_security.cases import allow, document


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (allow("s3:*", "arn:aws:s3:::b"), ["action s3:*"]),
        (allow("s3:GetObject"), ["Resource * for s3:GetObject"]),
        (allow("lambda:ListFunctions"), []),
        (allow(["lambda:ListFunctions", "sqs:GetQueueUrl"]), ["Resource * for sqs:GetQueueUrl"]),
        (allow("s3:GetObject", ["arn:aws:s3:::b/x/*", "arn:aws:s3:::b/y/*"]), []),
        (
            allow("s3:GetObject", ["arn:aws:s3:::b/x/*", "arn:aws:s3:::b/y/*", "arn:aws:s3:::b/z?"]),
            ["3 ARNs with a wildcard: arn:aws:s3:::b/x/*, arn:aws:s3:::b/y/*, arn:aws:s3:::b/z?"],
        ),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::b"}, ["NotAction in an Allow"]),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, []),
    ],
)
def test_the_wildcard_budget(statement: dict[str, object], said: list[str]) -> None:
    assert overspent(document(statement)) == said
    assert overspent({"Version": "2012-10-17", "Statement": statement}) == said


def test_what_the_job_needs_is_within_the_budget() -> None:
    values = {**registry()["b3"].values(b"any seed"), "account": "123456789012"}
    assert overspent(needed(values)) == []

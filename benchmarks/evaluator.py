"""Traced decisions per second of ``labs.aws.iam.evaluate`` for a set of ten statements, on one core.

    python benchmarks/evaluator.py [--seconds 3]

Prints one JSON line per case; the course asks for at least 10,000 decisions/s of ``ten statements``.
"""

from __future__ import annotations

import argparse
import json
import time

from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, evaluate

ACCOUNT = "111122223333"
GOAL = 10_000  # decisions per second


def _document(*statements: dict) -> dict:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(action, resource="*", **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


IDENTITY = Policy(
    _document(
        _allow(["ec2:Describe*", "ec2:Start*"], Sid="Compute"),
        _allow("sqs:*", "arn:aws:sqs:*:*:orders-*", Sid="Queues"),
        _allow("s3:ListBucket", "arn:aws:s3:::shop", Condition={"StringLike": {"s3:prefix": "home/${aws:username}/*"}}),
        _allow("s3:*Object", "arn:aws:s3:::shop/home/${aws:username}/*", Sid="Home"),
        _allow("dynamodb:*", Condition={"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${aws:userid}"]}}),
        {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:ViaAWSService": "true"}}},
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": ["127.0.0.0/8", "203.0.113.0/24"]}},
        },
    ),
    name="work",
)
BUCKET = Policy(
    _document(
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::shop/*",
            "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::shop/public/*",
        },
    ),
    name="bucket policy",
)
BOUNDARY = Policy(_document(_allow(["s3:*", "sqs:*", "dynamodb:*"])), name="limit")
ORGANIZATION = ((Policy(_document(_allow("*")), name="FullAWSAccess"),),) * 3

CASES = {
    "ten statements": PolicySet(identity=(IDENTITY,), resource=BUCKET, boundary=BOUNDARY),
    "ten statements in an organisation": PolicySet(
        identity=(IDENTITY,), resource=BUCKET, boundary=BOUNDARY, scps=ORGANIZATION
    ),
}
ALICE = Principal(f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT, PrincipalType.USER, "AIDAEXAMPLE")
CONTEXT = {
    "aws:CurrentTime": "2026-01-01T00:00:00Z",
    "aws:EpochTime": "1767225600",
    "aws:PrincipalAccount": ACCOUNT,
    "aws:PrincipalArn": ALICE.arn,
    "aws:PrincipalType": "User",
    "aws:RequestedRegion": "us-east-1",
    "aws:ResourceAccount": ACCOUNT,
    "aws:SecureTransport": "false",
    "aws:SourceIp": "127.0.0.1",
    "aws:UserAgent": "Boto3/1.40",
    "aws:ViaAWSService": "false",
    "aws:userid": "AIDAEXAMPLE",
    "aws:username": "alice",
}


def decisions_per_second(policies: PolicySet, seconds: float) -> float:
    """Evaluate requests for different objects for about ``seconds`` seconds of processor time."""
    requests = [
        Request(ALICE, "s3:GetObject", f"arn:aws:s3:::shop/home/alice/{number}.txt", ACCOUNT, CONTEXT)
        for number in range(100)
    ]
    assert all(evaluate(request, policies).allowed for request in requests)
    done, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        for request in requests:
            evaluate(request, policies)
        done += len(requests)
    return done / spent


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="processor time per case")
    seconds = parser.parse_args().seconds
    for name, policies in CASES.items():
        rate = decisions_per_second(policies, seconds)
        print(json.dumps({"case": name, "decisions_per_second": round(rate), "goal": GOAL, "reached": rate >= GOAL}))


if __name__ == "__main__":
    main()

"""Decisions that the evaluator makes, one of each kind of ending."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, decision_to_dict, evaluate
from tests.browser import chromium

ACCOUNT = "111122223333"
SESSION = Principal(
    f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/ci",
    ACCOUNT,
    PrincipalType.ROLE,
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/deploy",
)
READER = Policy(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadShop",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:ListBucket"],
                "Resource": ["arn:aws:s3:::shop", "arn:aws:s3:::shop/*"],
            },
            {
                "Sid": "OfficeOnly",
                "Effect": "Deny",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"NotIpAddress": {"aws:SourceIp": ["203.0.113.0/24", "198.51.100.0/24"]}},
            },
        ],
    },
    "shop-reader",
    f"arn:aws:iam::{ACCOUNT}:policy/shop-reader",
)
FULL = Policy(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},
    "FullAWSAccess",
    "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess",
)
BOUNDARY = Policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "OnlyTables", "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}],
    },
    "dev-boundary",
    f"arn:aws:iam::{ACCOUNT}:policy/dev-boundary",
)
BUCKET = Policy(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Alice",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"},
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::shop/*",
            }
        ],
    },
    "bucket policy",
)


def asked(address: str = "203.0.113.9", principal: Principal = SESSION) -> Request:
    return Request(principal, "s3:GetObject", "arn:aws:s3:::shop/a.csv", ACCOUNT, {"aws:SourceIp": address})


def decided(request: Request, **policies) -> dict:
    return decision_to_dict(evaluate(request, PolicySet(**policies)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture(params=["deny", "implicit", "nothing", "allow", "final"])
def decision(request) -> dict:
    return DECISIONS[request.param]()


@pytest.fixture
def make():
    """The decision of a name."""
    return lambda name: DECISIONS[name]()


DECISIONS = {
    "deny": lambda: decided(asked("127.0.0.1"), identity=(READER,), scps=((FULL,), (FULL,)), boundary=BOUNDARY),
    "implicit": lambda: decided(asked(), identity=(READER,), scps=((FULL,), (FULL,)), boundary=BOUNDARY),
    "nothing": lambda: decided(asked()),
    "allow": lambda: decided(asked(), identity=(READER,), scps=((FULL,), (FULL,))),
    "final": lambda: decided(
        asked(principal=Principal(f"arn:aws:iam::{ACCOUNT}:user/alice", ACCOUNT, PrincipalType.USER)), resource=BUCKET
    ),
}

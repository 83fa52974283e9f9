"""Actions, resource ARNs and policy variables in them ("IAM JSON policy elements: Action" and ": Resource", "IAM policy
elements: Variables and tags", IAM User Guide)."""

from __future__ import annotations

import time

import pytest

from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, evaluate

ALICE = Principal("arn:aws:iam::111122223333:user/alice", "111122223333", PrincipalType.USER)
BUCKET = "arn:aws:s3:::b"


def allowed(
    action: object, resource: object, asked: tuple[str, str], version: str = "2012-10-17", **context: str
) -> bool:
    document = {"Version": version, "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
    request = Request(ALICE, *asked, context={key.replace("_", ":"): value for key, value in context.items()})
    return evaluate(request, PolicySet(identity=(Policy(document),))).allowed


@pytest.mark.parametrize(
    ("pattern", "action", "expected"),
    [
        ("s3:GetObject", "s3:GetObject", True),
        ("S3:getobject", "s3:GetObject", True),
        ("s3:Get*", "s3:GetObject", True),
        ("s3:*Object", "s3:GetObject", True),
        ("s3:*Object", "s3:GetObjectAcl", False),
        ("s3:?etObject", "s3:GetObject", True),
        ("s3:GetObject?", "s3:GetObject", False),
        ("*", "s3:GetObject", True),
        ("s3:*", "s3express:CreateSession", False),
        (["sqs:*", "s3:Get*"], "s3:GetObject", True),
        ([], "s3:GetObject", False),
    ],
)
def test_action(pattern: object, action: str, expected: bool) -> None:
    assert allowed(pattern, "*", (action, BUCKET)) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        (BUCKET, BUCKET, True),
        (BUCKET, BUCKET + "/k", False),
        ("arn:aws:s3:::b/*", BUCKET + "/k/l", True),
        ("arn:aws:s3:::b/*", BUCKET, False),
        ("arn:aws:s3:::B", BUCKET, False),
        ("arn:aws:s3:::b*", BUCKET + "ucket/k", True),
        ("arn:aws:s3:::?", BUCKET, True),
        ("arn:*:s3:::b", BUCKET, True),
        ("arn:aws:sqs:*:*:q", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:1:q", False),
        ("arn:aws:lambda:*:function:f", "arn:aws:lambda:us-east-1:1:function:f", True),
        ("arn:aws:sqs:us-*:1:q", "arn:aws:sqs:eu-west-1:1:q", False),
        ("arn:aws:sqs", "arn:aws:sqs:us-east-1:1:q", True),
        ("arn:aws:lambda:*:*:function:f*", "arn:aws:lambda:us-east-1:1:function:f:live", True),
        ("arn:aws:iam::*:role/team/*", "arn:aws:iam::1:role/team/a/b", True),
        ("arn:aws:lambda:us-east-1:*:f", "arn:aws:lambda:us-east-1:1:function:f", True),
        ("arn:aws:lambda:us-*:f", "arn:aws:lambda:us-east-1:1:function:f:1", True),
        ("arn:aws:lambda:us*1:1:f", "arn:aws:lambda:us-east-1:1:function:f", False),
        ("arn:aws:lambda:us-east-1:1*1:f", "arn:aws:lambda:us-east-1:11:f", True),
        ("arn:aws:lambda:us-east-1:1*1:f", "arn:aws:lambda:us-east-1:1:1:f", False),
        ("arn:aws:s3:*:*:b/*x*y", "arn:aws:s3:::b/1:x:2:y", True),
        ("arn:aws:s3:?:1:b", "arn:aws:s3::1:b", False),
        ("*", "*", True),
        (BUCKET, "*", False),
        ("arn:aws:s3:::b.c", "arn:aws:s3:::bxc", False),
        ([BUCKET, "arn:aws:s3:::c"], "arn:aws:s3:::c", True),
    ],
)
def test_resource(pattern: object, resource: str, expected: bool) -> None:
    assert allowed("s3:*", pattern, ("s3:GetObject", resource)) is expected


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("arn:aws:s3:::b/home/${aws:username}/*", BUCKET + "/home/alice/x", True),
        ("arn:aws:s3:::b/home/${aws:username}/*", BUCKET + "/home/bob/x", False),
        ("arn:aws:s3:::b/${aws:userid}", BUCKET + "/${aws:userid}", False),
        ("arn:aws:s3:::b/${aws:userid, 'nobody'}", BUCKET + "/nobody", True),
        ("arn:aws:s3:::${aws:username}-*", "arn:aws:s3:::alice-logs", True),
        ("arn:aws:s3:::b/${*}", BUCKET + "/*", True),
        ("arn:aws:s3:::b/${*}", BUCKET + "/k", False),
    ],
)
def test_variable_in_resource(pattern: str, resource: str, expected: bool) -> None:
    assert allowed("s3:*", pattern, ("s3:GetObject", resource), aws_username="alice") is expected


def test_wildcards_in_the_value_of_a_variable_are_plain_characters() -> None:
    asked = ("s3:GetObject", BUCKET + "/home/bob/x")
    assert not allowed("s3:*", "arn:aws:s3:::b/home/${aws:username}/*", asked, aws_username="*")


def test_variable_is_text_without_version_2012() -> None:
    pattern, asked = "arn:aws:s3:::b/${aws:username}", ("s3:GetObject", BUCKET + "/alice")
    assert allowed("s3:*", pattern, asked, aws_username="alice")
    assert not allowed("s3:*", pattern, asked, version="2008-10-17", aws_username="alice")


def test_a_hostile_pattern_does_not_stall() -> None:
    started = time.process_time()
    pattern = BUCKET + "/" + "*a" * 1000 + "b"
    assert not allowed("s3:*", pattern, ("s3:GetObject", BUCKET + "/" + "a" * 1024))
    assert not allowed("s3:*", "arn:*:*:*:*:*a*b", ("s3:GetObject", BUCKET + "/" + ":a" * 500))
    assert not allowed("s3:*", "arn:*:*:a*:a*:a*b", ("s3:GetObject", BUCKET + "/" + ":a" * 500))
    assert not allowed("s3:" + "*a" * 1000 + "b", "*", ("s3:" + "a" * 1024, BUCKET))
    assert time.process_time() - started < 2

"""Condition operators: one row per rule of "IAM JSON policy elements: Condition operators" and of "Multivalued context
keys" (IAM User Guide); the third column of a row is the request context."""

from __future__ import annotations

from typing import Any

import pytest

from labs.aws.iam import Policy, PolicySet, Principal, PrincipalType, Request, condition_keys_in, evaluate

ALICE = Principal("arn:aws:iam::111122223333:user/alice", "111122223333", PrincipalType.USER)
IP, NOW, KEY, TAGS = "aws:SourceIp", "aws:CurrentTime", "s3:x", "aws:TagKeys"


def holds(condition: dict[str, Any], context: dict[str, Any], version: str = "2012-10-17") -> bool:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    request = Request(ALICE, "s3:GetObject", "arn:aws:s3:::b/k", context=context)
    return evaluate(request, PolicySet(identity=(Policy({"Version": version, "Statement": [statement]}),))).allowed


ROWS: list[tuple[str, Any, dict[str, Any], bool]] = [
    # strings
    ("StringEquals", {KEY: "a"}, {KEY: "a"}, True),
    ("StringEquals", {KEY: "a"}, {KEY: "A"}, False),
    ("StringEquals", {KEY: ["b", "a"]}, {KEY: "a"}, True),
    ("StringEquals", {KEY: "a*"}, {KEY: "ab"}, False),
    ("StringEquals", {"S3:X": "a"}, {"s3:x": "a"}, True),
    ("StringEquals", {KEY: "a"}, {}, False),
    ("StringNotEquals", {KEY: "a"}, {KEY: "b"}, True),
    ("StringNotEquals", {KEY: ["a", "b"]}, {KEY: "b"}, False),
    ("StringNotEquals", {KEY: "a"}, {}, True),
    ("StringEqualsIgnoreCase", {KEY: "AbC"}, {KEY: "aBc"}, True),
    ("StringNotEqualsIgnoreCase", {KEY: "AbC"}, {KEY: "aBc"}, False),
    ("StringLike", {KEY: "home/*"}, {KEY: "home/a/b"}, True),
    ("StringLike", {KEY: "hom?"}, {KEY: "home"}, True),
    ("StringLike", {KEY: "hom?"}, {KEY: "hom"}, False),
    ("StringLike", {KEY: "*a*b"}, {KEY: "xxayyb"}, True),
    ("StringLike", {KEY: "*a*b"}, {KEY: "xxbyya"}, False),
    ("StringLike", {KEY: "A.C"}, {KEY: "ABC"}, False),
    ("StringLike", {KEY: ""}, {KEY: ""}, True),
    ("StringNotLike", {KEY: "home/*"}, {KEY: "home/a"}, False),
    ("StringNotLike", {KEY: "home/*"}, {}, True),
    # numbers
    ("NumericEquals", {KEY: "10"}, {KEY: "10.0"}, True),
    ("NumericNotEquals", {KEY: "10"}, {KEY: "11"}, True),
    ("NumericNotEquals", {KEY: "10"}, {}, True),
    ("NumericLessThan", {KEY: "10"}, {KEY: "9"}, True),
    ("NumericLessThan", {KEY: "10"}, {KEY: "10"}, False),
    ("NumericLessThanEquals", {KEY: 10}, {KEY: "10"}, True),
    ("NumericGreaterThan", {KEY: "10"}, {KEY: "100"}, True),
    ("NumericGreaterThanEquals", {KEY: "10"}, {KEY: "9.99"}, False),
    ("NumericLessThan", {KEY: "10"}, {KEY: "many"}, False),
    ("NumericLessThan", {KEY: "10"}, {}, False),
    # dates
    ("DateEquals", {NOW: "2026-01-01T00:00:00Z"}, {NOW: "2026-01-01T01:00:00+01:00"}, True),
    ("DateNotEquals", {NOW: "2026-01-01"}, {NOW: "2026-01-02T00:00:00Z"}, True),
    ("DateLessThan", {NOW: "2026-06-30T23:59:59Z"}, {NOW: "2026-01-01T00:00:00Z"}, True),
    ("DateGreaterThan", {NOW: "2026-06-30"}, {NOW: "2026-01-01T00:00:00Z"}, False),
    ("DateGreaterThanEquals", {NOW: "2026"}, {NOW: "2026-01-01T00:00:00Z"}, True),
    ("DateLessThanEquals", {"aws:EpochTime": "1767225600"}, {"aws:EpochTime": "1767225600"}, True),
    ("DateLessThan", {"aws:EpochTime": "2026-01-01T00:00:01Z"}, {"aws:EpochTime": "1767225600"}, True),
    ("DateLessThan", {NOW: "soon"}, {NOW: "2026-01-01T00:00:00Z"}, False),
    # Bool, Binary
    ("Bool", {"aws:SecureTransport": "false"}, {"aws:SecureTransport": "false"}, True),
    ("Bool", {"aws:SecureTransport": True}, {"aws:SecureTransport": "true"}, True),
    ("Bool", {"aws:SecureTransport": "True"}, {"aws:SecureTransport": "true"}, True),
    ("Bool", {"aws:MultiFactorAuthPresent": "false"}, {}, False),
    ("BoolIfExists", {"aws:MultiFactorAuthPresent": "false"}, {}, True),
    ("BoolIfExists", {"aws:MultiFactorAuthPresent": "true"}, {"aws:MultiFactorAuthPresent": "false"}, False),
    ("BinaryEquals", {KEY: "QmluYXJ5"}, {KEY: "QmluYXJ5"}, True),
    ("BinaryEquals", {KEY: "QmluYXJ5"}, {KEY: "QmluYXJ6"}, False),
    ("BinaryEquals", {KEY: "!"}, {KEY: "!"}, False),
    # addresses
    ("IpAddress", {IP: "203.0.113.0/24"}, {IP: "203.0.113.9"}, True),
    ("IpAddress", {IP: "203.0.113.0/24"}, {IP: "203.0.114.9"}, False),
    ("IpAddress", {IP: "203.0.113.9"}, {IP: "203.0.113.9"}, True),
    ("IpAddress", {IP: ["10.0.0.0/8", "2001:db8::/32"]}, {IP: "2001:db8::1"}, True),
    ("IpAddress", {IP: "203.0.113.5/24"}, {IP: "203.0.113.9"}, True),
    ("IpAddress", {IP: "everywhere"}, {IP: "203.0.113.9"}, False),
    ("IpAddress", {IP: "0.0.0.0/0"}, {}, False),
    ("NotIpAddress", {IP: ["10.0.0.0/8", "203.0.113.0/24"]}, {IP: "203.0.113.9"}, False),
    ("NotIpAddress", {IP: "203.0.113.0/24"}, {IP: "127.0.0.1"}, True),
    ("NotIpAddress", {IP: "203.0.113.0/24"}, {}, True),
    # ARNs: each of the six components by itself
    ("ArnEquals", {KEY: "arn:aws:sns:*:123:t"}, {KEY: "arn:aws:sns:us-east-1:123:t"}, True),
    ("ArnLike", {KEY: "arn:aws:iam::*:role/admin"}, {KEY: "arn:aws:iam::123:role/admin"}, True),
    ("ArnLike", {KEY: "arn:aws:iam::*:role/*"}, {KEY: "arn:aws:iam::123:role/a/b:c"}, True),
    ("ArnLike", {KEY: "arn:aws:*:role/admin"}, {KEY: "arn:aws:iam::123:role/admin"}, False),
    ("ArnNotLike", {KEY: "arn:aws:iam::*:role/admin"}, {KEY: "arn:aws:iam::123:user/a"}, True),
    ("ArnNotEquals", {KEY: "arn:aws:iam::123:user/a"}, {KEY: "arn:aws:iam::123:user/a"}, False),
    ("ArnNotEquals", {KEY: "arn:aws:iam::123:user/a"}, {}, True),
    # Null
    ("Null", {KEY: "true"}, {}, True),
    ("Null", {KEY: "true"}, {KEY: "a"}, False),
    ("Null", {KEY: "false"}, {KEY: "a"}, True),
    ("Null", {KEY: False}, {}, False),
    ("Null", {TAGS: "true"}, {TAGS: ()}, True),
    # …IfExists
    ("StringEqualsIfExists", {KEY: "a"}, {}, True),
    ("StringEqualsIfExists", {KEY: "a"}, {KEY: "b"}, False),
    ("NumericLessThanIfExists", {KEY: "1"}, {}, True),
    ("StringNotEqualsIfExists", {KEY: "a"}, {}, True),
    # several values
    ("ForAllValues:StringEquals", {TAGS: ["a", "b"]}, {TAGS: ("a", "b")}, True),
    ("ForAllValues:StringEquals", {TAGS: ["a", "b"]}, {TAGS: ("a", "c")}, False),
    ("ForAllValues:StringEquals", {TAGS: ["a"]}, {}, True),
    ("ForAllValues:StringEquals", {TAGS: ["a"]}, {TAGS: ""}, True),
    ("ForAllValues:StringLike", {TAGS: ["key1*"]}, {TAGS: ("key10", "key12")}, True),
    ("ForAllValues:StringNotEquals", {TAGS: ["a"]}, {TAGS: ("b", "a")}, False),
    ("ForAnyValue:StringEquals", {TAGS: ["a", "b"]}, {TAGS: ("c", "b")}, True),
    ("ForAnyValue:StringEquals", {TAGS: ["a", "b"]}, {TAGS: ("c", "d")}, False),
    ("ForAnyValue:StringEquals", {TAGS: ["a"]}, {}, False),
    ("ForAnyValue:StringEqualsIfExists", {TAGS: ["a"]}, {}, True),
    ("ForAnyValue:StringNotEquals", {TAGS: ["a"]}, {TAGS: ("a", "b")}, True),
    ("ForAnyValue:StringNotEquals", {TAGS: ["a"]}, {TAGS: ("a",)}, False),
    ("ForAnyValue:StringLike", {"aws:PrincipalOrgPaths": "o-1/r-1/*"},
     {"aws:PrincipalOrgPaths": ("o-1/r-1/ou-2/",)}, True),
    # policy variables
    ("StringEquals", {KEY: "${aws:username}"}, {KEY: "alice", "aws:username": "alice"}, True),
    ("StringEquals", {KEY: "${AWS:UserName}"}, {KEY: "alice", "aws:username": "alice"}, True),
    ("StringEquals", {KEY: "${aws:username}"}, {KEY: "${aws:username}"}, False),
    ("StringNotEquals", {KEY: "${aws:username}"}, {KEY: "alice"}, True),
    ("StringLike", {KEY: "${aws:username}/*"}, {KEY: "alice/x", "aws:username": "alice"}, True),
    ("StringLike", {KEY: "${aws:username}"}, {KEY: "alice", "aws:username": "*"}, False),
    ("StringEquals", {KEY: "${aws:PrincipalTag/team, 'blue'}"}, {KEY: "blue"}, True),
    ("StringEquals", {KEY: "${aws:PrincipalTag/team, 'blue'}"}, {KEY: "blue", "aws:PrincipalTag/team": "red"}, False),
    ("StringEquals", {KEY: "${aws:TagKeys}"}, {KEY: "a", TAGS: ("a",)}, False),
    ("StringLike", {KEY: "a${*}"}, {KEY: "a*"}, True),
    ("StringLike", {KEY: "a${*}"}, {KEY: "ab"}, False),
    ("StringLike", {KEY: "a${?}${$}"}, {KEY: "a?$"}, True),
    ("ArnLike", {KEY: "arn:aws:iam::${aws:PrincipalAccount}:role/*"},
     {KEY: "arn:aws:iam::123:role/x", "aws:PrincipalAccount": "123"}, True),
    ("NumericEquals", {KEY: "${aws:x}"}, {KEY: "1", "aws:x": "1"}, False),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "wanted", "context", "expected"), ROWS)
def test_operator(operator: str, wanted: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    assert holds({operator: wanted}, context) is expected


def test_operators_and_keys_are_all_required() -> None:
    """ "Multiple conditions": AND between operators and between keys, OR between the values of a key."""
    condition = {"StringEquals": {"a:x": ["1", "2"], "a:y": "1"}, "Bool": {"a:z": "true"}}
    complete = {"a:x": "2", "a:y": "1", "a:z": "true"}
    assert holds(condition, complete)
    for missing in complete:
        assert not holds(condition, {key: value for key, value in complete.items() if key != missing})


def test_variables_are_text_before_version_2012() -> None:
    """ "IAM policy elements: Variables and tags": only in Version 2012-10-17."""
    condition = {"StringEquals": {KEY: "${aws:username}"}}
    assert not holds(condition, {KEY: "alice", "aws:username": "alice"}, version="2008-10-17")
    assert holds(condition, {KEY: "${aws:username}", "aws:username": "alice"}, version="2008-10-17")


def test_condition_keys_in_finds_keys_of_conditions_and_of_variables() -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "arn:aws:s3:::b/${aws:username}/${*}",
            "Condition": {
                "StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team, 'x'}"},
                "Null": {"s3:Prefix": "true"},
            },
        },
    }
    assert condition_keys_in(document) == {
        "aws:username", "aws:resourcetag/team", "aws:principaltag/team", "s3:prefix",
    }  # fmt: skip
    for broken in ({}, {"Statement": None}, {"Statement": [1]}, {"Statement": {"Condition": 1}}):
        assert condition_keys_in(broken) == set()

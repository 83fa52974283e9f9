"""Sixteen requests whose verdict is worth predicting, and the live call behind each.

A case is JSON: the documents in play and the request, nothing about the answer.  ``stage`` builds it in an account and
returns the call to make.  Each case has a bucket, a caller and, where needed, a key of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labs.scenarios.base import Values, shuffled
from labs.scenarios.creation import (
    access_key,
    administrator,
    ensure_bucket,
    ensure_policy,
    ensure_role,
    ensure_user,
    role_session,
)

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

Case = dict[str, Any]
Document = dict[str, Any]
ADMINISTER_KEY = ["kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:*Alias", "kms:*KeyDeletion"]


def document(*statements: dict[str, Any]) -> Document:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement; ``more`` are further elements, e.g. ``Principal``."""
    return {"Effect": "Allow", **more, "Action": action, "Resource": resource}


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    """A Deny statement."""
    return {"Effect": "Deny", **more, "Action": action, "Resource": resource}


def choose(seed: bytes, suffix: str) -> list[Case]:
    """One learner's cases: two that end well, two explicit denials, four implicit ones, in an order of their own."""
    pool = _pool(suffix)
    groups = (("ends-well", 2), ("told-no", 2), ("nobody-said-yes", 4))
    chosen = [case for name, count in groups for case in shuffled(seed, name, pool[name])[:count]]
    return [{"id": f"case-{n}", **case} for n, case in enumerate(shuffled(seed, "cases", chosen), start=1)]


def stage(aws: AwsAccount, values: Values, case: Case, operator: dict[str, str]) -> Callable[[], Any]:
    """Build a case and return its call; nothing is called yet.

    :param values: settled values; :param operator: keyword arguments of ``client_as`` of a user who may assume roles
    """
    suffix = values["suffix"]
    if "bucket" in case:
        ensure_bucket(aws, case["bucket"], {case["key"]: "order 1001\n"}, case.get("bucket_policy"))
    inline = {"identity": case["identity"]} if case.get("identity") else {}
    boundary = ""
    if case.get("boundary"):
        boundary = ensure_policy(aws, f"limit-{case['caller']}", case["boundary"])
    if case["kind"] == "role":
        trust = document({"Effect": "Allow", "Principal": {"AWS": operator_arn(values)}, "Action": "sts:AssumeRole"})
        ensure_role(aws, case["caller"], trust, inline, boundary)
        more = {"Policy": json.dumps(case["session_policy"])} if case.get("session_policy") else {}
        keys = role_session(aws, operator, case["caller"], case["session"], **more)
    else:
        ensure_user(aws, case["caller"], inline, boundary=boundary)
        keys = access_key(aws, case["caller"])
    return _call(aws, case, keys, suffix)


def operator_arn(values: Values) -> str:
    """The user who assumes this lab's roles."""
    return f"arn:aws:iam::{values['account']}:user/{values['operator']}"


def _call(aws: AwsAccount, case: Case, keys: dict[str, str], suffix: str) -> Callable[[], Any]:
    action = case["action"]
    if action == "sts:AssumeRole":
        target = case["role"]
        ensure_role(aws, target, case["trust"])
        sts = aws.client_as("sts", **keys)
        arn = f"arn:aws:iam::{aws.account}:role/{target}"
        return lambda: sts.assume_role(RoleArn=arn, RoleSessionName="attempt")
    if action == "kms:Encrypt":
        key = _key(aws, f"alias/{case['caller']}", case["key_policy"])
        kms = aws.client_as("kms", **keys)
        return lambda: kms.encrypt(KeyId=key, Plaintext=b"order 1001")
    s3 = aws.client_as("s3", **keys)
    if action == "s3:PutObject":
        return lambda: s3.put_object(Bucket=case["bucket"], Key=case["key"], Body=b"order 1002\n")
    return lambda: s3.get_object(Bucket=case["bucket"], Key=case["key"])


def _key(aws: AwsAccount, alias: str, policy: Document) -> str:
    kms = administrator(aws, "kms")
    for known in kms.get_paginator("list_aliases").paginate().search("Aliases[]"):
        if known["AliasName"] == alias:
            return str(known["TargetKeyId"])
    key = kms.create_key(Policy=json.dumps(policy))["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return str(key)


def _pool(suffix: str) -> dict[str, list[Case]]:
    only_queues = document(allow("sqs:*"))
    anything = document(allow("*"))
    s3 = document(allow("s3:*"))

    def case(title: str, kind: str, story: str, action: str = "s3:GetObject", **more: Any) -> Case:
        name = title.replace(" ", "-")
        base = {"title": title, "kind": kind, "story": story, "action": action}
        filled: Case = {**base, "caller": f"{name}-{suffix}"}
        if action.startswith("s3:"):
            filled |= {"bucket": f"{name}-{suffix}", "key": "orders/1001.txt"}
        if kind == "role":
            filled["session"] = "night-shift"
        return {**filled, **more}

    def objects(title: str) -> str:
        return f"arn:aws:s3:::{title.replace(' ', '-')}-{suffix}/*"

    def user(title: str) -> Document:
        return {"AWS": f"arn:aws:iam::{{account}}:user/{title.replace(' ', '-')}-{suffix}"}

    def role(title: str) -> Document:
        return {"AWS": f"arn:aws:iam::{{account}}:role/{title.replace(' ', '-')}-{suffix}"}

    def session(title: str) -> Document:
        return {"AWS": f"arn:aws:sts::{{account}}:assumed-role/{title.replace(' ', '-')}-{suffix}/night-shift"}

    account = {"AWS": "arn:aws:iam::{account}:root"}

    def bucket_allows(title: str, principal: Document) -> Document:
        return document(allow("s3:GetObject", objects(title), Principal=principal))

    return {
        "ends-well": [
            case(
                "bucket names user",
                "user",
                "A user has no identity policy and a boundary about queues; the bucket policy names the user.",
                boundary=only_queues,
                bucket_policy=bucket_allows("bucket names user", user("bucket names user")),
            ),
            case(
                "bucket names session",
                "role",
                "A role has no identity policy and a boundary about queues; the bucket policy names its session.",
                boundary=only_queues,
                bucket_policy=bucket_allows("bucket names session", session("bucket names session")),
            ),
            case(
                "all but iam",
                "user",
                "A user may do everything that is not IAM.",
                identity=document({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            ),
            case(
                "both say yes",
                "role",
                "A role and its session policy both speak about this bucket.",
                identity=s3,
                session_policy=document(allow("s3:Get*", objects("both say yes"))),
            ),
        ],
        "told-no": [
            case(
                "allow and deny",
                "user",
                "One policy with two statements: all of S3, but not this folder.",
                identity=document(allow("s3:*"), deny("s3:GetObject", "arn:aws:s3:::*/orders/*")),
            ),
            case(
                "bucket says no",
                "user",
                "An administrator meets a bucket policy with a Deny for everybody.",
                identity=anything,
                bucket_policy=document(deny("s3:GetObject", objects("bucket says no"), Principal="*")),
            ),
            case(
                "boundary says no",
                "user",
                "An administrator's boundary allows everything and then forbids reading objects.",
                identity=anything,
                boundary=document(allow("*"), deny("s3:GetObject")),
            ),
            case(
                "session says no",
                "role",
                "A role may do all of S3; its session policy allows everything and forbids reading objects.",
                identity=s3,
                session_policy=document(allow("*"), deny("s3:GetObject")),
            ),
        ],
        "nobody-said-yes": [
            case("no policy", "user", "A new user, with no policy at all."),
            case(
                "boundary elsewhere",
                "user",
                "A user may do all of S3; the boundary speaks only about queues.",
                identity=s3,
                boundary=only_queues,
            ),
            case(
                "bucket names role",
                "role",
                "A role has no identity policy and a boundary about queues; the bucket policy names the role.",
                boundary=only_queues,
                bucket_policy=bucket_allows("bucket names role", role("bucket names role")),
            ),
            case(
                "narrow session",
                "role",
                "A role may do all of S3; its session policy allows reading. The call writes.",
                action="s3:PutObject",
                identity=s3,
                session_policy=document(allow("s3:Get*")),
            ),
            case(
                "bucket names account",
                "user",
                "A user has no identity policy; the bucket policy names the user's account.",
                bucket_policy=bucket_allows("bucket names account", account),
            ),
            case(
                "wrong network",
                "user",
                "A user may read from the office network 203.0.113.0/24, and calls from this machine.",
                identity=document(allow("s3:*", Condition={"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}})),
            ),
            case(
                "trust forgets",
                "user",
                "A user may assume any role; the role's trust policy names another service.",
                action="sts:AssumeRole",
                identity=document(allow("sts:AssumeRole")),
                role=f"forgetful-{suffix}",
                trust=document(
                    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
                ),
            ),
            case(
                "key for another",
                "user",
                "A user may do all of KMS; the key policy lets the account administer it and the operator encrypt.",
                action="kms:Encrypt",
                identity=document(allow("kms:*")),
                key_policy=document(
                    allow(ADMINISTER_KEY, Principal=account),
                    allow("kms:Encrypt", Principal={"AWS": f"arn:aws:iam::{{account}}:user/operator-{suffix}"}),
                ),
            ),
        ],
    }

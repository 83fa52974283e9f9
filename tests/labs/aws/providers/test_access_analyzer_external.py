"""External access: which policies let somebody in from outside, and what the finding says."""

from __future__ import annotations

from typing import Any

import pytest

from labs.aws.gateway.calls import AwsError
from labs.aws.iam import Policy
from labs.aws.providers.access_analyzer_checks import check
from labs.aws.providers.access_analyzer_external import Resource, Zone, external_access

OWNER, PARTNER = "111122223333", "222233334444"
ZONE = Zone(lambda account: account == OWNER, lambda account: ("o-own", "o-own/r-1/") if account == OWNER else None)
WHOLE = Zone(lambda account: True, lambda account: ("o-own", "o-own/r-1/"), "o-own")
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::shop",
    "AWS::IAM::Role": f"arn:aws:iam::{OWNER}:role/deploy",
    "AWS::KMS::Key": f"arn:aws:kms:us-east-1:{OWNER}:key/1",
    "AWS::SQS::Queue": f"arn:aws:sqs:us-east-1:{OWNER}:orders",
    "AWS::Lambda::Function": f"arn:aws:lambda:us-east-1:{OWNER}:function:pay",
    "AWS::ECR::Repository": f"arn:aws:ecr:us-east-1:{OWNER}:repository/shop",
}
S3, TRUST, KMS, SQS = "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KMS::Key", "AWS::SQS::Queue"


def allow(
    principal: Any = "*", action: Any = "s3:GetObject", resource: Any = "arn:aws:s3:::shop/*", **more: Any
) -> Any:
    return {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": resource, **more}


def trust(principal: Any, action: str = "sts:AssumeRole", **more: Any) -> Any:
    return {"Effect": "Allow", "Principal": principal, "Action": action, **more}


def deny(operator: str, key: str, value: Any) -> Any:
    return {**allow(action="s3:*"), "Effect": "Deny", "Condition": {operator: {key: value}}}


def condition(operator: str, key: str, value: Any) -> dict[str, Any]:
    return {"Condition": {operator: {key: value}}}


def found(kind: str, *statements: Any, zone: Zone = ZONE, **more: Any) -> list[tuple[str, dict[str, str], bool]]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    accesses = external_access(Resource(ARNS[kind], kind, OWNER, document, **more), zone)
    return [(next(iter(access.principal.values())), access.condition, access.is_public) for access in accesses]


EXTERNAL = [
    ("everybody", S3, [allow()], [("*", {}, True)]),
    ("NotPrincipal lets everybody else in", S3,
     [{"Effect": "Allow", "NotPrincipal": {"AWS": OWNER}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}],
     [("*", {}, True)]),
    ("own account", S3, [allow({"AWS": OWNER})], []),
    ("another account", S3, [allow({"AWS": f"arn:aws:iam::{PARTNER}:root"})], [(PARTNER, {}, False)]),
    ("a role elsewhere", S3, [allow({"AWS": f"arn:aws:iam::{PARTNER}:role/a"})],
     [(f"arn:aws:iam::{PARTNER}:role/a", {}, False)]),
    ("a service principal", S3, [allow({"Service": "cloudtrail.amazonaws.com"})], []),
    ("own organisation, for an account's zone", S3, [allow(**condition("StringEquals", "aws:PrincipalOrgID", "o-own"))],
     [("*", {"aws:PrincipalOrgID": "o-own"}, False)]),
    ("own account by condition", S3, [allow(**condition("StringEquals", "aws:PrincipalAccount", OWNER))], []),
    ("two accounts by condition", S3, [allow(**condition("StringEquals", "aws:PrincipalAccount", [OWNER, PARTNER]))],
     [("*", {"aws:PrincipalAccount": PARTNER}, False)]),
    ("role pattern by condition", S3, [allow(**condition("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/ci-*"))],
     [("*", {"aws:PrincipalArn": "arn:aws:iam::*:role/ci-*"}, False)]),
    ("an address range", S3, [allow(**condition("IpAddress", "aws:SourceIp", "203.0.113.0/24"))],
     [("*", {"aws:SourceIp": "203.0.113.0/24"}, False)]),
    ("every address", S3, [allow(**condition("IpAddress", "aws:SourceIp", "0.0.0.0/0"))], [("*", {}, True)]),
    ("a header anybody can send", S3, [allow(**condition("StringLike", "aws:Referer", "https://shop.example/*"))],
     [("*", {}, True)]),
    ("one VPC endpoint", S3, [allow(**condition("StringEquals", "aws:SourceVpce", "vpce-01234567"))],
     [("*", {"aws:SourceVpce": "vpce-01234567"}, False)]),
    ("a service on behalf of the owner", S3, [allow(**condition("StringEquals", "aws:SourceAccount", OWNER))], []),
    ("denied again", S3, [allow(), {**allow(), "Effect": "Deny"}], []),
    ("denied outside a range", S3, [allow(), deny("NotIpAddress", "aws:SourceIp", "203.0.113.0/24")],
     [("*", {"aws:SourceIp": "203.0.113.0/24"}, False)]),
    ("denied outside the account", S3, [allow(), deny("StringNotEquals", "aws:PrincipalAccount", OWNER)], []),
    ("denied without TLS", S3, [allow(), deny("Bool", "aws:SecureTransport", "false")], [("*", {}, True)]),
    ("denied for other objects only", S3,
     [allow(), {**allow(resource="arn:aws:s3:::shop/private/*"), "Effect": "Deny"}], [("*", {}, True)]),
    ("another bucket's ARN", S3, [allow(resource="arn:aws:s3:::other/*")], []),
    ("trusted account", TRUST, [trust({"AWS": PARTNER})], [(PARTNER, {}, False)]),
    ("trusted with an external id", TRUST,
     [trust({"AWS": PARTNER}, **condition("StringEquals", "sts:ExternalId", "x7"))],
     [(PARTNER, {"sts:ExternalId": "x7"}, False)]),
    ("a service's role", TRUST, [trust({"Service": "ec2.amazonaws.com"})], []),
    ("everybody may assume", TRUST, [trust({"AWS": "*"})], [("*", {}, True)]),
    ("GitHub, one repository", TRUST, [trust(
        {"Federated": f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com"},
        "sts:AssumeRoleWithWebIdentity",
        **condition("StringLike", "token.actions.githubusercontent.com:sub", "repo:shop/web:*"))],
     [(f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com",
       {"token.actions.githubusercontent.com:sub": "repo:shop/web:*"}, False)]),
    ("Cognito, any application", TRUST,
     [trust({"Federated": "cognito-identity.amazonaws.com"}, "sts:AssumeRoleWithWebIdentity")],
     [("cognito-identity.amazonaws.com", {}, True)]),
    ("default key policy", KMS, [allow({"AWS": f"arn:aws:iam::{OWNER}:root"}, "kms:*", "*")], []),
    ("key shared", KMS, [allow({"AWS": PARTNER}, "kms:Decrypt", "*")], [(PARTNER, {}, False)]),
    ("key through a service, by caller account", KMS,
     [allow("*", "kms:*", "*", Condition={"StringEquals": {"kms:CallerAccount": OWNER, "kms:ViaService": "s3"}})], []),
    ("queue open", SQS, [allow("*", "sqs:SendMessage", ARNS[SQS])], [("*", {}, True)]),
    ("queue for one topic of the owner", SQS, [allow("*", "sqs:SendMessage", ARNS[SQS], **condition(
        "ArnEquals", "aws:SourceArn", f"arn:aws:sns:us-east-1:{OWNER}:t"))], []),
    ("queue for a topic elsewhere", SQS, [allow("*", "sqs:SendMessage", ARNS[SQS], **condition(
        "ArnEquals", "aws:SourceArn", f"arn:aws:sns:us-east-1:{PARTNER}:t"))],
     [("*", {"aws:SourceArn": f"arn:aws:sns:us-east-1:{PARTNER}:t"}, False)]),
    ("function URL", "AWS::Lambda::Function", [allow("*", "lambda:InvokeFunctionUrl", ARNS["AWS::Lambda::Function"],
     **condition("StringEquals", "lambda:FunctionUrlAuthType", "NONE"))], [("*", {}, True)]),
    ("repository without Resource", "AWS::ECR::Repository",
     [{"Effect": "Allow", "Principal": {"AWS": PARTNER}, "Action": "ecr:BatchGetImage"}], [(PARTNER, {}, False)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "statements", "expected"), [case[1:] for case in EXTERNAL], ids=[c[0] for c in EXTERNAL]
)
def test_external_access(kind: str, statements: list[Any], expected: list[Any]) -> None:
    assert found(kind, *statements) == expected


def test_zone_of_the_organisation_trusts_its_members() -> None:
    inside = allow(**condition("StringEquals", "aws:PrincipalOrgID", "o-own"))
    outside = allow(**condition("StringEquals", "aws:PrincipalOrgID", "o-other"))
    assert found(S3, inside, zone=WHOLE) == []
    assert found(S3, allow({"AWS": PARTNER}), zone=WHOLE) == []
    assert found(S3, outside, zone=WHOLE) == [("*", {"aws:PrincipalOrgID": "o-other"}, False)]
    assert found(S3, allow(), zone=WHOLE) == [("*", {}, True)]


def test_restricted_public_bucket_lets_nobody_in() -> None:
    assert found(S3, allow(), blocked=True) == []


def test_resource_control_policy_counts() -> None:
    rcp = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
         "Condition": {"StringNotEquals": {"aws:PrincipalAccount": OWNER}}}]}  # fmt: skip
    everything = {"Version": "2012-10-17", "Statement": [allow("*", "*", "*")]}
    levels = ((Policy(everything), Policy(rcp)),)
    assert found(S3, allow(), rcps=levels) == []
    assert found(S3, allow(), rcps=((Policy(everything),),)) == [("*", {}, True)]


def test_actions_are_those_that_the_evaluator_allows() -> None:
    document = {"Version": "2012-10-17", "Statement": [
        allow(action=["s3:Get*", "s3:ListBucket"], resource=["arn:aws:s3:::shop", "arn:aws:s3:::shop/*"]),
        {**allow(action="s3:GetBucket*", resource="*"), "Effect": "Deny"}]}  # fmt: skip
    (access,) = external_access(Resource(ARNS[S3], S3, OWNER, document), ZONE)
    assert {"s3:GetObject", "s3:ListBucket"} <= set(access.actions)
    assert not any(action.startswith(("s3:GetBucket", "s3:Put")) for action in access.actions)


def test_acl_grants_are_found_with_their_source() -> None:
    everybody = {
        "Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
        "Permission": "READ",
    }
    own = {"Grantee": {"Type": "CanonicalUser", "ID": "me"}, "Permission": "FULL_CONTROL"}
    (access,) = external_access(Resource(ARNS[S3], S3, OWNER, None, acl=(everybody, own), owner_id="me"), ZONE)
    assert (access.principal, access.is_public, access.sources) == ({"AWS": "*"}, True, ["BUCKET_ACL"])
    assert "s3:ListBucket" in access.actions


def statement(effect: str, action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def text(*statements: dict[str, Any]) -> str:
    import json

    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


OBJECTS = "arn:aws:s3:::shop/*"
NARROW = {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/25"}}}
RANGE = {"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}
NEW_ACCESS = [
    ("less", [statement("Allow", "s3:GetObject", OBJECTS)], [statement("Allow", "s3:*")], "PASS"),
    ("more actions", [statement("Allow", "s3:*")], [statement("Allow", "s3:Get*")], "FAIL"),
    ("more resources", [statement("Allow", "s3:Get*")], [statement("Allow", "s3:*", OBJECTS)], "FAIL"),
    ("same", [statement("Allow", "*")], [statement("Allow", "*")], "PASS"),
    ("a denial dropped", [statement("Allow", "*")], [statement("Allow", "*"), statement("Deny", "iam:*")], "FAIL"),
    ("a denial added", [statement("Allow", "*"), statement("Deny", "iam:*")], [statement("Allow", "*")], "PASS"),
    ("a condition dropped", [statement("Allow", "s3:*")], [statement("Allow", "s3:*", **RANGE)], "FAIL"),
    ("a condition narrowed", [statement("Allow", "s3:*", **NARROW)], [statement("Allow", "s3:*", **RANGE)], "PASS"),
    ("a condition widened", [statement("Allow", "s3:*", **RANGE)], [statement("Allow", "s3:*", **NARROW)], "FAIL"),
    ("a hole filled", [statement("Allow", "s3:GetObject", "arn:aws:s3:::shop/a/*")],
     [statement("Allow", "s3:GetObject", OBJECTS), statement("Deny", "s3:*", "arn:aws:s3:::shop/a/secret*")], "FAIL"),
    ("two statements joined", [statement("Allow", ["s3:GetObject", "s3:PutObject"], "arn:aws:s3:::shop/x")],
     [statement("Allow", "s3:GetObject", OBJECTS), statement("Allow", "s3:Put*", OBJECTS)], "PASS"),
    ("NotAction", [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], [statement("Allow", ["s3:*"])], "FAIL"),
]  # fmt: skip
GRANTED = [
    ([statement("Allow", "s3:*")], {"actions": ["s3:DeleteBucket"]}, "FAIL"),
    ([statement("Allow", "s3:Get*")], {"actions": ["s3:DeleteBucket"]}, "PASS"),
    ([statement("Allow", "s3:*"), statement("Deny", "s3:DeleteBucket")], {"actions": ["s3:DeleteBucket"]}, "PASS"),
    ([statement("Allow", "s3:*"), statement("Deny", "s3:*", "arn:aws:s3:::a")], {"actions": ["s3:DeleteBucket"]},
     "FAIL"),
    ([statement("Allow", "s3:GetObject", OBJECTS)], {"resources": ["arn:aws:s3:::shop/secret/*"]}, "FAIL"),
    ([statement("Allow", "s3:GetObject", "arn:aws:s3:::shop/public/*")], {"resources": ["arn:aws:s3:::shop/secret/*"]},
     "PASS"),
    ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], {"actions": ["iam:PassRole"]}, "PASS"),
    ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], {"actions": ["iam:PassRole"]}, "FAIL"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("new", "old", "result"), [case[1:] for case in NEW_ACCESS], ids=[case[0] for case in NEW_ACCESS]
)
def test_check_no_new_access(new: list[Any], old: list[Any], result: str) -> None:
    params = {"newPolicyDocument": text(*new), "existingPolicyDocument": text(*old), "policyType": "IDENTITY_POLICY"}
    answer = check("CheckNoNewAccess", params)
    assert answer["result"] == result
    assert bool(answer["reasons"]) is (result == "FAIL")


@pytest.mark.parametrize(("statements", "access", "result"), GRANTED)
def test_check_access_not_granted(statements: list[Any], access: dict[str, Any], result: str) -> None:
    params = {"policyDocument": text(*statements), "access": [access], "policyType": "IDENTITY_POLICY"}
    assert check("CheckAccessNotGranted", params)["result"] == result


@pytest.mark.parametrize(
    ("kind", "statements", "result"),
    [
        (S3, [allow()], "FAIL"),
        (S3, [allow(**condition("IpAddress", "aws:SourceIp", "203.0.113.0/24"))], "PASS"),
        (S3, [allow({"AWS": PARTNER})], "PASS"),
        (SQS, [allow("*", "sqs:SendMessage", ARNS[SQS])], "FAIL"),
        ("AWS::IAM::AssumeRolePolicyDocument", [trust({"AWS": "*"})], "FAIL"),
        ("AWS::IAM::AssumeRolePolicyDocument", [trust({"AWS": PARTNER})], "PASS"),
    ],
)
def test_check_no_public_access(kind: str, statements: list[Any], result: str) -> None:
    answer = check("CheckNoPublicAccess", {"policyDocument": text(*statements), "resourceType": kind})
    assert answer["result"] == result
    if result == "FAIL":
        assert answer["reasons"][0]["statementIndex"] == 0


def test_check_no_new_access_of_a_resource_policy_looks_at_who() -> None:
    one, everybody = allow({"AWS": f"arn:aws:iam::{PARTNER}:role/a"}), allow()
    whole = allow({"AWS": f"arn:aws:iam::{PARTNER}:root"})
    pairs = ((one, whole, "PASS"), (whole, one, "FAIL"), (everybody, whole, "FAIL"), (whole, everybody, "PASS"))
    for new, old, result in pairs:
        params = {"newPolicyDocument": text(new), "existingPolicyDocument": text(old), "policyType": "RESOURCE_POLICY"}
        assert check("CheckNoNewAccess", params)["result"] == result


@pytest.mark.parametrize("broken", ["{", "[]", '{"Version": "2012-10-17", "Statement": [{"Effect": "Maybe"}]}'])
def test_check_refuses_what_is_no_policy(broken: str) -> None:
    params = {"newPolicyDocument": broken, "existingPolicyDocument": text(), "policyType": "IDENTITY_POLICY"}
    with pytest.raises(AwsError) as caught:
        check("CheckNoNewAccess", params)
    assert caught.value.code == "InvalidParameterException"

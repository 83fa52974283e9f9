"""``ValidatePolicy``: a row for every check of the page "IAM policy validation check reference"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labs.aws.providers.access_analyzer_issues import issues
from labs.aws.providers.access_analyzer_validation import findings

BUCKET = "arn:aws:s3:::shop"
ROLE = "arn:aws:iam::111122223333:role/deploy"
IDENTITY, RESOURCE, SCP = "IDENTITY_POLICY", "RESOURCE_POLICY", "SERVICE_CONTROL_POLICY"


def policy(*statements: dict[str, Any], **top: Any) -> str:
    return json.dumps({"Version": "2012-10-17", **top, "Statement": list(statements)})


def allow(action: Any = "s3:GetObject", resource: Any = f"{BUCKET}/*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def when(operator: str, key: str, value: Any) -> str:
    return policy(allow(Condition={operator: {key: value}}))


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in {**allow(), **more}.items() if name not in names}


def granted(principal: Any, **more: Any) -> str:
    return policy(allow(Principal=principal, **more))


CASES: list[tuple[str, str, str, str | None]] = [
    # errors
    ("ARN_ACCOUNT_NOT_ALLOWED", policy(allow(resource="arn:aws:s3::111122223333:shop")), IDENTITY, None),
    ("ARN_REGION_NOT_ALLOWED", policy(allow("iam:GetRole", "arn:aws:iam:us-east-1:111122223333:role/a")), IDENTITY,
     None),
    ("DATA_TYPE_MISMATCH", policy(allow(Sid=1)), IDENTITY, None),
    ("DUPLICATE_KEYS_WITH_DIFFERENT_CASE", policy(allow(Condition={"StringEquals": {
        "aws:UserAgent": "a", "aws:useragent": "b"}})), IDENTITY, None),
    ("EMPTY_VARIABLE", policy(allow(resource=BUCKET + "/${}")), IDENTITY, None),
    ("INVALID_ACTION", policy(allow("s3:GetObjekt")), IDENTITY, None),
    ("INVALID_ARN_ACCOUNT", policy(allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:1111:q")), IDENTITY, None),
    ("INVALID_ARN_PREFIX", policy(allow(resource="aws:arn:s3:::shop/*")), IDENTITY, None),
    ("INVALID_ARN_REGION", policy(allow("sqs:SendMessage", "arn:aws:sqs:us-east-9:111122223333:q")), IDENTITY, None),
    ("INVALID_ARN_RESOURCE", policy(allow("kms:Decrypt", "arn:aws:kms:us-east-1:111122223333:keys/1")), IDENTITY, None),
    ("INVALID_ARN_SERVICE_CASE", policy(allow(resource="arn:aws:S3:::shop/*")), IDENTITY, None),
    ("INVALID_CONDITION_DATA_TYPE", when("StringEquals", "s3:prefix", ["a", True]), IDENTITY, None),
    ("INVALID_CONDITION_KEY_FORMAT", when("StringEquals", "prefix", "a"), IDENTITY, None),
    ("INVALID_CONDITION_MULTIPLE_BOOLEAN", when("Bool", "aws:SecureTransport", ["true", "false"]), IDENTITY, None),
    ("INVALID_CONDITION_OPERATOR", when("StringEqual", "s3:prefix", "a"), IDENTITY, None),
    ("INVALID_EFFECT", policy(without(Effect="allow")), IDENTITY, None),
    ("INVALID_GLOBAL_CONDITION_KEY", when("StringEquals", "aws:PrincipalOrg", "o-1"), IDENTITY, None),
    ("INVALID_PARTITION", policy(allow(resource="arn:amazon:s3:::shop/*")), IDENTITY, None),
    ("INVALID_POLICY_ELEMENT", policy(without(Actions="s3:GetObject")), IDENTITY, None),
    ("INVALID_PRINCIPAL_FORMAT", granted("111122223333"), RESOURCE, None),
    ("INVALID_PRINCIPAL_KEY", granted({"Aws": "111122223333"}), RESOURCE, None),
    ("INVALID_REGION", when("StringEquals", "aws:RequestedRegion", "us-east-9"), IDENTITY, None),
    ("INVALID_SERVICE", policy(allow(resource="arn:aws:s33:::shop/*")), IDENTITY, None),
    ("INVALID_SERVICE_IN_ACTION", policy(allow("s33:GetObject")), IDENTITY, None),
    ("INVALID_SERVICE_PRINCIPAL_FORMAT", granted({"Service": "cloudtrail"}), RESOURCE, None),
    ("INVALID_VARIABLE_FOR_OPERATOR", when("NumericEquals", "s3:max-keys", "${aws:username}"), IDENTITY, None),
    ("INVALID_VERSION", policy(allow(), Version="2012-10-18"), IDENTITY, None),
    ("INVALID_VPC_ENDPOINT_FORMAT", when("StringEquals", "aws:SourceVpce", "vpc-0123456789abcdef0"), IDENTITY, None),
    ("INVALID_VPC_FORMAT", when("StringEquals", "aws:SourceVpc", "vpce-01234567"), IDENTITY, None),
    ("JSON_SYNTAX_ERROR", '{"Version": "2012-10-17",}', IDENTITY, None),
    ("MISMATCHED_ACTION_FOR_PRINCIPAL", policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
        "Federated": "accounts.google.com"}}), RESOURCE, "AWS::IAM::AssumeRolePolicyDocument"),
    ("MISSING_ACTION", policy(without("Action")), IDENTITY, None),
    ("MISSING_ARN_FIELD", policy(allow(resource="arn:aws:s3::shop")), IDENTITY, None),
    ("MISSING_ARN_REGION", policy(allow("sqs:SendMessage", "arn:aws:sqs::111122223333:q")), IDENTITY, None),
    ("MISSING_BRACE_IN_VARIABLE", policy(allow(resource=BUCKET + "/${aws:username")), IDENTITY, None),
    ("MISSING_EFFECT", policy(without("Effect")), IDENTITY, None),
    ("MISSING_PRINCIPAL", policy(allow()), RESOURCE, None),
    ("MISSING_QUALIFIER", when("StringEquals", "aws:TagKeys", ["team"]), IDENTITY, None),
    ("MISSING_QUOTE_IN_VARIABLE", policy(allow(resource=BUCKET + "/${aws:username, nobody}")), IDENTITY, None),
    ("MISSING_RESOURCE", policy(without("Resource")), IDENTITY, None),
    ("MISSING_STATEMENT", '{"Version": "2012-10-17"}', IDENTITY, None),
    ("MISSING_TAG_KEY_IN_CONDITION", when("StringEquals", "aws:PrincipalTag/", "a"), IDENTITY, None),
    ("NULL_WITH_IF_EXISTS", when("NullIfExists", "s3:prefix", "true"), IDENTITY, None),
    ("POLICY_SIZE_EXCEEDS_SCP_QUOTA", policy(allow(resource=[f"{BUCKET}/{n:0>40}/*" for n in range(200)])), SCP, None),
    ("PRIVATE_IP_ADDRESS", when("IpAddress", "aws:SourceIp", "10.0.0.0/8"), IDENTITY, None),
    ("PRIVATE_NOT_IP_ADDRESS", when("NotIpAddress", "aws:SourceIp", "192.168.0.0/24"), IDENTITY, None),
    ("SCP_SYNTAX_ERROR_PRINCIPAL", granted("*"), SCP, None),
    ("UNIQUE_SIDS_REQUIRED", policy(allow(Sid="a"), allow("s3:PutObject", Sid="a")), IDENTITY, None),
    ("UNSUPPORTED_ACTION_IN_POLICY", granted({"AWS": "111122223333"}, Action="sqs:SendMessage"), RESOURCE,
     "AWS::S3::Bucket"),
    ("UNSUPPORTED_ELEMENT_COMBINATION", policy(allow(NotAction="s3:PutObject")), IDENTITY, None),
    ("UNSUPPORTED_GLOBAL_CONDITION_KEY", when("ArnEquals", "aws:ARN", ROLE), IDENTITY, None),
    ("UNSUPPORTED_PRINCIPAL", granted({"AWS": "111122223333"}), IDENTITY, None),
    ("UNSUPPORTED_RESOURCE_ARN_IN_POLICY", granted({"AWS": "111122223333"}, Resource="*"), RESOURCE, "AWS::S3::Bucket"),
    ("UNSUPPORTED_SID", policy(allow(Sid="read only")), IDENTITY, None),
    ("UNSUPPORTED_SPACE_IN_VARIABLE", policy(allow(resource=BUCKET + "/${aws: username}")), IDENTITY, None),
    ("UNSUPPORTED_WILDCARD_IN_PRINCIPAL", granted({"AWS": "arn:aws:iam::111122223333:role/*"}), RESOURCE, None),
    ("VARIABLE_UNSUPPORTED_IN_ELEMENT", policy(allow("s3:${aws:username}")), IDENTITY, None),
    ("VARIABLE_UNSUPPORTED_IN_VERSION", policy(allow(resource=BUCKET + "/${aws:username}"), Version="2008-10-17"),
     IDENTITY, None),
    # general warnings
    ("CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE", policy({"Effect": "Allow", "NotAction": ["s3:*", "iam:PassRole"],
                                                            "NotResource": BUCKET}), IDENTITY, None),
    ("CREATE_SLR_WITH_NOT_RESOURCE", policy({"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole",
                                             "NotResource": ROLE}), IDENTITY, None),
    ("CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE", policy({"Effect": "Allow", "Action": "iam:Create*",
                                                                "NotResource": ROLE}), IDENTITY, None),
    ("CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE", policy(allow("iam:Create*", "*")), IDENTITY, None),
    ("CREATE_SLR_WITH_STAR_IN_RESOURCE", policy(allow("iam:CreateServiceLinkedRole", "*")), IDENTITY, None),
    ("CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION", policy({"Effect": "Allow", "NotAction": "iam:PassRole",
                                                                "Resource": "*"}), IDENTITY, None),
    ("INVALID_DATE_VALUE", when("DateLessThan", "aws:CurrentTime", "1764547200"), IDENTITY, None),
    ("INVALID_ROLE_REFERENCE", granted({"AWS": "AROAEXAMPLEEXAMPLE1234"}), RESOURCE, None),
    ("INVALID_USER_REFERENCE", granted({"AWS": "AIDAEXAMPLEEXAMPLE1234"}), RESOURCE, None),
    ("MISSING_VERSION", json.dumps({"Statement": [allow()]}), IDENTITY, None),
    ("POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA", policy(allow(resource=[f"{BUCKET}/{n:0>60}/*" for n in range(80)])),
     IDENTITY, None),
    ("TYPE_MISMATCH", when("StringEquals", "aws:SourceIp", "203.0.113.7"), IDENTITY, None),
    ("TYPE_MISMATCH_BOOLEAN", when("Bool", "aws:SecureTransport", "yes"), IDENTITY, None),
    ("TYPE_MISMATCH_DATE", when("DateLessThan", "aws:CurrentTime", "tomorrow"), IDENTITY, None),
    ("TYPE_MISMATCH_IP_RANGE", when("IpAddress", "aws:SourceIp", "203.0.113"), IDENTITY, None),
    ("TYPE_MISMATCH_NUMBER", when("NumericLessThan", "s3:max-keys", "ten"), IDENTITY, None),
    ("TYPE_MISMATCH_STRING", when("BinaryEquals", "s3:prefix", "not base64!"), IDENTITY, None),
    ("UNIQUE_SIDS_RECOMMENDED", policy(allow(Sid="a", Principal="*"), allow("s3:PutObject", Sid="a", Principal="*")),
     RESOURCE, None),
    ("WILDCARD_WITHOUT_LIKE_OPERATOR", when("StringEquals", "s3:prefix", "home/*"), IDENTITY, None),
    # security warnings
    ("ALLOW_WITH_NOT_PRINCIPAL", policy(allow(NotPrincipal={"AWS": "111122223333"})), RESOURCE, None),
    ("FORALLVALUES_WITH_SINGLE_VALUED_KEY", when("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1"), IDENTITY,
     None),
    ("PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE", policy({"Effect": "Allow", "NotAction": "s3:*",
                                                           "NotResource": BUCKET}), IDENTITY, None),
    ("PASS_ROLE_WITH_NOT_RESOURCE", policy({"Effect": "Allow", "Action": "iam:PassRole", "NotResource": ROLE}),
     IDENTITY, None),
    ("PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE", policy({"Effect": "Allow", "Action": "iam:Pass*",
                                                               "NotResource": ROLE}), IDENTITY, None),
    ("PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE", policy(allow("*", "*")), IDENTITY, None),
    ("PASS_ROLE_WITH_STAR_IN_RESOURCE", policy(allow("iam:PassRole", "*")), IDENTITY, None),
    ("PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION", policy({"Effect": "Allow", "NotAction": "s3:*",
                                                               "Resource": "*"}), IDENTITY, None),
    ("RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL", granted({"Service": "cloudtrail.amazonaws.com"}, Action="s3:PutObject"),
     RESOURCE, "AWS::S3::Bucket"),
    # suggestions
    ("EMPTY_ARRAY_ACTION", policy(allow([])), IDENTITY, None),
    ("EMPTY_ARRAY_CONDITION", when("StringEquals", "s3:prefix", []), IDENTITY, None),
    ("EMPTY_ARRAY_CONDITION_FORALLVALUES", when("ForAllValues:StringEquals", "aws:TagKeys", []), IDENTITY, None),
    ("EMPTY_ARRAY_CONDITION_FORANYVALUE", when("ForAnyValue:StringEquals", "aws:TagKeys", []), IDENTITY, None),
    ("EMPTY_ARRAY_CONDITION_IFEXISTS", when("StringEqualsIfExists", "s3:prefix", []), IDENTITY, None),
    ("EMPTY_ARRAY_PRINCIPAL", granted({"AWS": []}), RESOURCE, None),
    ("EMPTY_ARRAY_RESOURCE", policy(allow(resource=[])), IDENTITY, None),
    ("EMPTY_OBJECT_CONDITION", policy(allow(Condition={})), IDENTITY, None),
    ("EMPTY_OBJECT_PRINCIPAL", granted({}), RESOURCE, None),
    ("EMPTY_SID_VALUE", policy(allow(Sid="")), IDENTITY, None),
    ("IMPROVE_IP_RANGE", when("IpAddress", "aws:SourceIp", "203.0.113.7/24"), IDENTITY, None),
    ("NULL_WITH_QUALIFIER", when("ForAllValues:Null", "aws:TagKeys", "true"), IDENTITY, None),
    ("PRIVATE_IP_ADDRESS_SUBSET", when("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "203.0.113.0/24"]), IDENTITY, None),
    ("PRIVATE_NOT_IP_ADDRESS_SUBSET", when("NotIpAddress", "aws:SourceIp", ["10.0.0.0/8", "203.0.113.0/24"]), IDENTITY,
     None),
    ("REDUNDANT_ACTION", policy(allow(["s3:Get*", "s3:GetObject"])), IDENTITY, None),
    ("REDUNDANT_CONDITION_VALUE_NUM", when("NumericLessThan", "aws:MultiFactorAuthAge", ["2700", "3600"]), IDENTITY,
     None),
    ("REDUNDANT_RESOURCE", policy(allow(resource=[f"{BUCKET}/*", f"{BUCKET}/a/*"])), IDENTITY, None),
    ("REDUNDANT_STATEMENT", policy(allow(), allow()), IDENTITY, None),
    ("WILDCARD_IN_SERVICE_NAME", policy(allow("s*:GetObject")), IDENTITY, None),
]  # fmt: skip

CLEAN = [
    (policy(allow(["s3:GetObject", "s3:PutObject"], [BUCKET, f"{BUCKET}/*"])), IDENTITY, None),
    (policy(allow("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}})),
     IDENTITY, None),
    (policy(allow("iam:PassRole", ROLE)), IDENTITY, None),
    (policy(allow(["dynamodb:GetItem", "kms:Decrypt"], [
        "arn:aws:dynamodb:us-east-1:111122223333:table/orders", "arn:aws:kms:*:111122223333:key/*"])), IDENTITY, None),
    (when("ForAnyValue:StringLike", "aws:PrincipalOrgPaths", "o-1/*"), IDENTITY, None),
    (when("StringEquals", "aws:PrincipalTag/team", "${aws:PrincipalTag/team, 'none'}"), IDENTITY, None),
    (granted({"AWS": "arn:aws:iam::111122223333:role/deploy"}), RESOURCE, "AWS::S3::Bucket"),
    (policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}), RESOURCE,
     "AWS::IAM::AssumeRolePolicyDocument"),
    (granted({"Service": "cloudtrail.amazonaws.com"}, Action="s3:PutObject", Condition={"StringEquals": {
        "aws:SourceAccount": "111122223333"}}), RESOURCE, "AWS::S3::Bucket"),
    (policy({"Effect": "Deny", "NotAction": "sts:*", "Resource": "*"}), SCP, None),
]  # fmt: skip


def codes(document: str, policy_type: str, resource_type: str | None = None) -> list[str]:
    return [finding["issueCode"] for finding in findings(document, policy_type, resource_type)]


@pytest.mark.parametrize(("code", "document", "policy_type", "resource_type"), CASES, ids=[case[0] for case in CASES])
def test_check_reports_its_issue(code: str, document: str, policy_type: str, resource_type: str | None) -> None:
    found = [one for one in findings(document, policy_type, resource_type) if one["issueCode"] == code]
    assert found, f"expected {code}, found {codes(document, policy_type, resource_type)}"
    (finding,) = found
    assert finding["findingType"] == issues()[code][0]
    assert finding["learnMoreLink"].endswith("-" + code.lower().replace("_", "-"))
    assert "{0}" not in finding["findingDetails"]
    assert finding["locations"]


def test_every_issue_of_the_table_has_a_case() -> None:
    assert set(issues()) == {case[0] for case in CASES}
    assert len(issues()) >= 100


@pytest.mark.parametrize(("document", "policy_type", "resource_type"), CLEAN)
def test_good_policy_has_no_finding(document: str, policy_type: str, resource_type: str | None) -> None:
    assert codes(document, policy_type, resource_type) == []


def test_places_are_those_of_the_aws_cli_reference() -> None:
    """The trust policy of the example in the AWS CLI Command Reference, "validate-policy", and its spans."""
    text = """{
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "",
            "Effect": "Allow",
            "Principal": {
                "Federated": "cognito-identity.amazonaws.com"
            },
            "Action": [
                "sts:AssumeRole",
                "sts:TagSession"
            ],
            "Condition": {
                "StringEquals": {
                    "cognito-identity.amazonaws.com:aud": "us-west-2_EXAMPLE"
                }
            }
        }
    ]
}
"""
    sid, mismatch = findings(text, RESOURCE)
    assert sid["locations"][0] == {
        "path": [{"value": "Statement"}, {"index": 0}, {"value": "Sid"}],
        "span": {"start": {"line": 5, "column": 19, "offset": 79}, "end": {"line": 5, "column": 21, "offset": 81}},
    }
    assert [place["span"]["start"] for place in mismatch["locations"]] == [
        {"line": 11, "column": 16, "offset": 258},
        {"line": 8, "column": 29, "offset": 170},
    ]


@pytest.mark.parametrize("text", ["", "[", "{", '{"a" 1}', "[1,]", "[" * 500, '{"Version": "2012\n"}', "nul"])
def test_text_that_is_not_json_is_one_syntax_error(text: str) -> None:
    assert codes(text, IDENTITY) == ["JSON_SYNTAX_ERROR"]


@pytest.mark.parametrize("text", ["[]", "1", '"A"', '{"Statement": 1}', '{"Statement": [1]}', '{"Statement": [{}]}'])
def test_json_that_is_no_policy_is_reported_without_failing(text: str) -> None:
    assert codes(text, IDENTITY)


def test_misspelt_action_gets_a_suggestion() -> None:
    (finding,) = findings(policy(allow("s3:GetObjekt")), IDENTITY)
    assert finding["findingDetails"] == "The action s3:GetObjekt does not exist. Did you mean s3:GetObject?"


NEWER = {"INVALID_ACTION", "INVALID_SERVICE_IN_ACTION", "INVALID_SERVICE", "INVALID_ARN_RESOURCE"}


def test_awss_own_policies_have_no_error_of_grammar() -> None:
    """Every tenth AWS-managed policy: what is newer than our reference apart, AWS's own documents are in order."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    documents = list(json.loads(aws_managed_policies_data).values())[::10]
    found = [one for each in documents for one in findings(json.dumps(each["Document"]), IDENTITY)]
    wrong = {one["issueCode"] for one in found if one["findingType"] == "ERROR"} - NEWER
    assert not wrong
    assert sum(one["issueCode"] in NEWER for one in found) < len(documents)

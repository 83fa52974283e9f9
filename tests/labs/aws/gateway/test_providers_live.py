"""Organizations, the event history and the policy simulator, asked through boto3."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def code_of(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture
def organizations(gateway: Any) -> Any:
    return gateway.account("000000000000").client("organizations")


def test_scp_on_a_unit_binds_its_accounts_root_user_included(
    gateway: Any, organizations: Any, account: AwsAccount
) -> None:
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name=f"u{time.time_ns()}")["OrganizationalUnit"][
        "Id"
    ]
    content = document({"Effect": "Deny", "Action": "sqs:*", "Resource": "*"})
    made = organizations.create_policy(
        Name=f"p{time.time_ns()}", Type="SERVICE_CONTROL_POLICY", Description="", Content=content
    )
    policy = made["Policy"]["PolicySummary"]
    organizations.attach_policy(PolicyId=policy["Id"], TargetId=unit)
    account.client("sqs").list_queues()
    organizations.move_account(AccountId=account.account, SourceParentId=root, DestinationParentId=unit)
    with pytest.raises(ClientError) as caught:
        account.client("sqs").list_queues()
    assert "with an explicit deny in a service control policy" in str(caught.value)
    assert policy["Arn"] in str(caught.value)
    organizations.move_account(AccountId=account.account, SourceParentId=unit, DestinationParentId=root)
    account.client("sqs").list_queues()


def test_management_account_is_spared(organizations: Any, gateway: Any) -> None:
    content = document({"Effect": "Deny", "Action": "sns:*", "Resource": "*"})
    made = organizations.create_policy(
        Name=f"p{time.time_ns()}", Type="SERVICE_CONTROL_POLICY", Description="", Content=content
    )
    organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId="000000000000")
    gateway.account("000000000000").client("sns").list_topics()


def test_members_may_not_manage_the_organization(account: AwsAccount, organizations: Any) -> None:
    client = account.client("organizations")
    assert code_of(client.list_roots) == "AccessDeniedException"
    assert client.describe_organization()["Organization"]["MasterAccountId"] == "000000000000"
    listed = [
        entry["Id"] for page in organizations.get_paginator("list_accounts").paginate() for entry in page["Accounts"]
    ]
    assert account.account in listed


@pytest.mark.parametrize(
    ("call", "params", "code"),
    [
        ("describe_policy", {"PolicyId": "p-doesnotexist"}, "PolicyNotFoundException"),
        ("attach_policy", {"PolicyId": "p-FullAWSAccess", "TargetId": "r-none"}, "TargetNotFoundException"),
        (
            "create_policy",
            {"Name": "n", "Type": "SERVICE_CONTROL_POLICY", "Description": "", "Content": "{"},
            "MalformedPolicyDocumentException",
        ),
        ("create_organization", {}, "AlreadyInOrganizationException"),
        ("detach_policy", {"PolicyId": "p-FullAWSAccess", "TargetId": "888888888888"}, "ConstraintViolationException"),
    ],
)
def test_organizations_refusals(organizations: Any, call: str, params: dict[str, Any], code: str) -> None:
    assert code_of(getattr(organizations, call), **params) == code


def events(account: AwsAccount, name: str) -> list[dict[str, Any]]:
    answer = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}]
    )
    return [json.loads(event["CloudTrailEvent"]) for event in answer["Events"]]


def test_allowed_and_denied_calls_are_events(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="eve")
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    assert code_of(account.client_as("iam", key["AccessKeyId"], key["SecretAccessKey"]).list_roles) == "AccessDenied"
    created, denied = events(account, "CreateUser")[0], events(account, "ListRoles")[0]
    assert created["requestParameters"] == {"userName": "eve"}
    assert created["responseElements"]["user"]["arn"].endswith(":user/eve")
    assert created["userIdentity"]["type"] == "Root"
    assert denied["errorCode"] == "AccessDenied"
    assert denied["userIdentity"]["userName"] == "eve"
    assert denied["readOnly"] is True
    # The third lookup within a second is throttled, and boto3 tries it again.
    assert key["SecretAccessKey"] not in json.dumps(events(account, "CreateAccessKey"))


def test_event_history_pages_and_filters(account: AwsAccount) -> None:
    iam = account.client("iam")
    for number in range(7):
        iam.create_user(UserName=f"u{number}")
    trail = account.client("cloudtrail")
    first = trail.lookup_events(MaxResults=5)
    second = trail.lookup_events(MaxResults=5, NextToken=first["NextToken"])
    names = [event["Resources"][0]["ResourceName"] for event in [*first["Events"], *second["Events"]][:7]]
    assert names == [f"u{number}" for number in reversed(range(7))]
    time.sleep(1.1)  # as above
    by_name = [{"AttributeKey": "ResourceName", "AttributeValue": "u3"}]
    assert len(trail.lookup_events(LookupAttributes=by_name)["Events"]) == 1
    two = [*by_name, {"AttributeKey": "EventName", "AttributeValue": "CreateUser"}]
    assert code_of(trail.lookup_events, LookupAttributes=two) == "InvalidLookupAttributesException"


def test_data_events_are_not_in_the_history(account: AwsAccount) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket=f"d-{account.account}")
    s3.put_object(Bucket=f"d-{account.account}", Key="k", Body=b"")
    assert events(account, "PutObject") == []
    assert len(events(account, "CreateBucket")) == 1


def test_simulate_principal_policy_agrees_with_a_live_call(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="sim")
    iam.put_user_policy(
        UserName="sim", PolicyName="p", PolicyDocument=document({**ALLOW_ALL, "Action": "sqs:ListQueues"})
    )
    answer = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account.account}:user/sim", ActionNames=["sqs:ListQueues", "sqs:CreateQueue"]
    )
    verdicts = {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}
    assert verdicts == {"sqs:ListQueues": "allowed", "sqs:CreateQueue": "implicitDeny"}
    key = iam.create_access_key(UserName="sim")["AccessKey"]
    sqs = account.client_as("sqs", key["AccessKeyId"], key["SecretAccessKey"])
    sqs.list_queues()
    assert code_of(sqs.create_queue, QueueName="q").startswith("AccessDenied")


def test_simulate_custom_policy_names_missing_context(account: AwsAccount) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    answer = account.client("iam").simulate_custom_policy(
        PolicyInputList=[document({**ALLOW_ALL, "Condition": condition})], ActionNames=["s3:GetObject"]
    )
    result = answer["EvaluationResults"][0]
    assert result["EvalDecision"] == "implicitDeny"
    assert [key.lower() for key in result["MissingContextValues"]] == ["aws:principaltag/team"]
    assert (
        code_of(account.client("iam").simulate_custom_policy, PolicyInputList=["{"], ActionNames=["s3:GetObject"])
        == "InvalidInput"
    )

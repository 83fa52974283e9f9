"""STS, CloudTrail's event history and Organizations (their API references and user guides)."""

from __future__ import annotations

import contextlib
import datetime
import json
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


def trust(principal: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_role_is_assumed_and_its_session_named(admin: AwsAccount) -> None:
    iam, sts = admin.client("iam"), admin.client("sts")
    me = sts.get_caller_identity()
    assert me["Arn"] == f"arn:aws:iam::{admin.account}:user/admin"
    assert me["UserId"].startswith("AIDA")
    arn = iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust({"AWS": me["Arn"]}))["Role"]["Arn"]
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="ci", DurationSeconds=900)
    keys = answer["Credentials"]
    assert keys["AccessKeyId"].startswith("ASIA")
    left = keys["Expiration"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=14) < left <= datetime.timedelta(minutes=15, seconds=1)
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{admin.account}:assumed-role/deploy/ci"
    session = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert admin.client_as("sts", *session).get_caller_identity()["Arn"] == answer["AssumedRoleUser"]["Arn"]
    assert refusal(admin.client_as("s3", *session).list_buckets) == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn=arn + "-none", RoleSessionName="ci") == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="ci", DurationSeconds=7200) == "ValidationError"
    iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="ci") == "AccessDenied"


def test_external_ids_and_session_tags(admin: AwsAccount) -> None:
    iam, sts = admin.client("iam"), admin.client("sts")
    root = {"AWS": f"arn:aws:iam::{admin.account}:root"}
    condition = {"StringEquals": {"sts:ExternalId": "42"}}
    arn = iam.create_role(RoleName="vendor", AssumeRolePolicyDocument=trust(root, Condition=condition))["Role"]["Arn"]
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="xy") == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn=arn, RoleSessionName="xy", ExternalId="41") == "AccessDenied"
    sts.assume_role(RoleArn=arn, RoleSessionName="xy", ExternalId="42")


def test_session_tokens_and_federation(admin: AwsAccount) -> None:
    sts = admin.client("sts")
    keys = sts.get_session_token(DurationSeconds=900)["Credentials"]
    session = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert admin.client_as("sts", *session).get_caller_identity()["Arn"].endswith(":user/admin")
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}]}
    federated = sts.get_federation_token(Name="guest", Policy=json.dumps(allow))
    assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{admin.account}:federated-user/guest"
    keys = federated["Credentials"]
    guest = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    admin.client_as("sqs", *guest).list_queues()
    assert refusal(admin.client_as("s3", *guest).list_buckets) == "AccessDenied"
    info = sts.get_access_key_info(AccessKeyId=admin.access_key_id)
    assert info["Account"] == admin.account


def test_every_management_call_is_found_in_the_event_history(admin: AwsAccount) -> None:
    iam, trail = admin.client("iam"), admin.client("cloudtrail")
    iam.create_user(UserName="eve")
    assert refusal(iam.create_user, UserName="eve") == "EntityAlreadyExists"
    admin.client("sqs").create_queue(QueueName="q")
    found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateUser"}])
    events = [json.loads(event["CloudTrailEvent"]) for event in found["Events"]]
    mine = [event for event in events if (event["requestParameters"] or {}).get("userName") == "eve"]
    assert [event.get("errorCode") for event in mine] == ["EntityAlreadyExistsException", None] or [
        event.get("errorCode") for event in mine
    ] == ["EntityAlreadyExists", None]
    assert mine[1]["responseElements"]["user"]["userName"] == "eve"
    assert mine[1]["userIdentity"]["arn"] == f"arn:aws:iam::{admin.account}:user/admin"
    assert (mine[1]["eventSource"], mine[1]["awsRegion"]) == ("iam.amazonaws.com", "us-east-1")
    assert found["Events"][0]["Username"] == "admin"
    only = trail.lookup_events(LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}])
    assert {event["ReadOnly"] for event in only["Events"]} == {"false"}
    by_source = trail.lookup_events(
        LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "sqs.amazonaws.com"}]
    )
    assert [event["EventName"] for event in by_source["Events"]] == ["CreateQueue"]


@pytest.fixture
def organizations(gateway: Any) -> Any:
    return AwsAccount(gateway.endpoint, "000000000000").client("organizations")


def test_units_accounts_and_policies(organizations: Any, unique: str) -> None:
    with contextlib.suppress(organizations.exceptions.AlreadyInOrganizationException):
        organizations.create_organization(FeatureSet="ALL")
    described = organizations.describe_organization()["Organization"]
    assert (described["MasterAccountId"], described["FeatureSet"]) == ("000000000000", "ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name=unique)["OrganizationalUnit"]["Id"]
    make = organizations.create_organizational_unit
    assert refusal(make, ParentId=root, Name=unique) == "DuplicateOrganizationalUnitException"
    status = organizations.create_account(AccountName=unique, Email=f"{unique}@example.com")["CreateAccountStatus"]
    done = organizations.describe_create_account_status(CreateAccountRequestId=status["Id"])["CreateAccountStatus"]
    assert done["State"] == "SUCCEEDED"
    account = done["AccountId"]
    organizations.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
    assert [a["Id"] for a in organizations.list_accounts_for_parent(ParentId=unit)["Accounts"]] == [account]
    assert organizations.list_parents(ChildId=account)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    policy = organizations.create_policy(
        Name=unique, Description="d", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny)
    )["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy, TargetId=unit)
    assert refusal(organizations.attach_policy, PolicyId=policy, TargetId=unit) == "DuplicatePolicyAttachmentException"
    listed = organizations.list_policies_for_target(TargetId=unit, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert policy in [p["Id"] for p in listed]
    assert refusal(organizations.delete_policy, PolicyId=policy) == "PolicyInUseException"
    assert refusal(organizations.delete_organizational_unit, OrganizationalUnitId=unit) == (
        "OrganizationalUnitNotEmptyException"
    )
    organizations.detach_policy(PolicyId=policy, TargetId=unit)
    organizations.delete_policy(PolicyId=policy)
    assert refusal(organizations.describe_policy, PolicyId=policy) == "PolicyNotFoundException"
    organizations.move_account(AccountId=account, SourceParentId=unit, DestinationParentId=root)
    organizations.delete_organizational_unit(OrganizationalUnitId=unit)
    gone = organizations.describe_organizational_unit
    assert refusal(gone, OrganizationalUnitId=unit) == "OrganizationalUnitNotFoundException"


def test_a_member_account_cannot_manage_the_organization(admin: AwsAccount) -> None:
    organizations = admin.client("organizations")
    assert refusal(organizations.create_organizational_unit, ParentId="r-abcd", Name="x") in (
        "AccessDeniedException", "AWSOrganizationsNotInUseException"
    )  # fmt: skip

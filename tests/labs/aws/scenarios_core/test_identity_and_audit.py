"""STS, CloudTrail's event history and Organizations (their API references and user guides)."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
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


def account_of(organizations: Any, unique: str) -> str:
    """A new member account."""
    made = organizations.create_account(AccountName=unique, Email=f"{unique}@example.com")["CreateAccountStatus"]
    return str(made["AccountId"])


def test_delegated_administrators(organizations: Any, unique: str) -> None:
    member, service = account_of(organizations, unique), f"{unique}.amazonaws.com"
    where = {"AccountId": member, "ServicePrincipal": service}
    organizations.register_delegated_administrator(**where)
    assert refusal(organizations.register_delegated_administrator, **where) == "AccountAlreadyRegisteredException"
    (listed,) = organizations.list_delegated_administrators(ServicePrincipal=service)["DelegatedAdministrators"]
    assert listed["Id"] == member
    (found,) = organizations.list_delegated_services_for_account(AccountId=member)["DelegatedServices"]
    assert found["ServicePrincipal"] == service
    organizations.deregister_delegated_administrator(**where)
    assert refusal(organizations.deregister_delegated_administrator, **where) == "AccountNotRegisteredException"
    assert refusal(organizations.invite_account_to_organization, Target={"Id": member, "Type": "ACCOUNT"}) == (
        "HandshakeConstraintViolationException"
    )


def test_the_effective_tag_policy_is_inherited(organizations: Any, unique: str) -> None:
    root = organizations.list_roots()["Roots"][0]["Id"]
    with contextlib.suppress(organizations.exceptions.PolicyTypeAlreadyEnabledException):
        organizations.enable_policy_type(RootId=root, PolicyType="TAG_POLICY")
    unit = organizations.create_organizational_unit(ParentId=root, Name=unique)["OrganizationalUnit"]["Id"]
    member = account_of(organizations, unique)
    organizations.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    assert refusal(organizations.move_account, AccountId=member, SourceParentId=unit, DestinationParentId=unit) == (
        "DuplicateAccountException"
    )
    asked = {"PolicyType": "TAG_POLICY", "TargetId": member}
    assert refusal(organizations.describe_effective_policy, **asked) == "EffectivePolicyNotFoundException"
    above = {"tags": {"team": {"tag_key": {"@@assign": "team"}, "tag_value": {"@@assign": ["shop"]}}}}
    below = {"tags": {"team": {"tag_value": {"@@append": ["search"]}}}}
    for number, (target, content) in enumerate(((unit, above), (member, below))):
        policy = organizations.create_policy(
            Name=f"{unique}-{number}", Description="tags", Type="TAG_POLICY", Content=json.dumps(content)
        )["Policy"]["PolicySummary"]["Id"]
        organizations.attach_policy(PolicyId=policy, TargetId=target)
    effective = organizations.describe_effective_policy(**asked)["EffectivePolicy"]["PolicyContent"]
    assert json.loads(effective) == {"tags": {"team": {"tag_key": "team", "tag_value": ["shop", "search"]}}}


def trail_bucket(admin: AwsAccount, unique: str) -> str:
    """A bucket that CloudTrail may write to."""
    s3 = admin.client("s3")
    s3.create_bucket(Bucket=unique)
    service = {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}}
    statements = [
        {**service, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{unique}"},
        {**service, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{unique}/AWSLogs/{admin.account}/*"},
    ]
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return unique


def test_a_trail_writes_to_cloudwatch_logs_and_a_metric_counts(admin: AwsAccount, unique: str) -> None:
    """ "Creating CloudWatch alarms for CloudTrail events" (CloudTrail User Guide)."""
    bucket = trail_bucket(admin, unique)
    logs, iam, cloudtrail = (admin.client(name) for name in ("logs", "iam", "cloudtrail"))
    logs.create_log_group(logGroupName="audit")
    logs.put_metric_filter(
        logGroupName="audit", filterName="users", filterPattern='{ $.eventName = "CreateUser" }',
        metricTransformations=[{"metricName": "NewUsers", "metricNamespace": "Audit", "metricValue": "1"}],
    )  # fmt: skip
    role = iam.create_role(RoleName="trail", AssumeRolePolicyDocument=trust({"Service": "cloudtrail.amazonaws.com"}))
    where = {"CloudWatchLogsLogGroupArn": f"arn:aws:logs:us-east-1:{admin.account}:log-group:audit:*",
             "CloudWatchLogsRoleArn": role["Role"]["Arn"]}  # fmt: skip
    trail = {"Name": "audit", "S3BucketName": bucket}
    assert refusal(cloudtrail.create_trail, **trail, **where) == "InvalidCloudWatchLogsRoleArnException"
    allow = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_role_policy(RoleName="trail", PolicyName="write", PolicyDocument=document)
    missing = {**where, "CloudWatchLogsLogGroupArn": where["CloudWatchLogsLogGroupArn"].replace("audit", "none")}
    assert refusal(cloudtrail.create_trail, **trail, **missing) == "InvalidCloudWatchLogsLogGroupArnException"
    cloudtrail.create_trail(**trail, **where)
    cloudtrail.start_logging(Name="audit")
    iam.create_user(UserName="mallory")
    deadline = time.monotonic() + 30
    found: list[Any] = []
    while not found and time.monotonic() < deadline:
        time.sleep(0.5)
        found = logs.filter_log_events(logGroupName="audit", filterPattern="mallory")["events"]
    assert json.loads(found[0]["message"])["requestParameters"]["userName"] == "mallory"
    now = datetime.datetime.now(datetime.UTC)
    window = {"StartTime": now - datetime.timedelta(hours=1), "EndTime": now + datetime.timedelta(hours=1)}
    data = admin.client("cloudwatch").get_metric_statistics(
        Namespace="Audit", MetricName="NewUsers", Period=60, Statistics=["Sum"], **window
    )
    assert sum(point["Sum"] for point in data["Datapoints"]) == 1
    assert cloudtrail.get_trail_status(Name="audit")["LatestCloudWatchLogsDeliveryTime"]


def test_insight_selectors_of_a_trail(admin: AwsAccount, unique: str) -> None:
    cloudtrail = admin.client("cloudtrail")
    cloudtrail.create_trail(Name="audit", S3BucketName=trail_bucket(admin, unique))
    assert refusal(cloudtrail.get_insight_selectors, TrailName="audit") == "InsightNotEnabledException"
    wanted = [{"InsightType": "ApiCallRateInsight"}]
    cloudtrail.put_insight_selectors(TrailName="audit", InsightSelectors=wanted)
    assert cloudtrail.get_insight_selectors(TrailName="audit")["InsightSelectors"] == wanted
    assert cloudtrail.get_trail(Name="audit")["Trail"]["HasInsightSelectors"] is True
    cloudtrail.put_insight_selectors(TrailName="audit", InsightSelectors=[])
    assert refusal(cloudtrail.get_insight_selectors, TrailName="audit") == "InsightNotEnabledException"

"""IAM as the labs use it (IAM User Guide and API Reference)."""

from __future__ import annotations

import csv
import json
import time
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal

EC2_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def document(action: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})


@pytest.fixture
def iam(admin: AwsAccount) -> Any:
    return admin.client("iam")


def test_users_are_made_changed_and_removed(admin: AwsAccount, iam: Any) -> None:
    user = iam.create_user(UserName="eve", Path="/team/", Tags=[{"Key": "team", "Value": "a"}])["User"]
    assert user["Arn"] == f"arn:aws:iam::{admin.account}:user/team/eve"
    assert user["UserId"].startswith("AIDA")
    assert user["Tags"] == [{"Key": "team", "Value": "a"}]
    assert refusal(iam.create_user, UserName="eve") == "EntityAlreadyExists"
    assert refusal(iam.create_user, UserName="EVE") == "EntityAlreadyExists"
    assert refusal(iam.create_user, UserName="not valid!") == "ValidationError"
    assert refusal(iam.get_user, UserName="nobody") == "NoSuchEntity"
    iam.update_user(UserName="eve", NewUserName="eva", NewPath="/")
    assert iam.get_user(UserName="eva")["User"]["Arn"] == f"arn:aws:iam::{admin.account}:user/eva"
    assert iam.get_user(UserName="eva")["User"]["UserId"] == user["UserId"]
    assert [u["UserName"] for u in iam.list_users()["Users"]] == ["admin", "eva"]
    assert iam.list_users(PathPrefix="/team/")["Users"] == []
    iam.tag_user(UserName="eva", Tags=[{"Key": "b", "Value": "2"}, {"Key": "team", "Value": "b"}])
    iam.untag_user(UserName="eva", TagKeys=["b"])
    assert iam.list_user_tags(UserName="eva")["Tags"] == [{"Key": "team", "Value": "b"}]
    iam.put_user_policy(UserName="eva", PolicyName="p", PolicyDocument=document("s3:*"))
    iam.create_access_key(UserName="eva")
    assert refusal(iam.delete_user, UserName="eva") == "DeleteConflict"
    iam.delete_user_policy(UserName="eva", PolicyName="p")
    key = iam.list_access_keys(UserName="eva")["AccessKeyMetadata"][0]["AccessKeyId"]
    assert refusal(iam.delete_user, UserName="eva") == "DeleteConflict"
    iam.delete_access_key(UserName="eva", AccessKeyId=key)
    iam.delete_user(UserName="eva")
    assert refusal(iam.delete_user, UserName="eva") == "NoSuchEntity"


def test_the_callers_own_user(admin: AwsAccount, iam: Any) -> None:
    assert iam.get_user()["User"]["UserName"] == "admin"
    assert [key["AccessKeyId"] for key in iam.list_access_keys()["AccessKeyMetadata"]] == [admin.access_key_id]


def test_lists_are_cut_into_pages(iam: Any) -> None:
    for number in range(5):
        iam.create_user(UserName=f"user-{number}")
    first = iam.list_users(MaxItems=2)
    assert (len(first["Users"]), first["IsTruncated"]) == (2, True)
    rest = iam.list_users(Marker=first["Marker"])
    assert (len(rest["Users"]), rest["IsTruncated"]) == (4, False)
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["Users"]) for page in pages] == [2, 2, 2]


def test_groups_carry_policies_to_their_members(admin: AwsAccount, iam: Any) -> None:
    group = iam.create_group(GroupName="readers")["Group"]
    assert group["GroupId"].startswith("AGPA")
    assert refusal(iam.create_group, GroupName="readers") == "EntityAlreadyExists"
    iam.create_user(UserName="eve")
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    eve = admin.client_as("sqs", key["AccessKeyId"], key["SecretAccessKey"])
    assert refusal(eve.list_queues) == "AccessDenied"
    iam.put_group_policy(GroupName="readers", PolicyName="list", PolicyDocument=document("sqs:ListQueues"))
    iam.add_user_to_group(GroupName="readers", UserName="eve")
    eve.list_queues()
    assert [u["UserName"] for u in iam.get_group(GroupName="readers")["Users"]] == ["eve"]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="eve")["Groups"]] == ["readers"]
    assert refusal(iam.delete_group, GroupName="readers") == "DeleteConflict"
    iam.remove_user_from_group(GroupName="readers", UserName="eve")
    assert refusal(iam.delete_group, GroupName="readers") == "DeleteConflict"  # its inline policy is left
    iam.delete_group_policy(GroupName="readers", PolicyName="list")
    iam.delete_group(GroupName="readers")
    assert refusal(iam.get_group, GroupName="readers") == "NoSuchEntity"
    assert refusal(iam.add_user_to_group, GroupName="readers", UserName="eve") == "NoSuchEntity"


def test_managed_policies_have_five_versions_at_most(admin: AwsAccount, iam: Any) -> None:
    made = iam.create_policy(PolicyName="p", PolicyDocument=document("s3:*"), Description="d")["Policy"]
    arn = made["Arn"]
    assert arn == f"arn:aws:iam::{admin.account}:policy/p"
    assert (made["DefaultVersionId"], made["AttachmentCount"], made["IsAttachable"]) == ("v1", 0, True)
    assert made["PolicyId"].startswith("ANPA")
    assert refusal(iam.create_policy, PolicyName="p", PolicyDocument=document("s3:*")) == "EntityAlreadyExists"
    assert refusal(iam.create_policy, PolicyName="q", PolicyDocument="{}") == "MalformedPolicyDocument"
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("sqs:*"))["PolicyVersion"] | {
        "CreateDate": None
    } == {"VersionId": "v2", "IsDefaultVersion": False, "CreateDate": None}
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    for number in (3, 4, 5):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("sns:*"), SetAsDefault=number == 5)
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    assert refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document("sns:*")) == "LimitExceeded"
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(v["VersionId"], v["IsDefaultVersion"]) for v in versions] == [
        ("v5", True), ("v4", False), ("v3", False), ("v2", False), ("v1", False)
    ]  # fmt: skip
    assert (
        iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"]["Statement"][0]["Action"]
        == "sqs:*"
    )
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v5") == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert refusal(iam.get_policy_version, PolicyArn=arn, VersionId="v1") == "NoSuchEntity"
    assert iam.create_policy_version(PolicyArn=arn, PolicyDocument=document("s3:*"))["PolicyVersion"]["VersionId"] == (
        "v6"
    )
    assert refusal(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    for version in ("v2", "v3", "v4", "v6"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.attach_user_policy(UserName="admin", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert refusal(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    who = iam.list_entities_for_policy(PolicyArn=arn)
    assert [u["UserName"] for u in who["PolicyUsers"]] == ["admin"]
    assert (who["PolicyGroups"], who["PolicyRoles"]) == ([], [])
    iam.detach_user_policy(UserName="admin", PolicyArn=arn)
    assert refusal(iam.detach_user_policy, UserName="admin", PolicyArn=arn) == "NoSuchEntity"
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_policies_are_listed_by_scope(iam: Any) -> None:
    iam.create_policy(PolicyName="mine", PolicyDocument=document("s3:*"))
    assert [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]] == ["mine"]
    assert iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"] == []
    names = set()
    for page in iam.get_paginator("list_policies").paginate(Scope="AWS"):
        names |= {policy["PolicyName"] for policy in page["Policies"]}
    assert {"AdministratorAccess", "ReadOnlyAccess", "AmazonS3ReadOnlyAccess"} <= names
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    read = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert "s3:Get*" in read["Statement"][0]["Action"]
    assert refusal(iam.attach_user_policy, UserName="admin", PolicyArn="arn:aws:iam::aws:policy/Nothing") == (
        "NoSuchEntity"
    )
    assert refusal(iam.delete_policy, PolicyArn=arn) in ("AccessDenied", "InvalidInput")


def test_roles_and_what_keeps_them_from_being_deleted(admin: AwsAccount, iam: Any) -> None:
    role = iam.create_role(
        RoleName="app",
        Path="/svc/",
        AssumeRolePolicyDocument=EC2_TRUST,
        Description="d",
        MaxSessionDuration=7200,
        Tags=[{"Key": "a", "Value": "1"}],
    )["Role"]
    assert role["Arn"] == f"arn:aws:iam::{admin.account}:role/svc/app"
    assert role["RoleId"].startswith("AROA")
    got = iam.get_role(RoleName="app")["Role"]
    assert (got["MaxSessionDuration"], got["Description"]) == (7200, "d")
    assert got["AssumeRolePolicyDocument"] == json.loads(EC2_TRUST)
    assert got["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refusal(iam.create_role, RoleName="app", AssumeRolePolicyDocument=EC2_TRUST) == "EntityAlreadyExists"
    assert refusal(iam.create_role, RoleName="b", AssumeRolePolicyDocument="{") == "MalformedPolicyDocument"
    iam.update_role(RoleName="app", Description="new", MaxSessionDuration=3600)
    assert iam.get_role(RoleName="app")["Role"]["Description"] == "new"
    other = EC2_TRUST.replace("ec2.", "lambda.")
    iam.update_assume_role_policy(RoleName="app", PolicyDocument=other)
    assert iam.get_role(RoleName="app")["Role"]["AssumeRolePolicyDocument"] == json.loads(other)
    assert refusal(iam.update_assume_role_policy, RoleName="none", PolicyDocument=other) == "NoSuchEntity"
    iam.put_role_policy(RoleName="app", PolicyName="in", PolicyDocument=document("s3:*"))
    iam.attach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert iam.list_role_policies(RoleName="app")["PolicyNames"] == ["in"]
    assert iam.get_role_policy(RoleName="app", PolicyName="in")["PolicyDocument"] == json.loads(document("s3:*"))
    assert refusal(iam.get_role_policy, RoleName="app", PolicyName="no") == "NoSuchEntity"
    assert [p["PolicyName"] for p in iam.list_attached_role_policies(RoleName="app")["AttachedPolicies"]] == [
        "ReadOnlyAccess"
    ]
    assert refusal(iam.delete_role, RoleName="app") == "DeleteConflict"
    iam.detach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert refusal(iam.delete_role, RoleName="app") == "DeleteConflict"
    iam.delete_role_policy(RoleName="app", PolicyName="in")
    assert [r["RoleName"] for r in iam.list_roles(PathPrefix="/svc/")["Roles"]] == ["app"]
    iam.delete_role(RoleName="app")
    assert refusal(iam.get_role, RoleName="app") == "NoSuchEntity"


def test_instance_profiles_hold_one_role(iam: Any) -> None:
    iam.create_role(RoleName="node", AssumeRolePolicyDocument=EC2_TRUST)
    profile = iam.create_instance_profile(InstanceProfileName="node")["InstanceProfile"]
    assert profile["InstanceProfileId"].startswith("AIPA")
    assert profile["Roles"] == []
    iam.add_role_to_instance_profile(InstanceProfileName="node", RoleName="node")
    roles = iam.get_instance_profile(InstanceProfileName="node")["InstanceProfile"]["Roles"]
    assert [role["RoleName"] for role in roles] == ["node"]
    add = iam.add_role_to_instance_profile
    iam.create_role(RoleName="two", AssumeRolePolicyDocument=EC2_TRUST)
    assert refusal(add, InstanceProfileName="node", RoleName="two") == "LimitExceeded"
    assert refusal(iam.create_instance_profile, InstanceProfileName="node") == "EntityAlreadyExists"
    listed = iam.list_instance_profiles_for_role(RoleName="node")["InstanceProfiles"]
    assert [p["InstanceProfileName"] for p in listed] == ["node"]
    assert refusal(iam.delete_role, RoleName="node") == "DeleteConflict"
    assert refusal(iam.delete_instance_profile, InstanceProfileName="node") == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName="node", RoleName="node")
    iam.delete_instance_profile(InstanceProfileName="node")
    iam.delete_role(RoleName="node")
    assert refusal(iam.get_instance_profile, InstanceProfileName="node") == "NoSuchEntity"


def test_boundaries_are_put_shown_and_removed(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="edge", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.create_user(UserName="eve", PermissionsBoundary=arn)
    boundary = iam.get_user(UserName="eve")["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == arn
    assert iam.get_policy(PolicyArn=arn)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    iam.delete_user_permissions_boundary(UserName="eve")
    assert "PermissionsBoundary" not in iam.get_user(UserName="eve")["User"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2_TRUST)
    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary=arn)
    assert iam.get_role(RoleName="r")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    assert refusal(iam.put_user_permissions_boundary, UserName="eve", PermissionsBoundary=arn + "x") == "NoSuchEntity"


def test_access_keys_two_at_most_and_their_last_use(admin: AwsAccount, iam: Any) -> None:
    iam.create_user(UserName="eve")
    one = iam.create_access_key(UserName="eve")["AccessKey"]
    assert (one["Status"], one["UserName"]) == ("Active", "eve")
    assert one["AccessKeyId"].startswith("AKIA")
    two = iam.create_access_key(UserName="eve")["AccessKey"]
    assert refusal(iam.create_access_key, UserName="eve") == "LimitExceeded"
    used = iam.get_access_key_last_used(AccessKeyId=one["AccessKeyId"])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == ("eve", "N/A")
    assert "LastUsedDate" not in used["AccessKeyLastUsed"]
    admin.client_as("sts", one["AccessKeyId"], one["SecretAccessKey"], region="eu-west-1").get_caller_identity()
    used = iam.get_access_key_last_used(AccessKeyId=one["AccessKeyId"])["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sts", "eu-west-1")
    assert used["LastUsedDate"]
    iam.update_access_key(UserName="eve", AccessKeyId=two["AccessKeyId"], Status="Inactive")
    states = {k["AccessKeyId"]: k["Status"] for k in iam.list_access_keys(UserName="eve")["AccessKeyMetadata"]}
    assert states == {one["AccessKeyId"]: "Active", two["AccessKeyId"]: "Inactive"}
    iam.delete_access_key(UserName="eve", AccessKeyId=two["AccessKeyId"])
    assert refusal(iam.delete_access_key, UserName="eve", AccessKeyId=two["AccessKeyId"]) == "NoSuchEntity"


def test_password_policy_and_login_profiles(iam: Any) -> None:
    assert refusal(iam.get_account_password_policy) == "NoSuchEntity"
    iam.update_account_password_policy(MinimumPasswordLength=14, RequireSymbols=True, PasswordReusePrevention=5)
    policy = iam.get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["RequireSymbols"], policy["RequireNumbers"]) == (14, True, False)
    assert policy["ExpirePasswords"] is False
    iam.create_user(UserName="eve")
    create = iam.create_login_profile
    assert refusal(create, UserName="eve", Password="short") == "PasswordPolicyViolation"
    profile = create(UserName="eve", Password="long-enough-password!", PasswordResetRequired=True)["LoginProfile"]
    assert (profile["UserName"], profile["PasswordResetRequired"]) == ("eve", True)
    assert refusal(create, UserName="eve", Password="long-enough-password!") == "EntityAlreadyExists"
    assert refusal(iam.delete_user, UserName="eve") == "DeleteConflict"
    iam.delete_login_profile(UserName="eve")
    assert refusal(iam.get_login_profile, UserName="eve") == "NoSuchEntity"
    iam.delete_account_password_policy()
    assert refusal(iam.get_account_password_policy) == "NoSuchEntity"


def test_account_alias_and_summary(iam: Any, unique: str) -> None:
    assert iam.list_account_aliases()["AccountAliases"] == []
    iam.create_account_alias(AccountAlias=unique)
    assert iam.list_account_aliases()["AccountAliases"] == [unique]
    iam.delete_account_alias(AccountAlias=unique)
    assert refusal(iam.delete_account_alias, AccountAlias=unique) == "NoSuchEntity"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2_TRUST)
    iam.create_group(GroupName="g")
    iam.create_policy(PolicyName="p", PolicyDocument=document("s3:*"))
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Roles"], summary["Groups"], summary["Policies"]) == (1, 1, 1, 1)
    assert (summary["UsersQuota"], summary["AccessKeysPerUserQuota"], summary["VersionsPerPolicyQuota"]) == (5000, 2, 5)
    assert summary["AccountAccessKeysPresent"] == 0


def test_credential_report(admin: AwsAccount, iam: Any) -> None:
    assert refusal(iam.get_credential_report) == "ReportNotPresent"
    deadline = time.monotonic() + 10
    while iam.generate_credential_report()["State"] != "COMPLETE":
        assert time.monotonic() < deadline
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(report["Content"].decode().splitlines()))
    assert [row["user"] for row in rows] == ["<root_account>", "admin"]
    assert rows[1]["arn"] == f"arn:aws:iam::{admin.account}:user/admin"
    assert (rows[1]["access_key_1_active"], rows[1]["access_key_2_active"]) == ("true", "false")
    assert (rows[1]["password_enabled"], rows[1]["mfa_active"]) == ("false", "false")


def test_mfa_devices(admin: AwsAccount, iam: Any) -> None:
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
    assert made["SerialNumber"] == f"arn:aws:iam::{admin.account}:mfa/phone"
    assert made["Base32StringSeed"]
    assert made["QRCodePNG"]
    unassigned = iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"]
    assert [d["SerialNumber"] for d in unassigned] == [made["SerialNumber"]]
    enable = iam.enable_mfa_device
    iam.create_user(UserName="eve")
    enable(
        UserName="eve", SerialNumber=made["SerialNumber"], AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    assert [d["SerialNumber"] for d in iam.list_mfa_devices(UserName="eve")["MFADevices"]] == [made["SerialNumber"]]
    iam.deactivate_mfa_device(UserName="eve", SerialNumber=made["SerialNumber"])
    assert iam.list_mfa_devices(UserName="eve")["MFADevices"] == []
    iam.delete_virtual_mfa_device(SerialNumber=made["SerialNumber"])
    assert refusal(iam.delete_virtual_mfa_device, SerialNumber=made["SerialNumber"]) == "NoSuchEntity"


def test_oidc_providers(admin: AwsAccount, iam: Any) -> None:
    url = "https://token.actions.githubusercontent.com"
    arn = iam.create_open_id_connect_provider(
        Url=url, ClientIDList=["sts.amazonaws.com"], ThumbprintList=["a" * 40], Tags=[{"Key": "a", "Value": "b"}]
    )["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{admin.account}:oidc-provider/token.actions.githubusercontent.com"
    assert refusal(iam.create_open_id_connect_provider, Url=url, ThumbprintList=["a" * 40]) == "EntityAlreadyExists"
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (got["Url"], got["ClientIDList"]) == ("token.actions.githubusercontent.com", ["sts.amazonaws.com"])
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    got = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert sorted(got["ClientIDList"]) == ["sts.amazonaws.com", "two"]
    assert got["ThumbprintList"] == ["b" * 40]
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
    assert [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]] == [arn]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refusal(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == "NoSuchEntity"
    assert refusal(iam.create_open_id_connect_provider, Url="http://x") == "InvalidInput"


def test_saml_providers(admin: AwsAccount, iam: Any) -> None:
    text = (
        '<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example/saml">'
        '<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"/></EntityDescriptor>'
    )
    metadata = text + "<!--" + "x" * 1000 + "-->"
    arn = iam.create_saml_provider(SAMLMetadataDocument=metadata, Name="idp")["SAMLProviderArn"]
    assert arn == f"arn:aws:iam::{admin.account}:saml-provider/idp"
    assert refusal(iam.create_saml_provider, SAMLMetadataDocument=metadata, Name="idp") == "EntityAlreadyExists"
    assert iam.get_saml_provider(SAMLProviderArn=arn)["SAMLMetadataDocument"] == metadata
    assert [p["Arn"] for p in iam.list_saml_providers()["SAMLProviderList"]] == [arn]
    iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=metadata.replace("saml", "new"))
    iam.delete_saml_provider(SAMLProviderArn=arn)
    assert refusal(iam.get_saml_provider, SAMLProviderArn=arn) == "NoSuchEntity"


def test_service_linked_roles(admin: AwsAccount, iam: Any) -> None:
    role = iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForAutoScaling"
    assert role["Path"] == "/aws-service-role/autoscaling.amazonaws.com/"
    create = iam.create_service_linked_role
    assert refusal(create, AWSServiceName="autoscaling.amazonaws.com") == "InvalidInput"
    assert refusal(iam.delete_role, RoleName=role["RoleName"]) == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"
    assert refusal(iam.get_role, RoleName=role["RoleName"]) == "NoSuchEntity"


def test_authorization_details_show_everything(iam: Any) -> None:
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=EC2_TRUST)
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    iam.create_group(GroupName="g")
    iam.put_group_policy(GroupName="g", PolicyName="in", PolicyDocument=document("sqs:*"))
    iam.add_user_to_group(GroupName="g", UserName="admin")
    users, groups, roles, policies = [], [], [], []
    for page in iam.get_paginator("get_account_authorization_details").paginate():
        users += page["UserDetailList"]
        groups += page["GroupDetailList"]
        roles += page["RoleDetailList"]
        policies += page["Policies"]
    assert [(user["UserName"], user["GroupList"]) for user in users] == [("admin", ["g"])]
    assert groups[0]["GroupPolicyList"][0]["PolicyDocument"] == json.loads(document("sqs:*"))
    assert roles[0]["AttachedManagedPolicies"] == [{"PolicyName": "p", "PolicyArn": arn}]
    assert arn in [policy["Arn"] for policy in policies]
    only = iam.get_account_authorization_details(Filter=["Role"])
    assert [len(only[name]) for name in ("UserDetailList", "RoleDetailList")] == [0, 1]


def test_service_last_accessed(admin: AwsAccount, iam: Any) -> None:
    admin.client("sqs").list_queues()
    user = f"arn:aws:iam::{admin.account}:user/admin"
    job = iam.generate_service_last_accessed_details(Arn=user)["JobId"]
    details = iam.get_service_last_accessed_details(JobId=job)
    assert details["JobStatus"] == "COMPLETED"
    used = {entry["ServiceNamespace"]: entry for entry in details["ServicesLastAccessed"]}
    assert used["sqs"]["LastAuthenticatedEntity"] == user
    assert used["sqs"]["LastAuthenticated"]
    assert "LastAuthenticated" not in used["dynamodb"]


def test_context_keys_of_policies(admin: AwsAccount, iam: Any) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:*",
                "Resource": "arn:aws:s3:::home/${aws:username}/*",
                "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
            }
        ],
    }
    keys = iam.get_context_keys_for_custom_policy(PolicyInputList=[json.dumps(policy)])["ContextKeyNames"]
    assert sorted(keys) == ["aws:SourceIp", "aws:username"]
    iam.create_user(UserName="eve")
    iam.put_user_policy(UserName="eve", PolicyName="p", PolicyDocument=json.dumps(policy))
    arn = f"arn:aws:iam::{admin.account}:user/eve"
    keys = iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"]
    assert sorted(keys) == ["aws:SourceIp", "aws:username"]
    assert refusal(iam.get_context_keys_for_principal_policy, PolicySourceArn=arn + "x") == "NoSuchEntity"


def test_aws_managed_policies_are_the_real_ones(admin: AwsAccount, iam: Any) -> None:
    arn = "arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"
    policy = iam.get_policy(PolicyArn=arn)["Policy"]
    assert policy["PolicyName"] == "CloudWatchReadOnlyAccess"
    iam.create_user(UserName="eve")
    iam.attach_user_policy(UserName="eve", PolicyArn=arn)
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    pair = (key["AccessKeyId"], key["SecretAccessKey"])
    admin.client_as("cloudwatch", *pair).describe_alarms()
    denied = refusal(admin.client_as("cloudwatch", *pair).delete_alarms, AlarmNames=["a"])
    assert denied.startswith("AccessDenied")

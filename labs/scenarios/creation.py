"""Creating AWS resources so that a second time changes nothing and a kill in between does no harm.

Each function brings the named resource to exactly the declared state, whatever state it was in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from labs.scenarios.removal import already_gone, management

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

Document = Mapping[str, Any]
_keys: dict[tuple[str, str, str], dict[str, str]] = {}  # secrets that this process was shown
EXISTS = frozenset(
    {
        "EntityAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "AlreadyExistsException",
        "DuplicatePolicyException",
        "DuplicatePolicyAttachmentException",
    }
)


def subnets(aws: AwsAccount) -> list[str]:
    """Two subnets of the account's default VPC, in two zones, for what wants to be placed."""
    default = [{"Name": "default-for-az", "Values": ["true"]}]
    found = administrator(aws, "ec2").describe_subnets(Filters=default)["Subnets"]
    return sorted(subnet["SubnetId"] for subnet in sorted(found, key=lambda subnet: subnet["AvailabilityZone"])[:2])


def administrator(aws: AwsAccount, service: str) -> Any:
    """The account's own client of a service."""
    return aws.client(service)


def ensure_user(
    aws: AwsAccount,
    name: str,
    inline: Mapping[str, Document] | None = None,
    managed: tuple[str, ...] = (),
    boundary: str = "",
) -> None:
    """A user with exactly these inline policies, managed policy ARNs and boundary ARN ("" = none)."""
    iam, inline = administrator(aws, "iam"), inline or {}
    if not _made(iam.create_user, UserName=name):
        for other in set(iam.list_user_policies(UserName=name)["PolicyNames"]) - set(inline):
            iam.delete_user_policy(UserName=name, PolicyName=other)
        attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
        for arn in {policy["PolicyArn"] for policy in attached} - set(managed):
            iam.detach_user_policy(UserName=name, PolicyArn=arn)
        if not boundary:
            with already_gone():
                iam.delete_user_permissions_boundary(UserName=name)
    for label, document in inline.items():
        iam.put_user_policy(UserName=name, PolicyName=label, PolicyDocument=json.dumps(document))
    for arn in managed:
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    if boundary:
        iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)


def ensure_role(
    aws: AwsAccount, name: str, trust: Document, inline: Mapping[str, Document] | None = None, boundary: str = ""
) -> None:
    """A role with exactly this trust policy, these inline policies and this boundary ARN ("" = none)."""
    iam, inline = administrator(aws, "iam"), inline or {}
    if not _made(iam.create_role, RoleName=name, AssumeRolePolicyDocument=json.dumps(trust)):
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        for other in set(iam.list_role_policies(RoleName=name)["PolicyNames"]) - set(inline):
            iam.delete_role_policy(RoleName=name, PolicyName=other)
        if not boundary:
            with already_gone():
                iam.delete_role_permissions_boundary(RoleName=name)
    for label, document in inline.items():
        iam.put_role_policy(RoleName=name, PolicyName=label, PolicyDocument=json.dumps(document))
    if boundary:
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)


def ensure_policy(aws: AwsAccount, name: str, document: Document) -> str:
    """A customer managed policy whose default version is ``document``; returns its ARN."""
    iam, arn = administrator(aws, "iam"), f"arn:aws:iam::{aws.account}:policy/{name}"
    text = json.dumps(document)
    if _made(iam.create_policy, PolicyName=name, PolicyDocument=text):
        return arn
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
    return arn


def ensure_bucket(aws: AwsAccount, name: str, objects: Mapping[str, str], policy: Document | None = None) -> None:
    """A bucket with at least these objects (key to text) and exactly this policy (``None`` = none)."""
    s3 = administrator(aws, "s3")
    _made(s3.create_bucket, Bucket=name)  # us-east-1 answers 200 for a bucket that is yours already
    if policy is None:
        s3.delete_bucket_policy(Bucket=name)
    else:
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    for key, text in objects.items():
        s3.put_object(Bucket=name, Key=key, Body=text.encode())


def ensure_guardrail(aws: AwsAccount, name: str, document: Document) -> None:
    """A service control policy of this document, attached to the account by the organisation's management account."""
    organizations, kind = administrator(management(aws), "organizations"), "SERVICE_CONTROL_POLICY"
    text = json.dumps(document)
    _made(organizations.create_policy, Name=name, Description="A lab's guardrail", Type=kind, Content=text)
    pages = organizations.get_paginator("list_policies").paginate(Filter=kind)
    found = next(policy for page in pages for policy in page["Policies"] if policy["Name"] == name)
    organizations.update_policy(PolicyId=found["Id"], Content=text)
    _made(organizations.attach_policy, PolicyId=found["Id"], TargetId=aws.account)


def access_key(aws: AwsAccount, user: str) -> dict[str, str]:
    """An access key of a user: the one this process made before, while it is still there, else a new one.

    AWS shows a secret once and allows two keys, so that keys of other processes are removed first.
    Keyword arguments of ``AwsAccount.client_as``.
    """
    iam, name = administrator(aws, "iam"), (aws.endpoint, aws.account, user)
    there = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
    known = _keys.get(name)
    if known and known["access_key_id"] in there:
        return dict(known)
    for access_key_id in there:
        iam.delete_access_key(UserName=user, AccessKeyId=access_key_id)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    _keys[name] = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}
    return dict(_keys[name])


def role_session(aws: AwsAccount, operator: Mapping[str, str], role: str, session: str, **more: Any) -> dict[str, str]:
    """Temporary credentials of a role, assumed by a user's key (root may not assume roles).

    :param operator: keyword arguments of ``client_as`` of somebody who may assume the role
    :param more: further parameters of ``AssumeRole``, e.g. ``Policy``
    """
    sts = aws.client_as("sts", **operator)
    arn = f"arn:aws:iam::{aws.account}:role/{role}"
    got = sts.assume_role(RoleArn=arn, RoleSessionName=session, **more)["Credentials"]
    return {
        "access_key_id": got["AccessKeyId"],
        "secret_access_key": got["SecretAccessKey"],
        "session_token": got["SessionToken"],
    }


def _made(create: Callable[..., Any], **params: Any) -> bool:
    """Whether the call created something; false where it was there already."""
    try:
        create(**params)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in EXISTS:
            raise
        return False
    return True

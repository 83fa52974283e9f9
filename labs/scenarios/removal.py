"""Removing AWS resources by name, whatever hangs on them; each function returns a line for each thing it removed.

Nothing here fails because something is already gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

GONE = frozenset(
    {
        "NoSuchEntity",
        "NoSuchBucket",
        "NoSuchKey",
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "NotFoundException",
        "PolicyNotFoundException",
        "PolicyNotAttachedException",
    }
)


def remove_identities(aws: AwsAccount, suffix: str) -> list[str]:
    """IAM users, roles and customer managed policies whose names end in ``-suffix``."""
    iam = aws.client("iam")
    users = [user["UserName"] for user in _pages(iam, "list_users", "Users")]
    roles = [role["RoleName"] for role in _pages(iam, "list_roles", "Roles")]
    removed = [line for name in users if name.endswith(f"-{suffix}") for line in _user(iam, name)]
    removed += [line for name in roles if name.endswith(f"-{suffix}") for line in _role(iam, name)]
    policies = [policy["Arn"] for policy in _pages(iam, "list_policies", "Policies", Scope="Local")]
    return removed + [line for arn in policies if arn.endswith(f"-{suffix}") for line in _policy(iam, arn)]


def remove_buckets(aws: AwsAccount, suffix: str) -> list[str]:
    """Buckets whose names end in ``-suffix``, with every object version and marker."""
    s3 = aws.client("s3")
    names = [bucket["Name"] for bucket in s3.list_buckets().get("Buckets", [])]
    return [line for name in names if name.endswith(f"-{suffix}") for line in _bucket(s3, name)]


def remove_queues(aws: AwsAccount, suffix: str) -> list[str]:
    """Queues whose names end in ``-suffix``."""
    sqs = aws.client("sqs")
    removed = []
    for url in sqs.list_queues().get("QueueUrls", []):
        if url.endswith(f"-{suffix}"):
            with already_gone():
                sqs.delete_queue(QueueUrl=url)
                removed.append(f"queue {url.rsplit('/', 1)[1]}")
    return removed


def remove_guardrails(aws: AwsAccount, suffix: str) -> list[str]:
    """Service control policies on the account whose names end in ``-suffix``."""
    organizations = management(aws).client("organizations")
    removed = []
    for policy in _pages(organizations, "list_policies", "Policies", Filter="SERVICE_CONTROL_POLICY"):
        if policy["Name"].endswith(f"-{suffix}"):
            with already_gone():
                organizations.detach_policy(PolicyId=policy["Id"], TargetId=aws.account)
            with already_gone():
                organizations.delete_policy(PolicyId=policy["Id"])
                removed.append(f"service control policy {policy['Name']}")
    return removed


def management(aws: AwsAccount) -> AwsAccount:
    """The organisation's management account, as its root user."""
    return replace(aws, account="000000000000", access_key_id="", secret_access_key="")


def remove_keys(aws: AwsAccount, alias_prefix: str) -> list[str]:
    """KMS keys whose alias begins with ``alias_prefix``: the alias goes, the key is scheduled for deletion (7 days)."""
    kms = aws.client("kms")
    removed = []
    for alias in _pages(kms, "list_aliases", "Aliases"):
        if alias["AliasName"].startswith(alias_prefix) and "TargetKeyId" in alias:
            with already_gone():
                kms.delete_alias(AliasName=alias["AliasName"])
                kms.schedule_key_deletion(KeyId=alias["TargetKeyId"], PendingWindowInDays=7)
                removed.append(f"key {alias['AliasName']}")
    return removed


@contextmanager
def already_gone() -> Iterator[None]:
    """Swallow AWS's "there is no such thing", and nothing else."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in GONE:
            raise


def _user(iam: Any, name: str) -> list[str]:
    with already_gone():
        for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
            iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy)
        for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
            iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
        if "PermissionsBoundary" in iam.get_user(UserName=name)["User"]:
            iam.delete_user_permissions_boundary(UserName=name)
        iam.delete_user(UserName=name)
        return [f"user {name}"]
    return []


def _role(iam: Any, name: str) -> list[str]:
    with already_gone():
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        if "PermissionsBoundary" in iam.get_role(RoleName=name)["Role"]:
            iam.delete_role_permissions_boundary(RoleName=name)
        iam.delete_role(RoleName=name)
        return [f"role {name}"]
    return []


def _policy(iam: Any, arn: str) -> list[str]:
    with already_gone():
        for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
        iam.delete_policy(PolicyArn=arn)
        return [f"policy {arn.rsplit('/', 1)[1]}"]
    return []


def _bucket(s3: Any, name: str) -> list[str]:
    with already_gone():
        s3.delete_bucket_policy(Bucket=name)
        objects = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=name)
            for each in page.get("Versions", []) + page.get("DeleteMarkers", [])
        ]
        for start in range(0, len(objects), 1000):
            s3.delete_objects(Bucket=name, Delete={"Objects": objects[start : start + 1000], "Quiet": True})
        s3.delete_bucket(Bucket=name)
        return [f"bucket {name} with {len(objects)} object versions"]
    return []


def _pages(client: Any, operation: str, key: str, **params: Any) -> list[dict[str, Any]]:
    return [item for page in client.get_paginator(operation).paginate(**params) for item in page.get(key, [])]

"""Amazon S3: many operations share an action, and some need several ("Actions, resources, and condition keys for Amazon
S3"; S3 User Guide, "Required permissions for Amazon S3 API operations").
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote

from labs.aws.gateway.actions import reference
from labs.aws.gateway.actions.asked import Asked, Check, Context, tag_pairs
from labs.aws.gateway.calls import AwsError

_ACTION = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
}
# Actions that have a form of their own for one version of an object.
_VERSIONED = {
    "GetObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "PutObjectAcl": "PutObjectVersionAcl",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObjectAttributes": "GetObjectVersionAttributes",
}
# Parameter -> condition key that carries the header's or query's value.
_KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:versionid",
    "ACL": "s3:x-amz-acl",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "StorageClass": "s3:x-amz-storage-class",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "GrantFullControl": "s3:x-amz-grant-full-control",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantReadACP": "s3:x-amz-grant-read-acp",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantWriteACP": "s3:x-amz-grant-write-acp",
    "ObjectLockMode": "s3:object-lock-mode",
    "ObjectLockRetainUntilDate": "s3:object-lock-retain-until-date",
    "ObjectLockLegalHoldStatus": "s3:object-lock-legal-hold",
    "ObjectOwnership": "s3:x-amz-object-ownership",
    "IfNoneMatch": "s3:if-none-match",
    "IfMatch": "s3:if-match",
}
_WRITES_OBJECT = frozenset(["PutObject", "CopyObject", "CreateMultipartUpload", "UploadPart", "UploadPartCopy"])


def action_name(event: str) -> str:
    """The action behind an event's name, without the prefix, e.g. ``ListAllMyBuckets`` of ``ListBuckets``."""
    return "ListAllMyBuckets" if event == "ListBuckets" else _ACTION.get(event, event)


async def checks(asked: Asked) -> list[Check]:
    """Every check of one S3 call, the decisive one first."""
    operation, bucket = asked.operation, asked.text("Bucket")
    if asked.params.get("Bucket") is not None:
        check_bucket_name(bucket, operation)
    if operation in ("ListBuckets", "ListDirectoryBuckets"):
        return [Check("s3:ListAllMyBuckets", "arn:aws:s3:::*")]
    if operation == "CreateBucket":
        return _create_bucket(asked, bucket)
    owner = (await asked.lookup.bucket_owner(bucket) if bucket else None) or asked.account
    if operation == "DeleteObjects":
        return _delete_objects(asked, bucket, owner)
    context = {**_context(asked), "s3:ResourceAccount": owner}
    if operation in ("CopyObject", "UploadPartCopy"):
        return await _copy(asked, bucket, owner, context)
    return await _ordinary(asked, bucket, owner, context)


async def _ordinary(asked: Asked, bucket: str, owner: str, context: Context) -> list[Check]:
    key, operation = asked.get("Key"), asked.operation
    resource = f"arn:aws:s3:::{bucket}/{key}" if key is not None else f"arn:aws:s3:::{bucket}"
    if key is not None:
        context.update(await _object_tags(asked, bucket, str(key), owner))
    found = [Check(_action(operation, asked.get("VersionId")), resource, owner, context)]
    if operation in _WRITES_OBJECT:
        found += _beside_a_write(asked, resource, owner, context)
    if operation == "DeleteObject" and asked.get("BypassGovernanceRetention"):
        found.append(Check("s3:BypassGovernanceRetention", resource, owner, context))
    if operation == "GetObjectAttributes":
        found.append(Check(_action("GetObject", asked.get("VersionId")), resource, owner, context))
    if operation in ("GetObject", "HeadObject"):
        found += await _decrypt(asked, bucket, str(key), owner)
    return found


def _action(operation: str, version: Any = None) -> str:
    name = _ACTION.get(operation, operation)
    if version:
        name = _VERSIONED.get(name, name)
    known = reference.service("s3").actions.get(name.lower())
    return f"s3:{known.name if known else name}"


def _create_bucket(asked: Asked, bucket: str) -> list[Check]:
    context = _context(asked)
    place = (asked.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
    if place:
        context["s3:locationconstraint"] = str(place)
    resource = f"arn:aws:s3:::{bucket}"
    found = [Check("s3:CreateBucket", resource, asked.account, context)]
    if asked.get("ACL", "GrantRead", "GrantWrite", "GrantFullControl", "GrantReadACP", "GrantWriteACP"):
        found.append(Check("s3:PutBucketAcl", resource, asked.account, context))
    if asked.get("ObjectLockEnabledForBucket"):
        found.append(Check("s3:PutBucketVersioning", resource, asked.account, context))
        found.append(Check("s3:PutBucketObjectLockConfiguration", resource, asked.account, context))
    if asked.get("ObjectOwnership"):
        found.append(Check("s3:PutBucketOwnershipControls", resource, asked.account, context))
    return found


def _delete_objects(asked: Asked, bucket: str, owner: str) -> list[Check]:
    found = []
    for part, item in enumerate((asked.get("Delete") or {}).get("Objects") or []):
        key, version = item.get("Key", ""), item.get("VersionId")
        context: Context = {"s3:ResourceAccount": owner, **({"s3:versionid": str(version)} if version else {})}
        resource = f"arn:aws:s3:::{bucket}/{key}"
        found.append(Check(_action("DeleteObject", version), resource, owner, context, part))
        if asked.get("BypassGovernanceRetention"):
            found.append(Check("s3:BypassGovernanceRetention", resource, owner, context, part))
    return found or [Check("s3:DeleteObject", f"arn:aws:s3:::{bucket}/*", owner, {})]


async def _copy(asked: Asked, bucket: str, owner: str, context: Context) -> list[Check]:
    source_bucket, source_key, version = copy_source(asked.get("CopySource"))
    check_bucket_name(source_bucket, asked.operation)
    source_owner = (await asked.lookup.bucket_owner(source_bucket) if source_bucket else None) or asked.account
    source = f"arn:aws:s3:::{source_bucket}/{source_key}"
    read: Context = {"s3:ResourceAccount": source_owner, **({"s3:versionid": version} if version else {})}
    read.update(await _object_tags(asked, source_bucket, source_key, source_owner))
    context["s3:x-amz-copy-source"] = f"/{source_bucket}/{source_key}"
    target = f"arn:aws:s3:::{bucket}/{asked.text('Key')}"
    found = [
        Check("s3:PutObject", target, owner, context),
        Check("s3:GetObjectVersion" if version else "s3:GetObject", source, source_owner, read),
    ]
    return found + _beside_a_write(asked, target, owner, context)


# S3 User Guide, "General purpose bucket naming rules".
_BUCKET_NAME = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Names whose paths engines keep for themselves.  Bucket names are global, so that each of these is somebody else's.
_TAKEN = frozenset(
    ["health", "iceberg", "latest", "login", "logout", "moto-api", "oauth2", "restapis", "saml2", "v20180820"]
)


def check_bucket_name(bucket: str, operation: str) -> None:
    """Refuse a name that no bucket of the caller's can have.

    :raises AwsError: ``InvalidBucketName``; ``BucketAlreadyExists`` or ``AccessDenied`` for a bucket of somebody else;
        ``NotImplemented`` for access points
    """
    if bucket.startswith("arn:") or bucket.endswith("-s3alias"):
        raise AwsError("NotImplemented", "Access points are not offered by this endpoint.", 501)
    if _BUCKET_NAME.fullmatch(bucket) is None:
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", 400)
    if bucket in _TAKEN and operation == "CreateBucket":
        text = "The requested bucket name is not available. The bucket namespace is shared by all users of the system."
        raise AwsError("BucketAlreadyExists", f"{text} Please select a different name and try again.", 409)
    if bucket in _TAKEN:
        raise AwsError("AccessDenied", "Access Denied", 403)


def copy_source(value: Any) -> tuple[str, str, str]:
    """Bucket, key and version of ``CopySource``, which is a text or a mapping."""
    if isinstance(value, dict):
        return str(value.get("Bucket", "")), str(value.get("Key", "")), str(value.get("VersionId") or "")
    path, _, query = str(value or "").partition("?")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key, dict(parse_qsl(query)).get("versionId", "")


def _beside_a_write(asked: Asked, resource: str, owner: str, context: Context) -> list[Check]:
    """What writing an object needs besides ``s3:PutObject``: its ACL, tags, lock, and the key that encrypts it."""
    found = []
    if asked.get("ACL", "GrantRead", "GrantReadACP", "GrantWriteACP", "GrantFullControl"):
        found.append(Check("s3:PutObjectAcl", resource, owner, context))
    if asked.get("Tagging"):
        found.append(Check("s3:PutObjectTagging", resource, owner, context))
    if asked.get("ObjectLockMode", "ObjectLockRetainUntilDate"):
        found.append(Check("s3:PutObjectRetention", resource, owner, context))
    if asked.get("ObjectLockLegalHoldStatus"):
        found.append(Check("s3:PutObjectLegalHold", resource, owner, context))
    key = asked.text("SSEKMSKeyId")
    if key and not key.endswith("alias/aws/s3"):
        found.append(_key_check("kms:GenerateDataKey", asked, key, resource, owner))
    return found


def _key_check(action: str, asked: Asked, key: str, resource: str, owner: str) -> Check:
    arn = key if key.startswith("arn:") else asked.arn("kms", f"key/{key}", owner)
    context: Context = {
        "kms:ViaService": f"s3.{asked.region}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": resource,
        "kms:EncryptionContextKeys": ("aws:s3:arn",),
        "kms:CallerAccount": asked.account,
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ("s3.amazonaws.com",),
    }
    return Check(action, arn, arn.split(":")[4], context)


async def _decrypt(asked: Asked, bucket: str, key: str, owner: str) -> list[Check]:
    """Reading an object that a customer's KMS key encrypts needs ``kms:Decrypt`` on that key.

    "If the object you request doesn't exist, the error that Amazon S3 returns depends on whether you also have the
    s3:ListBucket permission" (S3 API Reference, "GetObject").
    """
    version = {"VersionId": asked.text("VersionId")} if asked.get("VersionId") else {}
    try:
        head = await asked.lookup.call("s3", "HeadObject", account=owner, Bucket=bucket, Key=key, **version)
    except AwsError as error:
        missing = error.code in ("404", "NoSuchKey", "NotFound") and not version
        bucket_arn = f"arn:aws:s3:::{bucket}"
        return [Check("s3:ListBucket", bucket_arn, owner, {"s3:ResourceAccount": owner})] if missing else []
    used = head.get("SSEKMSKeyId") or ""
    if not str(head.get("ServerSideEncryption", "")).startswith("aws:kms") or not used or "alias/aws/" in used:
        return []
    return [_key_check("kms:Decrypt", asked, used, f"arn:aws:s3:::{bucket}/{key}", owner)]


async def _object_tags(asked: Asked, bucket: str, key: str, owner: str) -> Context:
    if not asked.lookup.wants("s3:existingobjecttag/"):
        return {}
    answer = await asked.ask("s3", "GetObjectTagging", account=owner, Bucket=bucket, Key=key)
    return {f"s3:ExistingObjectTag/{name}": value for name, value in tag_pairs(answer.get("TagSet"))}


def _context(asked: Asked) -> Context:
    context: Context = {}
    for parameter, key in _KEYS.items():
        value = asked.params.get(parameter)
        if value is not None:
            context[key] = str(value)
    tagging = asked.get("Tagging")
    pairs = dict(tag_pairs(tagging.get("TagSet"))) if isinstance(tagging, dict) else dict(parse_qsl(str(tagging or "")))
    if pairs:
        context.update({f"s3:RequestObjectTag/{name}": value for name, value in pairs.items()})
        context["s3:RequestObjectTagKeys"] = tuple(pairs)
    return context

"""S3: names, owners, default encryption, keys that cannot be used, versions, lifecycle, Object Lock.

Sources: Amazon S3 API Reference ("Error responses" and each operation) and the User Guide's "Bucket naming rules",
"Setting default server-side encryption behavior", "Considerations for Object Lock".
"""

from __future__ import annotations

import datetime
import email.utils
import fnmatch
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found
from labs.aws.gateway.corrections.bucket_configurations import operations
from labs.aws.gateway.policies import document
from labs.aws.gateway.public_access import is_public

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_RESERVED = re.compile(r"^(?:xn--|sthree-|amzn-s3-demo-$)|(?:-s3alias|--ol-s3|\.mrap|--x-s3)$")
_VERSION = re.compile(r"null|[A-Za-z0-9._-]{16,1024}")
_MIN_PART = 5 * 2**20  # bytes of every part but the last


async def _every_call(exchange: Exchange, params: Params) -> None:
    """ "If the account ID that you provide does not match the actual owner of the bucket, the request fails with …
    403 Forbidden (access denied)"."""
    expected = params.get("ExpectedBucketOwner")
    if expected and expected != exchange.account:
        raise AwsError("AccessDenied", "Access Denied", 403)


async def _create_bucket(exchange: Exchange, params: Params) -> None:
    name = str(params.get("Bucket", ""))
    if _RESERVED.search(name):
        raise AwsError("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": name})


async def _read_object(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    version = params.get("VersionId")
    if version and not _VERSION.fullmatch(str(version)):
        raise AwsError(
            "InvalidArgument",
            "Invalid version id specified",
            400,
            {"ArgumentName": "versionId", "ArgumentValue": str(version)},
        )
    if exchange.gateway.notes.get(("kms-unusable", exchange.account)):
        named = {"VersionId": version} if version else {}
        head = await found(exchange, "HeadObject", Bucket=params.get("Bucket"), Key=params.get("Key"), **named)
        if head and head.get("SSEKMSKeyId"):
            await _usable(exchange, str(head["SSEKMSKeyId"]))


async def _usable(exchange: Exchange, key: str) -> None:
    """An object is as readable as its key ("Protecting data with server-side encryption using AWS KMS keys")."""
    described = await found(exchange, "DescribeKey", "kms", KeyId=key)
    state = described["KeyMetadata"]["KeyState"] if described else "Enabled"
    arn = described["KeyMetadata"]["Arn"] if described else key
    if state == "Disabled":
        raise AwsError("KMS.DisabledException", f"{arn} is disabled.", 400)
    if state in ("PendingDeletion", "PendingImport", "Unavailable"):
        text = "pending deletion" if state == "PendingDeletion" else state
        raise AwsError("KMS.KMSInvalidStateException", f"{arn} is {text}.", 400)


async def _write_object(exchange: Exchange, params: Params) -> None:
    """Give the engine the encryption that applies, so that every answer can name it."""
    await _every_call(exchange, params)
    if not params.get("ContentType") and exchange.call and exchange.call.operation != "CopyObject":
        exchange.added_headers.append((b"content-type", b"binary/octet-stream"))
    algorithm, key = params.get("ServerSideEncryption"), params.get("SSEKMSKeyId")
    if params.get("SSECustomerAlgorithm"):
        return
    if not algorithm:
        rule = await _default_encryption(exchange, str(params.get("Bucket", "")))
        by_default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        algorithm, key = by_default.get("SSEAlgorithm") or "AES256", by_default.get("KMSMasterKeyID")
        added = {"x-amz-server-side-encryption": algorithm}
        if key and algorithm.startswith("aws:kms"):
            added["x-amz-server-side-encryption-aws-kms-key-id"] = key
            if rule.get("BucketKeyEnabled"):
                added["x-amz-server-side-encryption-bucket-key-enabled"] = "true"
        exchange.added_headers += [(name.encode(), str(value).encode()) for name, value in added.items()]
    if key and exchange.gateway.notes.get(("kms-unusable", exchange.account)):
        await _usable(exchange, str(key))


async def _default_encryption(exchange: Exchange, bucket: str) -> Mapping[str, Any]:
    async def read() -> Mapping[str, Any]:
        answer = await found(exchange, "GetBucketEncryption", Bucket=bucket)
        rules = ((answer or {}).get("ServerSideEncryptionConfiguration") or {}).get("Rules") or [{}]
        first: Mapping[str, Any] = rules[0]
        return first

    kept: Mapping[str, Any] = await exchange.gateway.policies.keep(
        ("s3", exchange.account, "default-encryption", bucket), read
    )
    return kept


async def _wrote_object(exchange: Exchange, params: Params, result: Params) -> Params:
    """What AWS tells about the object that was written: its encryption, its checksum, the rule that will expire it."""
    sent = {name.decode(): value.decode("latin-1") for name, value in exchange.added_headers}
    told = dict(result)
    told.setdefault(
        "ServerSideEncryption", params.get("ServerSideEncryption") or sent.get("x-amz-server-side-encryption")
    )
    if params.get("BucketKeyEnabled") or sent.get("x-amz-server-side-encryption-bucket-key-enabled"):
        told["BucketKeyEnabled"] = True
    for name, value in params.items():
        if name.startswith("Checksum") and name != "ChecksumAlgorithm":
            told.setdefault(name, value)
            told.setdefault("ChecksumType", "FULL_OBJECT")
    if exchange.call and exchange.call.operation != "CreateMultipartUpload":
        told |= await _expiration(exchange, params)
    if "SSECustomerAlgorithm" in params:
        told.pop("ServerSideEncryption", None)
    return {name: value for name, value in told.items() if value is not None}


async def _expiration(exchange: Exchange, params: Params) -> Params:
    """The rule that will expire an object written now, and the midnight at which it will ("Lifecycle configuration
    elements", "Expiring objects")."""
    bucket = str(params.get("Bucket", ""))

    async def read() -> Any:
        return ((await found(exchange, "GetBucketLifecycleConfiguration", Bucket=bucket)) or {}).get("Rules", [])

    rules = await exchange.gateway.policies.keep(("s3", exchange.account, "lifecycle", bucket), read)
    for rule in rules:
        days = (rule.get("Expiration") or {}).get("Days")
        only = rule.get("Filter") or {}
        plain = set(only) <= {"Prefix"}  # rules by tag or size are not told about
        if rule.get("Status") == "Enabled" and days and plain:
            if not str(params.get("Key", "")).startswith(only.get("Prefix") or rule.get("Prefix") or ""):
                continue
            end = exchange.now.replace(hour=0, minute=0, second=0) + datetime.timedelta(days=int(days) + 1)
            when = email.utils.format_datetime(end.replace(microsecond=0), usegmt=True)
            return {"Expiration": f'expiry-date="{when}", rule-id="{rule.get("ID", "")}"'}
    return {}


async def _put_policy(exchange: Exchange, params: Params) -> None:
    """A bucket's policy speaks of that bucket only ("Bucket policies for Amazon S3")."""
    await _every_call(exchange, params)
    bucket = f"arn:aws:s3:::{params.get('Bucket')}"
    for statement in _listed(document(params.get("Policy", "")).get("Statement")):
        for resource in _listed(statement.get("Resource")):
            name = str(resource).partition("/")[0]
            if not fnmatch.fnmatchcase(bucket, name.replace("[", "[[]")) and "${" not in name:
                raise AwsError("MalformedPolicy", "Policy has invalid resource", 400)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


async def _put_logging(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    target = ((params.get("BucketLoggingStatus") or {}).get("LoggingEnabled") or {}).get("TargetBucket")
    if target and await exchange.gateway.authorizer.bucket_owner(str(target), exchange.account) is None:
        raise AwsError("InvalidTargetBucketForLogging", "The target bucket for logging does not exist", 400)


async def _copy_object(exchange: Exchange, params: Params) -> None:
    await _write_object(exchange, params)
    source = params.get("CopySource")
    if isinstance(source, Mapping):
        source = f"{source.get('Bucket')}/{source.get('Key')}"
    changes = ("MetadataDirective", "StorageClass", "ServerSideEncryption", "WebsiteRedirectLocation", "SSEKMSKeyId",
               "ChecksumAlgorithm", "TaggingDirective")  # fmt: skip
    same = str(source).lstrip("/") == f"{params.get('Bucket')}/{params.get('Key')}"
    if same and not any(params.get(name) not in (None, "COPY") for name in changes):
        raise AwsError(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the"
            " object's metadata, storage class, website redirect location or encryption attributes.",
            400,
        )


async def _delete_objects(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    objects = (params.get("Delete") or {}).get("Objects") or []
    if not 1 <= len(objects) <= 1000:
        raise _malformed()


def _malformed() -> AwsError:
    return AwsError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        400,
    )


async def _complete(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    parts = (params.get("MultipartUpload") or {}).get("Parts") or []
    if not parts:
        raise _malformed()
    numbers = [int(part.get("PartNumber", 0)) for part in parts]
    if numbers != sorted(set(numbers)):
        raise AwsError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
            400,
        )
    upload = {name: params.get(name) for name in ("Bucket", "Key", "UploadId")}
    listed = await found(exchange, "ListParts", **upload)
    sizes = {part["PartNumber"]: part.get("Size", 0) for part in (listed or {}).get("Parts", [])}
    for number in numbers[:-1]:
        if number in sizes and sizes[number] < _MIN_PART:
            raise AwsError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                400,
                {"ProposedSize": str(sizes[number]), "MinSizeAllowed": str(_MIN_PART), "PartNumber": str(number)},
            )


async def _put_versioning(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    status = (params.get("VersioningConfiguration") or {}).get("Status")
    if status == "Suspended":
        lock = await found(exchange, "GetObjectLockConfiguration", Bucket=params.get("Bucket"))
        if (lock or {}).get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled":
            raise AwsError(
                "InvalidBucketState",
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
                409,
            )


async def _policy_status(exchange: Exchange, params: Params) -> Params:
    await _every_call(exchange, params)
    policy = document((await ask(exchange, "GetBucketPolicy", Bucket=params.get("Bucket"))).get("Policy"))
    return {"PolicyStatus": {"IsPublic": is_public(policy)}}


async def _put_tagging(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    keys = [tag.get("Key") for tag in (params.get("Tagging") or {}).get("TagSet") or []]
    if len(keys) != len(set(keys)):
        raise AwsError("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
    if any(str(key).startswith("aws:") for key in keys):
        raise AwsError("InvalidTag", "System tags cannot be added/updated by requester", 400)


async def _got_lifecycle(exchange: Exchange, params: Params, result: Params) -> Params:
    """Without the size of 0 bytes that the engine adds to filters."""
    rules = []
    for rule in result.get("Rules", []):
        both = (rule.get("Filter") or {}).get("And")
        if both and not both.get("ObjectSizeGreaterThan"):
            kept = {name: value for name, value in both.items() if name != "ObjectSizeGreaterThan"}
            rule = {**rule, "Filter": {"And": kept}}
        rules.append(rule)
    return {**result, "Rules": rules}


_LIFECYCLE_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionTransitions",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
)


async def _got_payment(exchange: Exchange, params: Params, result: Params) -> Params:
    return {"Payer": result.get("Payer") or "BucketOwner"}


async def _put_lifecycle(exchange: Exchange, params: Params) -> None:
    await _every_call(exchange, params)
    rules = (params.get("LifecycleConfiguration") or {}).get("Rules") or []
    named = [rule["ID"] for rule in rules if rule.get("ID")]
    if len(named) != len(set(named)):
        raise AwsError("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule", 400)
    for rule in rules:
        if not any(rule.get(action) for action in _LIFECYCLE_ACTIONS):
            raise AwsError("InvalidRequest", "At least one action needs to be specified in a rule", 400)
        for transition in rule.get("Transitions") or []:
            days, storage = transition.get("Days"), transition.get("StorageClass")
            if days is not None and storage in ("STANDARD_IA", "ONEZONE_IA") and int(days) < 30:
                raise AwsError(
                    "InvalidArgument",
                    f"'Days' in Transition action must be greater than or equal to 30 for storageClass '{storage}'",
                    400,
                )


async def _put_notification(exchange: Exchange, params: Params) -> None:
    """ "Unable to validate the following destination configurations": they exist, and their policies let S3 in."""
    await _every_call(exchange, params)
    wanted = params.get("NotificationConfiguration") or {}
    if params.get("SkipDestinationValidation"):
        return
    for entry in wanted.get("QueueConfigurations") or []:
        name = str(entry.get("QueueArn")).rpartition(":")[2]
        there = await found(exchange, "GetQueueUrl", "sqs", QueueName=name)
        await _destination(exchange, there, entry["QueueArn"], "sqs:SendMessage", params)
    for entry in wanted.get("TopicConfigurations") or []:
        arn = entry.get("TopicArn")
        there = await found(exchange, "GetTopicAttributes", "sns", TopicArn=arn)
        await _destination(exchange, there, str(arn), "sns:Publish", params)
    for entry in wanted.get("LambdaFunctionConfigurations") or []:
        arn = entry.get("LambdaFunctionArn")
        there = await found(exchange, "GetFunction", "lambda", FunctionName=arn)
        await _destination(exchange, there, str(arn), "lambda:InvokeFunction", params)


async def _destination(exchange: Exchange, there: Params | None, arn: str, action: str, params: Params) -> None:
    """ "Granting permissions to publish event notification messages to a destination" (S3 User Guide)."""
    parts = arn.split(":")
    owner = parts[4] if len(parts) > 4 else exchange.account
    about = {"aws:SourceArn": f"arn:aws:s3:::{params.get('Bucket')}", "aws:SourceAccount": exchange.account}
    problem = "The destination does not exist" if there is None and owner == exchange.account else ""
    if not problem:
        decision = await exchange.gateway.authorizer.service_may("s3.amazonaws.com", action, arn, owner, about)
        problem = "" if decision.allowed else "Permissions on the destination do not allow S3 to publish notifications"
    if problem:
        text = "Unable to validate the following destination configurations"
        raise AwsError("InvalidArgument", text, 400, {"ArgumentName": arn, "ArgumentValue": problem})


CORRECTIONS = Corrections(
    before={
        "*": _every_call,
        "CreateBucket": _create_bucket,
        "GetObject": _read_object,
        "HeadObject": _read_object,
        "PutObject": _write_object,
        "CreateMultipartUpload": _write_object,
        "CopyObject": _copy_object,
        "DeleteObjects": _delete_objects,
        "CompleteMultipartUpload": _complete,
        "PutBucketPolicy": _put_policy,
        "PutBucketLogging": _put_logging,
        "PutBucketVersioning": _put_versioning,
        "PutBucketTagging": _put_tagging,
        "PutObjectTagging": _put_tagging,
        "PutBucketLifecycleConfiguration": _put_lifecycle,
        "PutBucketNotificationConfiguration": _put_notification,
    },
    instead={"GetBucketPolicyStatus": _policy_status, **operations()},
    after={
        "PutObject": _wrote_object,
        "CopyObject": _wrote_object,
        "CreateMultipartUpload": _wrote_object,
        "GetBucketRequestPayment": _got_payment,
        "GetBucketLifecycleConfiguration": _got_lifecycle,
    },
)

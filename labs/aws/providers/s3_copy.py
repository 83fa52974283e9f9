"""CopyObject and UploadPartCopy from a bucket of another account, which engines keep apart.

The gateway has decided about source and destination; here the object is read as its owner and written as the owner of
the destination.  The object passes through memory, hence ``MAX_BYTES``.

Pages: "CopyObject", "UploadPartCopy" (Amazon S3 API Reference).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from labs.aws.gateway.calls import AwsError

MAX_BYTES = 256 * 1024 * 1024
COPIES = ("CopyObject", "UploadPartCopy")
_SOURCE_CONDITIONS = {
    "CopySourceIfMatch": "IfMatch",
    "CopySourceIfNoneMatch": "IfNoneMatch",
    "CopySourceIfModifiedSince": "IfModifiedSince",
    "CopySourceIfUnmodifiedSince": "IfUnmodifiedSince",
}
_METADATA = (
    "Metadata", "ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires",
)  # fmt: skip
_DESTINATION = (
    "ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP", "StorageClass", "ServerSideEncryption",
    "SSEKMSKeyId", "BucketKeyEnabled", "WebsiteRedirectLocation", "ObjectLockMode", "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus", "ChecksumAlgorithm",
)  # fmt: skip

Engine = Callable[..., Awaitable[dict[str, Any]]]


async def copy(
    operation: str, params: Mapping[str, Any], source: tuple[str, str, str], owners: tuple[str, str], engine: Engine
) -> dict[str, Any]:
    """Carry out the call; its result in botocore's shape.

    :param source: bucket, key and version ("" for the current one) of the source
    :param owners: the accounts of source and destination
    :param engine: ``await engine("s3", operation, account=…, **params)``
    :raises AwsError: the engine's own, or ``InvalidRequest`` for an object above ``MAX_BYTES``
    """
    bucket, key, version = source
    read = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    head = await engine("s3", "HeadObject", account=owners[0], **read)
    if int(head.get("ContentLength") or 0) > MAX_BYTES:
        raise AwsError("InvalidRequest", f"This endpoint copies {MAX_BYTES} bytes between accounts at most.", 400)
    conditions = {name: params[given] for given, name in _SOURCE_CONDITIONS.items() if params.get(given)}
    span = {"Range": params["CopySourceRange"]} if params.get("CopySourceRange") else {}
    try:
        found = await engine("s3", "GetObject", account=owners[0], **read, **conditions, **span)
    except AwsError as error:
        if error.status in (304, 412):
            raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)\
                from error
        raise
    write = {"Bucket": params["Bucket"], "Key": params["Key"], "Body": found["Body"]}
    if operation == "UploadPartCopy":
        part = await engine(
            "s3", "UploadPart", account=owners[1], **write, UploadId=params["UploadId"], PartNumber=params["PartNumber"]
        )
        return {"CopyPartResult": {"ETag": part["ETag"], "LastModified": datetime.now(UTC)}}
    described = params if params.get("MetadataDirective") == "REPLACE" else head
    write |= {name: described[name] for name in _METADATA if described.get(name)}
    write |= {name: params[name] for name in _DESTINATION if params.get(name) is not None}
    tags = await _tags(params, read, owners[0], engine)
    put = await engine("s3", "PutObject", account=owners[1], **write, **({"Tagging": tags} if tags else {}))
    kept = {name: put[name] for name in ("VersionId", "ServerSideEncryption", "SSEKMSKeyId") if put.get(name)}
    return {"CopyObjectResult": {"ETag": put["ETag"], "LastModified": datetime.now(UTC)}, **kept}


async def _tags(params: Mapping[str, Any], read: Mapping[str, Any], owner: str, engine: Engine) -> str:
    if params.get("TaggingDirective") == "REPLACE":
        return str(params.get("Tagging") or "")
    found = await engine("s3", "GetObjectTagging", account=owner, **read)
    return urlencode([(tag["Key"], tag["Value"]) for tag in found.get("TagSet") or ()])

"""S3 as the labs use it (Amazon S3 User Guide and API Reference)."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def s3(admin: AwsAccount) -> Any:
    return admin.client("s3")


@pytest.fixture
def bucket(s3: Any, unique: str) -> Iterator[str]:
    s3.create_bucket(Bucket=unique)
    return unique


def test_buckets_are_made_found_and_removed(admin: AwsAccount, root: AwsAccount, s3: Any, unique: str) -> None:
    assert s3.create_bucket(Bucket=unique)["Location"] == f"/{unique}"
    assert s3.head_bucket(Bucket=unique)["BucketRegion"] == "us-east-1"
    assert unique in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket=unique)["LocationConstraint"] is None
    west = admin.client("s3", region="us-west-2")
    west.create_bucket(Bucket=f"{unique}-w", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    assert west.get_bucket_location(Bucket=f"{unique}-w")["LocationConstraint"] == "us-west-2"
    assert refusal(west.create_bucket, Bucket=f"{unique}-x") == "IllegalLocationConstraintException"
    assert (
        refusal(west.create_bucket, Bucket=f"{unique}-w", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        == "BucketAlreadyOwnedByYou"
    )
    s3.put_object(Bucket=unique, Key="k", Body=b"1")
    assert refusal(s3.delete_bucket, Bucket=unique) == "BucketNotEmpty"
    s3.delete_object(Bucket=unique, Key="k")
    s3.delete_bucket(Bucket=unique)
    assert refusal(s3.head_bucket, Bucket=unique) == "404"
    assert refusal(s3.list_objects_v2, Bucket=unique) == "NoSuchBucket"
    assert refusal(s3.delete_bucket, Bucket=unique) == "NoSuchBucket"


@pytest.mark.parametrize("name", ["Ab-upper", "ab", "has_underscore", "192.168.5.4", "xn--abc", "double..dot"])
def test_bad_bucket_names_are_refused(s3: Any, name: str) -> None:
    assert refusal(s3.create_bucket, Bucket=name) == "InvalidBucketName"


def test_a_name_that_another_account_has_is_taken(gateway: Any, s3: Any, bucket: str) -> None:
    other = gateway.account("210987654321").client("s3")
    assert refusal(other.create_bucket, Bucket=bucket) == "BucketAlreadyExists"
    assert refusal(other.list_objects_v2, Bucket=bucket) == "AccessDenied"


def test_an_object_keeps_its_headers_and_metadata(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket,
        Key="a/b.txt",
        Body=b"hello",
        ContentType="text/plain",
        CacheControl="max-age=60",
        ContentDisposition="attachment",
        Metadata={"owner": "me"},
        StorageClass="STANDARD_IA",
        Tagging="env=dev&team=a%20b",
    )
    etag = f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert put["ETag"] == etag
    assert put["ServerSideEncryption"] == "AES256"
    got = s3.get_object(Bucket=bucket, Key="a/b.txt")
    assert got["Body"].read() == b"hello"
    assert got["ContentType"] == "text/plain"
    assert (got["CacheControl"], got["ContentDisposition"]) == ("max-age=60", "attachment")
    assert got["Metadata"] == {"owner": "me"}
    assert got["StorageClass"] == "STANDARD_IA"
    assert got["TagCount"] == 2
    assert got["ServerSideEncryption"] == "AES256"
    assert got["AcceptRanges"] == "bytes"
    head = s3.head_object(Bucket=bucket, Key="a/b.txt")
    assert (head["ContentLength"], head["ETag"]) == (5, etag)
    tags = s3.get_object_tagging(Bucket=bucket, Key="a/b.txt")["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("env", "dev"), ("team", "a b")]
    s3.delete_object_tagging(Bucket=bucket, Key="a/b.txt")
    assert s3.get_object_tagging(Bucket=bucket, Key="a/b.txt")["TagSet"] == []
    part = s3.get_object(Bucket=bucket, Key="a/b.txt", Range="bytes=1-3")
    assert (part["Body"].read(), part["ContentRange"]) == (b"ell", "bytes 1-3/5")
    assert part["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert refusal(s3.get_object, Bucket=bucket, Key="a/b.txt", Range="bytes=9-") == "InvalidRange"
    assert refusal(s3.get_object, Bucket=bucket, Key="nothing") == "NoSuchKey"
    assert refusal(s3.head_object, Bucket=bucket, Key="nothing") == "404"
    default = s3.put_object(Bucket=bucket, Key="plain", Body=b"")
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="plain")
    assert s3.head_object(Bucket=bucket, Key="plain")["ContentType"] == "binary/octet-stream"
    assert default["ETag"] == '"d41d8cd98f00b204e9800998ecf8427e"'


def test_conditions_on_reads_and_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"0"') == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    s3.put_object(Bucket=bucket, Key="new", Body=b"2", IfNoneMatch="*")
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfMatch=etag) == "PreconditionFailed"
    new = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    assert refusal(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=new) == "304"
    assert refusal(s3.put_object, Bucket=bucket, Key="gone", Body=b"2", IfMatch=etag) == "NoSuchKey"


def test_listing_pages_prefixes_and_delimiters(s3: Any, bucket: str) -> None:
    for key in ("a/1", "a/2", "b/1", "c", "ü"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    top = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [item["Prefix"] for item in top["CommonPrefixes"]] == ["a/", "b/"]
    assert [item["Key"] for item in top["Contents"]] == ["c", "ü"]
    assert top["KeyCount"] == 4
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    assert (first["IsTruncated"], first["KeyCount"], first["MaxKeys"]) == (True, 2, 2)
    rest = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert [item["Key"] for item in rest["Contents"]] == ["b/1", "c", "ü"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="b/1")
    assert [item["Key"] for item in after["Contents"]] == ["c", "ü"]
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 1}))
    assert len(pages) == 5
    old = s3.list_objects(Bucket=bucket, Prefix="a/", MaxKeys=1)
    assert (old["Contents"][0]["Key"], old["IsTruncated"]) == ("a/1", True)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="zz")
    item = s3.list_objects_v2(Bucket=bucket, Prefix="c", FetchOwner=True)["Contents"][0]
    assert (item["Size"], item["StorageClass"]) == (1, "STANDARD")
    assert item["Owner"]["ID"]


def test_versions_are_kept_listed_restored_and_deleted(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    one = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["VersionId"]
    two = s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=one)["Body"].read() == b"one"
    gone = s3.delete_object(Bucket=bucket, Key="k")
    assert gone["DeleteMarker"] is True
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == "NoSuchKey"
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    listed = s3.list_object_versions(Bucket=bucket)
    assert [(v["VersionId"], v["IsLatest"]) for v in listed["Versions"]] == [(two, False), (one, False)]
    assert [(m["VersionId"], m["IsLatest"]) for m in listed["DeleteMarkers"]] == [(gone["VersionId"], True)]
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId=gone["VersionId"]) == "MethodNotAllowed"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    back = s3.delete_object(Bucket=bucket, Key="k", VersionId=gone["VersionId"])
    assert (back["DeleteMarker"], back["VersionId"]) == (True, gone["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    s3.copy_object(Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": "k", "VersionId": one})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"null").get("VersionId", "null") == "null"
    assert refusal(s3.get_object, Bucket=bucket, Key="k", VersionId="nonsense") == "InvalidArgument"
    assert refusal(s3.delete_bucket, Bucket=bucket) == "BucketNotEmpty"
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=1)
    assert page["IsTruncated"]
    assert page["NextKeyMarker"] == "k"
    assert page["NextVersionIdMarker"]
    every = s3.list_object_versions(Bucket=bucket)
    objects = [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in every["Versions"]]
    deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Deleted"]
    assert len(deleted) == 4
    s3.delete_bucket(Bucket=bucket)


def test_many_objects_are_deleted_at_once(s3: Any, bucket: str) -> None:
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ("a", "b", "never")]})
    assert sorted(item["Key"] for item in answer["Deleted"]) == ["a", "b", "never"]
    assert "Errors" not in answer
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert refusal(s3.delete_objects, Bucket=bucket, Delete={"Objects": []}) == "MalformedXML"


def test_copying_keeps_or_replaces_metadata(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="from", Body=b"1", Metadata={"a": "1"}, ContentType="text/css", Tagging="t=1")
    kept = s3.copy_object(Bucket=bucket, Key="kept", CopySource={"Bucket": bucket, "Key": "from"})
    assert kept["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(b"1").hexdigest()}"'
    head = s3.head_object(Bucket=bucket, Key="kept")
    assert (head["Metadata"], head["ContentType"]) == ({"a": "1"}, "text/css")
    assert s3.get_object_tagging(Bucket=bucket, Key="kept")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(
        Bucket=bucket, Key="new", CopySource=f"{bucket}/from", Metadata={"b": "2"}, MetadataDirective="REPLACE"
    )
    assert s3.head_object(Bucket=bucket, Key="new")["Metadata"] == {"b": "2"}
    assert refusal(s3.copy_object, Bucket=bucket, Key="from", CopySource=f"{bucket}/from") == "InvalidRequest"
    assert refusal(s3.copy_object, Bucket=bucket, Key="x", CopySource=f"{bucket}/none") == "NoSuchKey"


def test_multipart_uploads(s3: Any, bucket: str) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="big", Metadata={"m": "1"})
    upload = begun["UploadId"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload]
    parts = []
    for number, body in ((1, b"a" * 5 * 2**20), (2, b"b")):
        answer = s3.upload_part(Bucket=bucket, Key="big", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    listed = s3.list_parts(Bucket=bucket, Key="big", UploadId=upload)
    assert [(part["PartNumber"], part["Size"]) for part in listed["Parts"]] == [(1, 5 * 2**20), (2, 1)]
    wrong = [{"PartNumber": 1, "ETag": '"0"'}]
    complete = s3.complete_multipart_upload
    assert refusal(complete, Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": wrong}) == (
        "InvalidPart"
    )
    backwards = {"Parts": parts[::-1]}
    assert refusal(complete, Bucket=bucket, Key="big", UploadId=upload, MultipartUpload=backwards) == "InvalidPartOrder"
    done = complete(Bucket=bucket, Key="big", UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"')
    assert s3.head_object(Bucket=bucket, Key="big")["ContentLength"] == 5 * 2**20 + 1
    assert s3.head_object(Bucket=bucket, Key="big")["Metadata"] == {"m": "1"}
    small = s3.create_multipart_upload(Bucket=bucket, Key="small")["UploadId"]
    tiny = [
        {
            "PartNumber": n,
            "ETag": s3.upload_part(Bucket=bucket, Key="small", UploadId=small, PartNumber=n, Body=b"x")["ETag"],
        }
        for n in (1, 2)
    ]
    assert refusal(complete, Bucket=bucket, Key="small", UploadId=small, MultipartUpload={"Parts": tiny}) == (
        "EntityTooSmall"
    )
    s3.abort_multipart_upload(Bucket=bucket, Key="small", UploadId=small)
    assert refusal(s3.list_parts, Bucket=bucket, Key="small", UploadId=small) == "NoSuchUpload"
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_checksums_are_verified_and_returned(s3: Any, bucket: str) -> None:
    digest = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumSHA256=digest)
    assert put["ChecksumSHA256"] == digest
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == digest
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ChecksumSHA256=wrong) == "BadDigest"
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"hello", ContentMD5=md5) == "BadDigest"
    facts = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize", "Checksum"])
    assert (facts["ETag"], facts["ObjectSize"]) == (hashlib.md5(b"hello").hexdigest(), 5)
    assert facts["Checksum"]["ChecksumSHA256"] == digest


def test_encryption_defaults_and_kms(admin: AwsAccount, s3: Any, bucket: str) -> None:
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    key = admin.client("kms").create_key()["KeyMetadata"]["Arn"]
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": True}]
        },
    )
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == by_default
    assert rule["BucketKeyEnabled"] is True
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", key, True)
    assert s3.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == key
    explicit = s3.put_object(Bucket=bucket, Key="p", Body=b"1", ServerSideEncryption="AES256")
    assert explicit["ServerSideEncryption"] == "AES256"
    s3.delete_bucket_encryption(Bucket=bucket)
    rule = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_an_object_whose_key_is_disabled_cannot_be_read(admin: AwsAccount, s3: Any, bucket: str) -> None:
    kms = admin.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    kms.disable_key(KeyId=key)
    assert refusal(s3.get_object, Bucket=bucket, Key="k") == "KMS.DisabledException"
    kms.enable_key(KeyId=key)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert refusal(s3.get_object, Bucket=bucket, Key="k") == "KMS.KMSInvalidStateException"


def test_lifecycle_rules(s3: Any, bucket: str) -> None:
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"
    rules = [
        {
            "ID": "archive",
            "Status": "Enabled",
            "Filter": {"Prefix": "logs/"},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 90, "StorageClass": "GLACIER"}],
            "Expiration": {"Days": 365},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 30, "NewerNoncurrentVersions": 2},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
        {
            "ID": "tagged",
            "Status": "Disabled",
            "Filter": {"And": {"Prefix": "tmp/", "Tags": [{"Key": "a", "Value": "b"}]}},
            "Expiration": {"Days": 1},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    put = s3.put_object(Bucket=bucket, Key="logs/1", Body=b"1")
    assert 'rule-id="archive"' in put["Expiration"]
    bad = [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}}]
    call = s3.put_bucket_lifecycle_configuration
    assert refusal(call, Bucket=bucket, LifecycleConfiguration={"Rules": bad}) in ("InvalidRequest", "MalformedXML")
    twice = [{**rules[1], "ID": "same"}, {**rules[1], "ID": "same"}]
    assert refusal(call, Bucket=bucket, LifecycleConfiguration={"Rules": twice}) == "InvalidArgument"
    days = [
        {
            "ID": "x",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "Transitions": [{"Days": 10, "StorageClass": "STANDARD_IA"}],
        }
    ]
    assert refusal(call, Bucket=bucket, LifecycleConfiguration={"Rules": days}) == "InvalidArgument"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert refusal(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == "NoSuchLifecycleConfiguration"


def test_object_lock_holds_versions(admin: AwsAccount, root: AwsAccount, s3: Any, unique: str) -> None:
    s3.create_bucket(Bucket=unique, ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=unique)["Status"] == "Enabled"
    assert s3.get_object_lock_configuration(Bucket=unique)["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled"
    }
    suspend = s3.put_bucket_versioning
    assert refusal(suspend, Bucket=unique, VersioningConfiguration={"Status": "Suspended"}) == "InvalidBucketState"
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=unique, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    assert s3.get_object_lock_configuration(Bucket=unique)["ObjectLockConfiguration"]["Rule"] == rule
    version = s3.put_object(Bucket=unique, Key="log", Body=b"1")["VersionId"]
    head = s3.head_object(Bucket=unique, Key="log")
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.datetime.now(datetime.UTC)
    assert s3.delete_object(Bucket=unique, Key="log")["DeleteMarker"] is True
    assert refusal(s3.delete_object, Bucket=unique, Key="log", VersionId=version) == "AccessDenied"
    s3.delete_object(Bucket=unique, Key="log", VersionId=version, BypassGovernanceRetention=True)
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    held = s3.put_object(
        Bucket=unique, Key="c", Body=b"1", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until
    )["VersionId"]
    delete = root.client("s3").delete_object
    assert refusal(delete, Bucket=unique, Key="c", VersionId=held, BypassGovernanceRetention=True) == "AccessDenied"
    retention = s3.get_object_retention(Bucket=unique, Key="c", VersionId=held)["Retention"]
    assert retention["Mode"] == "COMPLIANCE"
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": until - datetime.timedelta(hours=2)}
    assert refusal(s3.put_object_retention, Bucket=unique, Key="c", Retention=sooner) == "AccessDenied"
    later = {"Mode": "COMPLIANCE", "RetainUntilDate": until + datetime.timedelta(hours=2)}
    s3.put_object_retention(Bucket=unique, Key="c", Retention=later)
    assert s3.head_object(Bucket=unique, Key="c")["ObjectLockRetainUntilDate"] > until
    hold = s3.put_object(Bucket=unique, Key="h", Body=b"1", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert s3.get_object_legal_hold(Bucket=unique, Key="h")["LegalHold"]["Status"] == "ON"
    assert (
        refusal(s3.delete_object, Bucket=unique, Key="h", VersionId=hold, BypassGovernanceRetention=True)
        == "AccessDenied"
    )
    s3.put_object_legal_hold(Bucket=unique, Key="h", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=unique, Key="h", VersionId=hold, BypassGovernanceRetention=True)


def test_object_lock_needs_a_bucket_that_has_it(s3: Any, bucket: str) -> None:
    assert refusal(s3.get_object_lock_configuration, Bucket=bucket) == "ObjectLockConfigurationNotFoundError"
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    put = s3.put_object
    assert (
        refusal(put, Bucket=bucket, Key="k", Body=b"", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)
        == "InvalidRequest"
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert refusal(s3.put_object_legal_hold, Bucket=bucket, Key="k", LegalHold={"Status": "ON"}) == "InvalidRequest"
    assert refusal(s3.get_object_retention, Bucket=bucket, Key="k") == "InvalidRequest"


def test_bucket_policies(root: AwsAccount, s3: Any, bucket: str) -> None:
    assert refusal(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:DeleteObject",
                "Resource": f"arn:aws:s3:::{bucket}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == policy
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    assert refusal(s3.delete_object, Bucket=bucket, Key="k") == "AccessDenied"
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy="{") == "MalformedPolicy"
    other = {**policy, "Statement": [{**policy["Statement"][0], "Resource": "arn:aws:s3:::another-bucket/*"}]}
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps(other)) == "MalformedPolicy"
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="k")
    assert refusal(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


def test_block_public_access_and_ownership(s3: Any, bucket: str) -> None:
    every = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    every_true = dict.fromkeys(every, True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=every_true)
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == every_true
    public = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
            ],
        }
    )
    assert refusal(s3.put_bucket_policy, Bucket=bucket, Policy=public) == "AccessDenied"
    owner = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert owner == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.delete_public_access_block(Bucket=bucket)
    assert refusal(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    assert refusal(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    )
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert any(g["Grantee"].get("URI") == "http://acs.amazonaws.com/groups/global/AllUsers" for g in grants)
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refusal(s3.get_bucket_ownership_controls, Bucket=bucket) == "OwnershipControlsNotFoundError"


def test_settings_are_set_read_back_and_removed(s3: Any, bucket: str) -> None:
    assert refusal(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "cost", "Value": "shop"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "cost", "Value": "shop"}]
    double = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert refusal(s3.put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": double}) == "InvalidTag"
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refusal(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    assert refusal(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    cors = [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://shop.example"], "MaxAgeSeconds": 60}]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == cors
    s3.delete_bucket_cors(Bucket=bucket)
    assert refusal(s3.get_bucket_website, Bucket=bucket) == "NoSuchWebsiteConfiguration"
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == {"Suffix": "index.html"}
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    target = {"TargetBucket": bucket, "TargetPrefix": "logs/"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": target})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"]["TargetPrefix"] == "logs/"
    missing = {"TargetBucket": f"{bucket}-none", "TargetPrefix": ""}
    assert (
        refusal(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": missing})
        == "InvalidTargetBucketForLogging"
    )
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"


def test_replication_needs_versioning_and_is_read_back(admin: AwsAccount, s3: Any, bucket: str) -> None:
    west = admin.client("s3", region="us-west-2")
    copy = f"{bucket}-replica"
    west.create_bucket(Bucket=copy, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
    role = admin.client("iam").create_role(RoleName="replicate", AssumeRolePolicyDocument=json.dumps(trust))["Role"][
        "Arn"
    ]
    rule = {
        "ID": "all",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{copy}"},
    }
    config = {"Role": role, "Rules": [rule]}
    assert refusal(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=config) == "InvalidRequest"
    assert refusal(s3.get_bucket_replication, Bucket=bucket) == "ReplicationConfigurationNotFoundError"
    for client, name in ((s3, bucket), (west, copy)):
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=config)
    assert s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"] == config
    s3.put_object(Bucket=bucket, Key="k", Body=b"copy me")
    assert west.get_object(Bucket=copy, Key="k")["Body"].read() == b"copy me"
    assert west.head_object(Bucket=copy, Key="k")["ReplicationStatus"] == "REPLICA"
    assert s3.head_object(Bucket=bucket, Key="k")["ReplicationStatus"] in ("PENDING", "COMPLETED")
    s3.delete_bucket_replication(Bucket=bucket)
    assert refusal(s3.get_bucket_replication, Bucket=bucket) == "ReplicationConfigurationNotFoundError"


def test_notifications_reach_a_queue(admin: AwsAccount, s3: Any, bucket: str) -> None:
    sqs = admin.client("sqs")
    url = sqs.create_queue(QueueName="uploads")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    wanted = {
        "Id": "n",
        "QueueArn": arn,
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
    }
    put = s3.put_bucket_notification_configuration
    config = {"QueueConfigurations": [wanted]}
    missing = {"QueueConfigurations": [{**wanted, "QueueArn": arn + "-none"}]}
    assert refusal(put, Bucket=bucket, NotificationConfiguration=missing) == "InvalidArgument"
    allow = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(allow)})
    put(Bucket=bucket, NotificationConfiguration=config)
    back = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert (back[0]["Id"], back[0]["QueueArn"], back[0]["Events"]) == ("n", arn, ["s3:ObjectCreated:*"])
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"1")
    s3.put_object(Bucket=bucket, Key="out/a", Body=b"1")
    keys = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            keys += [record["s3"]["object"]["key"] for record in json.loads(message["Body"]).get("Records", [])]
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert keys == ["in/a"]


def test_presigned_urls_work_until_they_do_not(s3: Any, bucket: str) -> None:
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert httpx.put(put, content=b"by url").status_code == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert httpx.get(get).content == b"by url"
    other = httpx.get(get.replace("/k?", "/other?"))
    assert (other.status_code, b"SignatureDoesNotMatch" in other.content) == (403, True)
    past = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=0)
    late = httpx.get(past)
    assert (late.status_code, b"expired" in late.content) == (403, True)


def test_inventory_configurations(s3: Any, bucket: str) -> None:
    destination = {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV", "Prefix": "inv"}}
    inventory = {
        "Id": "i",
        "IsEnabled": True,
        "IncludedObjectVersions": "All",
        "Schedule": {"Frequency": "Daily"},
        "Destination": destination,
    }
    s3.put_bucket_inventory_configuration(Bucket=bucket, Id="i", InventoryConfiguration=inventory)
    assert s3.get_bucket_inventory_configuration(Bucket=bucket, Id="i")["InventoryConfiguration"] == inventory
    s3.delete_bucket_inventory_configuration(Bucket=bucket, Id="i")
    assert refusal(s3.get_bucket_inventory_configuration, Bucket=bucket, Id="i") == "NoSuchConfiguration"


def test_archived_objects_must_be_restored_first(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="cold", Body=b"1", StorageClass="GLACIER")
    assert refusal(s3.get_object, Bucket=bucket, Key="cold") == "InvalidObjectState"
    answer = s3.restore_object(Bucket=bucket, Key="cold", RestoreRequest={"Days": 1})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in (200, 202)
    assert "ongoing-request" in s3.head_object(Bucket=bucket, Key="cold")["Restore"]
    s3.put_object(Bucket=bucket, Key="warm", Body=b"1")
    refused = refusal(s3.restore_object, Bucket=bucket, Key="warm", RestoreRequest={"Days": 1})
    assert refused in ("InvalidObjectState", "ObjectAlreadyInActiveTierError")


def test_expected_owner_is_checked(s3: Any, bucket: str) -> None:
    assert refusal(s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111") == "AccessDenied"
    assert (
        refusal(s3.put_object, Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="111111111111") == "AccessDenied"
    )

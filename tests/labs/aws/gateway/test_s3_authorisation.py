"""What S3 decides beyond one policy and one object: several keys in a call, copies, access control lists, endpoints.

S3 API Reference: "DeleteObjects", "CopyObject", "GetObject"; S3 User Guide: "Access control list (ACL) overview",
"Controlling ownership of objects and disabling ACLs for your bucket", "Blocking public access to your Amazon S3
storage".
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount

NewAccount = Callable[[], AwsAccount]


def bucket_of(account: AwsAccount, **objects: bytes) -> str:
    name, s3 = f"a-{uuid.uuid4().hex[:12]}", account.client("s3")
    s3.create_bucket(Bucket=name)
    for key, body in objects.items():
        s3.put_object(Bucket=name, Key=key, Body=body)
    return name


def user_of(account: AwsAccount, *statements: dict[str, Any]) -> Callable[[str], Any]:
    """A function from a service to a client of a new user."""
    iam, name = account.client("iam"), f"u{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=name)
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return lambda service: account.client_as(service, key["AccessKeyId"], key["SecretAccessKey"])


def allow(*actions: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def open_acls(account: AwsAccount, bucket: str) -> None:
    account.client("s3").put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )


def canonical_id(account: AwsAccount) -> str:
    return str(account.client("s3").list_buckets()["Owner"]["ID"])


def anonymous(endpoint: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"{endpoint}/{path}") as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


# -- several keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quiet", [False, True])
def test_delete_objects_is_decided_key_by_key(account: AwsAccount, quiet: bool) -> None:
    bucket = bucket_of(account, **{"a": b"1", "keep": b"2", "c & <d>": b"3"})
    user = user_of(
        account,
        allow("s3:DeleteObject"),
        {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/keep"},
    )
    keys = [{"Key": key} for key in ("a", "keep", "c & <d>")]
    done = user("s3").delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": quiet})
    assert [(error["Key"], error["Code"]) for error in done["Errors"]] == [("keep", "AccessDenied")]
    assert "s3:DeleteObject" in done["Errors"][0]["Message"]
    assert sorted(entry["Key"] for entry in done.get("Deleted", ())) == ([] if quiet else ["a", "c & <d>"])
    assert [e["Key"] for e in account.client("s3").list_objects_v2(Bucket=bucket)["Contents"]] == ["keep"]


def test_delete_objects_of_one_who_may_delete_nothing(account: AwsAccount) -> None:
    bucket = bucket_of(account, a=b"1")
    user = user_of(account, allow("s3:GetObject"))
    done = user("s3").delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}]})
    assert (done["Errors"][0]["Code"], done.get("Deleted")) == ("AccessDenied", None)
    assert account.client("s3").head_object(Bucket=bucket, Key="a")


@pytest.mark.parametrize(("listing", "code"), [(False, "AccessDenied"), (True, "NoSuchKey")])
def test_a_missing_object_is_shown_only_to_those_who_may_list(account: AwsAccount, listing: bool, code: str) -> None:
    bucket = bucket_of(account)
    user = user_of(account, allow("s3:GetObject", *(["s3:ListBucket"] if listing else [])))
    assert code_of(lambda: user("s3").get_object(Bucket=bucket, Key="no")) == code
    assert code_of(lambda: user("s3").head_object(Bucket=bucket, Key="no")) == ("404" if listing else "403")


# -- copies ----------------------------------------------------------------------------------------------------------


def shared_source(new_account: NewAccount) -> tuple[AwsAccount, str, AwsAccount, str]:
    owner, caller = new_account(), new_account()
    source, target = bucket_of(owner), bucket_of(caller)
    owner.client("s3").put_object(
        Bucket=source, Key="k", Body=b"0123456789", Metadata={"a": "1"}, ContentType="text/x", Tagging="t=1"
    )
    statement = allow("s3:GetObject", resource=f"arn:aws:s3:::{source}/k", Principal={"AWS": caller.account})
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    owner.client("s3").put_bucket_policy(Bucket=source, Policy=policy)
    return owner, source, caller, target


def test_a_copy_between_accounts_brings_content_metadata_and_tags(new_account: NewAccount) -> None:
    _, source, caller, target = shared_source(new_account)
    s3 = user_of(caller, allow("s3:*"))("s3")
    assert s3.copy_object(Bucket=target, Key="n", CopySource=f"{source}/k")["CopyObjectResult"]["ETag"]
    got = s3.get_object(Bucket=target, Key="n")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"0123456789", {"a": "1"}, "text/x")
    assert s3.get_object_tagging(Bucket=target, Key="n")["TagSet"] == [{"Key": "t", "Value": "1"}]


def test_a_copy_between_accounts_replaces_metadata_and_keeps_conditions(new_account: NewAccount) -> None:
    _, source, caller, target = shared_source(new_account)
    s3 = user_of(caller, allow("s3:*"))("s3")
    copy = {"Bucket": target, "Key": "n", "CopySource": f"{source}/k"}
    s3.copy_object(**copy, MetadataDirective="REPLACE", Metadata={"b": "2"}, TaggingDirective="REPLACE", Tagging="u=2")
    assert s3.head_object(Bucket=target, Key="n")["Metadata"] == {"b": "2"}
    assert s3.get_object_tagging(Bucket=target, Key="n")["TagSet"] == [{"Key": "u", "Value": "2"}]
    assert code_of(lambda: s3.copy_object(**copy, CopySourceIfMatch='"0"')) == "PreconditionFailed"


def test_a_part_is_copied_between_accounts(new_account: NewAccount) -> None:
    _, source, caller, target = shared_source(new_account)
    s3 = user_of(caller, allow("s3:*"))("s3")
    upload = {"Bucket": target, "Key": "n", "UploadId": s3.create_multipart_upload(Bucket=target, Key="n")["UploadId"]}
    part = s3.upload_part_copy(**upload, PartNumber=1, CopySource=f"{source}/k", CopySourceRange="bytes=2-4")
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=target, Key="n")["Body"].read() == b"234"


# -- access control lists --------------------------------------------------------------------------------------------


def test_lists_are_disabled_in_a_new_bucket(new_account: NewAccount) -> None:
    owner, reader = new_account(), new_account()
    bucket = bucket_of(owner, k=b"x")
    refused = code_of(lambda: owner.client("s3").put_object_acl(Bucket=bucket, Key="k", ACL="public-read"))
    assert refused == "AccessControlListNotSupported"
    assert code_of(lambda: reader.client("s3").get_object(Bucket=bucket, Key="k")) == "AccessDenied"


def test_an_object_list_admits_another_account_which_must_allow_too(new_account: NewAccount) -> None:
    owner, reader = new_account(), new_account()
    bucket = bucket_of(owner, k=b"x", other=b"y")
    open_acls(owner, bucket)
    owner.client("s3").put_object_acl(Bucket=bucket, Key="k", GrantRead=f'id="{canonical_id(reader)}"')
    assert reader.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3 = reader.client("s3")
    assert code_of(lambda: s3.get_object(Bucket=bucket, Key="other")) == "AccessDenied"
    assert code_of(lambda: s3.get_object_acl(Bucket=bucket, Key="k")) == "AccessDenied"
    assert code_of(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"z")) == "AccessDenied"
    nobody = user_of(reader, allow("sqs:*"))
    assert code_of(lambda: nobody("s3").get_object(Bucket=bucket, Key="k")) == "AccessDenied"


def test_a_bucket_list_admits_another_account(new_account: NewAccount) -> None:
    owner, writer = new_account(), new_account()
    bucket = bucket_of(owner, k=b"x")
    open_acls(owner, bucket)
    s3, theirs = owner.client("s3"), f'id="{canonical_id(writer)}"'
    s3.put_bucket_acl(Bucket=bucket, GrantRead=theirs, GrantWrite=theirs)
    assert writer.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    writer.client("s3").put_object(Bucket=bucket, Key="n", Body=b"n")
    assert code_of(lambda: writer.client("s3").get_object(Bucket=bucket, Key="k")) == "AccessDenied"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    assert code_of(lambda: writer.client("s3").list_objects_v2(Bucket=bucket)) == "AccessDenied"


def test_public_lists_and_block_public_access(gateway: Any, account: AwsAccount, new_account: NewAccount) -> None:
    bucket, s3 = bucket_of(account, all=b"x", some=b"y"), account.client("s3")
    open_acls(account, bucket)
    s3.put_object_acl(Bucket=bucket, Key="all", ACL="public-read")
    s3.put_object_acl(Bucket=bucket, Key="some", ACL="authenticated-read")
    assert anonymous(gateway.endpoint, f"{bucket}/all") == (200, b"x")
    assert anonymous(gateway.endpoint, f"{bucket}/some")[0] == 403
    assert new_account().client("s3").get_object(Bucket=bucket, Key="some")["Body"].read() == b"y"
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "IgnorePublicAcls": True, "BlockPublicAcls": False, "BlockPublicPolicy": False,
            "RestrictPublicBuckets": False,
        },
    )  # fmt: skip
    assert anonymous(gateway.endpoint, f"{bucket}/all")[0] == 403
    assert code_of(lambda: new_account().client("s3").get_object(Bucket=bucket, Key="some")) == "AccessDenied"


def test_a_bucket_policy_deny_beats_a_list(new_account: NewAccount) -> None:
    owner, reader = new_account(), new_account()
    bucket, s3 = bucket_of(owner, k=b"x"), owner.client("s3")
    open_acls(owner, bucket)
    s3.put_object_acl(Bucket=bucket, Key="k", GrantRead=f'id="{canonical_id(reader)}"')
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    assert code_of(lambda: reader.client("s3").get_object(Bucket=bucket, Key="k")) == "AccessDenied"


def test_a_bucket_policy_may_name_a_canonical_user(new_account: NewAccount) -> None:
    owner, reader = new_account(), new_account()
    bucket = bucket_of(owner, k=b"x")
    statement = allow("s3:GetObject", resource=f"arn:aws:s3:::{bucket}/*")
    statement["Principal"] = {"CanonicalUser": canonical_id(reader)}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    owner.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    assert reader.client("s3").get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert code_of(lambda: new_account().client("s3").get_object(Bucket=bucket, Key="k")) == "AccessDenied"


# -- keys of the request ---------------------------------------------------------------------------------------------


def test_presigned_urls_by_type_and_age(account: AwsAccount) -> None:
    bucket = bucket_of(account, k=b"x")
    young = {"NumericLessThan": {"s3:signatureAge": "600000"}, "StringEquals": {"s3:authType": "REST-QUERY-STRING"}}
    for age, status in (("600000", 200), ("0", 403)):
        condition = {**young, "NumericLessThan": {"s3:signatureAge": age}}
        s3 = user_of(account, allow("s3:*", Condition=condition))("s3")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        endpoint, _, path = url.partition(f"/{bucket}/")
        assert anonymous(endpoint, f"{bucket}/{path}")[0] == status
        assert code_of(lambda s3=s3: s3.get_object(Bucket=bucket, Key="k")) == "AccessDenied"


def test_an_endpoints_policy_is_kept_shown_and_replaced(account: AwsAccount) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow("s3:GetObject", Principal="*")]})
    service = {"VpcId": vpc, "ServiceName": "com.amazonaws.us-east-1.s3"}
    made = ec2.create_vpc_endpoint(**service, PolicyDocument=policy)["VpcEndpoint"]
    endpoint = {"VpcEndpointIds": [made["VpcEndpointId"]]}

    def shown() -> Any:
        return json.loads(ec2.describe_vpc_endpoints(**endpoint)["VpcEndpoints"][0]["PolicyDocument"])

    assert json.loads(made["PolicyDocument"]) == shown() == json.loads(policy)
    ec2.modify_vpc_endpoint(VpcEndpointId=made["VpcEndpointId"], ResetPolicy=True)
    assert shown()["Statement"][0]["Action"] == "*"


def test_a_batch_of_secrets_needs_each_secret(account: AwsAccount) -> None:
    secrets = account.client("secretsmanager")
    for name in ("mine", "theirs"):
        secrets.create_secret(Name=name, SecretString=name)
    mine = f"arn:aws:secretsmanager:us-east-1:{account.account}:secret:mine-*"
    user = user_of(
        account, allow("secretsmanager:BatchGetSecretValue"), allow("secretsmanager:GetSecretValue", resource=mine)
    )
    got = user("secretsmanager").batch_get_secret_value(SecretIdList=["mine"])["SecretValues"]
    assert [entry["SecretString"] for entry in got] == ["mine"]
    for asked in ({"SecretIdList": ["mine", "theirs"]}, {"Filters": [{"Key": "name", "Values": ["mine"]}]}):
        code = code_of(lambda asked=asked: user("secretsmanager").batch_get_secret_value(**asked))
        assert code == "AccessDeniedException"

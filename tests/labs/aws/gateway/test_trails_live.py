"""Trails through boto3 and the aws CLI: what they refuse, what they deliver, and what validate-logs says about it."""

from __future__ import annotations

import datetime
import gzip
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount

REGION = "us-east-1"
NOBODY = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}


def bucket_policy(account: str, bucket: str, trail: str = "audit", prefix: str = "") -> str:
    """The policy of the page "Amazon S3 bucket policy for CloudTrail"."""
    source = {"aws:SourceArn": f"arn:aws:cloudtrail:{REGION}:{account}:trail/{trail}"}
    service = {"Service": "cloudtrail.amazonaws.com"}
    acl = {
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:GetBucketAcl",
        "Resource": f"arn:aws:s3:::{bucket}",
        "Condition": {"StringEquals": source},
    }
    write = {
        "Effect": "Allow",
        "Principal": service,
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}AWSLogs/{account}/*",
        "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", **source}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [acl, write]})


def code_of(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    return str(caught.value.response["Error"]["Code"])


def deliver(account: AwsAccount) -> list[dict[str, Any]]:
    """What waits for this account's trails is delivered and digested now."""
    url = f"{account.endpoint}/_lab/cloudtrail/deliver?account={account.account}"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
        delivered: list[dict[str, Any]] = json.load(answer)["delivered"]
    return delivered


def keys(account: AwsAccount, bucket: str) -> list[str]:
    listed = account.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])
    return [entry["Key"] for entry in listed]


def records(account: AwsAccount, bucket: str, written: list[str] | None = None) -> list[dict[str, Any]]:
    """Every record in the log files of a bucket, or in those that are named."""
    found: list[dict[str, Any]] = []
    for key in keys(account, bucket) if written is None else written:
        if "/CloudTrail/" in key:
            body = account.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
            found += json.loads(gzip.decompress(body))["Records"]
    return found


def validate(account: AwsAccount, arn: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The real ``aws cloudtrail validate-logs``."""
    began = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"AWS_ACCESS_KEY_ID": account.account, "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    command = [sys.executable, "-m", "awscli", "cloudtrail", "validate-logs", "--verbose", "--start-time", began]
    return subprocess.run(
        [*command, "--trail-arn", arn],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_ENDPOINT_URL": account.endpoint, **keys},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def bucket(account: AwsAccount) -> str:
    """A bucket with the policy that a trail called ``audit`` needs."""
    name = f"logs-{uuid.uuid4().hex[:12]}"
    s3 = account.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=bucket_policy(account.account, name))
    return name


@pytest.fixture
def trail(account: AwsAccount, bucket: str) -> str:
    """The ARN of a validated trail that logs into ``bucket``."""
    client = account.client("cloudtrail")
    made = client.create_trail(Name="audit", S3BucketName=bucket, EnableLogFileValidation=True)
    client.start_logging(Name="audit")
    return str(made["TrailARN"])


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Name": "ab"}, "InvalidTrailNameException"),
        ({"Name": "a" * 129}, "InvalidTrailNameException"),
        ({"Name": "bad name"}, "InvalidTrailNameException"),
        ({"Name": "-audit"}, "InvalidTrailNameException"),
        ({"Name": "my-_trail"}, "InvalidTrailNameException"),
        ({"S3BucketName": "nobody-has-this-bucket"}, "S3BucketDoesNotExistException"),
        ({"S3BucketName": "Not_A_Bucket"}, "InvalidS3BucketNameException"),
        ({"S3KeyPrefix": "p" * 201}, "InvalidS3PrefixException"),
        ({"S3KeyPrefix": "other"}, "InsufficientS3BucketPolicyException"),
        ({"Name": "another"}, "InsufficientS3BucketPolicyException"),
        (
            {"IsMultiRegionTrail": True, "IncludeGlobalServiceEvents": False},
            "InvalidParameterCombinationException",
        ),
        ({"IsOrganizationTrail": True}, "NotOrganizationMasterAccountException"),
        ({"TagsList": [{"Key": "aws:x", "Value": "y"}]}, "InvalidTagParameterException"),
        ({"CloudWatchLogsLogGroupArn": "arn:x"}, "InvalidCloudWatchLogsLogGroupArnException"),
    ],
)
def test_create_trail_refuses(account: AwsAccount, bucket: str, change: dict[str, Any], code: str) -> None:
    client = account.client("cloudtrail")
    assert code_of(client.create_trail, **{"Name": "audit", "S3BucketName": bucket, **change}) == code
    assert client.list_trails()["Trails"] == []


def test_a_bucket_without_policy_or_with_a_deny_is_insufficient(account: AwsAccount, bucket: str) -> None:
    s3, client = account.client("s3"), account.client("cloudtrail")
    document = json.loads(bucket_policy(account.account, bucket))
    for statements in ([document["Statement"][0]], [document["Statement"][1]], [*document["Statement"], NOBODY]):
        statements = [
            {**s, "Resource": s["Resource"].replace("*", f"arn:aws:s3:::{bucket}/*", 1)} if s is NOBODY else s
            for s in statements
        ]
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
        create = client.create_trail
        assert code_of(create, Name="audit", S3BucketName=bucket) == "InsufficientS3BucketPolicyException"
    s3.delete_bucket_policy(Bucket=bucket)
    assert code_of(create, Name="audit", S3BucketName=bucket) == "InsufficientS3BucketPolicyException"


def test_five_trails_a_region_and_no_second_of_a_name(account: AwsAccount, bucket: str) -> None:
    client = account.client("cloudtrail")
    policy = bucket_policy(account.account, bucket, "*").replace("StringEquals", "StringLike")
    account.client("s3").put_bucket_policy(Bucket=bucket, Policy=policy)
    for number in range(5):
        client.create_trail(Name=f"trail-{number}", S3BucketName=bucket)
    assert code_of(client.create_trail, Name="trail-0", S3BucketName=bucket) == "TrailAlreadyExistsException"
    full = code_of(client.create_trail, Name="trail-5", S3BucketName=bucket)
    assert full == "MaximumNumberOfTrailsExceededException"


@pytest.mark.parametrize("call", ["start_logging", "stop_logging", "delete_trail", "get_trail", "get_trail_status"])
def test_an_unknown_trail_is_named(account: AwsAccount, call: str) -> None:
    client = account.client("cloudtrail")
    with pytest.raises(client.exceptions.TrailNotFoundException, match=r"Unknown trail: arn:aws:cloudtrail:.*nothing"):
        getattr(client, call)(Name="nothing")
    assert code_of(getattr(client, call), Name="arn:aws:s3:::b") == "CloudTrailARNInvalidException"


def test_a_trail_of_all_regions_is_a_shadow_elsewhere_and_changes_only_at_home(
    account: AwsAccount, bucket: str
) -> None:
    client, elsewhere = account.client("cloudtrail"), account.client("cloudtrail", region="eu-west-1")
    arn = client.create_trail(Name="audit", S3BucketName=bucket, IsMultiRegionTrail=True)["TrailARN"]
    shadow = elsewhere.describe_trails()["trailList"][0]
    assert (shadow["TrailARN"], shadow["HomeRegion"]) == (arn, REGION)
    assert elsewhere.describe_trails(includeShadowTrails=False)["trailList"] == []
    assert code_of(elsewhere.start_logging, Name=arn) == "InvalidHomeRegionException"
    client.start_logging(Name="audit")
    account.client("sns", region="eu-west-1").create_topic(Name="there")
    deliver(account)
    assert any(re.search(r"/CloudTrail/eu-west-1/.*_CloudTrail_eu-west-1_", key) for key in keys(account, bucket))


def test_tags_are_kept(account: AwsAccount, trail: str) -> None:
    client = account.client("cloudtrail")
    client.add_tags(ResourceId=trail, TagsList=[{"Key": "team", "Value": "a"}, {"Key": "cost", "Value": "b"}])
    client.remove_tags(ResourceId=trail, TagsList=[{"Key": "cost"}])
    listed = client.list_tags(ResourceIdList=[trail])["ResourceTagList"]
    assert listed == [{"ResourceId": trail, "TagsList": [{"Key": "team", "Value": "a"}]}]
    assert code_of(client.add_tags, ResourceId="x", TagsList=[]) == "CloudTrailARNInvalidException"
    missing = trail.replace("audit", "gone")
    assert code_of(client.list_tags, ResourceIdList=[missing]) == "ResourceNotFoundException"


# -- what is delivered ---------------------------------------------------------------------------------------------


def test_log_files_have_awss_names_and_hold_management_events_only(
    account: AwsAccount, bucket: str, trail: str
) -> None:
    account.client("iam").create_user(UserName="eve")
    account.client("s3").put_object(Bucket=bucket, Key="data", Body=b"x")
    written = deliver(account)[0]
    today = time.strftime("%Y/%m/%d", time.gmtime())
    name = rf"AWSLogs/{account.account}/CloudTrail/{REGION}/{today}/{account.account}_CloudTrail_{REGION}_"
    assert [bool(re.fullmatch(name + r"\d{8}T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz", key)) for key in written["files"]] == [
        True
    ]
    names = [record["eventName"] for record in records(account, bucket)]
    assert "CreateUser" in names
    assert "PutObject" not in names
    status = account.client("cloudtrail").get_trail_status(Name="audit")
    assert status["IsLogging"]
    assert "LatestDeliveryError" not in status
    assert status["LatestDigestDeliveryTime"] >= status["StartLoggingTime"] - datetime.timedelta(seconds=1)


def test_a_trail_delivers_by_itself_and_stopping_it_is_its_last_event(
    account: AwsAccount, bucket: str, trail: str
) -> None:
    client = account.client("cloudtrail")
    client.stop_logging(Name="audit")
    for number in range(5):  # the last delivery is under way
        account.client("iam").create_user(UserName=f"unseen-{number}")
    deadline = time.monotonic() + 20
    while not (names := [record["eventName"] for record in records(account, bucket)]):
        assert time.monotonic() < deadline, f"nothing was delivered; the bucket has {keys(account, bucket)}"
        time.sleep(0.1)
    assert names[-1] == "StopLogging"
    status = client.get_trail_status(Name="audit")
    assert not status["IsLogging"]
    assert status["StopLoggingTime"] >= status["StartLoggingTime"]


def test_data_events_come_only_where_a_selector_asks(account: AwsAccount, bucket: str, trail: str) -> None:
    s3 = account.client("s3")
    shop, other = (f"{name}-{uuid.uuid4().hex[:12]}" for name in ("shop", "other"))
    for name in (shop, other):
        s3.create_bucket(Bucket=name)
    account.client("cloudtrail").put_event_selectors(
        TrailName="audit",
        EventSelectors=[
            {
                "ReadWriteType": "WriteOnly",
                "IncludeManagementEvents": False,
                "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{shop}/orders"]}],
            }
        ],
    )
    deliver(account)
    for name, key in ((shop, "orders/1"), (shop, "photos/1"), (other, "orders/1")):
        s3.put_object(Bucket=name, Key=key, Body=b"secret")
        s3.get_object(Bucket=name, Key=key)
    account.client("iam").create_user(UserName="not-asked-for")
    found = records(account, bucket, deliver(account)[0]["files"])
    assert [(one["eventName"], one["eventCategory"], one["managementEvent"]) for one in found] == [
        ("PutObject", "Data", False)
    ]
    assert found[0]["requestParameters"]["bucketName"] == shop
    assert found[0]["resources"][0] == {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{shop}/orders/1"}
    assert found[0]["resources"][1]["accountId"] == account.account


def test_advanced_selectors_pick_items_and_refused_calls_too(account: AwsAccount, bucket: str, trail: str) -> None:
    dynamodb = account.client("dynamodb")
    dynamodb.create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    fields = [
        {"Field": "eventCategory", "Equals": ["Data"]},
        {"Field": "resources.type", "Equals": ["AWS::DynamoDB::Table"]},
        {"Field": "eventName", "NotEquals": ["Scan"]},
    ]
    client = account.client("cloudtrail")
    client.put_event_selectors(TrailName="audit", AdvancedEventSelectors=[{"FieldSelectors": fields}])
    assert client.get_trail(Name="audit")["Trail"]["HasCustomEventSelectors"]
    iam = account.client("iam")
    iam.create_user(UserName="eve")
    key = iam.create_access_key(UserName="eve")["AccessKey"]
    deliver(account)
    dynamodb.put_item(TableName="orders", Item={"id": {"S": "1"}, "card": {"S": "card-of-the-customer"}})
    dynamodb.scan(TableName="orders")
    eve = account.client_as("dynamodb", key["AccessKeyId"], key["SecretAccessKey"])
    assert code_of(eve.get_item, TableName="orders", Key={"id": {"S": "1"}}) == "AccessDeniedException"
    found = records(account, bucket, deliver(account)[0]["files"])
    assert [(one["eventName"], one.get("errorCode")) for one in found] == [
        ("PutItem", None),
        ("GetItem", "AccessDeniedException"),
    ]
    assert "card-of-the-customer" not in json.dumps(found)


@pytest.mark.parametrize(
    "selectors",
    [
        {},
        {"EventSelectors": [{"ReadWriteType": "Everything"}]},
        {"EventSelectors": [{}] * 6},
        {"EventSelectors": [{"DataResources": [{"Type": "AWS::RDS::DBCluster", "Values": ["arn:aws:rds"]}]}]},
        {"EventSelectors": [{"DataResources": [{"Type": "AWS::S3::Object", "Values": ["shop"]}]}]},
        {"EventSelectors": [{"ExcludeManagementEventSources": ["iam.amazonaws.com"]}]},
        {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventName", "Equals": ["PutObject"]}]}]},
        {"AdvancedEventSelectors": [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}]},
        {
            "AdvancedEventSelectors": [
                {
                    "FieldSelectors": [
                        {"Field": "eventCategory", "Equals": ["Management"]},
                        {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                    ]
                }
            ]
        },
    ],
)
def test_selectors_that_aws_refuses(account: AwsAccount, trail: str, selectors: dict[str, Any]) -> None:
    client = account.client("cloudtrail")
    code = code_of(client.put_event_selectors, TrailName="audit", **selectors)
    assert code == "InvalidEventSelectorsException"
    assert client.get_event_selectors(TrailName="audit")["EventSelectors"][0]["IncludeManagementEvents"]


def test_a_bucket_of_another_account_decides_by_its_own_policy(
    account: AwsAccount, new_account: Callable[[], AwsAccount]
) -> None:
    archive = new_account()
    name = f"archive-{uuid.uuid4().hex[:12]}"
    archive.client("s3").create_bucket(Bucket=name)
    client = account.client("cloudtrail")
    create = {"Name": "audit", "S3BucketName": name, "S3KeyPrefix": "shop"}
    assert code_of(client.create_trail, **create) == "InsufficientS3BucketPolicyException"
    policy = bucket_policy(account.account, name, prefix="shop/")
    archive.client("s3").put_bucket_policy(Bucket=name, Policy=policy)
    client.create_trail(**create)
    client.start_logging(Name="audit")
    account.client("iam").create_user(UserName="eve")
    deliver(account)
    assert [key.partition("/AWSLogs/")[0] for key in keys(archive, name)] == ["shop"]


def test_a_delivery_that_the_bucket_refuses_is_reported_and_made_up_for(
    account: AwsAccount, bucket: str, trail: str
) -> None:
    s3, client = account.client("s3"), account.client("cloudtrail")
    s3.delete_bucket_policy(Bucket=bucket)
    account.client("iam").create_user(UserName="eve")
    deliver(account)
    assert client.get_trail_status(Name="audit")["LatestDeliveryError"] == "AccessDenied"
    assert records(account, bucket) == []
    s3.put_bucket_policy(Bucket=bucket, Policy=bucket_policy(account.account, bucket))
    deliver(account)
    assert "CreateUser" in [record["eventName"] for record in records(account, bucket)]
    assert "LatestDeliveryError" not in client.get_trail_status(Name="audit")


# -- what validate-logs says ---------------------------------------------------------------------------------------


@pytest.fixture
def chain(account: AwsAccount, trail: str) -> list[dict[str, Any]]:
    """Three digests, each with a log file."""
    made = []
    for number in range(3):
        account.client("iam").create_user(UserName=f"u{number}")
        made += deliver(account)
    return made


def test_validate_logs_accepts_what_was_delivered(
    account: AwsAccount, trail: str, chain: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = validate(account, trail, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3/3 digest files valid" in done.stdout
    assert "3/3 log files valid" in done.stdout


def _tamper(s3: Any, bucket: str, key: str) -> str:
    got = s3.get_object(Bucket=bucket, Key=key)
    content = gzip.decompress(got["Body"].read()).replace(b"CreateUser", b"ListUsers_")
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(content), Metadata=got["Metadata"])
    return "hash value doesn't match"


def _delete(s3: Any, bucket: str, key: str) -> str:
    s3.delete_object(Bucket=bucket, Key=key)
    return "not found"


def _move(s3: Any, bucket: str, key: str) -> str:
    s3.copy_object(Bucket=bucket, Key=f"{key}.moved", CopySource={"Bucket": bucket, "Key": key})
    return _delete(s3, bucket, key)


def _forge(s3: Any, bucket: str, key: str) -> str:
    got = s3.get_object(Bucket=bucket, Key=key)
    content = gzip.decompress(got["Body"].read()).replace(b'"logFiles":[{', b'"logFiles":[{"note":1,')
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(content), Metadata=got["Metadata"])
    return "signature verification failed"


def _rename(s3: Any, bucket: str, key: str) -> str:
    got = s3.get_object(Bucket=bucket, Key=key)
    content = gzip.decompress(got["Body"].read())
    (told,) = re.findall(r"\d{8}T\d{6}Z(?=\.json)", key)
    moment = datetime.datetime.strptime(told, "%Y%m%dT%H%M%SZ") + datetime.timedelta(seconds=1)
    later = key.replace(f"{told}.json", f"{moment:%Y%m%dT%H%M%SZ}.json")
    s3.put_object(Bucket=bucket, Key=later, Body=gzip.compress(content), Metadata=got["Metadata"])
    return "has been moved from its original location"


@pytest.mark.parametrize(
    ("kind", "crime"),
    [("files", _tamper), ("files", _delete), ("files", _move), ("digests", _forge), ("digests", _delete)],
)
def test_validate_logs_names_the_file(
    account: AwsAccount,
    bucket: str,
    trail: str,
    chain: list[dict[str, Any]],
    kind: str,
    crime: Callable[[Any, str, str], str],
    tmp_path: Path,
) -> None:
    key = chain[1][kind][0]
    complaint = crime(account.client("s3"), bucket, key)
    done = validate(account, trail, tmp_path)
    assert done.returncode == 1
    assert f"s3://{bucket}/{key}\tINVALID: {complaint}" in done.stderr


def test_validate_logs_sees_a_digest_under_another_name(
    account: AwsAccount, bucket: str, trail: str, chain: list[dict[str, Any]], tmp_path: Path
) -> None:
    complaint = _rename(account.client("s3"), bucket, chain[2]["digests"][0])
    done = validate(account, trail, tmp_path)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_a_pause_in_logging_shows_as_a_gap_and_is_no_error(
    account: AwsAccount, trail: str, chain: list[dict[str, Any]], tmp_path: Path
) -> None:
    client = account.client("cloudtrail")
    client.stop_logging(Name="audit")
    client.start_logging(Name="audit")
    deliver(account)
    done = validate(account, trail, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "No log files were delivered by CloudTrail between" in done.stderr


def test_the_chain_goes_on_into_another_bucket(
    account: AwsAccount, trail: str, chain: list[dict[str, Any]], tmp_path: Path
) -> None:
    second = f"more-{uuid.uuid4().hex[:12]}"
    s3, client = account.client("s3"), account.client("cloudtrail")
    s3.create_bucket(Bucket=second)
    assert code_of(client.update_trail, Name="audit", S3BucketName=second) == "InsufficientS3BucketPolicyException"
    s3.put_bucket_policy(Bucket=second, Policy=bucket_policy(account.account, second))
    assert client.update_trail(Name="audit", S3BucketName=second)["S3BucketName"] == second
    account.client("iam").create_user(UserName="later")
    deliver(account)
    assert any(record["eventName"] == "CreateUser" for record in records(account, second))
    done = validate(account, trail, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4/4 digest files valid" in done.stdout


def test_public_keys_are_listed_for_their_time_only(account: AwsAccount) -> None:
    client = account.client("cloudtrail")
    now = datetime.datetime.now(datetime.UTC)
    assert client.list_public_keys()["PublicKeyList"][0]["ValidityStartTime"] < now
    long_ago = now - datetime.timedelta(days=400)
    assert client.list_public_keys(EndTime=long_ago)["PublicKeyList"] == []
    assert code_of(client.list_public_keys, StartTime=now, EndTime=long_ago) == "InvalidTimeRangeException"


def test_a_reader_of_trails_may_not_stop_one(account: AwsAccount, trail: str) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="auditor")
    statement = {"Effect": "Allow", "Action": "cloudtrail:Get*", "Resource": trail}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName="auditor", PolicyName="read", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="auditor")["AccessKey"]
    auditor = account.client_as("cloudtrail", key["AccessKeyId"], key["SecretAccessKey"])
    assert auditor.get_trail_status(Name="audit")["IsLogging"]
    assert code_of(auditor.stop_logging, Name="audit") == "AccessDeniedException"

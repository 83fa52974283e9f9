"""GuardDuty over calls that really happened, asked through boto3 and the aws CLI."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount
from labs.aws.gateway.addresses import appearing, loopback

INSTANCE = "i-0123456789abcdef0"
HOME, ELSEWHERE = "203.0.113.10", "198.51.100.7"
EXFILTRATION = "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture
def detector(account: AwsAccount) -> str:
    """An enabled detector's id."""
    return account.client("guardduty").create_detector(Enable=True)["DetectorId"]


def findings(account: AwsAccount, detector: str, **criteria: Any) -> dict[str, dict[str, Any]]:
    """Findings by type; ``criteria`` maps field names (``_`` for ``.``) to conditions."""
    client = account.client("guardduty")
    criterion = {name.replace("_", "."): rule for name, rule in criteria.items()}
    ids = client.list_findings(DetectorId=detector, FindingCriteria={"Criterion": criterion})["FindingIds"]
    found = client.get_findings(DetectorId=detector, FindingIds=ids)["Findings"] if ids else []
    return {finding["Type"]: finding for finding in found}


@pytest.fixture
def instance(account: AwsAccount) -> Callable[..., Any]:
    """``instance("sqs", source_ip=…)``: a client with the credentials of an instance's role."""
    iam = account.client("iam")
    name = f"web-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName="metadata")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_user_policy(UserName="metadata", PolicyName="all", PolicyDocument=document(everything))
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=document(everything))
    key = iam.create_access_key(UserName="metadata")["AccessKey"]
    sts = account.client_as("sts", key["AccessKeyId"], key["SecretAccessKey"])
    got = sts.assume_role(RoleArn=f"arn:aws:iam::{account.account}:role/{name}", RoleSessionName=INSTANCE)[
        "Credentials"
    ]
    secrets = (got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])
    return lambda service, **more: account.client_as(service, *secrets, **more)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("127.51.100.7", "198.51.100.7"),
        ("127.0.113.10", "203.0.113.10"),
        ("127.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.244.1.2", "127.244.1.2"),
        ("10.0.2.1", "10.0.2.1"),
        ("::1", "::1"),
    ],
)
def test_peer_appears_under_its_documentation_address(peer: str, address: str) -> None:
    assert appearing(peer) == address
    if peer != address:
        assert loopback(address) == peer


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "2001:db8::1", "nonsense"])
def test_only_documentation_addresses_can_be_sent_from(address: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loopback(address)


def test_source_address_reaches_conditions_and_the_trail(account: AwsAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    office = {
        "Effect": "Allow",
        "Action": "sqs:ListQueues",
        "Resource": "*",
        "Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    }
    iam.put_user_policy(UserName="ann", PolicyName="office", PolicyDocument=document(office))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    account.client_as("sqs", key["AccessKeyId"], key["SecretAccessKey"], source_ip=HOME).list_queues()
    with pytest.raises(ClientError, match="not authorized"):
        account.client_as("sqs", key["AccessKeyId"], key["SecretAccessKey"], source_ip=ELSEWHERE).list_queues()
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ListQueues"}]
    )["Events"]
    assert [json.loads(one["CloudTrailEvent"])["sourceIPAddress"] for one in events] == [ELSEWHERE, HOME]


def test_upload_and_download_work_from_another_address(account: AwsAccount) -> None:
    bucket = f"shop-{uuid.uuid4().hex[:12]}"
    s3 = account.client_as("s3", account.account, "test", source_ip=HOME)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"x" * 300_000)
    assert len(s3.get_object(Bucket=bucket, Key="a")["Body"].read()) == 300_000
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=bucket, Key="none")


def test_credentials_of_an_instance_used_elsewhere(account: AwsAccount, detector: str, instance: Any) -> None:
    for _ in range(4):
        instance("sqs", source_ip=HOME).list_queues()
    assert EXFILTRATION not in findings(account, detector)
    attacker = instance("sqs", source_ip=ELSEWHERE)
    attacker.list_queues()
    attacker.list_queues()
    instance("iam", source_ip=ELSEWHERE).list_users()
    found = findings(account, detector)
    stolen = found[EXFILTRATION]
    assert stolen["Severity"] == 8.0
    assert stolen["Service"]["Count"] == 3
    assert stolen["Service"]["EventFirstSeen"] < stolen["Service"]["EventLastSeen"]
    assert stolen["Resource"]["InstanceDetails"]["InstanceId"] == INSTANCE
    action = stolen["Service"]["Action"]["AwsApiCallAction"]
    assert action["RemoteIpDetails"]["IpAddressV4"] == ELSEWHERE
    assert action["Api"] == "ListUsers"
    unusual = found["Discovery:IAMUser/AnomalousBehavior"]
    assert unusual["Service"]["Count"] == 3
    assert (
        "iam:ListUsers[:success]"
        in json.loads(unusual["Service"]["AdditionalInfo"]["Value"])["anomalies"]["anomalousAPIs"]
    )
    again = findings(account, detector)
    assert {kind: one["Id"] for kind, one in again.items()} == {kind: one["Id"] for kind, one in found.items()}


def test_changes_of_policy_are_found_only_when_they_succeed(account: AwsAccount, detector: str) -> None:
    s3, bucket = account.client("s3"), f"shop-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    public = document(
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    )
    blocked = dict.fromkeys(["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=blocked)
    with pytest.raises(ClientError, match="BlockPublicPolicy"):
        s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert set(findings(account, detector)) == {"Policy:IAMUser/RootCredentialUsage"}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={**blocked, "BlockPublicPolicy": False})
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    found = findings(account, detector)
    assert {"Policy:S3/BucketBlockPublicAccessDisabled", "Policy:S3/BucketAnonymousAccessGranted"} <= set(found)
    granted = found["Policy:S3/BucketAnonymousAccessGranted"]
    assert granted["Resource"]["ResourceType"] == "S3Bucket"
    assert granted["Resource"]["S3BucketDetails"][0]["Name"] == bucket
    root = found["Policy:IAMUser/RootCredentialUsage"]
    assert (root["Severity"], root["Resource"]["AccessKeyDetails"]["UserType"]) == (2.0, "Root")


def test_public_acl_and_a_stopped_trail_are_found(account: AwsAccount, detector: str) -> None:
    s3, trails, bucket = account.client("s3"), account.client("cloudtrail"), f"shop-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    logs = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": ["s3:PutObject", "s3:GetBucketAcl"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=document(logs))
    trails.create_trail(Name="audit", S3BucketName=bucket)
    trails.start_logging(Name="audit")
    trails.stop_logging(Name="audit")
    found = findings(account, detector)
    assert found["Policy:S3/BucketAnonymousAccessGranted"]["Resource"]["S3BucketDetails"][0]["Name"] == bucket
    stopped = found["Stealth:IAMUser/CloudTrailLoggingDisabled"]
    assert stopped["Service"]["Action"]["AwsApiCallAction"]["Api"] == "StopLogging"
    assert "audit" in stopped["Title"]


def test_only_what_happens_while_the_detector_is_enabled(account: AwsAccount) -> None:
    client = account.client("guardduty")
    account.client("sqs").list_queues()
    detector = client.create_detector(Enable=False)["DetectorId"]
    account.client("sqs").list_queues()
    assert findings(account, detector) == {}
    client.update_detector(DetectorId=detector, Enable=True)
    account.client("sqs").list_queues()
    seen = findings(account, detector)["Policy:IAMUser/RootCredentialUsage"]["Service"]["Count"]
    client.update_detector(DetectorId=detector, Enable=False)
    account.client("sqs").list_queues()
    after = findings(account, detector)["Policy:IAMUser/RootCredentialUsage"]["Service"]["Count"]
    assert after - seen <= 4  # reading the findings is activity as well, listing queues while disabled is not
    assert client.get_detector(DetectorId=detector)["Status"] == "DISABLED"
    client.delete_detector(DetectorId=detector)
    assert client.list_detectors()["DetectorIds"] == []


def test_custom_threat_list_and_trusted_list(account: AwsAccount, detector: str, instance: Any) -> None:
    s3, client, bucket = account.client("s3"), account.client("guardduty"), f"lists-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="bad.txt", Body=b"# bad\n198.51.100.0/24\n")
    s3.put_object(Bucket=bucket, Key="good.txt", Body=b"198.51.100.9\n")
    client.create_threat_intel_set(
        DetectorId=detector, Name="bad", Format="TXT", Location=f"s3://{bucket}/bad.txt", Activate=True
    )
    instance("sqs", source_ip="198.51.100.8").list_queues()
    kind = "Recon:IAMUser/MaliciousIPCaller.Custom"
    assert findings(account, detector)[kind]["Service"]["Count"] == 1
    client.create_ip_set(
        DetectorId=detector,
        Name="good",
        Format="TXT",
        Activate=True,
        Location=f"https://s3.amazonaws.com/{bucket}/good.txt",
    )
    instance("sqs", source_ip="198.51.100.9").list_queues()
    assert findings(account, detector)[kind]["Service"]["Count"] == 1
    with pytest.raises(ClientError, match="could not be read"):
        client.create_ip_set(
            DetectorId=detector, Name="none", Format="TXT", Location=f"s3://{bucket}/none", Activate=True
        )


def test_triage_archive_feedback_criteria_and_statistics(account: AwsAccount, detector: str) -> None:
    client = account.client("guardduty")
    client.create_sample_findings(
        DetectorId=detector, FindingTypes=[EXFILTRATION, "Policy:S3/BucketAnonymousAccessGranted"]
    )
    high = findings(account, detector, severity={"GreaterThanOrEqual": 7})
    assert set(high) == {EXFILTRATION, "Policy:S3/BucketAnonymousAccessGranted"}
    assert high[EXFILTRATION]["Title"].startswith("[SAMPLE]")
    one = high[EXFILTRATION]["Id"]
    client.archive_findings(DetectorId=detector, FindingIds=[one])
    client.update_findings_feedback(DetectorId=detector, FindingIds=[one], Feedback="USEFUL")
    assert EXFILTRATION not in findings(account, detector, service_archived={"Equals": ["false"]})
    archived = findings(account, detector, service_archived={"Equals": ["true"]})
    assert archived[EXFILTRATION]["Service"]["UserFeedback"] == "USEFUL"
    client.unarchive_findings(DetectorId=detector, FindingIds=[one])
    assert findings(account, detector, service_archived={"Equals": ["true"]}) == {}
    listed = client.list_findings(DetectorId=detector, SortCriteria={"AttributeName": "severity", "OrderBy": "DESC"})
    severities = [
        finding["Severity"]
        for finding in client.get_findings(DetectorId=detector, FindingIds=listed["FindingIds"])["Findings"]
    ]
    assert severities == sorted(severities, reverse=True)
    counted = client.get_findings_statistics(DetectorId=detector, FindingStatisticTypes=["COUNT_BY_SEVERITY"])
    assert counted["FindingStatistics"]["CountBySeverity"]["8.0"] == 2
    grouped = client.get_findings_statistics(DetectorId=detector, GroupBy="FINDING_TYPE")["FindingStatistics"]
    assert EXFILTRATION in {row["FindingType"] for row in grouped["GroupedByFindingType"]}
    day = int((datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)).timestamp() * 1000)
    assert findings(account, detector, updatedAt={"LessThan": day}) == {}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("create_detector", {"Enable": True}),
        ("list_findings", {"DetectorId": "0" * 32}),
        ("archive_findings", {"FindingIds": ["0" * 32]}),
        ("create_sample_findings", {"FindingTypes": ["No:Such/Type"]}),
    ],
)
def test_refusals_are_awss(account: AwsAccount, detector: str, operation: str, params: dict[str, Any]) -> None:
    given = {"DetectorId": detector, **params} if operation != "create_detector" else params
    with pytest.raises(ClientError) as caught:
        getattr(account.client("guardduty"), operation)(**given)
    assert caught.value.response["Error"]["Code"] == "BadRequestException"


def test_pages_add_up(account: AwsAccount, detector: str) -> None:
    client = account.client("guardduty")
    client.create_sample_findings(DetectorId=detector)
    pages = client.get_paginator("list_findings").paginate(
        DetectorId=detector, SortCriteria={"AttributeName": "type", "OrderBy": "ASC"}, PaginationConfig={"PageSize": 5}
    )
    ids = [identifier for page in pages for identifier in page["FindingIds"]]
    assert len(ids) == len(set(ids)) > 20


def test_aws_cli_lists_detectors(account: AwsAccount, detector: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("aws")),
            "guardduty",
            "list-detectors",
            "--endpoint-url",
            account.endpoint,
            "--region",
            "us-east-1",
        ],
        env={
            **os.environ,
            "AWS_ACCESS_KEY_ID": account.account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["DetectorIds"] == [detector]

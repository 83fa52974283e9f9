"""IAM Access Analyzer against live policies, asked through boto3 and the aws CLI."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from labs.aws.account import AwsAccount


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def archive(name: str, text: str) -> bytes:
    """A zip file with one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(name, text)
    return buffer.getvalue()


def trusts(*accounts: str) -> str:
    return document({"Effect": "Allow", "Principal": {"AWS": list(accounts)}, "Action": "sts:AssumeRole"})


@pytest.fixture
def analyzer(account: AwsAccount) -> str:
    """The ARN of an analyzer with the account as zone of trust."""
    return account.client("accessanalyzer").create_analyzer(analyzerName="account", type="ACCOUNT")["arn"]


def findings(account: AwsAccount, arn: str, **wanted: Any) -> list[dict[str, Any]]:
    given = {name: {"eq": [value]} for name, value in wanted.items()}
    return account.client("accessanalyzer").list_findings(analyzerArn=arn, filter=given)["findings"]


def test_finding_appears_and_resolves_with_the_live_policy(
    account: AwsAccount, analyzer: str, new_account: Any
) -> None:
    s3, client = account.client("s3"), account.client("accessanalyzer")
    bucket, partner = f"shop-{uuid.uuid4().hex[:12]}", new_account()
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert findings(account, analyzer) == []
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    shared = {**public, "Principal": {"AWS": f"arn:aws:iam::{partner.account}:root"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(public, shared))
    found = {finding["principal"]["AWS"]: finding for finding in findings(account, analyzer, status="ACTIVE")}
    assert set(found) == {"*", partner.account}
    everybody = found["*"]
    assert everybody["isPublic"]
    assert everybody["action"] == ["s3:GetObject"]
    assert everybody["resource"] == f"arn:aws:s3:::{bucket}"
    assert everybody["resourceType"] == "AWS::S3::Bucket"
    assert everybody["sources"] == [{"type": "POLICY"}]
    s3.put_bucket_policy(Bucket=bucket, Policy=document(shared))
    after = client.get_finding(analyzerArn=analyzer, id=everybody["id"])["finding"]
    assert after["status"] == "RESOLVED"
    assert [one["principal"]["AWS"] for one in findings(account, analyzer, status="ACTIVE")] == [partner.account]
    assert partner.client("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    v2 = client.get_finding_v2(analyzerArn=analyzer, id=found[partner.account]["id"])
    assert v2["findingType"] == "ExternalAccess"
    assert v2["findingDetails"][0]["externalAccessDetails"]["principal"] == {"AWS": partner.account}
    resource = client.get_analyzed_resource(analyzerArn=analyzer, resourceArn=f"arn:aws:s3:::{bucket}")["resource"]
    assert (resource["isPublic"], resource["sharedVia"]) == (False, ["POLICY"])


def test_block_public_access_resolves_a_public_bucket(account: AwsAccount, analyzer: str) -> None:
    s3, bucket = account.client("s3"), f"shop-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    public = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=document(public))
    assert [one["isPublic"] for one in findings(account, analyzer, status="ACTIVE")] == [True]
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    assert findings(account, analyzer, status="ACTIVE") == []


def test_public_acl_is_found_until_it_is_ignored_or_taken_back(account: AwsAccount, analyzer: str) -> None:
    s3, bucket = account.client("s3"), f"shop-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    (finding,) = findings(account, analyzer, status="ACTIVE")
    assert (finding["principal"], finding["isPublic"]) == ({"AWS": "*"}, True)
    assert finding["sources"] == [{"type": "BUCKET_ACL"}]
    assert finding["action"] == ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"]
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert findings(account, analyzer, status="ACTIVE") == []
    s3.delete_public_access_block(Bucket=bucket)
    assert len(findings(account, analyzer, status="ACTIVE")) == 1
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert findings(account, analyzer, status="ACTIVE") == []


def test_kms_grant_to_somebody_outside_is_found(account: AwsAccount, analyzer: str) -> None:
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    role = "arn:aws:iam::222233334444:role/reader"
    kms.create_grant(KeyId=key, GranteePrincipal=role, Operations=["Decrypt", "DescribeKey"])
    (finding,) = findings(account, analyzer, status="ACTIVE")
    assert (finding["principal"], finding["action"]) == ({"AWS": role}, ["kms:Decrypt", "kms:DescribeKey"])


def test_every_kind_of_resource_is_read(account: AwsAccount, analyzer: str) -> None:
    other = "222233334444"
    share = {"Effect": "Allow", "Principal": {"AWS": other}, "Resource": "*"}
    account.client("iam").create_role(RoleName="partner", AssumeRolePolicyDocument=trusts(other))
    own = {"Effect": "Allow", "Principal": {"AWS": account.account}, "Action": "kms:*", "Resource": "*"}
    account.client("kms").create_key(Policy=document(own, {**share, "Action": "kms:Decrypt"}))
    sqs = account.client("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document({**share, "Action": "sqs:SendMessage"})})
    sns = account.client("sns")
    topic = sns.create_topic(Name="orders")["TopicArn"]
    grant = document({**share, "Action": "sns:Publish", "Resource": topic})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=grant)
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="db", SecretString="x")
    secrets.put_resource_policy(
        SecretId="db", ResourcePolicy=document({**share, "Action": "secretsmanager:GetSecretValue"})
    )
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="shop")
    pull = document({"Effect": "Allow", "Principal": {"AWS": other}, "Action": "ecr:BatchGetImage"})
    ecr.set_repository_policy(repositoryName="shop", policyText=pull)
    dynamodb = account.client("dynamodb")
    table = dynamodb.create_table(
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )["TableDescription"]["TableArn"]
    dynamodb.put_resource_policy(
        ResourceArn=table, Policy=document({**share, "Action": "dynamodb:GetItem", "Resource": table})
    )
    functions = account.client("lambda")
    functions.create_function(
        FunctionName="pay",
        Runtime="python3.12",
        Role=f"arn:aws:iam::{account.account}:role/partner",
        Handler="pay.main",
        Code={"ZipFile": archive("pay.py", "def main(event, context):\n    return 1\n")},
    )
    functions.add_permission(FunctionName="pay", StatementId="other", Action="lambda:InvokeFunction", Principal=other)
    found = {finding["resourceType"]: finding["principal"] for finding in findings(account, analyzer, status="ACTIVE")}
    assert set(found) == {
        "AWS::Lambda::Function",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::SQS::Queue",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
        "AWS::ECR::Repository",
        "AWS::DynamoDB::Table",
    }
    assert all(principal == {"AWS": other} for principal in found.values())


def test_archive_rule_takes_new_findings_and_old_ones_when_applied(account: AwsAccount, analyzer: str) -> None:
    iam, client = account.client("iam"), account.client("accessanalyzer")
    iam.create_role(RoleName="first", AssumeRolePolicyDocument=trusts("222233334444"))
    (first,) = findings(account, analyzer, status="ACTIVE")
    client.create_archive_rule(
        analyzerName="account",
        ruleName="partner",
        filter={"principal.AWS": {"eq": ["222233334444"]}, "isPublic": {"eq": ["false"]}},
    )
    iam.create_role(RoleName="second", AssumeRolePolicyDocument=trusts("222233334444"))
    iam.create_role(RoleName="third", AssumeRolePolicyDocument=trusts("333344445555"))
    assert {one["resource"].rpartition("/")[2]: one["status"] for one in findings(account, analyzer)} == {
        "first": "ACTIVE",
        "second": "ARCHIVED",
        "third": "ACTIVE",
    }
    client.apply_archive_rule(analyzerArn=analyzer, ruleName="partner")
    assert client.get_finding(analyzerArn=analyzer, id=first["id"])["finding"]["status"] == "ARCHIVED"
    client.update_findings(analyzerArn=analyzer, ids=[first["id"]], status="ACTIVE")
    assert client.get_finding(analyzerArn=analyzer, id=first["id"])["finding"]["status"] == "ACTIVE"
    client.delete_archive_rule(analyzerName="account", ruleName="partner")
    assert client.list_archive_rules(analyzerName="account")["archiveRules"] == []


def test_unused_role_key_password_and_permissions(account: AwsAccount) -> None:
    client, iam = account.client("accessanalyzer"), account.client("iam")
    arn = client.create_analyzer(
        analyzerName="unused", type="ACCOUNT_UNUSED_ACCESS", configuration={"unusedAccess": {"unusedAccessAge": 1}}
    )["arn"]
    iam.create_role(RoleName="idle", AssumeRolePolicyDocument=trusts(account.account))
    iam.create_role(RoleName="busy", AssumeRolePolicyDocument=trusts(account.account))
    allowed = {"Effect": "Allow", "Action": ["sqs:ListQueues", "sqs:DeleteQueue", "sns:ListTopics"], "Resource": "*"}
    iam.put_role_policy(RoleName="busy", PolicyName="work", PolicyDocument=document(allowed))
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    iam.create_login_profile(UserName="ann", Password="Correct-Horse-9-Battery")
    iam.create_user(UserName="worker")
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    iam.put_user_policy(UserName="worker", PolicyName="assume", PolicyDocument=document(assume))
    own = iam.create_access_key(UserName="worker")["AccessKey"]
    session = account.client_as("sts", own["AccessKeyId"], own["SecretAccessKey"]).assume_role(
        RoleArn=f"arn:aws:iam::{account.account}:role/busy", RoleSessionName="session"
    )["Credentials"]
    account.client_as("sqs", session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]).list_queues()
    listed = client.list_findings_v2(analyzerArn=arn)["findings"]
    found = {(one["findingType"], one["resource"].rpartition("/")[2]): one["id"] for one in listed}
    assert set(found) == {
        ("UnusedIAMRole", "idle"),
        ("UnusedPermission", "busy"),
        ("UnusedIAMUserAccessKey", "ann"),
        ("UnusedIAMUserPassword", "ann"),
    }
    details = client.get_finding_v2(analyzerArn=arn, id=found["UnusedPermission", "busy"])["findingDetails"]
    by_service = {one["unusedPermissionDetails"]["serviceNamespace"]: one["unusedPermissionDetails"] for one in details}
    assert [one["action"] for one in by_service["sqs"]["actions"]] == ["DeleteQueue"]
    assert "lastAccessed" in by_service["sqs"]
    assert "actions" not in by_service["sns"]
    listing = {"Effect": "Allow", "Action": "sns:ListTopics", "Resource": "*"}
    iam.put_user_policy(UserName="ann", PolicyName="list", PolicyDocument=document(listing))
    account.client_as("sns", key["AccessKeyId"], key["SecretAccessKey"]).list_topics()
    iam.delete_role(RoleName="idle")
    active = client.list_findings_v2(analyzerArn=arn, filter={"status": {"eq": ["ACTIVE"]}})["findings"]
    assert {(one["findingType"], one["resource"].rpartition("/")[2]) for one in active} == {
        ("UnusedPermission", "busy"),
        ("UnusedIAMUserPassword", "ann"),
    }


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("get_analyzer", {"analyzerName": "none"}, "ResourceNotFoundException"),
        ("create_analyzer", {"analyzerName": "account", "type": "ACCOUNT"}, "ConflictException"),
        ("create_analyzer", {"analyzerName": "second", "type": "ACCOUNT"}, "ServiceQuotaExceededException"),
        ("create_analyzer", {"analyzerName": "o", "type": "ORGANIZATION"}, "AccessDeniedException"),
        ("create_analyzer", {"analyzerName": "1", "type": "ACCOUNT"}, "ValidationException"),
        ("get_archive_rule", {"analyzerName": "account", "ruleName": "r"}, "ResourceNotFoundException"),
        ("create_access_preview", {"configurations": {}}, "NotImplemented"),
    ],
)
def test_refusals_are_awss(
    account: AwsAccount, analyzer: str, operation: str, params: dict[str, Any], code: str
) -> None:
    if operation == "create_access_preview":
        params = {**params, "analyzerArn": analyzer}
    with pytest.raises(ClientError) as caught:
        getattr(account.client("accessanalyzer"), operation)(**params)
    assert caught.value.response["Error"]["Code"] == code


def test_analyzer_of_the_organisation(gateway: Any, new_account: Callable[[], AwsAccount]) -> None:
    management, member = gateway.account("000000000000"), new_account()
    member.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trusts("*"))
    member.client("iam").create_role(RoleName="inside", AssumeRolePolicyDocument=trusts("222233334444"))
    client = management.client("accessanalyzer")
    arn = client.create_analyzer(analyzerName="org", type="ORGANIZATION")["arn"]
    try:
        mine = {"resourceOwnerAccount": {"eq": [member.account]}}
        found = client.list_findings(analyzerArn=arn, filter=mine)["findings"]
        assert [(one["resource"], one["isPublic"]) for one in found] == [
            (f"arn:aws:iam::{member.account}:role/r", True)
        ]
    finally:
        client.delete_analyzer(analyzerName="org")


def test_access_analyzer_is_itself_authorised(account: AwsAccount, analyzer: str) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    client = account.client_as("accessanalyzer", key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(ClientError, match="not authorized to perform: access-analyzer:ListFindings"):
        client.list_findings(analyzerArn=analyzer)


def test_aws_cli_validates_a_policy(account: AwsAccount, tmp_path: Path) -> None:
    policy = document({"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "*"})
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("aws")),
            "accessanalyzer",
            "validate-policy",
            "--policy-document",
            policy,
            "--policy-type",
            "IDENTITY_POLICY",
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
    (finding,) = json.loads(done.stdout)["findings"]
    assert finding["issueCode"] == "INVALID_ACTION"
    assert finding["locations"][0]["span"]["start"]["line"] == 1

"""Secrets Manager's secrets and their versions (AWS Secrets Manager User Guide); rotation is tested elsewhere."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from tests.labs.aws.scenarios_core.conftest import refusal


@pytest.fixture
def secrets(admin: AwsAccount) -> Any:
    return admin.client("secretsmanager")


def test_a_secret_is_made_read_changed_and_described(admin: AwsAccount, secrets: Any) -> None:
    made = secrets.create_secret(Name="app/db", SecretString="one", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    assert made["ARN"].startswith(f"arn:aws:secretsmanager:us-east-1:{admin.account}:secret:app/db-")
    assert len(made["ARN"].rpartition("-")[2]) == 6
    assert refusal(secrets.create_secret, Name="app/db", SecretString="x") == "ResourceExistsException"
    got = secrets.get_secret_value(SecretId="app/db")
    assert (got["SecretString"], got["VersionStages"], got["Name"]) == ("one", ["AWSCURRENT"], "app/db")
    assert got["VersionId"] == made["VersionId"]
    two = secrets.put_secret_value(SecretId=made["ARN"], SecretString="two")
    assert two["VersionStages"] == ["AWSCURRENT"]
    assert secrets.get_secret_value(SecretId="app/db", VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId="app/db", VersionId=two["VersionId"])["SecretString"] == "two"
    secrets.update_secret(SecretId="app/db", Description="new", SecretString="three")
    described = secrets.describe_secret(SecretId="app/db")
    assert (described["Description"], described["Tags"]) == ("new", [{"Key": "a", "Value": "b"}])
    stages = sorted(stage for all_of in described["VersionIdsToStages"].values() for stage in all_of)
    assert stages == ["AWSCURRENT", "AWSPREVIOUS"]
    assert described["LastChangedDate"]
    assert "RotationEnabled" not in described or described["RotationEnabled"] is False
    assert refusal(secrets.get_secret_value, SecretId="none") == "ResourceNotFoundException"
    assert refusal(secrets.get_secret_value, SecretId="app/db", VersionStage="X") == "ResourceNotFoundException"
    partial = made["ARN"].rpartition("-")[0]
    assert secrets.describe_secret(SecretId=partial)["Name"] == "app/db"


def test_stages_move_between_versions(secrets: Any) -> None:
    one = secrets.create_secret(Name="s", SecretString="one")["VersionId"]
    two = secrets.put_secret_value(SecretId="s", SecretString="two", VersionStages=["AWSPENDING"])["VersionId"]
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId="s", VersionStage="AWSPENDING")["SecretString"] == "two"
    move = secrets.update_secret_version_stage
    assert refusal(move, SecretId="s", VersionStage="AWSCURRENT", MoveToVersionId=two) == "InvalidParameterException"
    move(SecretId="s", VersionStage="AWSCURRENT", MoveToVersionId=two, RemoveFromVersionId=one)
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "two"
    assert secrets.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    move(SecretId="s", VersionStage="BLUE", MoveToVersionId=one)
    listed = {
        v["VersionId"]: sorted(v["VersionStages"]) for v in secrets.list_secret_version_ids(SecretId="s")["Versions"]
    }
    assert listed == {one: ["AWSPREVIOUS", "BLUE"], two: ["AWSCURRENT"]}


def test_a_put_is_idempotent_by_its_token(secrets: Any) -> None:
    secrets.create_secret(Name="s", SecretString="one")
    token = "0" * 32
    put = secrets.put_secret_value
    assert put(SecretId="s", SecretString="two", ClientRequestToken=token)["VersionId"] == token
    assert put(SecretId="s", SecretString="two", ClientRequestToken=token)["VersionId"] == token
    assert refusal(put, SecretId="s", SecretString="three", ClientRequestToken=token) == "ResourceExistsException"


def test_deletion_waits_and_can_be_taken_back(secrets: Any) -> None:
    secrets.create_secret(Name="s", SecretString="one")
    delete = secrets.delete_secret
    assert refusal(delete, SecretId="s", RecoveryWindowInDays=3) == "InvalidParameterException"
    answer = delete(SecretId="s", RecoveryWindowInDays=7)
    left = answer["DeletionDate"] - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=6) < left <= datetime.timedelta(days=7)
    assert refusal(secrets.get_secret_value, SecretId="s") == "InvalidRequestException"
    assert refusal(secrets.put_secret_value, SecretId="s", SecretString="x") == "InvalidRequestException"
    assert refusal(secrets.create_secret, Name="s", SecretString="x") == "InvalidRequestException"
    assert secrets.describe_secret(SecretId="s")["DeletedDate"]
    assert [s["Name"] for s in secrets.list_secrets()["SecretList"]] == []
    assert [s["Name"] for s in secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]] == ["s"]
    secrets.restore_secret(SecretId="s")
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "one"
    delete(SecretId="s", ForceDeleteWithoutRecovery=True)
    assert refusal(secrets.describe_secret, SecretId="s") == "ResourceNotFoundException"
    secrets.create_secret(Name="s", SecretString="again")
    assert (
        refusal(delete, SecretId="s", RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
        == "InvalidParameterException"
    )


def test_a_secret_without_a_value(secrets: Any) -> None:
    made = secrets.create_secret(Name="s")
    assert "VersionId" not in made
    assert refusal(secrets.get_secret_value, SecretId="s") == "ResourceNotFoundException"
    secrets.put_secret_value(SecretId="s", SecretBinary=b"\x00\x01")
    assert secrets.get_secret_value(SecretId="s")["SecretBinary"] == b"\x00\x01"
    assert refusal(secrets.create_secret, Name="t", SecretString="a", SecretBinary=b"b") == "InvalidParameterException"


def test_tags_filters_and_pages(secrets: Any) -> None:
    for number in range(4):
        secrets.create_secret(Name=f"s{number}", SecretString="x", Tags=[{"Key": "team", "Value": "ab"[number % 2]}])
    secrets.tag_resource(SecretId="s0", Tags=[{"Key": "extra", "Value": "1"}])
    secrets.untag_resource(SecretId="s0", TagKeys=["team"])
    assert secrets.describe_secret(SecretId="s0")["Tags"] == [{"Key": "extra", "Value": "1"}]
    by_tag = secrets.list_secrets(Filters=[{"Key": "tag-value", "Values": ["b"]}])["SecretList"]
    assert sorted(s["Name"] for s in by_tag) == ["s1", "s3"]
    assert [s["Name"] for s in secrets.list_secrets(Filters=[{"Key": "name", "Values": ["s2"]}])["SecretList"]] == [
        "s2"
    ]
    first = secrets.list_secrets(MaxResults=3)
    assert len(first["SecretList"]) == 3
    assert len(secrets.list_secrets(MaxResults=3, NextToken=first["NextToken"])["SecretList"]) == 1
    values = secrets.batch_get_secret_value(SecretIdList=["s1", "none"])
    assert [v["Name"] for v in values["SecretValues"]] == ["s1"]
    assert [e["ErrorCode"] for e in values["Errors"]] == ["ResourceNotFoundException"]


def test_resource_policies(admin: AwsAccount, secrets: Any) -> None:
    secrets.create_secret(Name="s", SecretString="x")
    assert "ResourcePolicy" not in secrets.get_resource_policy(SecretId="s")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}],
    }
    secrets.put_resource_policy(SecretId="s", ResourcePolicy=json.dumps(policy))
    assert json.loads(secrets.get_resource_policy(SecretId="s")["ResourcePolicy"]) == policy
    assert refusal(secrets.get_secret_value, SecretId="s") == "AccessDeniedException"
    assert refusal(secrets.put_resource_policy, SecretId="s", ResourcePolicy="{") == "MalformedPolicyDocumentException"
    public = {"Version": "2012-10-17", "Statement": [{**policy["Statement"][0], "Effect": "Allow"}]}
    assert (
        refusal(secrets.put_resource_policy, SecretId="s", ResourcePolicy=json.dumps(public), BlockPublicPolicy=True)
        == "PublicPolicyException"
    )
    secrets.delete_resource_policy(SecretId="s")
    secrets.get_secret_value(SecretId="s")


def test_random_passwords(secrets: Any) -> None:
    word = secrets.get_random_password(PasswordLength=20, ExcludePunctuation=True)["RandomPassword"]
    assert len(word) == 20
    assert word.isalnum()
    assert len(secrets.get_random_password()["RandomPassword"]) == 32
    assert refusal(secrets.get_random_password, PasswordLength=2) in (
        "InvalidParameterException", "InvalidRequestException"
    )  # fmt: skip

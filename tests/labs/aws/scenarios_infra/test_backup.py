"""AWS Backup.  Pages: AWS Backup API Reference; "AWS Backup Vault Lock", "Vault access policies", "Restore metadata"
(AWS Backup Developer Guide)."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

QUICK_DEADLINE = 20.0
Job = Callable[..., dict[str, Any]]


def until(read: Any, wanted: tuple[str, ...]) -> str:
    """The state once it is one of those wanted, or the last that was seen."""
    deadline = time.monotonic() + QUICK_DEADLINE
    seen = read()
    while seen not in wanted and time.monotonic() < deadline:
        time.sleep(0.2)
        seen = read()
    return str(seen)


@pytest.fixture
def table(cloud: Any) -> str:
    """ARN of a table with one item."""
    arn = cloud.dynamodb.create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    cloud.dynamodb.put_item(TableName="orders", Item={"id": {"S": "1"}})
    return str(arn)


@pytest.fixture
def job(cloud: Any) -> Job:
    """``job(arn)`` backs a resource up into the vault ``shop`` and gives the finished job."""
    cloud.backup.create_backup_vault(BackupVaultName="shop")
    role = cloud.role("backup-job", "backup.amazonaws.com")

    def run(arn: str, **more: Any) -> dict[str, Any]:
        started = cloud.backup.start_backup_job(BackupVaultName="shop", ResourceArn=arn, IamRoleArn=role, **more)
        read = lambda: cloud.backup.describe_backup_job(BackupJobId=started["BackupJobId"])  # noqa: E731
        until(lambda: read()["State"], ("COMPLETED", "FAILED"))
        return dict(read())

    return run


def test_backup_vaults(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    made = backup.create_backup_vault(BackupVaultName="shop", BackupVaultTags={"env": "dev"})
    assert made["BackupVaultArn"] == cloud.arn("backup", "backup-vault:shop")
    refused("AlreadyExistsException", backup.create_backup_vault, BackupVaultName="shop")
    read = backup.describe_backup_vault(BackupVaultName="shop")
    assert (read["NumberOfRecoveryPoints"], read["Locked"]) == (0, False)
    assert backup.list_tags(ResourceArn=made["BackupVaultArn"])["Tags"] == {"env": "dev"}
    backup.put_backup_vault_lock_configuration(BackupVaultName="shop", MinRetentionDays=7, MaxRetentionDays=30)
    read = backup.describe_backup_vault(BackupVaultName="shop")
    assert (read["Locked"], read["MinRetentionDays"]) == (True, 7)
    backup.delete_backup_vault_lock_configuration(BackupVaultName="shop")
    assert "shop" in [v["BackupVaultName"] for v in backup.list_backup_vaults()["BackupVaultList"]]
    backup.delete_backup_vault(BackupVaultName="shop")
    refused(("ResourceNotFoundException", "AccessDeniedException"), backup.describe_backup_vault,
            BackupVaultName="shop")


def test_backup_plans(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="shop")
    rule = {"RuleName": "daily", "TargetBackupVaultName": "shop", "ScheduleExpression": "cron(0 5 ? * * *)",
            "Lifecycle": {"DeleteAfterDays": 35}}
    made = backup.create_backup_plan(BackupPlan={"BackupPlanName": "shop", "Rules": [rule]})
    plan = made["BackupPlanId"]
    read = backup.get_backup_plan(BackupPlanId=plan)
    assert read["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] == 35
    role = cloud.role("backup", "backup.amazonaws.com")
    selection = backup.create_backup_selection(
        BackupPlanId=plan,
        BackupSelection={
            "SelectionName": "tagged",
            "IamRoleArn": role,
            "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}],
        },
    )["SelectionId"]
    got = backup.get_backup_selection(BackupPlanId=plan, SelectionId=selection)["BackupSelection"]
    assert got["ListOfTags"][0]["ConditionValue"] == "daily"
    assert len(backup.list_backup_selections(BackupPlanId=plan)["BackupSelectionsList"]) == 1
    updated = backup.update_backup_plan(
        BackupPlanId=plan,
        BackupPlan={"BackupPlanName": "shop", "Rules": [{**rule, "Lifecycle": {"DeleteAfterDays": 90}}]},
    )
    assert updated["VersionId"] != made["VersionId"]
    read = backup.get_backup_plan(BackupPlanId=plan)
    assert read["BackupPlan"]["Rules"][0]["Lifecycle"]["DeleteAfterDays"] == 90
    assert plan in [p["BackupPlanId"] for p in backup.list_backup_plans()["BackupPlansList"]]
    refused("InvalidRequestException", backup.delete_backup_plan, BackupPlanId=plan)
    backup.delete_backup_selection(BackupPlanId=plan, SelectionId=selection)
    backup.delete_backup_plan(BackupPlanId=plan)
    refused("ResourceNotFoundException", backup.get_backup_plan,
            BackupPlanId="00000000-0000-0000-0000-000000000000")


def test_backup_job_makes_a_recovery_point_that_restores(cloud: Any, refused: Any) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="shop")
    role = cloud.role("backup", "backup.amazonaws.com")
    table = cloud.dynamodb.create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
    )["TableDescription"]["TableArn"]
    cloud.dynamodb.put_item(TableName="orders", Item={"id": {"S": "1"}, "n": {"N": "7"}})
    refused("ResourceNotFoundException", backup.start_backup_job, BackupVaultName="none", ResourceArn=table,
            IamRoleArn=role)
    job = backup.start_backup_job(BackupVaultName="shop", ResourceArn=table, IamRoleArn=role)
    state = lambda: backup.describe_backup_job(BackupJobId=job["BackupJobId"])["State"]  # noqa: E731
    assert until(state, ("COMPLETED", "FAILED")) == "COMPLETED"
    done = backup.describe_backup_job(BackupJobId=job["BackupJobId"])
    point = done["RecoveryPointArn"]
    (listed,) = backup.list_recovery_points_by_backup_vault(BackupVaultName="shop")["RecoveryPoints"]
    assert (listed["RecoveryPointArn"], listed["ResourceArn"], listed["Status"]) == (point, table, "COMPLETED")
    by_resource = backup.list_recovery_points_by_resource(ResourceArn=table)["RecoveryPoints"]
    assert [p["RecoveryPointArn"] for p in by_resource] == [point]
    refused("InvalidRequestException", backup.delete_backup_vault, BackupVaultName="shop")
    cloud.dynamodb.delete_table(TableName="orders")
    metadata = backup.get_recovery_point_restore_metadata(BackupVaultName="shop", RecoveryPointArn=point)
    restore = backup.start_restore_job(
        RecoveryPointArn=point,
        Metadata={**metadata["RestoreMetadata"], "targetTableName": "orders-2"},
        IamRoleArn=role,
        ResourceType="DynamoDB",
    )["RestoreJobId"]
    state = lambda: backup.describe_restore_job(RestoreJobId=restore)["Status"]  # noqa: E731
    assert until(state, ("COMPLETED", "FAILED", "ABORTED")) == "COMPLETED"
    assert cloud.dynamodb.get_item(TableName="orders-2", Key={"id": {"S": "1"}})["Item"]["n"] == {"N": "7"}
    backup.delete_recovery_point(BackupVaultName="shop", RecoveryPointArn=point)
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="shop")["RecoveryPoints"] == []
    backup.delete_backup_vault(BackupVaultName="shop")


def restore(cloud: Any, point: str, metadata: dict[str, str]) -> str:
    """ARN of what a restore made."""
    role = f"arn:aws:iam::{cloud.number}:role/backup-job"
    started = cloud.backup.start_restore_job(RecoveryPointArn=point, IamRoleArn=role, Metadata=metadata)
    read = lambda: cloud.backup.describe_restore_job(RestoreJobId=started["RestoreJobId"])  # noqa: E731
    assert until(lambda: read()["Status"], ("COMPLETED", "FAILED")) == "COMPLETED"
    return str(read()["CreatedResourceArn"])


def test_a_volume_is_backed_up_as_a_snapshot(cloud: Any, job: Job) -> None:
    volume = cloud.ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    done = job(cloud.arn("ec2", f"volume/{volume}"))
    assert done["ResourceType"] == "EBS"
    snapshot = done["RecoveryPointArn"].rpartition("/")[2]
    assert cloud.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["VolumeId"] == volume
    made = restore(cloud, done["RecoveryPointArn"], {"availabilityZone": "us-east-1b", "volumeType": "gp3"})
    (read,) = cloud.ec2.describe_volumes(VolumeIds=[made.rpartition("/")[2]])["Volumes"]
    assert (read["SnapshotId"], read["AvailabilityZone"]) == (snapshot, "us-east-1b")
    cloud.backup.delete_recovery_point(BackupVaultName="shop", RecoveryPointArn=done["RecoveryPointArn"])
    owned = cloud.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
    assert snapshot not in [entry["SnapshotId"] for entry in owned]


def test_a_database_is_restored_under_another_name(cloud: Any, job: Job, quick: Any) -> None:
    made = cloud.rds.create_db_instance(
        DBInstanceIdentifier="orders", Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage=20,
        MasterUsername="shop", MasterUserPassword="correct-horse",
    )["DBInstance"]
    cloud.rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="orders", WaiterConfig=quick)
    done = job(made["DBInstanceArn"])
    restored = restore(cloud, done["RecoveryPointArn"], {"DBInstanceIdentifier": "orders-2"})
    assert restored == cloud.arn("rds", "db:orders-2")
    cloud.rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="orders-2", WaiterConfig=quick)


def test_a_bucket_needs_versioning_to_be_backed_up(cloud: Any, refused: Any, job: Job) -> None:
    name = f"backup-{cloud.number}"
    cloud.s3.create_bucket(Bucket=name)
    cloud.s3.put_object(Bucket=name, Key="a", Body=b"1")
    refused("InvalidRequestException", job, arn=f"arn:aws:s3:::{name}")
    cloud.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    done = job(f"arn:aws:s3:::{name}")
    target = {"DestinationBucketName": f"{name}-2", "NewBucket": "true"}
    restore(cloud, done["RecoveryPointArn"], target)
    assert cloud.s3.get_object(Bucket=f"{name}-2", Key="a")["Body"].read() == b"1"


def test_what_does_not_exist_is_not_backed_up(cloud: Any, refused: Any, job: Job) -> None:
    refused("InvalidParameterValueException", job, arn=cloud.arn("dynamodb", "table/none"))
    refused("InvalidParameterValueException", job, arn=cloud.arn("sqs", "queue"))
    missing = "00000000-0000-0000-0000-000000000000"
    refused("ResourceNotFoundException", cloud.backup.describe_backup_job, BackupJobId=missing)


def test_a_running_job_is_stopped(cloud: Any, refused: Any, table: str) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="shop")
    role = cloud.role("backup", "backup.amazonaws.com")
    started = backup.start_backup_job(BackupVaultName="shop", ResourceArn=table, IamRoleArn=role)["BackupJobId"]
    backup.stop_backup_job(BackupJobId=started)
    assert backup.describe_backup_job(BackupJobId=started)["State"] == "ABORTED"
    assert backup.list_recovery_points_by_backup_vault(BackupVaultName="shop")["RecoveryPoints"] == []
    refused("InvalidRequestException", backup.stop_backup_job, BackupJobId=started)


def test_a_copy_lies_in_another_region(cloud: Any, table: str, job: Job) -> None:
    point = job(table, RecoveryPointTags={"env": "dev"})["RecoveryPointArn"]
    far = cloud.client("backup", "eu-west-1")
    vault = far.create_backup_vault(BackupVaultName="disaster")["BackupVaultArn"]
    role = f"arn:aws:iam::{cloud.number}:role/backup-job"
    started = cloud.backup.start_copy_job(
        RecoveryPointArn=point, SourceBackupVaultName="shop", DestinationBackupVaultArn=vault, IamRoleArn=role,
        Lifecycle={"DeleteAfterDays": 90},
    )["CopyJobId"]
    read = lambda: cloud.backup.describe_copy_job(CopyJobId=started)["CopyJob"]  # noqa: E731
    assert until(lambda: read()["State"], ("COMPLETED", "FAILED")) == "COMPLETED"
    (copied,) = far.list_recovery_points_by_backup_vault(BackupVaultName="disaster")["RecoveryPoints"]
    assert copied["RecoveryPointArn"] == read()["DestinationRecoveryPointArn"]
    assert copied["Lifecycle"] == {"DeleteAfterDays": 90}
    assert far.list_tags(ResourceArn=copied["RecoveryPointArn"])["Tags"] == {"env": "dev"}


def test_a_locked_vault_keeps_its_recovery_points(cloud: Any, refused: Any, table: str, job: Job) -> None:
    backup = cloud.backup
    backup.create_backup_vault(BackupVaultName="other")
    refused("InvalidParameterValueException", backup.put_backup_vault_lock_configuration, BackupVaultName="other",
            ChangeableForDays=1)
    point = job(table, Lifecycle={"DeleteAfterDays": 10})["RecoveryPointArn"]
    backup.put_backup_vault_lock_configuration(
        BackupVaultName="shop", MinRetentionDays=7, MaxRetentionDays=30, ChangeableForDays=3
    )
    assert backup.describe_backup_vault(BackupVaultName="shop")["LockDate"] > datetime.datetime.now(datetime.UTC)
    where = {"BackupVaultName": "shop", "RecoveryPointArn": point}
    refused("InvalidRequestException", backup.delete_recovery_point, **where)
    refused("InvalidRequestException", backup.update_recovery_point_lifecycle, **where,
            Lifecycle={"DeleteAfterDays": 1})
    short = cloud.backup.start_backup_job(
        BackupVaultName="shop", ResourceArn=table, IamRoleArn=f"arn:aws:iam::{cloud.number}:role/backup-job",
        Lifecycle={"DeleteAfterDays": 1},
    )["BackupJobId"]
    state = lambda: backup.describe_backup_job(BackupJobId=short)["State"]  # noqa: E731
    assert until(state, ("COMPLETED", "FAILED")) == "FAILED"
    backup.delete_backup_vault_lock_configuration(BackupVaultName="shop")
    backup.delete_recovery_point(**where)


def test_a_vault_policy_denies_even_the_administrator(cloud: Any, refused: Any, table: str, job: Job) -> None:
    backup, point = cloud.backup, job(table)["RecoveryPointArn"]
    refused("ResourceNotFoundException", backup.get_backup_vault_access_policy, BackupVaultName="shop")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "backup:DeleteRecoveryPoint", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    backup.put_backup_vault_access_policy(BackupVaultName="shop", Policy=policy)
    where = {"BackupVaultName": "shop", "RecoveryPointArn": point}
    message = refused("AccessDeniedException", backup.delete_recovery_point, **where)
    assert "explicit deny in a resource-based policy" in message
    backup.delete_backup_vault_access_policy(BackupVaultName="shop")
    backup.delete_recovery_point(**where)


def test_a_legal_hold_keeps_recovery_points(cloud: Any, refused: Any, table: str, job: Job) -> None:
    backup, point = cloud.backup, job(table)["RecoveryPointArn"]
    now = datetime.datetime.now(datetime.UTC)
    dates = {"FromDate": now - datetime.timedelta(days=1), "ToDate": now + datetime.timedelta(days=1)}
    hold = backup.create_legal_hold(
        Title="case", Description="c", RecoveryPointSelection={"VaultNames": ["shop"], "DateRange": dates}
    )["LegalHoldId"]
    (held,) = backup.list_recovery_points_by_legal_hold(LegalHoldId=hold)["RecoveryPoints"]
    assert held["RecoveryPointArn"] == point
    where = {"BackupVaultName": "shop", "RecoveryPointArn": point}
    refused("InvalidRequestException", backup.delete_recovery_point, **where)
    backup.cancel_legal_hold(LegalHoldId=hold, CancelDescription="closed")
    backup.delete_recovery_point(**where)


def test_plans_are_checked(cloud: Any, refused: Any) -> None:
    create = cloud.backup.create_backup_plan
    rule = {"RuleName": "daily", "TargetBackupVaultName": "shop"}
    plan = lambda **more: {"BackupPlanName": "shop", "Rules": [{**rule, **more}]}  # noqa: E731
    invalid = "InvalidParameterValueException"
    cold = {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 100}
    refused(invalid, create, BackupPlan=plan(Lifecycle=cold))
    refused(invalid, create, BackupPlan=plan(ScheduleExpression="every day"))
    refused(invalid, create, BackupPlan=plan(StartWindowMinutes=10))
    create(BackupPlan=plan())
    refused("AlreadyExistsException", create, BackupPlan=plan())


def test_vaults_are_listed_in_pages(cloud: Any) -> None:
    for number in range(3):
        cloud.backup.create_backup_vault(BackupVaultName=f"vault-{number}")
    pages = list(cloud.backup.get_paginator("list_backup_vaults").paginate(PaginationConfig={"PageSize": 2}))
    assert [len(page["BackupVaultList"]) for page in pages] == [2, 1]


def test_what_a_vault_reports(cloud: Any) -> None:
    cloud.backup.create_backup_vault(BackupVaultName="shop")
    topic = cloud.sns.create_topic(Name="backups")["TopicArn"]
    cloud.backup.put_backup_vault_notifications(
        BackupVaultName="shop", SNSTopicArn=topic, BackupVaultEvents=["BACKUP_JOB_COMPLETED"]
    )
    read = cloud.backup.get_backup_vault_notifications(BackupVaultName="shop")
    assert (read["SNSTopicArn"], read["BackupVaultEvents"]) == (topic, ["BACKUP_JOB_COMPLETED"])

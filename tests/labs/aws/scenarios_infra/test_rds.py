"""Amazon RDS.  Pages: Amazon RDS API Reference; Amazon RDS User Guide."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

QUICK = {"Delay": 1, "MaxAttempts": 20}


def database(cloud: Any, name: str = "shop", **more: Any) -> dict[str, Any]:
    params = {
        "DBInstanceIdentifier": name,
        "Engine": "postgres",
        "DBInstanceClass": "db.t3.micro",
        "AllocatedStorage": 20,
        "MasterUsername": "shop",
        "MasterUserPassword": "not-a-secret-1",
        **more,
    }
    made = cloud.rds.create_db_instance(**params)["DBInstance"]
    cloud.rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig=QUICK)
    return dict(made)


def read(cloud: Any, name: str = "shop") -> dict[str, Any]:
    return dict(cloud.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def test_instance_life(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    made = database(cloud, Tags=[{"Key": "env", "Value": "dev"}], BackupRetentionPeriod=7, StorageEncrypted=True)
    assert made["DBInstanceStatus"] in ("creating", "available")
    assert made["DBInstanceArn"] == cloud.arn("rds", "db:shop")
    found = read(cloud)
    assert found["DBInstanceStatus"] == "available"
    assert found["Endpoint"]["Port"] == 5432
    assert found["Endpoint"]["Address"]
    assert (found["Engine"], found["MultiAZ"], found["BackupRetentionPeriod"]) == ("postgres", False, 7)
    assert found["StorageEncrypted"] is True
    assert found["TagList"] == [{"Key": "env", "Value": "dev"}]
    assert "MasterUserPassword" not in found
    refused("DBInstanceAlreadyExists", rds.create_db_instance, DBInstanceIdentifier="shop", Engine="postgres",
            DBInstanceClass="db.t3.micro", AllocatedStorage=20, MasterUsername="shop",
            MasterUserPassword="not-a-secret-1")
    rds.modify_db_instance(DBInstanceIdentifier="shop", DBInstanceClass="db.t3.small", AllocatedStorage=50,
                           ApplyImmediately=True)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    found = read(cloud)
    assert (found["DBInstanceClass"], found["AllocatedStorage"]) == ("db.t3.small", 50)
    rds.stop_db_instance(DBInstanceIdentifier="shop")
    assert read(cloud)["DBInstanceStatus"] in ("stopping", "stopped")
    rds.start_db_instance(DBInstanceIdentifier="shop")
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    rds.reboot_db_instance(DBInstanceIdentifier="shop")
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    refused("DBInstanceNotFound", rds.describe_db_instances, DBInstanceIdentifier="shop")
    refused("DBInstanceNotFound", rds.delete_db_instance, DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    refused("DBInstanceNotFound", rds.modify_db_instance, DBInstanceIdentifier="shop", AllocatedStorage=60)


def test_create_errors(cloud: Any, refused: Any) -> None:
    create = cloud.rds.create_db_instance
    good = {"DBInstanceIdentifier": "shop", "Engine": "postgres", "DBInstanceClass": "db.t3.micro",
            "AllocatedStorage": 20, "MasterUsername": "shop", "MasterUserPassword": "not-a-secret-1"}
    refused("InvalidParameterValue", create, **{**good, "Engine": "nosql"})
    refused("InvalidParameterValue", create, **{**good, "MasterUserPassword": "short"})
    refused("InvalidParameterValue", create, **{**good, "DBInstanceIdentifier": "bad--name"})
    refused("InvalidParameterValue", create, **{**good, "BackupRetentionPeriod": 36})
    refused("DBSubnetGroupNotFoundFault", create, **good, DBSubnetGroupName="none")
    refused("DBParameterGroupNotFound", create, **good, DBParameterGroupName="none")


def test_deletion_protection_and_final_snapshot(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    database(cloud, DeletionProtection=True)
    refused("InvalidParameterCombination", rds.delete_db_instance, DBInstanceIdentifier="shop",
            SkipFinalSnapshot=True)
    rds.modify_db_instance(DBInstanceIdentifier="shop", DeletionProtection=False, ApplyImmediately=True)
    refused("InvalidParameterCombination", rds.delete_db_instance, DBInstanceIdentifier="shop")
    rds.delete_db_instance(DBInstanceIdentifier="shop", FinalDBSnapshotIdentifier="shop-final")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="shop-final", WaiterConfig=QUICK)
    (final,) = rds.describe_db_snapshots(DBSnapshotIdentifier="shop-final")["DBSnapshots"]
    assert (final["DBInstanceIdentifier"], final["SnapshotType"]) == ("shop", "manual")


def test_snapshot_and_restore(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    database(cloud, AllocatedStorage=30)
    made = rds.create_db_snapshot(DBInstanceIdentifier="shop", DBSnapshotIdentifier="nightly",
                                  Tags=[{"Key": "a", "Value": "b"}])["DBSnapshot"]
    assert made["DBSnapshotArn"] == cloud.arn("rds", "snapshot:nightly")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="nightly", WaiterConfig=QUICK)
    refused("DBSnapshotAlreadyExists", rds.create_db_snapshot, DBInstanceIdentifier="shop",
            DBSnapshotIdentifier="nightly")
    refused("DBInstanceNotFound", rds.create_db_snapshot, DBInstanceIdentifier="none", DBSnapshotIdentifier="x")
    (found,) = rds.describe_db_snapshots(DBInstanceIdentifier="shop", SnapshotType="manual")[
        "DBSnapshots"
    ]
    assert (found["Engine"], found["AllocatedStorage"], found["Status"]) == ("postgres", 30, "available")
    restored = rds.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="shop-2", DBSnapshotIdentifier="nightly", DBInstanceClass="db.t3.small"
    )["DBInstance"]
    assert restored["Engine"] == "postgres"
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop-2", WaiterConfig=QUICK)
    found = read(cloud, "shop-2")
    assert (found["AllocatedStorage"], found["DBInstanceClass"], found["MasterUsername"]) == (30, "db.t3.small",
                                                                                            "shop")
    refused("DBInstanceAlreadyExists", rds.restore_db_instance_from_db_snapshot, DBInstanceIdentifier="shop",
            DBSnapshotIdentifier="nightly")
    refused("DBSnapshotNotFound", rds.restore_db_instance_from_db_snapshot, DBInstanceIdentifier="x",
            DBSnapshotIdentifier="none")
    copy = rds.copy_db_snapshot(SourceDBSnapshotIdentifier="nightly", TargetDBSnapshotIdentifier="copy")["DBSnapshot"]
    assert copy["DBSnapshotIdentifier"] == "copy"
    rds.modify_db_snapshot_attribute(DBSnapshotIdentifier="nightly", AttributeName="restore",
                                     ValuesToAdd=["111122223333"])
    attributes = rds.describe_db_snapshot_attributes(DBSnapshotIdentifier="nightly")["DBSnapshotAttributesResult"]
    (shared,) = [a for a in attributes["DBSnapshotAttributes"] if a["AttributeName"] == "restore"]
    assert shared["AttributeValues"] == ["111122223333"]
    rds.delete_db_snapshot(DBSnapshotIdentifier="nightly")
    refused("DBSnapshotNotFound", rds.describe_db_snapshots, DBSnapshotIdentifier="nightly")
    refused("DBSnapshotNotFound", rds.delete_db_snapshot, DBSnapshotIdentifier="nightly")


def test_point_in_time_restore(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    database(cloud, BackupRetentionPeriod=7)
    database(cloud, "bare", BackupRetentionPeriod=0)
    assert read(cloud)["LatestRestorableTime"]
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier="shop", TargetDBInstanceIdentifier="shop-then", UseLatestRestorableTime=True
    )
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop-then", WaiterConfig=QUICK)
    assert read(cloud, "shop-then")["Engine"] == "postgres"
    restore = rds.restore_db_instance_to_point_in_time
    refused("DBInstanceNotFound", restore, SourceDBInstanceIdentifier="none", TargetDBInstanceIdentifier="x",
            UseLatestRestorableTime=True)
    refused("DBInstanceAlreadyExists", restore, SourceDBInstanceIdentifier="shop",
            TargetDBInstanceIdentifier="shop-then", UseLatestRestorableTime=True)
    refused(("InvalidRestoreFault", "PointInTimeRestoreNotEnabled", "InvalidParameterValue"), restore,
            SourceDBInstanceIdentifier="bare", TargetDBInstanceIdentifier="x", UseLatestRestorableTime=True)
    future = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    refused(("InvalidRestoreFault", "InvalidParameterValue"), restore, SourceDBInstanceIdentifier="shop",
            TargetDBInstanceIdentifier="x", RestoreTime=future)


def test_multi_az_failover(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    database(cloud, MultiAZ=True)
    before = read(cloud)
    assert before["MultiAZ"] is True
    assert before["SecondaryAvailabilityZone"] != before["AvailabilityZone"]
    rds.reboot_db_instance(DBInstanceIdentifier="shop", ForceFailover=True)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    after = read(cloud)
    assert after["AvailabilityZone"] == before["SecondaryAvailabilityZone"]
    assert after["SecondaryAvailabilityZone"] == before["AvailabilityZone"]
    assert after["Endpoint"] == before["Endpoint"]
    database(cloud, "single")
    refused("InvalidParameterCombination", rds.reboot_db_instance, DBInstanceIdentifier="single", ForceFailover=True)
    rds.modify_db_instance(DBInstanceIdentifier="single", MultiAZ=True, ApplyImmediately=True)
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="single", WaiterConfig=QUICK)
    assert read(cloud, "single")["MultiAZ"] is True


def test_read_replica_is_promoted(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    database(cloud, BackupRetentionPeriod=1)
    made = rds.create_db_instance_read_replica(DBInstanceIdentifier="reader", SourceDBInstanceIdentifier="shop")
    assert made["DBInstance"]["ReadReplicaSourceDBInstanceIdentifier"] == "shop"
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="reader", WaiterConfig=QUICK)
    assert read(cloud)["ReadReplicaDBInstanceIdentifiers"] == ["reader"]
    rds.promote_read_replica(DBInstanceIdentifier="reader")
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="reader", WaiterConfig=QUICK)
    assert "ReadReplicaSourceDBInstanceIdentifier" not in read(cloud, "reader")
    assert read(cloud)["ReadReplicaDBInstanceIdentifiers"] == []
    refused("DBInstanceNotFound", rds.create_db_instance_read_replica, DBInstanceIdentifier="x",
            SourceDBInstanceIdentifier="none")


def test_subnet_and_parameter_groups(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    _, subnets = cloud.network()
    made = rds.create_db_subnet_group(DBSubnetGroupName="data", DBSubnetGroupDescription="d", SubnetIds=subnets)
    assert {s["SubnetIdentifier"] for s in made["DBSubnetGroup"]["Subnets"]} == set(subnets)
    refused("DBSubnetGroupAlreadyExists", rds.create_db_subnet_group, DBSubnetGroupName="data",
            DBSubnetGroupDescription="d", SubnetIds=subnets)
    refused("InvalidSubnet", rds.create_db_subnet_group, DBSubnetGroupName="x", DBSubnetGroupDescription="d",
            SubnetIds=["subnet-0123456789abcdef0", subnets[0]])
    refused("DBSubnetGroupDoesNotCoverEnoughAZs", rds.create_db_subnet_group, DBSubnetGroupName="x",
            DBSubnetGroupDescription="d", SubnetIds=subnets[:1])
    rds.create_db_parameter_group(DBParameterGroupName="tuned", DBParameterGroupFamily="postgres16", Description="d")
    refused("DBParameterGroupAlreadyExists", rds.create_db_parameter_group, DBParameterGroupName="tuned",
            DBParameterGroupFamily="postgres16", Description="d")
    rds.modify_db_parameter_group(
        DBParameterGroupName="tuned",
        Parameters=[{"ParameterName": "log_statement", "ParameterValue": "all", "ApplyMethod": "immediate"}],
    )
    parameters = rds.describe_db_parameters(DBParameterGroupName="tuned", Source="user")["Parameters"]
    assert [(p["ParameterName"], p["ParameterValue"]) for p in parameters] == [("log_statement", "all")]
    database(cloud, DBSubnetGroupName="data", DBParameterGroupName="tuned")
    found = read(cloud)
    assert found["DBSubnetGroup"]["DBSubnetGroupName"] == "data"
    assert found["DBParameterGroups"][0]["DBParameterGroupName"] == "tuned"
    refused("InvalidDBSubnetGroupStateFault", rds.delete_db_subnet_group, DBSubnetGroupName="data")
    refused("InvalidDBParameterGroupState", rds.delete_db_parameter_group, DBParameterGroupName="tuned")
    rds.delete_db_instance(DBInstanceIdentifier="shop", SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier="shop", WaiterConfig=QUICK)
    rds.delete_db_subnet_group(DBSubnetGroupName="data")
    refused("DBSubnetGroupNotFoundFault", rds.describe_db_subnet_groups, DBSubnetGroupName="data")
    rds.delete_db_parameter_group(DBParameterGroupName="tuned")
    refused("DBParameterGroupNotFound", rds.describe_db_parameter_groups, DBParameterGroupName="tuned")


def test_tags(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    arn = database(cloud)["DBInstanceArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "env", "Value": "dev"}, {"Key": "x", "Value": "y"}])
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["x"])
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == [{"Key": "env", "Value": "dev"}]
    refused("DBInstanceNotFound", rds.list_tags_for_resource, ResourceName=cloud.arn("rds", "db:none"))


def test_pages_of_instances(cloud: Any) -> None:
    for number in range(22):
        cloud.rds.create_db_instance(DBInstanceIdentifier=f"db-{number:02}", Engine="postgres",
                                     DBInstanceClass="db.t3.micro", AllocatedStorage=20, MasterUsername="shop",
                                     MasterUserPassword="not-a-secret-1")
    first = cloud.rds.describe_db_instances(MaxRecords=20)
    assert len(first["DBInstances"]) == 20
    rest = cloud.rds.describe_db_instances(MaxRecords=20, Marker=first["Marker"])
    assert len(rest["DBInstances"]) == 2
    assert not rest.get("Marker")


def test_aurora_cluster_fails_over(cloud: Any, refused: Any) -> None:
    rds = cloud.rds
    made = rds.create_db_cluster(DBClusterIdentifier="shop", Engine="aurora-postgresql", MasterUsername="shop",
                                 MasterUserPassword="not-a-secret-1")["DBCluster"]
    assert made["DBClusterArn"] == cloud.arn("rds", "cluster:shop")
    rds.get_waiter("db_cluster_available").wait(DBClusterIdentifier="shop", WaiterConfig=QUICK)
    refused("DBClusterAlreadyExistsFault", rds.create_db_cluster, DBClusterIdentifier="shop",
            Engine="aurora-postgresql", MasterUsername="shop", MasterUserPassword="not-a-secret-1")
    for name in ("one", "two"):
        rds.create_db_instance(DBInstanceIdentifier=name, DBClusterIdentifier="shop", Engine="aurora-postgresql",
                               DBInstanceClass="db.r6g.large")
        rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier=name, WaiterConfig=QUICK)

    def writer() -> str:
        members = rds.describe_db_clusters(DBClusterIdentifier="shop")["DBClusters"][0]["DBClusterMembers"]
        (found,) = [m["DBInstanceIdentifier"] for m in members if m["IsClusterWriter"]]
        assert len(members) == 2
        return str(found)

    assert writer() == "one"
    rds.failover_db_cluster(DBClusterIdentifier="shop", TargetDBInstanceIdentifier="two")
    rds.get_waiter("db_cluster_available").wait(DBClusterIdentifier="shop", WaiterConfig=QUICK)
    assert writer() == "two"
    refused("DBClusterNotFoundFault", rds.describe_db_clusters, DBClusterIdentifier="none")
    refused("InvalidDBClusterStateFault", rds.delete_db_cluster, DBClusterIdentifier="shop", SkipFinalSnapshot=True)


def test_engine_versions_and_events(cloud: Any) -> None:
    versions = cloud.rds.describe_db_engine_versions(Engine="postgres")["DBEngineVersions"]
    assert versions
    assert all(version["Engine"] == "postgres" for version in versions)
    orderable = cloud.rds.describe_orderable_db_instance_options(Engine="postgres")["OrderableDBInstanceOptions"]
    assert any(option["DBInstanceClass"].startswith("db.") for option in orderable)


@pytest.mark.parametrize(("name", "may"), [("dev-db", True), ("prod-db", False)])
def test_permissions_by_tag(cloud: Any, refused: Any, name: str, may: bool) -> None:
    for env in ("dev", "prod"):
        database(cloud, f"{env}-db", Tags=[{"Key": "env", "Value": env}])
    user = cloud.user(
        {"Effect": "Allow", "Action": ["rds:StopDBInstance", "rds:CreateDBSnapshot"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/env": "dev"}}},
        {"Effect": "Allow", "Action": "rds:CreateDBSnapshot", "Resource": cloud.arn("rds", "snapshot:*")},
    )
    if may:
        user.rds.create_db_snapshot(DBInstanceIdentifier=name, DBSnapshotIdentifier="s")
        user.rds.stop_db_instance(DBInstanceIdentifier=name)
    else:
        refused("AccessDenied", user.rds.create_db_snapshot, DBInstanceIdentifier=name, DBSnapshotIdentifier="s")
        refused("AccessDenied", user.rds.stop_db_instance, DBInstanceIdentifier=name)
    refused("AccessDenied", user.rds.delete_db_instance, DBInstanceIdentifier=name, SkipFinalSnapshot=True)

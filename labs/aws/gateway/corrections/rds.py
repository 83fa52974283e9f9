"""Amazon RDS: parameters, protection, groups in use, Multi-AZ failover, point-in-time restore.

Source: Amazon RDS API Reference (each action's errors); Amazon RDS User Guide ("Multi-AZ DB instance deployments",
"Restoring a DB instance to a specified time").
"""

from __future__ import annotations

import datetime
import json
import re
import secrets
import uuid
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_IDENTIFIER = re.compile(r"[A-Za-z](?!.*--)[A-Za-z0-9-]{0,62}(?<!-)")
_ENGINES = {
    "mysql": "8.4.7", "postgres": "17.6", "mariadb": "11.8.3", "aurora-mysql": "8.0.mysql_aurora.3.10.1",
    "aurora-postgresql": "17.5", "oracle-ee": "19", "oracle-ee-cdb": "21", "oracle-se2": "19", "oracle-se2-cdb": "21",
    "sqlserver-ee": "16.00", "sqlserver-se": "16.00", "sqlserver-ex": "16.00", "sqlserver-web": "16.00",
    "db2-ae": "11.5", "db2-se": "11.5", "custom-oracle-ee": "19", "custom-sqlserver-ee": "15.00",
    "neptune": "1.4.5.1", "docdb": "5.0.0",
}  # fmt: skip
# Versions that can be created, newest last, of the engines in the course's labs (2026-11).
_VERSIONS = {
    "postgres": ("14.19", "15.14", "16.10", "17.6"),
    "mysql": ("8.0.43", "8.4.7"),
    "mariadb": ("10.11.14", "11.4.8", "11.8.3"),
    "aurora-postgresql": ("15.13", "16.9", "17.5"),
    "aurora-mysql": ("8.0.mysql_aurora.3.08.2", "8.0.mysql_aurora.3.10.1"),
}
_CLASSES = ("db.t3.micro", "db.t3.small", "db.t3.medium", "db.t4g.micro", "db.t4g.small", "db.t4g.medium",
            "db.m5.large", "db.m6g.large", "db.m7g.large", "db.r5.large", "db.r6g.large", "db.r7g.large")  # fmt: skip


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text, 400)


def _combination(text: str) -> AwsError:
    return AwsError("InvalidParameterCombination", text, 400)


async def _instance(exchange: Exchange, name: Any) -> dict[str, Any]:
    """:raises AwsError: DBInstanceNotFound"""
    answer = await ask(exchange, "DescribeDBInstances", DBInstanceIdentifier=str(name))
    return dict(answer["DBInstances"][0])


async def _create(exchange: Exchange, params: Params) -> None:
    name = str(params.get("DBInstanceIdentifier", ""))
    if not _IDENTIFIER.fullmatch(name):
        raise _invalid(
            "The parameter DBInstanceIdentifier is not a valid identifier. Identifiers must begin with a letter; must"
            " contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two"
            " consecutive hyphens."
        )
    engine = str(params.get("Engine", ""))
    if engine not in _ENGINES:
        raise _invalid("Invalid DB engine")
    password = params.get("MasterUserPassword")
    if password is not None and not 8 <= len(str(password)) <= 128:
        raise _invalid("The parameter MasterUserPassword is not a valid password because it is shorter than 8"
                       " characters."
                       if len(str(password)) < 8 else "The parameter MasterUserPassword is too long.")  # fmt: skip
    if password is not None and re.search(r'[/@" ]', str(password)):
        raise _invalid("The parameter MasterUserPassword is not a valid password. Only printable ASCII characters"
                       " besides '/', '@', '\"', ' ' may be used.")  # fmt: skip
    _retention(params)
    cluster = bool(params.get("DBClusterIdentifier"))
    if not cluster and not params.get("AllocatedStorage") and not engine.startswith("aurora"):
        raise _invalid("Invalid storage size for engine name " + engine + " and storage type gp2: null")
    managed = params.get("ManageMasterUserPassword")
    if not cluster and (not params.get("MasterUsername") or not (password or managed)):
        raise _invalid("The parameter MasterUsername must be provided and must not be blank."
                       if not params.get("MasterUsername") else
                       "The parameter MasterUserPassword must be provided and must not be blank.")  # fmt: skip
    await _groups(exchange, params)


def _retention(params: Params) -> None:
    days = params.get("BackupRetentionPeriod")
    if days is not None and not 0 <= int(days) <= 35:
        raise _invalid(f"Invalid backup retention period: {days}. Must be between 0 and 35.")


async def _groups(exchange: Exchange, params: Params) -> None:
    group = params.get("DBSubnetGroupName")
    if group:
        await ask(exchange, "DescribeDBSubnetGroups", DBSubnetGroupName=group)
    parameters = params.get("DBParameterGroupName")
    if parameters and not str(parameters).startswith("default."):
        answer = await found(exchange, "DescribeDBParameterGroups", DBParameterGroupName=parameters)
        if not (answer or {}).get("DBParameterGroups"):
            raise AwsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {parameters}", 404)
    groups = params.get("VpcSecurityGroupIds") or []
    if groups and await found(exchange, "DescribeSecurityGroups", "ec2", GroupIds=groups) is None:
        raise _invalid(f"Invalid security group , groupId= {', '.join(groups)}, groupName=.")


async def _modify(exchange: Exchange, params: Params) -> None:
    instance = await _instance(exchange, params.get("DBInstanceIdentifier"))
    size = params.get("AllocatedStorage")
    if size is not None and int(size) < int(instance.get("AllocatedStorage") or 0):
        raise _combination("Requested storage size cannot be smaller than the current size.")
    _retention(params)
    await _groups(exchange, params)


async def _delete(exchange: Exchange, params: Params) -> None:
    instance = await _instance(exchange, params.get("DBInstanceIdentifier"))
    if instance.get("DeletionProtection"):
        raise _combination("Cannot delete protected DB Instance, please disable deletion protection and try again.")
    member = bool(instance.get("DBClusterIdentifier"))
    skip, final = bool(params.get("SkipFinalSnapshot")), params.get("FinalDBSnapshotIdentifier")
    if not skip and not final and not member and not instance.get("ReadReplicaSourceDBInstanceIdentifier"):
        raise _combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
    if skip and final:
        raise _combination("FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.")
    exchange.gateway.notes.pop(_failover_key(exchange, str(params["DBInstanceIdentifier"])), None)


# -- Multi-AZ ------------------------------------------------------------------------------------------------------


def _failover_key(exchange: Exchange, name: str) -> tuple[str, ...]:
    return ("rds", "failed-over", exchange.account, exchange.region, name.lower())


async def _reboot(exchange: Exchange, params: Params) -> None:
    """ "When you force a failover … RDS switches to the standby" (RebootDBInstance)."""
    if not params.get("ForceFailover"):
        return
    instance = await _instance(exchange, params.get("DBInstanceIdentifier"))
    if not instance.get("MultiAZ"):
        raise _combination("Cannot force a failover for a DB instance that is not Multi-AZ.")
    key = _failover_key(exchange, str(params["DBInstanceIdentifier"]))
    exchange.gateway.notes[key] = not exchange.gateway.notes.get(key, False)


async def _zones(exchange: Exchange, instance: dict[str, Any]) -> None:
    """The standby's zone, and both exchanged after a failover."""
    if not instance.get("MultiAZ"):
        return
    first = str(instance.get("AvailabilityZone") or f"{exchange.region}a")
    subnets = (instance.get("DBSubnetGroup") or {}).get("Subnets") or []
    others = [((subnet.get("SubnetAvailabilityZone") or {}).get("Name")) for subnet in subnets]
    second = next((zone for zone in others if zone and zone != first), None)
    if second is None:
        second = first[:-1] + ("a" if first.endswith("b") else "b")
    if exchange.gateway.notes.get(_failover_key(exchange, str(instance.get("DBInstanceIdentifier"))), False):
        first, second = second, first
    instance["AvailabilityZone"], instance["SecondaryAvailabilityZone"] = first, second


def _secrets(exchange: Exchange) -> dict[str, str]:
    """ARN that the engine made up → ARN of the secret in Secrets Manager."""
    kept: dict[str, str] = exchange.gateway.notes.setdefault(("rds", "secrets", exchange.account, exchange.region), {})
    return kept


async def _secret(exchange: Exchange, instance: Params) -> None:
    """ "RDS manages the master user password in Secrets Manager" (Password management with RDS and Secrets Manager)."""
    given = instance.get("MasterUserSecret") or {}
    arn = given.get("SecretArn")
    if not arn:
        return
    known = _secrets(exchange)
    if arn not in known:
        password = secrets.token_urlsafe(21)
        text = json.dumps({"username": instance.get("MasterUsername"), "password": password})
        name = f"rds!db-{instance.get('DbiResourceId') or uuid.uuid4()}"
        made = await ask(exchange, "CreateSecret", "secretsmanager", Name=name, SecretString=text)
        known[arn] = made["ARN"]
    instance["MasterUserSecret"] = {**given, "SecretArn": known[arn], "SecretStatus": "active"}


async def _certificates(exchange: Exchange, params: Params) -> Params:
    """The certificate authorities that RDS has ("Using SSL/TLS to encrypt a connection to a DB instance")."""
    names = {"rds-ca-rsa2048-g1": 2061, "rds-ca-rsa4096-g1": 2121, "rds-ca-ecc384-g1": 2121}
    start = datetime.datetime(2021, 5, 21, tzinfo=datetime.UTC)
    wanted = params.get("CertificateIdentifier")
    if wanted not in (None, *names):
        raise AwsError("CertificateNotFound", f"Certificate {wanted} not found.", 404)
    shown = [
        {"CertificateIdentifier": name, "CertificateType": "CA", "ValidFrom": start,
         "ValidTill": start.replace(year=year), "CustomerOverride": False,
         "CertificateArn": f"arn:aws:rds:{exchange.region}::cert:{name}"}
        for name, year in names.items()
        if wanted in (None, name)
    ]  # fmt: skip
    return {"DefaultCertificateForNewLaunches": "rds-ca-rsa2048-g1", "Certificates": shown}


async def _no_maintenance(exchange: Exchange, params: Params) -> Params:
    return {"PendingMaintenanceActions": []}


async def _quotas(exchange: Exchange, params: Params) -> Params:
    used = {"DBInstances": len((await ask(exchange, "DescribeDBInstances")).get("DBInstances") or []),
            "DBClusters": len((await ask(exchange, "DescribeDBClusters")).get("DBClusters") or []),
            "ManualSnapshots": len((await ask(exchange, "DescribeDBSnapshots")).get("DBSnapshots") or [])}  # fmt: skip
    most = {"DBInstances": 40, "DBClusters": 40, "ManualSnapshots": 100}
    return {"AccountQuotas": [{"AccountQuotaName": n, "Used": used[n], "Max": limit} for n, limit in most.items()]}


async def _described(exchange: Exchange, params: Params, result: Params) -> Params:
    every = [result["DBInstance"]] if "DBInstance" in result else result.get("DBInstances") or []
    promoted = exchange.gateway.notes.get(("rds", "promoted", exchange.account, exchange.region), set())
    for instance in every:
        await _zones(exchange, instance)
        await _secret(exchange, instance)
        if instance.get("DBInstanceIdentifier") in promoted:
            instance.pop("ReadReplicaSourceDBInstanceIdentifier", None)
        replicas = instance.get("ReadReplicaDBInstanceIdentifiers") or []
        instance["ReadReplicaDBInstanceIdentifiers"] = [name for name in replicas if name not in promoted]
        if int(instance.get("BackupRetentionPeriod") or 0) > 0:
            instance.setdefault("LatestRestorableTime", exchange.now.replace(microsecond=0))
        else:
            instance.pop("LatestRestorableTime", None)
    return result


async def _promote(exchange: Exchange, params: Params) -> None:
    instance = await _instance(exchange, params.get("DBInstanceIdentifier"))
    promoted = exchange.gateway.notes.setdefault(("rds", "promoted", exchange.account, exchange.region), set())
    if not instance.get("ReadReplicaSourceDBInstanceIdentifier") or instance["DBInstanceIdentifier"] in promoted:
        raise AwsError("InvalidDBInstanceState", "DB Instance is not a read replica.", 400)
    promoted.add(instance["DBInstanceIdentifier"])


async def _replica(exchange: Exchange, params: Params) -> None:
    source = await _instance(exchange, params.get("SourceDBInstanceIdentifier"))
    if int(source.get("BackupRetentionPeriod") or 0) == 0:
        raise AwsError(
            "InvalidDBInstanceState",
            "Automated backups are not enabled for this database instance. To enable automated backups, use"
            " ModifyDBInstance to set the backup retention period to a non-zero value.",
            400,
        )


# -- restores, snapshots ---------------------------------------------------------------------------------------------


async def _absent(exchange: Exchange, name: Any) -> None:
    if await found(exchange, "DescribeDBInstances", DBInstanceIdentifier=str(name)) is not None:
        raise AwsError("DBInstanceAlreadyExists", "DB instance already exists", 400)


async def _to_point(exchange: Exchange, params: Params) -> None:
    source = await _instance(exchange, params.get("SourceDBInstanceIdentifier"))
    await _absent(exchange, params.get("TargetDBInstanceIdentifier"))
    if int(source.get("BackupRetentionPeriod") or 0) == 0:
        raise AwsError("PointInTimeRestoreNotEnabled", "SourceDBInstanceIdentifier refers to a DB instance with"
                       " BackupRetentionPeriod equal to 0.", 400)  # fmt: skip
    latest, time = bool(params.get("UseLatestRestorableTime")), params.get("RestoreTime")
    if latest == bool(time):
        raise _combination("Exactly one of RestoreTime and UseLatestRestorableTime must be specified.")
    if time and _moment(time) > exchange.now:
        raise _invalid("RestoreTime is after the latest restorable time of the instance.")


def _moment(value: Any) -> datetime.datetime:
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    text = str(value).replace("Z", "+00:00")
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.datetime.fromtimestamp(float(text), datetime.UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


async def _from_snapshot(exchange: Exchange, params: Params) -> None:
    snapshot = params.get("DBSnapshotIdentifier")
    if snapshot:
        await ask(exchange, "DescribeDBSnapshots", DBSnapshotIdentifier=snapshot)
    await _absent(exchange, params.get("DBInstanceIdentifier"))
    await _groups(exchange, params)


# -- groups, tags, clusters ------------------------------------------------------------------------------------------


async def _create_subnet_group(exchange: Exchange, params: Params) -> None:
    if await found(exchange, "DescribeDBSubnetGroups", DBSubnetGroupName=params.get("DBSubnetGroupName")):
        raise AwsError("DBSubnetGroupAlreadyExists", f"The DB subnet group '{params['DBSubnetGroupName']}' already"
                       " exists.", 400)  # fmt: skip
    await _covering(exchange, params)


async def _covering(exchange: Exchange, params: Params) -> None:
    """ "DB subnet groups must contain at least one subnet in at least two Availability Zones"."""
    subnets = list(params.get("SubnetIds") or [])
    answer = await found(exchange, "DescribeSubnets", "ec2", SubnetIds=subnets)
    if answer is None or not subnets:
        raise AwsError("InvalidSubnet", f"Some input subnets in :{subnets} are invalid.", 400)
    if len({subnet["VpcId"] for subnet in answer["Subnets"]}) > 1:
        raise AwsError("InvalidSubnet", "The subnets are not all in the same VPC.", 400)
    if len({subnet["AvailabilityZone"] for subnet in answer["Subnets"]}) < 2:
        raise AwsError(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage:"
            f" {answer['Subnets'][0]['AvailabilityZone']}. Add subnets to cover at least 2 AZs.",
            400,
        )


async def _every_instance(exchange: Exchange) -> list[dict[str, Any]]:
    return list((await ask(exchange, "DescribeDBInstances")).get("DBInstances") or [])


async def _delete_subnet_group(exchange: Exchange, params: Params) -> None:
    name = params.get("DBSubnetGroupName")
    await ask(exchange, "DescribeDBSubnetGroups", DBSubnetGroupName=name)
    if [i for i in await _every_instance(exchange) if (i.get("DBSubnetGroup") or {}).get("DBSubnetGroupName") == name]:
        raise AwsError(
            "InvalidDBSubnetGroupStateFault",
            f"Cannot delete the subnet group '{name}' because at least one database instance is still using it.",
            400,
        )


async def _delete_parameter_group(exchange: Exchange, params: Params) -> None:
    name = params.get("DBParameterGroupName")
    for instance in await _every_instance(exchange):
        if name in [g.get("DBParameterGroupName") for g in instance.get("DBParameterGroups") or []]:
            raise AwsError(
                "InvalidDBParameterGroupState",
                f"One or more database instances are still members of this parameter group {name}, so the group cannot"
                " be deleted",
                400,
            )


async def _parameter_groups(exchange: Exchange, params: Params, result: Params) -> None:
    name = params.get("DBParameterGroupName")
    if name and not result.get("DBParameterGroups"):
        raise AwsError("DBParameterGroupNotFound", f"DBParameterGroup not found: {name}", 404)


_READERS = {
    "db": ("DescribeDBInstances", "DBInstanceIdentifier"),
    "cluster": ("DescribeDBClusters", "DBClusterIdentifier"),
    "snapshot": ("DescribeDBSnapshots", "DBSnapshotIdentifier"),
    "subgrp": ("DescribeDBSubnetGroups", "DBSubnetGroupName"),
}


async def _tagged(exchange: Exchange, params: Params) -> None:
    parts = str(params.get("ResourceName", "")).split(":", 6)
    if len(parts) != 7:
        raise _invalid(f"Invalid resource name: {params.get('ResourceName')}")
    reader = _READERS.get(parts[5])
    if reader:
        await ask(exchange, reader[0], **{reader[1]: parts[6]})


async def _create_cluster(exchange: Exchange, params: Params) -> None:
    name = params.get("DBClusterIdentifier")
    if await found(exchange, "DescribeDBClusters", DBClusterIdentifier=name):
        raise AwsError("DBClusterAlreadyExistsFault", "DB Cluster already exists", 400)


async def _delete_cluster(exchange: Exchange, params: Params) -> None:
    answer = await ask(exchange, "DescribeDBClusters", DBClusterIdentifier=params.get("DBClusterIdentifier"))
    if answer["DBClusters"][0].get("DBClusterMembers"):
        raise AwsError(
            "InvalidDBClusterStateFault",
            "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
            400,
        )
    if not params.get("SkipFinalSnapshot") and not params.get("FinalDBSnapshotIdentifier"):
        raise _combination("FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")


async def _engine_versions(exchange: Exchange, params: Params) -> Params:
    wanted = params.get("Engine")
    entries = []
    for engine, versions in _VERSIONS.items():
        if wanted not in (None, engine):
            continue
        known = [v for v in versions if params.get("EngineVersion") in (None, v, v.partition(".")[0])]
        for version in known[-1:] if params.get("DefaultOnly") else known:
            family = engine + (version.partition(".")[0] if "postgres" in engine else ".".join(version.split(".")[:2]))
            if "mysql_aurora" in version:
                family = "aurora-mysql8.0"
            entries.append(
                {
                    "Engine": engine,
                    "EngineVersion": version,
                    "DBParameterGroupFamily": family
                    if "mysql" in engine or "postgres" in engine
                    else engine + version[:4],
                    "DBEngineDescription": engine,
                    "DBEngineVersionDescription": f"{engine} {version}",
                    "ValidUpgradeTarget": [
                        {"Engine": engine, "EngineVersion": other, "AutoUpgrade": False, "IsMajorVersionUpgrade": True}
                        for other in versions[versions.index(version) + 1 :]
                    ],
                    "Status": "available",
                }
            )
    return {"DBEngineVersions": entries}


async def _orderable(exchange: Exchange, params: Params) -> Params:
    engine = str(params.get("Engine", ""))
    zones = [{"Name": f"{exchange.region}{letter}"} for letter in "abc"]
    options = [
        {"Engine": engine, "EngineVersion": version, "DBInstanceClass": kind, "AvailabilityZones": zones, "Vpc": True,
         "MultiAZCapable": True, "ReadReplicaCapable": True, "StorageType": "gp3", "SupportsStorageEncryption": True,
         "MinStorageSize": 20, "MaxStorageSize": 65536, "LicenseModel": "general-public-license"}
        for version in _VERSIONS.get(engine, ())
        for kind in _CLASSES
        if params.get("DBInstanceClass") in (None, kind) and params.get("EngineVersion") in (None, version)
    ]  # fmt: skip
    return {"OrderableDBInstanceOptions": options}


CORRECTIONS = Corrections(
    before={
        "CreateDBInstance": _create,
        "ModifyDBInstance": _modify,
        "DeleteDBInstance": _delete,
        "RebootDBInstance": _reboot,
        "PromoteReadReplica": _promote,
        "CreateDBInstanceReadReplica": _replica,
        "RestoreDBInstanceToPointInTime": _to_point,
        "RestoreDBInstanceFromDBSnapshot": _from_snapshot,
        "CreateDBSubnetGroup": _create_subnet_group,
        "ModifyDBSubnetGroup": _covering,
        "DeleteDBSubnetGroup": _delete_subnet_group,
        "DeleteDBParameterGroup": _delete_parameter_group,
        "ListTagsForResource": _tagged,
        "AddTagsToResource": _tagged,
        "RemoveTagsFromResource": _tagged,
        "CreateDBCluster": _create_cluster,
        "DeleteDBCluster": _delete_cluster,
    },
    instead={
        "DescribeDBEngineVersions": _engine_versions,
        "DescribeOrderableDBInstanceOptions": _orderable,
        "DescribeCertificates": _certificates,
        "DescribePendingMaintenanceActions": _no_maintenance,
        "DescribeAccountAttributes": _quotas,
    },
    after={
        "DescribeDBParameterGroups": _parameter_groups,
        **dict.fromkeys(
            ("CreateDBInstance", "DescribeDBInstances", "ModifyDBInstance", "RebootDBInstance", "PromoteReadReplica",
             "CreateDBInstanceReadReplica", "RestoreDBInstanceToPointInTime", "RestoreDBInstanceFromDBSnapshot"),
            _described,
        ),
    },
)  # fmt: skip

"""How AWS Backup copies each type of resource, and makes a new one of the copy.

EBS, EC2, RDS and Aurora keep the copy with the service itself (a snapshot, an image), whose ARN is the recovery
point's; DynamoDB and S3 are read and kept here.  Page: "Restore metadata" and "Restore a backup by resource type" (AWS
Backup Developer Guide).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.aws.engines.own import Neighbours
from labs.aws.gateway.calls import AwsError

_BATCH = 25  # items of one BatchWriteItem
_PATIENCE = 20.0  # seconds that a table may take to become active


@dataclass
class Copy:
    """What was copied: ``arn`` where another service keeps it, ``content`` where we do."""

    arn: str = ""
    size: int = 0
    metadata: dict[str, str] = field(default_factory=dict)
    content: Any = None


def _missing(arn: str) -> AwsError:
    return AwsError("InvalidParameterValueException", f"The resource does not exist: {arn}", 400)


def _need(metadata: Mapping[str, str], name: str) -> str:
    if not metadata.get(name):
        raise AwsError("MissingParameterValueException", f"Missing restore metadata: {name}", 400)
    return metadata[name]


async def _found(arn: str, neighbours: Neighbours, service: str, operation: str, **params: Any) -> dict[str, Any]:
    try:
        return await neighbours.ask(service, operation, **params)
    except AwsError as error:
        if error.status >= 500:
            raise
        raise _missing(arn) from error


class Table:
    """DynamoDB."""

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Read the table and all its items."""
        name = arn.rpartition("/")[2]
        table = (await _found(arn, neighbours, "dynamodb", "DescribeTable", TableName=name))["Table"]
        items: list[Any] = []
        start: dict[str, Any] = {}
        while True:
            answer = await neighbours.ask("dynamodb", "Scan", TableName=name, **start)
            items += answer.get("Items") or []
            if not answer.get("LastEvaluatedKey"):
                break
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
        size = int(table.get("TableSizeBytes") or 0)
        return Copy("", size, {"originalTableName": name, "encryptionType": "Default"}, (table, items))

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Make a table of another name with the same items."""
        name = _need(given, "targetTableName")
        table, items = copy.content
        try:
            made = await neighbours.ask("dynamodb", "CreateTable", **_table(table, name))
        except AwsError as error:
            if error.status >= 500:
                raise
            raise AwsError("InvalidParameterValueException", error.message, 400) from error
        await _active(name, neighbours)
        for start in range(0, len(items), _BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + _BATCH]]
            await neighbours.ask("dynamodb", "BatchWriteItem", RequestItems={name: puts})
        return str(made["TableDescription"]["TableArn"])

    async def duplicate(self, copy: Copy, job: str, source: Neighbours, target: Neighbours) -> Copy:
        """The same content for another vault."""
        return Copy("", copy.size, dict(copy.metadata), copy.content)

    async def forget(self, copy: Copy, neighbours: Neighbours) -> None:
        """Nothing is kept elsewhere."""


async def _active(name: str, neighbours: Neighbours) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        status = (await neighbours.ask("dynamodb", "DescribeTable", TableName=name))["Table"]["TableStatus"]
        if status == "ACTIVE":
            return
        if time.monotonic() > until:
            raise AwsError("ServiceUnavailableException", f"The table {name} is still {status}.", 503)
        await asyncio.sleep(0.05)


def _table(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The parameters that create a table like this one."""
    same = ("AttributeDefinitions", "KeySchema")
    wanted: dict[str, Any] = {"TableName": name, **{key: table[key] for key in same}}
    mode = (table.get("BillingModeSummary") or {}).get("BillingMode") or "PROVISIONED"
    wanted["BillingMode"] = mode
    throughput = lambda of: {  # noqa: E731
        key: max(1, int((of.get("ProvisionedThroughput") or {}).get(key) or 1))
        for key in ("ReadCapacityUnits", "WriteCapacityUnits")
    }
    if mode == "PROVISIONED":
        wanted["ProvisionedThroughput"] = throughput(table)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if table.get(kind):
            indexes = [{key: index[key] for key in ("IndexName", "KeySchema", "Projection")} for index in table[kind]]
            if kind == "GlobalSecondaryIndexes" and mode == "PROVISIONED":
                for index, old in zip(indexes, table[kind], strict=True):
                    index["ProvisionedThroughput"] = throughput(old)
            wanted[kind] = indexes
    return wanted


class Bucket:
    """S3; "you must turn on S3 Versioning" ("Amazon S3 backups")."""

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Read every object."""
        name = arn.rpartition(":")[2]
        versioning = await _found(arn, neighbours, "s3", "GetBucketVersioning", Bucket=name)
        if versioning.get("Status") != "Enabled":
            raise AwsError("InvalidRequestException", f"Versioning is not enabled on the bucket {name}.", 400)
        objects: dict[str, bytes] = {}
        start: dict[str, Any] = {}
        while True:
            answer = await neighbours.ask("s3", "ListObjectsV2", Bucket=name, **start)
            for entry in answer.get("Contents") or []:
                objects[entry["Key"]] = (await neighbours.ask("s3", "GetObject", Bucket=name, Key=entry["Key"]))["Body"]
            if not answer.get("IsTruncated"):
                break
            start = {"ContinuationToken": answer["NextContinuationToken"]}
        return Copy("", sum(map(len, objects.values())), {"DestinationBucketName": name, "Encrypted": "true"}, objects)

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Put the objects into the bucket that is named, which ``NewBucket`` asks to be made."""
        name = _need(metadata, "DestinationBucketName")
        if metadata.get("NewBucket") == "true":
            place = {} if neighbours.region == "us-east-1" else {"LocationConstraint": neighbours.region}
            more = {"CreateBucketConfiguration": place} if place else {}
            await neighbours.ask("s3", "CreateBucket", Bucket=name, **more)
            await neighbours.ask(
                "s3", "PutBucketVersioning", Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
        await _found(f"arn:aws:s3:::{name}", neighbours, "s3", "GetBucketVersioning", Bucket=name)
        wanted = json.loads(metadata["ItemsToRestore"]) if metadata.get("ItemsToRestore") else None
        for key, body in copy.content.items():
            if wanted is None or any(key.startswith(prefix) for prefix in wanted):
                await neighbours.ask("s3", "PutObject", Bucket=name, Key=key, Body=body)
        return f"arn:aws:s3:::{name}"

    duplicate = Table.duplicate
    forget = Table.forget


class Volume:
    """EBS: a snapshot."""

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Take a snapshot."""
        identifier = arn.rpartition("/")[2]
        answer = await _found(arn, neighbours, "ec2", "DescribeVolumes", VolumeIds=[identifier])
        volume = answer["Volumes"][0]
        text = f"This snapshot is created by the AWS Backup service. Job: {job}"
        snapshot = await neighbours.ask("ec2", "CreateSnapshot", VolumeId=identifier, Description=text)
        metadata = {
            "volumeId": identifier,
            "availabilityZone": volume["AvailabilityZone"],
            "volumeType": volume.get("VolumeType", "gp3"),
            "volumeSize": str(volume["Size"]),
            "encrypted": str(bool(volume.get("Encrypted"))).lower(),
        }
        place = f"arn:aws:ec2:{neighbours.region}::snapshot/{snapshot['SnapshotId']}"
        return Copy(place, int(volume["Size"]) * 2**30, metadata)

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Make a volume of the snapshot."""
        made = await neighbours.ask(
            "ec2", "CreateVolume", SnapshotId=copy.arn.rpartition("/")[2],
            AvailabilityZone=_need(metadata, "availabilityZone"), VolumeType=metadata.get("volumeType") or "gp3",
            Size=int(metadata.get("volumeSize") or metadata.get("VolumeSize") or 1),
        )  # fmt: skip
        return f"arn:aws:ec2:{neighbours.region}:{neighbours.account}:volume/{made['VolumeId']}"

    async def duplicate(self, copy: Copy, job: str, source: Neighbours, target: Neighbours) -> Copy:
        """Copy the snapshot."""
        made = await target.ask(
            "ec2", "CopySnapshot", SourceRegion=source.region, SourceSnapshotId=copy.arn.rpartition("/")[2]
        )
        place = f"arn:aws:ec2:{target.region}::snapshot/{made['SnapshotId']}"
        zone = target.region + copy.metadata["availabilityZone"][-1]
        return Copy(place, copy.size, {**copy.metadata, "availabilityZone": zone})

    async def forget(self, copy: Copy, neighbours: Neighbours) -> None:
        """Delete the snapshot."""
        await _quietly(neighbours, "ec2", "DeleteSnapshot", SnapshotId=copy.arn.rpartition("/")[2])


class Instance:
    """EC2: an image."""

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Make an image."""
        identifier = arn.rpartition("/")[2]
        answer = await _found(arn, neighbours, "ec2", "DescribeInstances", InstanceIds=[identifier])
        instance = answer["Reservations"][0]["Instances"][0]
        name = f"AwsBackup_{identifier}_{job}"
        image = await neighbours.ask("ec2", "CreateImage", InstanceId=identifier, Name=name, NoReboot=True)
        groups = [group["GroupId"] for group in instance.get("SecurityGroups") or []]
        metadata = {
            "InstanceType": instance["InstanceType"],
            "VpcId": instance.get("VpcId", ""),
            "SubnetId": instance.get("SubnetId", ""),
            "SecurityGroupIds": json.dumps(groups),
        }
        return Copy(f"arn:aws:ec2:{neighbours.region}::image/{image['ImageId']}", 8 * 2**30, metadata)

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Start an instance of the image."""
        wanted: dict[str, Any] = {
            "ImageId": copy.arn.rpartition("/")[2], "InstanceType": _need(metadata, "InstanceType"),
            "MinCount": 1, "MaxCount": 1,
        }  # fmt: skip
        if metadata.get("SubnetId"):
            wanted["SubnetId"] = metadata["SubnetId"]
            wanted["SecurityGroupIds"] = json.loads(metadata.get("SecurityGroupIds") or "[]")
        made = await neighbours.ask("ec2", "RunInstances", **wanted)
        return f"arn:aws:ec2:{neighbours.region}:{neighbours.account}:instance/{made['Instances'][0]['InstanceId']}"

    async def duplicate(self, copy: Copy, job: str, source: Neighbours, target: Neighbours) -> Copy:
        """Copy the image; the other region has other subnets."""
        image = copy.arn.rpartition("/")[2]
        made = await target.ask("ec2", "CopyImage", Name=job, SourceImageId=image, SourceRegion=source.region)
        place = f"arn:aws:ec2:{target.region}::image/{made['ImageId']}"
        return Copy(place, copy.size, {"InstanceType": copy.metadata["InstanceType"]})

    async def forget(self, copy: Copy, neighbours: Neighbours) -> None:
        """Deregister the image."""
        await _quietly(neighbours, "ec2", "DeregisterImage", ImageId=copy.arn.rpartition("/")[2])


class Database:
    """RDS and Aurora: a snapshot whose name begins with ``awsbackup:``."""

    def __init__(self, what: str) -> None:
        self.what = what  # DBInstance or DBCluster
        self.snapshot = {"DBInstance": "DBSnapshot", "DBCluster": "DBClusterSnapshot"}[what]

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Take a snapshot."""
        named = {f"{self.what}Identifier": arn.rpartition(":")[2]}
        record = (await _found(arn, neighbours, "rds", f"Describe{self.what}s", **named))[f"{self.what}s"][0]
        name = f"awsbackup-job-{job.lower()}"
        made = await neighbours.ask("rds", f"Create{self.snapshot}", **named, **{f"{self.snapshot}Identifier": name})
        names = ("DBInstanceClass", "Engine", "EngineVersion", "MultiAZ", "Port", "StorageType", "DBName")
        metadata = {name: _text(record[name]) for name in names if record.get(name) not in (None, "")}
        metadata.update(named)
        size = int(record.get("AllocatedStorage") or 0) * 2**30
        return Copy(str(made[self.snapshot][f"{self.snapshot}Arn"]), size, metadata)

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Make a database of the snapshot, under the name that the caller gives."""
        name = _need(given, f"{self.what}Identifier")
        snapshot = copy.arn.rpartition(":")[2]
        wanted: dict[str, Any] = {f"{self.what}Identifier": name}
        if self.what == "DBInstance":
            wanted["DBSnapshotIdentifier"] = snapshot
            for key in ("DBInstanceClass", "AvailabilityZone", "DBSubnetGroupName", "StorageType"):
                if metadata.get(key):
                    wanted[key] = metadata[key]
            operation = "RestoreDBInstanceFromDBSnapshot"
        else:
            wanted.update(SnapshotIdentifier=snapshot, Engine=_need(metadata, "Engine"))
            operation = "RestoreDBClusterFromSnapshot"
        try:
            made = await neighbours.ask("rds", operation, **wanted)
        except AwsError as error:
            if error.status >= 500:
                raise
            raise AwsError("InvalidParameterValueException", error.message, 400) from error
        return str(made[self.what][f"{self.what}Arn"])

    async def duplicate(self, copy: Copy, job: str, source: Neighbours, target: Neighbours) -> Copy:
        """Copy the snapshot."""
        made = await target.ask(
            "rds", f"Copy{self.snapshot}",
            **{f"Source{self.snapshot}Identifier": copy.arn,
               f"Target{self.snapshot}Identifier": f"awsbackup-copyjob-{job.lower()}", "SourceRegion": source.region},
        )  # fmt: skip
        return Copy(str(made[self.snapshot][f"{self.snapshot}Arn"]), copy.size, dict(copy.metadata))

    async def forget(self, copy: Copy, neighbours: Neighbours) -> None:
        """Delete the snapshot."""
        name = {f"{self.snapshot}Identifier": copy.arn.rpartition(":")[2]}
        await _quietly(neighbours, "rds", f"Delete{self.snapshot}", **name)


class FileSystem:
    """EFS: what the file system is like; its files are not in an engine."""

    async def back_up(self, arn: str, job: str, neighbours: Neighbours) -> Copy:
        """Read what it is like."""
        identifier = arn.rpartition("/")[2]
        answer = await _found(arn, neighbours, "efs", "DescribeFileSystems", FileSystemId=identifier)
        record = answer["FileSystems"][0]
        metadata = {
            "file-system-id": identifier,
            "Encrypted": str(bool(record.get("Encrypted"))).lower(),
            "PerformanceMode": record.get("PerformanceMode") or "generalPurpose",
        }
        return Copy("", int((record.get("SizeInBytes") or {}).get("Value") or 0), metadata)

    async def restore(self, copy: Copy, metadata: dict[str, str], given: dict[str, str], neighbours: Neighbours) -> str:
        """Make a file system like it, or name the old one."""
        if metadata.get("newFileSystem") != "true":
            name = metadata["file-system-id"]
            return f"arn:aws:elasticfilesystem:{neighbours.region}:{neighbours.account}:file-system/{name}"
        made = await neighbours.ask(
            "efs", "CreateFileSystem", CreationToken=metadata.get("CreationToken") or f"restore-{time.time()}",
            PerformanceMode=metadata["PerformanceMode"], Encrypted=metadata.get("Encrypted") == "true",
        )  # fmt: skip
        return str(made["FileSystemArn"])

    duplicate = Table.duplicate
    forget = Table.forget


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _quietly(neighbours: Neighbours, service: str, operation: str, **params: Any) -> None:
    """What somebody deleted already is gone as well."""
    try:
        await neighbours.ask(service, operation, **params)
    except AwsError as error:
        if error.status >= 500:
            raise


RESOURCES: dict[str, Any] = {
    "DynamoDB": Table(),
    "S3": Bucket(),
    "EBS": Volume(),
    "EC2": Instance(),
    "RDS": Database("DBInstance"),
    "Aurora": Database("DBCluster"),
    "EFS": FileSystem(),
}
_ARNS = (
    (":dynamodb:", ":table/", "DynamoDB"),
    (":s3:::", "", "S3"),
    (":ec2:", ":volume/", "EBS"),
    (":ec2:", ":instance/", "EC2"),
    (":rds:", ":db:", "RDS"),
    (":rds:", ":cluster:", "Aurora"),
    (":elasticfilesystem:", ":file-system/", "EFS"),
)


def kind_of(arn: str) -> str | None:
    """What AWS Backup calls the type of a resource, ``None`` for what it cannot back up here."""
    for service, part, kind in _ARNS:
        if arn.startswith("arn:aws") and service in arn and part in arn:
            return kind
    return None

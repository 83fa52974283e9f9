"""What an account runs at this moment, as lines of a bill: EC2, EBS, NAT gateways, load balancers, RDS, EKS.

Asked of the services themselves, in the region of the call.  Each line costs from its resource's creation until now;
what was deleted is not on the bill, which AWS would keep.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labs.aws.engines.own import Neighbours, prices

COMPUTE = "Amazon Elastic Compute Cloud - Compute"
OTHER = "EC2 - Other"
BALANCING = "Amazon Elastic Load Balancing"
DATABASE = "Amazon Relational Database Service"
KUBERNETES = "Amazon Elastic Container Service for Kubernetes"


@dataclass(frozen=True)
class Line:
    """One resource's use of one thing, at a constant rate."""

    service: str
    usage_type: str
    operation: str
    resource: str
    rate: float  # units an hour
    price: float  # USD a unit
    unit: str
    since: datetime.datetime
    instance_type: str = "NoInstanceType"
    tags: Mapping[str, str] = field(default_factory=dict)

    def quantity(self, start: datetime.datetime, end: datetime.datetime) -> float:
        """Units used between two moments."""
        hours = (min(end, datetime.datetime.now(datetime.UTC)) - max(start, self.since)).total_seconds() / 3600
        return max(0.0, hours) * self.rate


async def lines(neighbours: Neighbours) -> list[Line]:
    """Everything that costs by the hour."""
    found: list[Line] = []
    for service, read in (("ec2", _compute), ("elbv2", _balancers), ("rds", _databases), ("eks", _clusters)):
        if not neighbours.idle(service):
            found += await read(neighbours)
    return found


async def _compute(neighbours: Neighbours) -> list[Line]:
    found: list[Line] = []
    for reservation in (await neighbours.ask("ec2", "DescribeInstances"))["Reservations"]:
        found += [_instance(i) for i in reservation["Instances"] if i["State"]["Name"] == "running"]
    for volume in (await neighbours.ask("ec2", "DescribeVolumes"))["Volumes"]:
        kind, size = volume.get("VolumeType", "gp3"), float(volume["Size"])
        usage_type, rate = f"EBS:VolumeUsage.{kind}", size / prices.HOURS_A_MONTH
        found.append(Line(OTHER, usage_type, f"CreateVolume-{kind.capitalize()}", volume["VolumeId"], rate,
                          prices.VOLUMES.get(kind, 0.08), "GB-Mo", volume["CreateTime"],
                          tags=_tags(volume.get("Tags"))))  # fmt: skip
    for gateway in (await neighbours.ask("ec2", "DescribeNatGateways"))["NatGateways"]:
        if gateway["State"] == "available":
            found.append(Line(OTHER, "NatGateway-Hours", "NatGateway", gateway["NatGatewayId"], 1.0,
                              prices.NAT_GATEWAY, "Hrs", gateway["CreateTime"],
                              tags=_tags(gateway.get("Tags"))))  # fmt: skip
    return found


async def _balancers(neighbours: Neighbours) -> list[Line]:
    found: list[Line] = []
    for balancer in (await neighbours.ask("elbv2", "DescribeLoadBalancers"))["LoadBalancers"]:
        arn = balancer["LoadBalancerArn"]
        described = await neighbours.ask("elbv2", "DescribeTags", ResourceArns=[arn])
        tags = described["TagDescriptions"][0].get("Tags") if described["TagDescriptions"] else []
        operation = f"LoadBalancing:{balancer['Type'].capitalize()}"
        found.append(Line(BALANCING, "LoadBalancerUsage", operation, arn, 1.0, prices.LOAD_BALANCER, "Hrs",
                          balancer["CreatedTime"], tags=_tags(tags)))  # fmt: skip
    return found


async def _databases(neighbours: Neighbours) -> list[Line]:
    databases = (await neighbours.ask("rds", "DescribeDBInstances"))["DBInstances"]
    return [line for database in databases for line in _database(database)]


async def _clusters(neighbours: Neighbours) -> list[Line]:
    found: list[Line] = []
    for name in (await neighbours.ask("eks", "ListClusters"))["clusters"]:
        cluster = (await neighbours.ask("eks", "DescribeCluster", name=name))["cluster"]
        found.append(Line(KUBERNETES, "AmazonEKS-Hours:perCluster", "CreateOperation", cluster["arn"], 1.0,
                          prices.CLUSTER, "Hours", cluster["createdAt"], tags=cluster.get("tags") or {}))  # fmt: skip
    return found


def _instance(instance: Mapping[str, Any]) -> Line:
    kind = instance["InstanceType"]
    price = prices.INSTANCES.get(kind, (0.1, 2, ""))[0]
    spot = instance.get("InstanceLifecycle") == "spot"
    usage_type = f"{'SpotUsage' if spot else 'BoxUsage'}:{kind}"
    return Line(COMPUTE, usage_type, "RunInstances", instance["InstanceId"], 1.0, price * (0.3 if spot else 1), "Hrs",
                instance["LaunchTime"], kind, _tags(instance.get("Tags")))  # fmt: skip


def _database(database: Mapping[str, Any]) -> list[Line]:
    kind, tags = database["DBInstanceClass"], _tags(database.get("TagList"))
    zones = 2 if database.get("MultiAZ") else 1
    since, name = database["InstanceCreateTime"], database["DBInstanceArn"]
    usage_type = f"{'Multi-AZ' if zones == 2 else 'Instance'}Usage:{kind}"
    hours = Line(DATABASE, usage_type, "CreateDBInstance", name, float(zones), prices.DATABASES.get(kind, 0.1), "Hrs",
                 since, kind, tags)  # fmt: skip
    size = float(database.get("AllocatedStorage") or 0) * zones / prices.HOURS_A_MONTH
    storage = Line(DATABASE, "RDS:GP3-Storage", "CreateDBInstance", name, size, prices.DATABASE_STORAGE, "GB-Mo", since,
                   tags=tags)  # fmt: skip
    return [hours, storage]


def _tags(given: Any) -> dict[str, str]:
    return {str(tag["Key"]): str(tag.get("Value", "")) for tag in given or []}

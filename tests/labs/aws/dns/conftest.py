"""An AWS endpoint and the servers that answer from its zones, at twenty times their speed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from labs.aws.account import AwsAccount
from labs.aws.dns.running import Running, running
from tests.labs import gateways

SPEED = 20.0
_numbers = itertools.count()


@dataclass
class World:
    """One account and its names; each test has domains of its own."""

    aws: AwsAccount
    dns: Running

    def zone(self, name: str, *vpcs: str) -> str:
        """A hosted zone, private with VPCs; its id."""
        route53 = self.aws.client("route53")
        first = {"VPC": {"VPCRegion": "us-east-1", "VPCId": vpcs[0]}} if vpcs else {}
        made = route53.create_hosted_zone(Name=name, CallerReference=f"{name}-{next(_numbers)}", **first)
        for each in vpcs[1:]:
            route53.associate_vpc_with_hosted_zone(
                HostedZoneId=made["HostedZone"]["Id"], VPC={"VPCRegion": "us-east-1", "VPCId": each})
        self.dns.refresh()
        return str(made["HostedZone"]["Id"])

    def put(self, zone: str, name: str, kind: str, *values: str, ttl: int = 60, **more: Any) -> None:
        """Upsert a record set; without values an alias (``AliasTarget=``)."""
        record = {"Name": name, "Type": kind, **more}
        if values:
            record |= {"TTL": ttl, "ResourceRecords": [{"Value": each} for each in values]}
        self.aws.client("route53").change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]})
        self.dns.refresh()

    def vpc(self, hostnames: bool = True) -> str:
        """A new VPC's id."""
        ec2 = self.aws.client("ec2")
        found = str(ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"])
        ec2.modify_vpc_attribute(VpcId=found, EnableDnsHostnames={"Value": hostnames})
        self.dns.refresh()
        return found

    def check(self, port: int, **more: Any) -> str:
        """A health check of ``/`` on 127.0.0.1."""
        config = {"Type": "HTTP", "IPAddress": "127.0.0.1", "Port": port, "ResourcePath": "/", "RequestInterval": 10,
                  "FailureThreshold": 2, **more}
        made = self.aws.client("route53").create_health_check(CallerReference=f"check-{next(_numbers)}",
                                                              HealthCheckConfig=config)
        self.dns.refresh()
        return str(made["HealthCheck"]["Id"])


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with gateways.running(tmp_path_factory.mktemp("aws")) as endpoint, \
            running(endpoint, ["123456789012"], speed=SPEED) as dns:
        yield World(AwsAccount(endpoint, "123456789012"), dns)

"""Zones, VPCs, health checks and load balancers, read from the API as an administrator of the accounts would.

Route 53 and Elastic Load Balancing by botocore's clients; EC2's by hand, since its model alone takes as much memory as
all of this.
"""

from __future__ import annotations

import functools
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.aws.dns.zones import Record, Zone, plain
from labs.errors import TemporaryError

REGION = "us-east-1"
_EC2 = "2016-11-15"
_WITHIN = 10.0


@dataclass(frozen=True)
class Vpc:
    """A VPC and what it says about names ("DNS attributes for your VPC")."""

    id: str
    account: str
    cidr: str = ""
    support: bool = True
    hostnames: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)
    default: bool = False

    @property
    def for_cluster(self) -> bool:
        """Does it carry the tag by which EKS knows a cluster's VPC?"""
        return any(key.startswith("kubernetes.io/cluster/") for key in self.tags)


@dataclass(frozen=True)
class Snapshot:
    """Everything that answers depend on, at one moment; ``balancers``: DNS name → is it healthy?"""

    zones: Sequence[Zone] = ()
    vpcs: Mapping[str, Vpc] = field(default_factory=dict)
    checks: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    balancers: Mapping[str, bool] = field(default_factory=dict)


class Reader:
    """Reads the accounts at one endpoint; not for several threads at once."""

    def __init__(self, endpoint: str, accounts: Sequence[str]) -> None:
        self.endpoint = endpoint
        self.accounts = tuple(accounts)

    def read(self) -> Snapshot:
        """What there is now; raises TemporaryError when the endpoint does not answer."""
        import botocore.exceptions

        try:
            zones: list[Zone] = []
            vpcs: dict[str, Vpc] = {}
            checks: dict[str, dict[str, Any]] = {}
            balancers: dict[str, bool] = {}
            for account in self.accounts:
                mine, regions = self._zones(account)
                zones += mine
                linked = {each for zone in zones for each in zone.vpcs}
                for region in sorted(regions | {REGION}):
                    vpcs |= {each.id: each for each in self._vpcs(account, region, linked)}
                checks |= self._checks(account)
                balancers |= self._balancers(account)
            return Snapshot(tuple(zones), vpcs, checks, balancers)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ElementTree.ParseError) as error:
            raise TemporaryError(f"{self.endpoint}: {error}") from error

    @functools.cache    # noqa: B019  # as long as this object
    def _client(self, service: str, account: str) -> Any:
        from botocore.config import Config

        return _session().create_client(
            service, endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id=account,
            aws_secret_access_key="test", config=Config(connect_timeout=_WITHIN, read_timeout=_WITHIN,
                                                        retries={"total_max_attempts": 1}))  # fmt: skip

    def _paged(self, client: Any, operation: str, key: str, **params: Any) -> Iterator[dict[str, Any]]:
        for page in client.get_paginator(operation).paginate(**params):
            yield from page[key]

    def _zones(self, account: str) -> tuple[list[Zone], set[str]]:
        """The account's zones, and the regions of their VPCs."""
        client = self._client("route53", account)
        zones, regions = [], set()
        for listed in self._paged(client, "list_hosted_zones", "HostedZones"):
            found = self._zone(client, account, listed)
            if found is not None:
                zones.append(found[0])
                regions |= found[1]
        return zones, regions

    def _zone(self, client: Any, account: str, listed: dict[str, Any]) -> tuple[Zone, set[str]] | None:
        """A zone and the regions of its VPCs; None for one that was deleted meanwhile."""
        private = bool((listed.get("Config") or {}).get("PrivateZone"))
        try:
            vpcs = client.get_hosted_zone(Id=listed["Id"]).get("VPCs") or [] if private else []
            records = tuple(self._paged(client, "list_resource_record_sets", "ResourceRecordSets",
                                        HostedZoneId=listed["Id"]))
        except client.exceptions.NoSuchHostedZone:
            return None
        name = plain(listed["Name"])
        zone = Zone(listed["Id"].rpartition("/")[2], name, private, account,
                    frozenset(each["VPCId"] for each in vpcs), _servers(name, records), records)
        return zone, {each["VPCRegion"] for each in vpcs if each.get("VPCRegion")}

    def _checks(self, account: str) -> dict[str, dict[str, Any]]:
        client = self._client("route53", account)
        return {each["Id"]: each["HealthCheckConfig"]
                for each in self._paged(client, "list_health_checks", "HealthChecks")}

    def _balancers(self, account: str) -> dict[str, bool]:
        """By DNS name; unhealthy where a target group has no healthy target ("Values specific for alias records")."""
        client = self._client("elbv2", account)
        found = {}
        for each in self._paged(client, "describe_load_balancers", "LoadBalancers"):
            groups = client.describe_target_groups(LoadBalancerArn=each["LoadBalancerArn"])["TargetGroups"]
            found[plain(each["DNSName"])] = bool(groups) and all(self._group_is_up(client, one) for one in groups)
        return found

    @staticmethod
    def _group_is_up(client: Any, group: dict[str, Any]) -> bool:
        told = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
        return any(each["TargetHealth"]["State"] == "healthy" for each in told)

    def _vpcs(self, account: str, region: str, linked: set[str]) -> Iterator[Vpc]:
        """The DNS attributes of those that have private zones are read; the others' count as on."""
        for item in self._ec2(account, region, Action="DescribeVpcs").iterfind("vpcSet/item"):
            identifier = item.findtext("vpcId", "")
            tags = {tag.findtext("key", ""): tag.findtext("value", "") for tag in item.iterfind("tagSet/item")}
            support, hostnames = (identifier not in linked or self._attribute(account, region, identifier, name)
                                  for name in ("enableDnsSupport", "enableDnsHostnames"))
            yield Vpc(identifier, account, item.findtext("cidrBlock", ""), support, hostnames, tags,
                      item.findtext("isDefault") == "true")

    def _attribute(self, account: str, region: str, vpc: str, name: str) -> bool:
        told = self._ec2(account, region, Action="DescribeVpcAttribute", VpcId=vpc, Attribute=name)
        return told.findtext(f"{name}/value") == "true"

    def _ec2(self, account: str, region: str, **params: str) -> ElementTree.Element:
        """The answer's document without its namespaces; raises TemporaryError for a refusal."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        asked = AWSRequest("POST", self.endpoint + "/", data={**params, "Version": _EC2},
                           headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
        SigV4Auth(Credentials(account, "test"), "ec2", region).add_auth(asked)
        answer = _http().send(asked.prepare())
        if answer.status_code != 200:
            raise TemporaryError(f"{params['Action']} answers {answer.status_code}: {answer.text[:200]}")
        root = ElementTree.fromstring(answer.content)
        for each in root.iter():
            each.tag = each.tag.rpartition("}")[2]
        return root


def _servers(apex: str, records: Sequence[Record]) -> frozenset[str]:
    """A zone's name servers, by its own NS record."""
    own = (each for each in records if each["Type"] == "NS" and plain(each["Name"]) == apex)
    return frozenset(plain(one["Value"]) for each in own for one in each["ResourceRecords"])


@functools.cache
def _session() -> Any:
    import botocore.session

    return botocore.session.Session()


@functools.cache
def _http() -> Any:
    from botocore.httpsession import URLLib3Session

    return URLLib3Session(timeout=_WITHIN)

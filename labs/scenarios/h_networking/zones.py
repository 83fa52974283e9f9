"""The zones of lab h4: a shop's domain, public and private, as a colleague left it; and a domain for drills.

Names in values are labels below the domain, "" its apex; VPCs have names, too.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from labs.scenarios.base import Values, digest, pick
from labs.scenarios.creation import administrator

if TYPE_CHECKING:
    from labs.aws.account import AwsAccount

SHOPS = ["bikes", "books", "coffee", "garden", "records", "tea"]
REGION = "us-east-1"
CIDRS = {"shop": "10.20.0.0/16", "office": "10.30.0.0/16"}
Record = dict[str, Any]


def names(seed: bytes) -> Values:
    """The domain, its addresses, and what the colleague got wrong."""
    suffix = digest(seed, "h4 suffix")[:4]
    number = int(digest(seed, "h4 address")[:4], 16)
    return {
        "suffix": suffix,
        "domain": f"{pick(seed, 'h4 shop', SHOPS)}-{suffix}.example",
        "drill": f"drill-{suffix}.example",
        "www": f"203.0.113.{number % 100 + 1}",
        "api": f"203.0.113.{number % 100 + 101}",
        "api_inside": f"10.20.{number % 200}.10",
        "db_inside": f"10.20.{number % 200}.20",
        "typo": pick(seed, "h4 typo", ["aip", "appi", "ap1"]),
        "associated": pick(seed, "h4 vpcs", [["office"], ["office", "shop"]]),
        "negative_ttl": pick(seed, "h4 negative", [120, 300, 600]),
    }


def full(values: Values, label: str) -> str:
    """``www`` → ``www.tea-1a2b.example``."""
    return f"{label}.{values['domain']}" if label else values["domain"]


def required(values: Values) -> list[dict[str, str]]:
    """A row for each name: what the internet, the office's VPC and the shop's must be answered."""
    def row(label: str, kind: str, internet: str, shop: str) -> dict[str, str]:
        return {"name": full(values, label), "type": kind, "internet": internet, "office": internet, "shop": shop}

    return [
        row("api", "A", values["api"], values["api_inside"]),
        row("db", "A", "NXDOMAIN", values["db_inside"]),
        row("www", "A", values["www"], values["www"]),
        row("", "MX", f"10 mail.{values['domain']}.", f"10 mail.{values['domain']}."),
        row(values["typo"], "A", "NXDOMAIN", "NXDOMAIN"),
    ]


def record(name: str, kind: str, value: str, ttl: int = 300) -> Record:
    """A simple record set."""
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}


def left_behind(values: Values) -> tuple[list[Record], list[Record]]:
    """The records of the public and of the private zone, with the colleague's mistakes."""
    public = [
        record(full(values, "www"), "A", values["www"]),
        record(full(values, "api"), "A", values["api"]),
        record(full(values, ""), "MX", f"10 mail.{values['domain']}"),
        record(full(values, "mail"), "A", "203.0.113.250"),
        record(full(values, "db"), "A", values["db_inside"]),
    ]
    return public, [record(full(values, values["typo"]), "A", values["api_inside"])]


# -- making ------------------------------------------------------------------------------------------------------------


def ensure(aws: AwsAccount, values: Values) -> None:
    """Two VPCs, the shop's two zones and the drill's two, exactly so."""
    vpcs = {name: ensure_vpc(aws, values, name) for name in CIDRS}
    public, private = left_behind(values)
    for other, name in zones_of(aws, values)[1].items():
        if name != values["drill"]:
            _delete(aws, other)
    ensure_zone(aws, values["domain"], public)
    ensure_zone(aws, values["domain"], private, [vpcs[name] for name in values["associated"]])


def ensure_vpc(aws: AwsAccount, values: Values, name: str) -> str:
    """A VPC by its tag Name, with DNS hostnames; its id."""
    ec2 = administrator(aws, "ec2")
    known = find_vpc(aws, values, name)
    if not known:
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": f"{name}-{values['suffix']}"}]}]
        known = ec2.create_vpc(CidrBlock=CIDRS[name], TagSpecifications=tags)["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=known, EnableDnsSupport={"Value": True})
    ec2.modify_vpc_attribute(VpcId=known, EnableDnsHostnames={"Value": True})
    return known


def find_vpc(aws: AwsAccount, values: Values, name: str) -> str:
    """The id of a VPC of the lab, "" while there is none."""
    wanted = [{"Name": "tag:Name", "Values": [f"{name}-{values['suffix']}"]}]
    found = administrator(aws, "ec2").describe_vpcs(Filters=wanted)["Vpcs"]
    return str(found[0]["VpcId"]) if found else ""


def zones_of(aws: AwsAccount, values: Values) -> tuple[dict[str, str], dict[str, str]]:
    """The shop's zones by ``public`` and ``private``; and by id the names of all others that have the lab's suffix."""
    found: dict[str, str] = {}
    others: dict[str, str] = {}
    for each in administrator(aws, "route53").get_paginator("list_hosted_zones").paginate().search("HostedZones[]"):
        kind = "private" if each["Config"]["PrivateZone"] else "public"
        if each["Name"] == values["domain"] + "." and kind not in found:
            found[kind] = each["Id"]
        elif f"-{values['suffix']}.example." in each["Name"]:
            others[each["Id"]] = each["Name"].rstrip(".")
    return found, others


def ensure_zone(aws: AwsAccount, name: str, records: list[Record], vpcs: list[str] | None = None) -> str:
    """A zone with exactly these records besides NS and SOA, private with VPCs; its id."""
    route53 = administrator(aws, "route53")
    wanted = bool(vpcs)
    known = [each["Id"] for each in route53.list_hosted_zones_by_name(DNSName=name)["HostedZones"]
             if each["Name"] == name + "." and each["Config"]["PrivateZone"] == wanted]
    if known:
        zone = str(known[0])
    else:
        first = {"VPC": {"VPCRegion": REGION, "VPCId": vpcs[0]}} if vpcs else {}
        made = route53.create_hosted_zone(Name=name, CallerReference=secrets.token_hex(8), **first)
        zone = str(made["HostedZone"]["Id"])
    if vpcs:
        associate(aws, zone, vpcs)
    _exactly(route53, zone, name, records)
    return zone


def associate(aws: AwsAccount, zone: str, vpcs: list[str]) -> None:
    """A private zone is associated with exactly these VPCs, at least one."""
    route53 = administrator(aws, "route53")
    there = {each["VPCId"] for each in route53.get_hosted_zone(Id=zone).get("VPCs") or []}
    for each in [one for one in vpcs if one not in there]:
        route53.associate_vpc_with_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": REGION, "VPCId": each})
    for each in sorted(there - set(vpcs)):
        route53.disassociate_vpc_from_hosted_zone(HostedZoneId=zone, VPC={"VPCRegion": REGION, "VPCId": each})


def _exactly(route53: Any, zone: str, name: str, records: list[Record]) -> None:
    there = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    own = [each for each in there if not (each["Name"] == name + "." and each["Type"] in ("NS", "SOA"))]
    kept = {(each["Name"] + ".", each["Type"]) for each in records}
    changes = [{"Action": "DELETE", "ResourceRecordSet": each} for each in own
               if (each["Name"].replace("\\052", "*"), each["Type"]) not in kept or "SetIdentifier" in each]
    changes += [{"Action": "UPSERT", "ResourceRecordSet": each} for each in records]
    if changes:
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def put(aws: AwsAccount, zone: str, wanted: Record) -> None:
    """Upsert one record set."""
    administrator(aws, "route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": wanted}]})


def apply(aws: AwsAccount, values: Values, repair: dict[str, Any]) -> None:
    """Make a repair: ``public_changes``, ``private_changes`` and ``vpcs`` (names).

    :raises botocore.exceptions.ClientError: AWS refuses a change
    """
    found, _ = zones_of(aws, values)
    for kind in ("public", "private"):
        changes = repair.get(f"{kind}_changes")
        if changes:
            administrator(aws, "route53").change_resource_record_sets(
                HostedZoneId=found[kind], ChangeBatch={"Changes": changes})
    associate(aws, found["private"], [find_vpc(aws, values, name) for name in repair["vpcs"]])


# -- removing ----------------------------------------------------------------------------------------------------------


def remove(aws: AwsAccount, values: Values) -> list[str]:
    """Every zone with the lab's suffix, its health checks and its VPCs; a line for each."""
    route53 = administrator(aws, "route53")
    found, others = zones_of(aws, values)
    removed = [f"hosted zone {_delete(aws, each)}" for each in [*found.values(), *others]]
    for each in route53.list_health_checks()["HealthChecks"]:
        if each["CallerReference"].startswith(f"h4-{values['suffix']}"):
            route53.delete_health_check(HealthCheckId=each["Id"])
            removed.append(f"health check {each['Id']}")
    for name in CIDRS:
        known = find_vpc(aws, values, name)
        if known:
            administrator(aws, "ec2").delete_vpc(VpcId=known)
            removed.append(f"VPC {name}-{values['suffix']}")
    return removed


def _delete(aws: AwsAccount, zone: str) -> str:
    """A zone with all that is in it; its name."""
    route53 = administrator(aws, "route53")
    name = str(route53.get_hosted_zone(Id=zone)["HostedZone"]["Name"]).rstrip(".")
    _exactly(route53, zone, name, [])
    route53.delete_hosted_zone(Id=zone)
    return name

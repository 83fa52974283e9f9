"""Route 53: batches of changes checked as a whole, zones and their VPCs, health checks.

Source: Amazon Route 53 API Reference (each action's errors); Developer Guide, "Supported DNS record types", "Choosing a
routing policy", "DNS domain name format".
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from typing import TYPE_CHECKING, Any

from labs.aws.dns.probes import probe
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask
from labs.aws.gateway.corrections.route53_more import INSTEAD, authorized, bare, delegation_set, every_record, kept

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

Record = dict[str, Any]
_POLICIES = ("Weight", "Failover", "Region", "GeoLocation", "MultiValueAnswer", "CidrRoutingConfig",
             "GeoProximityLocation")  # fmt: skip


def _name(name: Any) -> str:
    """As Route 53 compares names: lower case, with the last dot, octal escapes for what is unusual."""
    text = str(name).lower()
    return (text if text.endswith(".") else text + ".").replace("*", "\\052")


def _key(record: Record) -> tuple[str, str, str]:
    return _name(record.get("Name")), str(record.get("Type")), str(record.get("SetIdentifier") or "")


async def _change(exchange: Exchange, params: Params) -> None:
    """ "If any of the changes fails, none is made" (ChangeResourceRecordSets)."""
    zone_id = str(params.get("HostedZoneId", "")).rpartition("/")[2]
    zone = (await ask(exchange, "GetHostedZone", Id=zone_id))["HostedZone"]
    apex = _name(zone["Name"])
    records = {_key(record): record for record in await every_record(exchange, zone_id)}
    errors: list[str] = []
    for change in (params.get("ChangeBatch") or {}).get("Changes") or []:
        record, action = change.get("ResourceRecordSet") or {}, str(change.get("Action"))
        problem = _problem(action, record, records, apex)
        if problem:
            errors.append(problem)
        elif action == "DELETE":
            records.pop(_key(record))
        else:
            records[_key(record)] = record
    await _health_checks(exchange, params)
    if errors:
        raise AwsError("InvalidChangeBatch", "[" + ", ".join(errors) + "]", 400)


async def _health_checks(exchange: Exchange, params: Params) -> None:
    named = {
        str((change.get("ResourceRecordSet") or {}).get("HealthCheckId") or "")
        for change in (params.get("ChangeBatch") or {}).get("Changes") or []
        if change.get("Action") != "DELETE"
    }
    known = {check["Id"] for check in await _checks(exchange)} if named - {""} else set()
    for missing in sorted(named - known - {""}):
        raise AwsError("NoSuchHealthCheck", f"No health check exists with the ID {missing}", 404)


def _problem(action: str, record: Record, records: dict[tuple[str, str, str], Record], apex: str) -> str:
    """Why one change cannot be made, "" when it can."""
    name, kind, identifier = _key(record)
    about = f"name='{name}', type='{kind}'" + (f", set identifier='{identifier}'" if identifier else "")
    existing = records.get((name, kind, identifier))
    if name != apex and not name.endswith("." + apex):
        return f"RRSet with DNS name {name} is not permitted in zone {apex}"
    if action == "DELETE":
        if existing is None:
            return f"Tried to delete resource record set [{about}] but it was not found"
        if not _same(existing, record):
            return (
                f"Tried to delete resource record set [{about}] but the values provided do not match the current values"
            )
        return f"A HostedZone must contain exactly one {kind} record" if name == apex and kind in ("SOA", "NS") else ""
    if action == "CREATE" and existing is not None:
        return f"Tried to create resource record set [{about}] but it already exists"
    return _shape(record, about) or _beside(record, records, apex, about)


def _same(existing: Record, given: Record) -> bool:
    values = lambda record: sorted(str(r.get("Value")) for r in record.get("ResourceRecords") or [])  # noqa: E731
    alias = lambda record: _name((record.get("AliasTarget") or {}).get("DNSName"))  # noqa: E731
    if existing.get("AliasTarget") or given.get("AliasTarget"):
        return alias(existing) == alias(given)
    return values(existing) == values(given) and int(existing.get("TTL") or 0) == int(given.get("TTL") or 0)


def _shape(record: Record, about: str) -> str:
    """What a record lacks in itself."""
    alias, values = record.get("AliasTarget"), record.get("ResourceRecords") or []
    if bool(alias) == bool(values):
        return f"Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]] in [{about}]"
    if values and record.get("TTL") is None:
        return f"Invalid request: Missing field 'TTL' in Change with [{about}]"
    policies = [name for name in _POLICIES if record.get(name) is not None]
    if policies and not record.get("SetIdentifier"):
        return f"Invalid request: Missing field 'SetIdentifier' in Change with [{about}]"
    if record.get("SetIdentifier") and not policies:
        return f"Invalid request: Expected exactly one of {list(_POLICIES)}, but found none in Change with [{about}]"
    if record.get("Type") == "CNAME" and len(values) > 1:
        return f"Invalid request: a CNAME has one value [{about}]"
    for value in values:
        problem = _value(str(record.get("Type")), str(value.get("Value")))
        if problem:
            return problem
    return ""


def _value(kind: str, value: str) -> str:
    if kind in ("A", "AAAA"):
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            address = None
        if address is None or address.version != (4 if kind == "A" else 6):
            return f"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv{'4' if kind == 'A' else '6'}Address (Value is not a valid IPv{'4' if kind == 'A' else '6'} address) encountered with '{value}''"  # noqa: E501
    if kind in ("TXT", "SPF") and not re.fullmatch(r'("(?:[^"\\]|\\.)*"\s*)+', value):
        return f"Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '{value}''"  # noqa: E501
    if kind == "MX" and not re.fullmatch(r"\d{1,5}\s+\S+", value):
        return f"Invalid Resource Record: 'FATAL problem: MXRRDATANotTwoFields (MX record doesn't have 2 fields) encountered with '{value}''"  # noqa: E501
    return ""


def _beside(record: Record, records: dict[tuple[str, str, str], Record], apex: str, about: str) -> str:
    """What does not go together with the records of the same name."""
    name, kind, identifier = _key(record)
    if kind == "CNAME" and name == apex:
        return f"RRSet of type CNAME with DNS name {name} is not permitted at apex in zone {apex}"
    others = [entry for key, entry in records.items() if key[0] == name and key != (name, kind, identifier)]
    different = [entry for entry in others if entry.get("Type") != kind]
    if different and (kind == "CNAME" or any(entry.get("Type") == "CNAME" for entry in different)):
        return f"RRSet of type {kind} with DNS name {name} is not permitted as it conflicts with other records with the same DNS name in zone {apex}"  # noqa: E501
    mine = next((policy for policy in _POLICIES if record.get(policy) is not None), None)
    for entry in others:
        if entry.get("Type") == kind:
            theirs = next((policy for policy in _POLICIES if entry.get(policy) is not None), None)
            if mine != theirs:
                return f"RRSet with DNS name {name}, type {kind}, SetIdentifier {identifier or 'null'} cannot be created as a non-{mine or 'simple'} set with the same name and type exists"  # noqa: E501
    return ""


# -- zones ---------------------------------------------------------------------------------------------------------


async def _create_zone(exchange: Exchange, params: Params) -> None:
    answer = await ask(exchange, "ListHostedZones")
    for zone in answer.get("HostedZones") or []:
        if zone.get("CallerReference") == params.get("CallerReference"):
            raise AwsError(
                "HostedZoneAlreadyExists",
                "A hosted zone has already been created with the specified caller reference.",
                409,
            )
    if not re.fullmatch(r"[a-z0-9_.*\\-]+", str(params.get("Name", "")).lower()):
        raise AwsError("InvalidDomainName", f"{params.get('Name')} is not a valid domain name", 400)
    if params.get("VPC"):
        await _vpc(exchange, params["VPC"])
    if params.get("DelegationSetId"):
        delegation_set(exchange, params["DelegationSetId"])


async def _created(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """A zone with a reusable delegation set has the set's name servers, in its NS record too."""
    if not params.get("DelegationSetId"):
        return None
    chosen = delegation_set(exchange, params["DelegationSetId"])
    zone, name = bare(result["HostedZone"]["Id"]), result["HostedZone"]["Name"]
    values = [{"Value": server + "."} for server in chosen["NameServers"]]
    record = {"Name": name, "Type": "NS", "TTL": 172800, "ResourceRecords": values}
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    await ask(exchange, "ChangeResourceRecordSets", HostedZoneId=zone, ChangeBatch=change)
    kept(exchange, "delegated zones")[zone] = bare(chosen["Id"])
    return {**result, "DelegationSet": chosen}


async def _get_zone(exchange: Exchange, params: Params, result: Params) -> Params | None:
    chosen = kept(exchange, "delegated zones").get(bare(params.get("Id")))
    return {**result, "DelegationSet": delegation_set(exchange, chosen)} if chosen else None


async def _vpc(exchange: Exchange, vpc: Params) -> None:
    answer = await _describe_vpc(exchange, vpc)
    if not answer:
        raise AwsError("InvalidVPCId", "The VPC ID is invalid.", 400)


async def _describe_vpc(exchange: Exchange, vpc: Params) -> Any:
    """The VPC lies in a region of its own, Route 53 in none."""
    try:
        return await exchange.engine(
            "ec2", "DescribeVpcs", account=exchange.account, region=str(vpc.get("VPCRegion") or "us-east-1"),
            VpcIds=[vpc.get("VPCId")],
        )  # fmt: skip
    except AwsError as error:
        if error.status >= 500:
            raise
        return None


async def _zone_of(exchange: Exchange, params: Params) -> Params:
    return await ask(exchange, "GetHostedZone", Id=str(params.get("HostedZoneId", "")).rpartition("/")[2])


async def _associate(exchange: Exchange, params: Params) -> None:
    await _vpc(exchange, params.get("VPC") or {})
    allowed = authorized(exchange, bare(params.get("HostedZoneId")))
    if (params.get("VPC") or {}).get("VPCId") in allowed:
        return
    zone = await _zone_of(exchange, params)
    if not (zone["HostedZone"].get("Config") or {}).get("PrivateZone"):
        raise AwsError("PublicZoneVPCAssociation", "You're trying to associate a VPC with a public hosted zone. Amazon"
                       " Route 53 doesn't support associating a VPC with a public hosted zone.", 400)  # fmt: skip


async def _disassociate(exchange: Exchange, params: Params) -> None:
    zone = await _zone_of(exchange, params)
    linked = [entry.get("VPCId") for entry in zone.get("VPCs") or []]
    vpc = (params.get("VPC") or {}).get("VPCId")
    if vpc not in linked:
        raise AwsError("VPCAssociationNotFound", "The specified VPC and hosted zone are not currently associated.", 404)
    if len(linked) == 1:
        raise AwsError("LastVPCAssociation", "The VPC that you're trying to disassociate from the private hosted zone"
                       " is the last VPC that is associated with the hosted zone.", 400)  # fmt: skip


async def _count(exchange: Exchange, params: Params) -> Params:
    zones: list[Any] = []
    marker: Params = {}
    while True:
        answer = await ask(exchange, "ListHostedZones", **marker)
        zones += answer.get("HostedZones") or []
        if not answer.get("IsTruncated"):
            return {"HostedZoneCount": len(zones)}
        marker = {"Marker": answer["NextMarker"]}


async def _delete_zone(exchange: Exchange, params: Params) -> None:
    zone_id = str(params.get("Id", "")).rpartition("/")[2]
    zone = (await ask(exchange, "GetHostedZone", Id=zone_id))["HostedZone"]
    for record in await every_record(exchange, zone_id):
        if not (_name(record["Name"]) == _name(zone["Name"]) and record["Type"] in ("SOA", "NS")):
            raise AwsError(
                "HostedZoneNotEmpty",
                "The specified hosted zone contains non-required resource record sets and so cannot be deleted.",
                400,
            )
    kept(exchange, "delegated zones").pop(zone_id, None)


# -- health checks -------------------------------------------------------------------------------------------------


async def _checks(exchange: Exchange) -> list[Record]:
    return list((await ask(exchange, "ListHealthChecks")).get("HealthChecks") or [])


async def _create_check(exchange: Exchange, params: Params) -> Params | None:
    """The same reference and settings answer with the same health check; other settings are refused."""
    for check in await _checks(exchange):
        if check.get("CallerReference") != params.get("CallerReference"):
            continue
        given = params.get("HealthCheckConfig") or {}
        if any(str(check["HealthCheckConfig"].get(name)) != str(value) for name, value in given.items()):
            raise AwsError("HealthCheckAlreadyExists", "A health check with the specified caller reference already"
                           " exists with other settings.", 409)  # fmt: skip
        return {"HealthCheck": check, "Location": f"https://route53.amazonaws.com/2013-04-01/healthcheck/{check['Id']}"}
    return None


async def _status(exchange: Exchange, params: Params) -> Params:
    """One checker, in this process: it asks endpoints on the loopback network, and reaches no other."""
    check = (await ask(exchange, "GetHealthCheck", HealthCheckId=params.get("HealthCheckId")))["HealthCheck"]
    config = check.get("HealthCheckConfig") or {}
    status = await asyncio.to_thread(probe, config)
    report = {"Status": status, "CheckedTime": exchange.now}
    address = str(config.get("IPAddress") or "")
    return {"HealthCheckObservations": [{"Region": "us-east-1", "IPAddress": address, "StatusReport": report}]}


async def _check_count(exchange: Exchange, params: Params) -> Params:
    return {"HealthCheckCount": len(await _checks(exchange))}


CORRECTIONS = Corrections(
    before={
        "ChangeResourceRecordSets": _change,
        "CreateHostedZone": _create_zone,
        "DeleteHostedZone": _delete_zone,
        "AssociateVPCWithHostedZone": _associate,
        "DisassociateVPCFromHostedZone": _disassociate,
    },
    instead={
        **INSTEAD,
        "GetHostedZoneCount": _count,
        "CreateHealthCheck": _create_check,
        "GetHealthCheckStatus": _status,
        "GetHealthCheckCount": _check_count,
    },
    after={"CreateHostedZone": _created, "GetHostedZone": _get_zone},
)

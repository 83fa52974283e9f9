"""Route 53 operations that the engine lacks: test answers, delegation sets, query logging, authorizations, limits.

What they set up is kept in ``gateway.notes``; queries are not really logged, zones not really signed.  Page of each:
its operation in the Amazon Route 53 API Reference.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from typing import TYPE_CHECKING, Any

from labs.aws.dns.hosted import Hosted
from labs.aws.dns.probes import probe
from labs.aws.dns.zones import Zone, plain
from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Instead, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_LIMITS = {"MAX_HEALTH_CHECKS_BY_OWNER": 200, "MAX_HOSTED_ZONES_BY_OWNER": 500, "MAX_TRAFFIC_POLICIES_BY_OWNER": 50,
           "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER": 100, "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER": 5}  # fmt: skip
_CONTINENTS = {"AF": "Africa", "AN": "Antarctica", "AS": "Asia", "EU": "Europe", "NA": "North America",
               "OC": "Oceania", "SA": "South America"}  # fmt: skip
_COUNTRIES = {"AU": "Australia", "BR": "Brazil", "CA": "Canada", "CN": "China", "DE": "Germany", "ES": "Spain",
              "FR": "France", "GB": "United Kingdom", "IE": "Ireland", "IN": "India", "IT": "Italy", "JP": "Japan",
              "NL": "Netherlands", "SE": "Sweden", "SG": "Singapore", "US": "United States"}  # fmt: skip
_DOMAINS = ("com", "net", "org", "co.uk")


def bare(identifier: Any) -> str:
    """``/hostedzone/Z1`` → ``Z1``."""
    return str(identifier or "").rpartition("/")[2]


def kept(exchange: Exchange, what: str) -> dict[str, Any]:
    """What the account has of one kind."""
    found: dict[str, Any] = exchange.gateway.notes.setdefault(("route53", what, exchange.account), {})
    return found


async def every_record(exchange: Exchange, zone: str) -> list[Params]:
    """All records of a zone, page by page."""
    records: list[Params] = []
    start: Params = {}
    while True:
        found = await ask(exchange, "ListResourceRecordSets", HostedZoneId=zone, **start)
        records += found.get("ResourceRecordSets") or []
        if not found.get("IsTruncated"):
            return records
        start = {"StartRecordName": found["NextRecordName"], "StartRecordType": found["NextRecordType"]}


async def healthy(exchange: Exchange, identifier: str) -> bool:
    """Whether Route 53 considers a health check healthy."""
    config = (await ask(exchange, "GetHealthCheck", HealthCheckId=identifier))["HealthCheck"]["HealthCheckConfig"]
    kind, inverted = config.get("Type"), bool(config.get("Inverted"))
    if config.get("Disabled"):
        return not inverted
    if kind == "CALCULATED":
        children = await asyncio.gather(*(healthy(exchange, child) for child in config.get("ChildHealthChecks") or []))
        state = sum(children) >= int(config.get("HealthThreshold") or 0)
    elif kind == "CLOUDWATCH_METRIC":
        state = await _alarm_is_quiet(exchange, config)
    else:
        state = (await asyncio.to_thread(probe, config)).startswith("Success")
    return state != inverted


async def _alarm_is_quiet(exchange: Exchange, config: Params) -> bool:
    alarm = config.get("AlarmIdentifier") or {}
    found = await exchange.engine(
        "cloudwatch", "DescribeAlarms", account=exchange.account, region=alarm.get("Region"),
        AlarmNames=[alarm.get("Name")],
    )  # fmt: skip
    states = [entry.get("StateValue") for entry in found.get("MetricAlarms") or []]
    if not states or states[0] == "INSUFFICIENT_DATA":
        return config.get("InsufficientDataHealthStatus") != "Unhealthy"
    return states[0] == "OK"


async def _test_answer(exchange: Exchange, params: Params) -> Params:
    zone_id = bare(params.get("HostedZoneId"))
    zone = await ask(exchange, "GetHostedZone", Id=zone_id)
    name = str(params.get("RecordName", "")).lower().rstrip(".") + "."
    apex = str(zone["HostedZone"]["Name"]).lower()
    if name != apex and not name.endswith("." + apex):
        raise AwsError("InvalidInput", f"The record name {name} is not in the hosted zone {apex}", 400)

    records = await every_record(exchange, zone_id)
    checks = {str(each["HealthCheckId"]) for each in records if each.get("HealthCheckId")}
    states = dict(zip(checks, await asyncio.gather(*(healthy(exchange, each) for each in checks)), strict=True))
    # whether load balancers are healthy is not asked here: they count as unhealthy where an alias evaluates them
    from_zone = Hosted(states.__getitem__, lambda balancer: balancer, random.Random())
    told = from_zone.answer({}, Zone(zone_id, plain(apex), records=tuple(records)), plain(name),
                            str(params.get("RecordType")))  # fmt: skip
    servers = (zone.get("DelegationSet") or {}).get("NameServers") or ["ns-1.awsdns-00.com"]
    return {
        "Nameserver": servers[0],
        "RecordName": params.get("RecordName"),
        "RecordType": params.get("RecordType"),
        "RecordData": list(told.values),
        "ResponseCode": told.status,
        "Protocol": "UDP",
    }


# -- delegation sets ---------------------------------------------------------------------------------------------------


async def _create_set(exchange: Exchange, params: Params) -> Params:
    sets, reference = kept(exchange, "delegation sets"), params.get("CallerReference")
    if any(entry["CallerReference"] == reference for entry in sets.values()):
        raise AwsError("DelegationSetAlreadyCreated", "A delegation set with the same owner and caller reference"
                       " combination has already been created.", 400)  # fmt: skip
    servers = [f"ns-{random.randrange(2048)}.awsdns-{random.randrange(64):02d}.{domain}" for domain in _DOMAINS]
    if params.get("HostedZoneId"):
        zone = await ask(exchange, "GetHostedZone", Id=bare(params["HostedZoneId"]))
        servers = zone["DelegationSet"]["NameServers"]
    identifier = "N" + uuid.uuid4().hex[:20].upper()
    made = {"Id": f"/delegationset/{identifier}", "CallerReference": reference, "NameServers": servers}
    sets[identifier] = made
    location = f"https://route53.amazonaws.com/2013-04-01/delegationset/{identifier}"
    return {"DelegationSet": made, "Location": location}


def delegation_set(exchange: Exchange, identifier: Any) -> Params:
    """:raises AwsError: there is no such set"""
    found = kept(exchange, "delegation sets").get(bare(identifier))
    if found is None:
        raise AwsError("NoSuchDelegationSet", f"The specified delegation set does not exist: {identifier}", 400)
    return dict(found)


async def _get_set(exchange: Exchange, params: Params) -> Params:
    return {"DelegationSet": delegation_set(exchange, params.get("Id"))}


async def _list_sets(exchange: Exchange, params: Params) -> Params:
    sets = list(kept(exchange, "delegation sets").values())
    return {"DelegationSets": sets, "Marker": "", "IsTruncated": False, "MaxItems": "100"}


async def _delete_set(exchange: Exchange, params: Params) -> Params:
    found = delegation_set(exchange, params.get("Id"))
    if bare(found["Id"]) in kept(exchange, "delegated zones").values():
        raise AwsError("DelegationSetInUse", "The specified delegation set contains associated hosted zones which must"
                       " be deleted before the reusable delegation set can be deleted.", 400)  # fmt: skip
    del kept(exchange, "delegation sets")[bare(found["Id"])]
    return {}


# -- query logging -----------------------------------------------------------------------------------------------------


async def _create_logging(exchange: Exchange, params: Params) -> Params:
    zone, group = bare(params.get("HostedZoneId")), str(params.get("CloudWatchLogsLogGroupArn"))
    found = await ask(exchange, "GetHostedZone", Id=zone)
    if (found["HostedZone"].get("Config") or {}).get("PrivateZone"):
        raise AwsError("InvalidInput", "Query logging is available only for public hosted zones.", 400)
    configs = kept(exchange, "query logging")
    if any(entry["HostedZoneId"] == zone for entry in configs.values()):
        text = "A query logging configuration already exists for this hosted zone."
        raise AwsError("QueryLoggingConfigAlreadyExists", text, 409)
    name = group.split(":log-group:")[-1].removesuffix(":*")
    groups = await exchange.engine("logs", "DescribeLogGroups", account=exchange.account, region="us-east-1",
                                   logGroupNamePrefix=name)  # fmt: skip
    if name not in [entry["logGroupName"] for entry in groups.get("logGroups") or []]:
        raise AwsError("NoSuchCloudWatchLogsLogGroup", "There is no CloudWatch Logs log group with the specified ARN.",
                       404)  # fmt: skip
    identifier = str(uuid.uuid4())
    configs[identifier] = {"Id": identifier, "HostedZoneId": zone, "CloudWatchLogsLogGroupArn": group}
    location = f"https://route53.amazonaws.com/2013-04-01/queryloggingconfig/{identifier}"
    return {"QueryLoggingConfig": configs[identifier], "Location": location}


def _logging(exchange: Exchange, params: Params) -> Params:
    found = kept(exchange, "query logging").get(str(params.get("Id")))
    if found is None:
        raise AwsError("NoSuchQueryLoggingConfig", "There is no DNS query logging configuration with the specified ID.",
                       404)  # fmt: skip
    return dict(found)


async def _get_logging(exchange: Exchange, params: Params) -> Params:
    return {"QueryLoggingConfig": _logging(exchange, params)}


async def _list_logging(exchange: Exchange, params: Params) -> Params:
    zone = bare(params.get("HostedZoneId"))
    found = kept(exchange, "query logging").values()
    return {"QueryLoggingConfigs": [entry for entry in found if not zone or entry["HostedZoneId"] == zone]}


async def _delete_logging(exchange: Exchange, params: Params) -> Params:
    del kept(exchange, "query logging")[_logging(exchange, params)["Id"]]
    return {}


# -- VPCs of other accounts --------------------------------------------------------------------------------------------


async def _authorize(exchange: Exchange, params: Params) -> Params:
    zone, vpc = bare(params.get("HostedZoneId")), dict(params.get("VPC") or {})
    await ask(exchange, "GetHostedZone", Id=zone)
    authorized(exchange, zone)[str(vpc.get("VPCId"))] = {"VPC": vpc, "Owner": exchange.account}
    return {"HostedZoneId": zone, "VPC": vpc}


def authorized(exchange: Exchange, zone: str) -> dict[str, Params]:
    """VPCs that a zone's owner lets others associate with it, by id; zones' ids are unique over all accounts."""
    found: dict[str, Params] = exchange.gateway.notes.setdefault(("route53", "authorizations", zone), {})
    return found


async def _list_authorized(exchange: Exchange, params: Params) -> Params:
    zone = bare(params.get("HostedZoneId"))
    await ask(exchange, "GetHostedZone", Id=zone)
    return {"HostedZoneId": zone, "VPCs": [entry["VPC"] for entry in authorized(exchange, zone).values()]}


async def _revoke(exchange: Exchange, params: Params) -> Params:
    zone, vpc = bare(params.get("HostedZoneId")), (params.get("VPC") or {}).get("VPCId")
    if authorized(exchange, zone).pop(str(vpc), None) is None:
        raise AwsError("VPCAssociationAuthorizationNotFound", "The VPC that you specified is not authorized to be"
                       " associated with the hosted zone.", 404)  # fmt: skip
    return {}


async def associate(exchange: Exchange, params: Params) -> Params | None:
    """AssociateVPCWithHostedZone by the VPC's account, once the zone's has authorised it."""
    zone, vpc = bare(params.get("HostedZoneId")), str((params.get("VPC") or {}).get("VPCId"))
    allowed = authorized(exchange, zone).get(vpc)
    if allowed is None or allowed["Owner"] == exchange.account:
        return None
    region = exchange.region
    return await exchange.engine("route53", "AssociateVPCWithHostedZone", account=allowed["Owner"], region=region,
                                 **params)  # fmt: skip


# -- what is only read -------------------------------------------------------------------------------------------------


async def _dnssec(exchange: Exchange, params: Params) -> Params:
    await ask(exchange, "GetHostedZone", Id=bare(params.get("HostedZoneId")))
    return {"Status": {"ServeSignature": "NOT_SIGNING"}, "KeySigningKeys": []}


async def _account_limit(exchange: Exchange, params: Params) -> Params:
    kind = str(params.get("Type"))
    if kind not in _LIMITS:
        raise AwsError("InvalidInput", f"Unknown limit: {kind}", 400)
    count = 0
    if kind == "MAX_HOSTED_ZONES_BY_OWNER":
        count = len((await ask(exchange, "ListHostedZones")).get("HostedZones") or [])
    elif kind == "MAX_HEALTH_CHECKS_BY_OWNER":
        count = len((await ask(exchange, "ListHealthChecks")).get("HealthChecks") or [])
    elif kind == "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER":
        count = len(kept(exchange, "delegation sets"))
    return {"Limit": {"Type": kind, "Value": _LIMITS[kind]}, "Count": count}


async def _zone_limit(exchange: Exchange, params: Params) -> Params:
    zone, kind = bare(params.get("HostedZoneId")), str(params.get("Type"))
    found = await ask(exchange, "GetHostedZone", Id=zone)
    if kind == "MAX_RRSETS_BY_ZONE":
        return {"Limit": {"Type": kind, "Value": 10000}, "Count": len(await every_record(exchange, zone))}
    return {"Limit": {"Type": kind, "Value": 300}, "Count": len(found.get("VPCs") or [])}


async def _tags_of_several(exchange: Exchange, params: Params) -> Params:
    kind = params.get("ResourceType")
    names = params.get("ResourceIds") or []
    found = [await ask(exchange, "ListTagsForResource", ResourceType=kind, ResourceId=name) for name in names]
    return {"ResourceTagSets": [entry["ResourceTagSet"] for entry in found]}


async def _locations(exchange: Exchange, params: Params) -> Params:
    places: list[Params] = [{"CountryCode": "*", "CountryName": "Default"}]
    places += [{"ContinentCode": code, "ContinentName": name} for code, name in _CONTINENTS.items()]
    places += [{"CountryCode": code, "CountryName": name} for code, name in _COUNTRIES.items()]
    return {"GeoLocationDetailsList": places, "IsTruncated": False, "MaxItems": "100"}


async def _location(exchange: Exchange, params: Params) -> Params:
    country, continent = params.get("CountryCode"), params.get("ContinentCode")
    if country in _COUNTRIES:
        return {"GeoLocationDetails": {"CountryCode": country, "CountryName": _COUNTRIES[country]}}
    if continent in _CONTINENTS:
        return {"GeoLocationDetails": {"ContinentCode": continent, "ContinentName": _CONTINENTS[continent]}}
    if country in ("*", None) and continent is None:
        return {"GeoLocationDetails": {"CountryCode": "*", "CountryName": "Default"}}
    raise AwsError("NoSuchGeoLocation", f"No geolocation found for {continent or country}", 404)


INSTEAD: dict[str, Instead] = {
    "TestDNSAnswer": _test_answer,
    "CreateReusableDelegationSet": _create_set,
    "GetReusableDelegationSet": _get_set,
    "ListReusableDelegationSets": _list_sets,
    "DeleteReusableDelegationSet": _delete_set,
    "CreateQueryLoggingConfig": _create_logging,
    "GetQueryLoggingConfig": _get_logging,
    "ListQueryLoggingConfigs": _list_logging,
    "DeleteQueryLoggingConfig": _delete_logging,
    "CreateVPCAssociationAuthorization": _authorize,
    "ListVPCAssociationAuthorizations": _list_authorized,
    "DeleteVPCAssociationAuthorization": _revoke,
    "AssociateVPCWithHostedZone": associate,
    "GetDNSSEC": _dnssec,
    "GetAccountLimit": _account_limit,
    "GetHostedZoneLimit": _zone_limit,
    "ListTagsForResources": _tags_of_several,
    "ListGeoLocations": _locations,
    "GetGeoLocation": _location,
}

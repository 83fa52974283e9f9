"""The Resource Groups Tagging API over the resources of EC2, RDS, Elastic Load Balancing and EKS.

The engine that has this API does not serve those services: their tags are read and written through them.  Pages:
GetResources, TagResources (Resource Groups Tagging API Reference).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

Tags = dict[str, str]
_SERVICES = {"ec2": "ec2", "rds": "rds", "elasticloadbalancing": "elbv2", "eks": "eks"}  # in an ARN → in botocore
_MOST = 100  # resources of a page


def _idle(exchange: Exchange, service: str) -> bool:
    idle = getattr(exchange.gateway.engine_app, "idle", None)
    return bool(idle and idle(service))


async def _elsewhere(exchange: Exchange) -> dict[str, Tags]:
    """Tagged resources of those services, by ARN."""
    place = f"{exchange.region}:{exchange.account}"
    found: dict[str, Tags] = {}
    if not _idle(exchange, "ec2"):
        for tag in (await ask(exchange, "DescribeTags", "ec2")).get("Tags") or []:
            arn = f"arn:aws:ec2:{place}:{tag['ResourceType']}/{tag['ResourceId']}"
            found.setdefault(arn, {})[tag["Key"]] = tag.get("Value", "")
    if not _idle(exchange, "rds"):
        for database in (await ask(exchange, "DescribeDBInstances", "rds")).get("DBInstances") or []:
            found[database["DBInstanceArn"]] = _map(database.get("TagList"))
    if not _idle(exchange, "elbv2"):
        balancers = (await ask(exchange, "DescribeLoadBalancers", "elbv2")).get("LoadBalancers") or []
        groups = (await ask(exchange, "DescribeTargetGroups", "elbv2")).get("TargetGroups") or []
        arns = [b["LoadBalancerArn"] for b in balancers] + [g["TargetGroupArn"] for g in groups]
        for arn in arns:
            described = (await ask(exchange, "DescribeTags", "elbv2", ResourceArns=[arn])).get("TagDescriptions") or []
            found[arn] = _map(described[0].get("Tags")) if described else {}
    for name in (await ask(exchange, "ListClusters", "eks")).get("clusters") or []:
        cluster = (await ask(exchange, "DescribeCluster", "eks", name=name))["cluster"]
        found[cluster["arn"]] = dict(cluster.get("tags") or {})
    return {arn: tags for arn, tags in found.items() if tags}


def _map(tags: Any) -> Tags:
    return {tag["Key"]: tag.get("Value", "") for tag in tags or []}


async def _every(exchange: Exchange) -> dict[str, Tags]:
    """All tagged resources: the engine's, and the others'."""
    found: dict[str, Tags] = {}
    token = ""
    while True:
        more = {"PaginationToken": token} if token else {}
        answer = await ask(exchange, "GetResources", ResourcesPerPage=_MOST, **more)
        for entry in answer.get("ResourceTagMappingList") or []:
            if entry["ResourceARN"].split(":")[2] not in _SERVICES:
                found[entry["ResourceARN"]] = _map(entry.get("Tags"))
        token = answer.get("PaginationToken") or ""
        if not token:
            return {**found, **await _elsewhere(exchange)}


def _of_type(arn: str, wanted: list[str]) -> bool:
    parts = arn.split(":", 5)
    kind = parts[5].replace(":", "/").split("/")[0] if "/" in parts[5] or ":" in parts[5] else ""
    return any(parts[2] == w.partition(":")[0] and w.partition(":")[2] in ("", kind, parts[2]) for w in wanted)


async def _get_resources(exchange: Exchange, params: Params) -> Params:
    arns, types = params.get("ResourceARNList"), params.get("ResourceTypeFilters")
    filters = params.get("TagFilters") or []
    if arns and (types or filters):
        text = "ResourceARNList cannot be used together with other filters."
        raise AwsError("InvalidParameterException", text, 400)

    def fits(arn: str, tags: Tags) -> bool:
        if (arns and arn not in arns) or (types and not _of_type(arn, types)):
            return False
        return all(
            f.get("Key") in tags and (not f.get("Values") or tags[f["Key"]] in f["Values"]) for f in filters
        )

    found = [(arn, tags) for arn, tags in (await _every(exchange)).items() if fits(arn, tags)]
    try:
        start = int(base64.b64decode(params["PaginationToken"])) if params.get("PaginationToken") else 0
    except ValueError as error:
        raise AwsError("PaginationTokenExpiredException", "The pagination token is not valid.", 400) from error
    stop = start + int(params.get("ResourcesPerPage") or _MOST)
    shown = [
        {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for arn, tags in found[start:stop]
    ]
    token = base64.b64encode(str(stop).encode()).decode() if stop < len(found) else ""
    return {"ResourceTagMappingList": shown, "PaginationToken": token}


async def _keys(exchange: Exchange, params: Params) -> Params:
    return {"TagKeys": sorted({key for tags in (await _every(exchange)).values() for key in tags})}


async def _values(exchange: Exchange, params: Params) -> Params:
    every = (await _every(exchange)).values()
    return {"TagValues": sorted({tags[params["Key"]] for tags in every if params.get("Key") in tags})}


async def _write(exchange: Exchange, params: Params, tags: Tags | None) -> Params:
    """Set tags, or remove keys where ``tags`` is ``None``."""
    assert exchange.call is not None
    keys, failed, rest = list(params.get("TagKeys") or []), {}, []
    for arn in params.get("ResourceARNList") or []:
        service = _SERVICES.get(str(arn).split(":")[2] if str(arn).count(":") > 4 else "")
        if service is None:
            rest.append(arn)
            continue
        try:
            await _tag(exchange, service, str(arn), tags, keys)
        except AwsError as error:
            code = "InternalServiceException" if error.status >= 500 else "InvalidParameterException"
            failed[arn] = {"StatusCode": error.status, "ErrorCode": code, "ErrorMessage": error.message}
    if rest:
        answer = await ask(exchange, exchange.call.operation, **{**params, "ResourceARNList": rest})
        failed.update(answer.get("FailedResourcesMap") or {})
    return {"FailedResourcesMap": failed}


async def _tag(exchange: Exchange, service: str, arn: str, tags: Tags | None, keys: list[str]) -> None:
    pairs = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
    if service == "ec2":
        names = [{"Key": key} for key in keys]
        operation = "DeleteTags" if tags is None else "CreateTags"
        await ask(exchange, operation, "ec2", Resources=[arn.rpartition("/")[2]], Tags=names if tags is None else pairs)
    elif service == "eks" and tags is not None:
        await ask(exchange, "TagResource", "eks", resourceArn=arn, tags=tags)
    elif service == "eks":
        await ask(exchange, "UntagResource", "eks", resourceArn=arn, tagKeys=keys)
    else:
        where: Params = {"ResourceName": arn} if service == "rds" else {"ResourceArns": [arn]}
        add, remove = ("AddTagsToResource", "RemoveTagsFromResource") if service == "rds" else ("AddTags", "RemoveTags")
        if tags is None:
            await ask(exchange, remove, service, **where, TagKeys=keys)
        else:
            await ask(exchange, add, service, **where, Tags=pairs)


async def _tag_resources(exchange: Exchange, params: Params) -> Params:
    return await _write(exchange, params, dict(params.get("Tags") or {}))


async def _untag_resources(exchange: Exchange, params: Params) -> Params:
    return await _write(exchange, params, None)


CORRECTIONS = Corrections(
    instead={
        "GetResources": _get_resources,
        "GetTagKeys": _keys,
        "GetTagValues": _values,
        "TagResources": _tag_resources,
        "UntagResources": _untag_resources,
    }
)

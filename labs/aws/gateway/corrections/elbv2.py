"""Elastic Load Balancing: names, what a load balancer and a listener need, rule order, what is in use.

Source: Elastic Load Balancing API Reference 2015-12-01 (each action's errors and defaults).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found
from labs.aws.gateway.corrections.paging import Page
from labs.aws.gateway.load_balancers import dns_name

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_NAME = re.compile(r"(?!-)(?!internal-)[A-Za-z0-9-]{1,32}(?<!-)")


def _named(name: str, what: str) -> None:
    """ "… maximum of 32 characters, can contain only alphanumeric characters and hyphens, must not begin or end with a
    hyphen"."""
    if len(name) > 32:
        raise AwsError("ValidationError", f"The {what} name '{name}' cannot be longer than '32' characters", 400)
    if not _NAME.fullmatch(name):
        raise AwsError(
            "ValidationError",
            f"The {what} name '{name}' can only contain characters that are alphanumeric characters or hyphens(-)",
            400,
        )


async def _balancers(exchange: Exchange, **params: Any) -> list[dict[str, Any]]:
    return list((await ask(exchange, "DescribeLoadBalancers", **params)).get("LoadBalancers") or [])


async def _create(exchange: Exchange, params: Params) -> Params | None:
    """A second creation with the same settings is the first one's load balancer; with others it is refused."""
    _named(str(params.get("Name", "")), "load balancer")
    subnets = list(params.get("Subnets") or [m.get("SubnetId") for m in params.get("SubnetMappings") or []])
    zones = await _zones(exchange, subnets)
    network = params.get("Type") in ("network", "gateway")
    if len(zones) < (1 if network else 2):
        raise AwsError(
            "ValidationError", "At least two subnets in two different Availability Zones must be specified", 400
        )
    groups = params.get("SecurityGroups") or []
    if groups and await found(exchange, "DescribeSecurityGroups", "ec2", GroupIds=groups) is None:
        raise AwsError("InvalidSecurityGroup", f"One or more security groups are invalid: {groups}", 400)
    there = await found(exchange, "DescribeLoadBalancers", Names=[params.get("Name", "")])
    for balancer in (there or {}).get("LoadBalancers") or []:
        same = (
            _scheme(balancer) == (params.get("Scheme") or "internet-facing")
            and balancer.get("Type", "application") == (params.get("Type") or "application")
            and {zone["SubnetId"] for zone in balancer["AvailabilityZones"]} == set(subnets)
        )
        if not same:
            raise AwsError(
                "DuplicateLoadBalancerName",
                "A load balancer with the same name '" + str(params["Name"]) + "' exists, but with different settings",
                400,
            )
        return {"LoadBalancers": [_complete(exchange, balancer)]}
    given = {**params, "Scheme": params.get("Scheme") or "internet-facing", "Type": params.get("Type") or "application"}
    if not groups and not network:
        vpc = await ask(exchange, "DescribeSubnets", "ec2", SubnetIds=subnets)
        given["SecurityGroups"] = await _default_group(exchange, vpc["Subnets"][0]["VpcId"])
    result = await ask(exchange, "CreateLoadBalancer", **given)
    result.pop("ResponseMetadata", None)
    for balancer in result.get("LoadBalancers") or []:
        _complete(exchange, balancer)
    return result


async def _zones(exchange: Exchange, subnets: list[str]) -> set[str]:
    if not subnets:
        raise AwsError("ValidationError", "You must specify at least one subnet", 400)
    try:
        answer = await ask(exchange, "DescribeSubnets", "ec2", SubnetIds=subnets)
    except AwsError as error:
        if error.code != "InvalidSubnetID.NotFound":
            raise
        raise AwsError("SubnetNotFound", error.message, 400) from error
    zones = [subnet["AvailabilityZone"] for subnet in answer["Subnets"]]
    if len(set(zones)) != len(zones):
        raise AwsError(
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            400,
        )
    return set(zones)


async def _default_group(exchange: Exchange, vpc: str) -> list[str]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    answer = await ask(exchange, "DescribeSecurityGroups", "ec2", Filters=filters)
    return [group["GroupId"] for group in answer.get("SecurityGroups") or []]


def _scheme(balancer: dict[str, Any]) -> str:
    return str(balancer.get("Scheme") or "internet-facing")


def _complete(exchange: Exchange, balancer: dict[str, Any]) -> dict[str, Any]:
    balancer.setdefault("Scheme", "internet-facing")
    balancer.setdefault("Type", "application")
    balancer.setdefault("IpAddressType", "ipv4")
    balancer["DNSName"] = dns_name(balancer)
    return balancer


async def _described(exchange: Exchange, params: Params, result: Params) -> Params:
    for balancer in result.get("LoadBalancers") or []:
        _complete(exchange, balancer)
    wanted = params.get("LoadBalancerArns") or []
    there = {balancer["LoadBalancerArn"] for balancer in result.get("LoadBalancers") or []}
    if [arn for arn in wanted if arn not in there]:
        raise AwsError("LoadBalancerNotFound", f"Load balancers '{wanted}' not found", 400)
    return result


async def _delete(exchange: Exchange, params: Params) -> None:
    arn = str(params.get("LoadBalancerArn", ""))
    answer = await found(exchange, "DescribeLoadBalancerAttributes", LoadBalancerArn=arn)
    attributes = {entry["Key"]: entry["Value"] for entry in (answer or {}).get("Attributes") or []}
    if attributes.get("deletion_protection.enabled") == "true":
        raise AwsError(
            "OperationNotPermitted",
            f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            400,
        )


# What every load balancer has until it is changed (LoadBalancerAttribute).
_ATTRIBUTES = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "load_balancing.cross_zone.enabled": "true",
}
_OF_APPLICATIONS = {
    "idle_timeout.timeout_seconds": "60",
    "routing.http2.enabled": "true",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "waf.fail_open.enabled": "false",
    "zonal_shift.config.enabled": "false",
}


async def _attributes(exchange: Exchange, params: Params, result: Params) -> Params:
    arn = str(params.get("LoadBalancerArn", ""))
    defaults = {**_ATTRIBUTES, **(_OF_APPLICATIONS if "/app/" in arn else {})}
    if "/net/" in arn:
        defaults["load_balancing.cross_zone.enabled"] = "false"
    known = {entry["Key"]: entry["Value"] for entry in result.get("Attributes") or []}
    merged = {**defaults, **known}
    return {"Attributes": [{"Key": key, "Value": value} for key, value in merged.items()]}


# -- target groups -------------------------------------------------------------------------------------------------


async def _create_group(exchange: Exchange, params: Params) -> None:
    name = str(params.get("Name", ""))
    _named(name, "target group")
    there = await found(exchange, "DescribeTargetGroups", Names=[name])
    if (there or {}).get("TargetGroups"):
        raise AwsError(
            "DuplicateTargetGroupName",
            f"A target group with the same name '{name}' exists, but with different settings",
            400,
        )
    if params.get("TargetType") != "lambda":
        for needed in ("Protocol", "Port", "VpcId"):
            if not params.get(needed):
                raise AwsError("ValidationError", f"A {needed} must be specified", 400)
        if await found(exchange, "DescribeVpcs", "ec2", VpcIds=[params["VpcId"]]) is None:
            raise AwsError("ValidationError", f"The VPC ID '{params['VpcId']}' is not found", 400)


async def _register(exchange: Exchange, params: Params) -> None:
    group = await _group(exchange, str(params.get("TargetGroupArn", "")))
    if group.get("TargetType", "instance") != "instance":
        return
    for target in params.get("Targets") or []:
        if await found(exchange, "DescribeInstances", "ec2", InstanceIds=[target.get("Id")]) is None:
            raise AwsError("InvalidTarget", f"The following targets are not in a running state and cannot be"
                           f" registered: '{target.get('Id')}'", 400)  # fmt: skip


async def _group(exchange: Exchange, arn: str) -> dict[str, Any]:
    try:
        answer = await ask(exchange, "DescribeTargetGroups", TargetGroupArns=[arn])
    except AwsError as error:
        raise _no_group(arn) from error
    groups = answer.get("TargetGroups") or []
    if not groups:
        raise _no_group(arn)
    return dict(groups[0])


def _no_group(arn: str) -> AwsError:
    return AwsError("TargetGroupNotFound", f"One or more target groups not found: {arn}", 400)


async def _health(exchange: Exchange, params: Params) -> None:
    await _group(exchange, str(params.get("TargetGroupArn", "")))


async def _health_seen(exchange: Exchange, params: Params, result: Params) -> Params:
    """As the load balancers' data plane sees the targets, where one runs (``labs.aws.balancing``)."""
    arn, registered = str(params.get("TargetGroupArn", "")), result.get("TargetHealthDescriptions") or []
    told = exchange.gateway.load_balancers.described(arn, registered, bool(params.get("Targets")))
    return {"TargetHealthDescriptions": told}


async def _group_fields(exchange: Exchange, params: Params, result: Params) -> Params:
    """Defaults of a network target group's health check, and nothing asked for that is not there."""
    for group in result.get("TargetGroups") or []:
        tcp = group.get("Protocol") in ("TCP", "TLS", "UDP", "TCP_UDP")
        given = params.get("HealthCheckProtocol")
        if tcp and "TargetGroupArn" not in params and not given and params.get("Name") == group.get("TargetGroupName"):
            group["HealthCheckProtocol"] = "TCP"
        if tcp and group.get("HealthCheckProtocol") == "TCP":
            group.pop("HealthCheckPath", None)
            group.pop("Matcher", None)
    wanted = params.get("TargetGroupArns") or []
    there = {group["TargetGroupArn"] for group in result.get("TargetGroups") or []}
    missing = [arn for arn in wanted if arn not in there]
    if missing:
        raise _no_group(missing[0])
    return result


# -- listeners and rules -------------------------------------------------------------------------------------------


def _groups_in(actions: list[dict[str, Any]]) -> list[str]:
    arns = []
    for action in actions:
        if action.get("TargetGroupArn"):
            arns.append(str(action["TargetGroupArn"]))
        for entry in (action.get("ForwardConfig") or {}).get("TargetGroups") or []:
            arns.append(str(entry.get("TargetGroupArn")))
    return arns


async def _create_listener(exchange: Exchange, params: Params) -> None:
    arn = str(params.get("LoadBalancerArn", ""))
    await _balancers(exchange, LoadBalancerArns=[arn])
    answer = await ask(exchange, "DescribeListeners", LoadBalancerArn=arn)
    for listener in answer.get("Listeners") or []:
        if int(listener.get("Port", 0)) == int(params.get("Port") or 0):
            raise AwsError(
                "DuplicateListener", f"A listener already exists on this port for this load balancer '{arn}'", 400
            )
    await _actions(exchange, params.get("DefaultActions") or [])
    await _certificates(exchange, params, str(params.get("Protocol", "")))


async def _actions(exchange: Exchange, actions: list[dict[str, Any]]) -> None:
    for group in _groups_in(actions):
        await _group(exchange, group)


async def _certificates(exchange: Exchange, params: Params, protocol: str) -> None:
    certificates = [str(entry.get("CertificateArn")) for entry in params.get("Certificates") or []]
    if protocol in ("HTTPS", "TLS") and not certificates:
        raise AwsError("ValidationError", f"A certificate must be specified for {protocol} listeners", 400)
    for arn in certificates:
        service, operation, name = (
            ("acm", "DescribeCertificate", {"CertificateArn": arn})
            if ":acm:" in arn
            else ("iam", "GetServerCertificate", {"ServerCertificateName": arn.rpartition("/")[2]})
        )
        if await found(exchange, operation, service, **name) is None:
            raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found", 400)


async def _modify_listener(exchange: Exchange, params: Params) -> None:
    await _actions(exchange, params.get("DefaultActions") or [])
    if params.get("Certificates"):
        await _certificates(exchange, params, "")


async def _create_rule(exchange: Exchange, params: Params) -> None:
    await _actions(exchange, params.get("Actions") or [])
    answer = await ask(exchange, "DescribeRules", ListenerArn=params.get("ListenerArn", ""))
    if str(params.get("Priority")) in [str(rule.get("Priority")) for rule in answer.get("Rules") or []]:
        raise AwsError("PriorityInUse", f"Priority '{params['Priority']}' is currently in use", 400)


async def _delete_rule(exchange: Exchange, params: Params) -> None:
    answer = await ask(exchange, "DescribeRules", RuleArns=[params.get("RuleArn", "")])
    for rule in answer.get("Rules") or []:
        if rule.get("IsDefault"):
            raise AwsError("OperationNotPermitted", f"Default rule '{rule['RuleArn']}' cannot be deleted", 400)


async def _modify_rule(exchange: Exchange, params: Params) -> None:
    await _actions(exchange, params.get("Actions") or [])


async def _rules(exchange: Exchange, params: Params, result: Params) -> Params:
    """By priority, the default rule last."""
    rules = list(result.get("Rules") or [])
    wanted = params.get("RuleArns") or []
    if wanted:
        rules = [rule for rule in rules if rule.get("RuleArn") in wanted]
    if len(rules) < len(wanted):
        raise AwsError("RuleNotFound", f"One or more rules not found: {wanted}", 400)
    order = lambda rule: 10**6 if rule.get("Priority") == "default" else int(rule.get("Priority") or 0)  # noqa: E731
    return {**result, "Rules": sorted(rules, key=order)}


def _page(items: str) -> Page:
    return Page(items, "PageSize", "Marker", "NextMarker", None, 400, "ValidationError")


CORRECTIONS = Corrections(
    before={
        "DeleteLoadBalancer": _delete,
        "CreateTargetGroup": _create_group,
        "RegisterTargets": _register,
        "DescribeTargetHealth": _health,
        "CreateListener": _create_listener,
        "ModifyListener": _modify_listener,
        "CreateRule": _create_rule,
        "ModifyRule": _modify_rule,
        "DeleteRule": _delete_rule,
    },
    instead={"CreateLoadBalancer": _create},
    after={
        "DescribeLoadBalancers": _described,
        "DescribeLoadBalancerAttributes": _attributes,
        "CreateTargetGroup": _group_fields,
        "DescribeTargetGroups": _group_fields,
        "DescribeTargetHealth": _health_seen,
        "DescribeRules": _rules,
    },
    pages={
        "DescribeLoadBalancers": _page("LoadBalancers"),
        "DescribeTargetGroups": _page("TargetGroups"),
        "DescribeListeners": _page("Listeners"),
        "DescribeRules": _page("Rules"),
    },
)

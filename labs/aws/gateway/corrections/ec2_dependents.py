"""What keeps a network resource from being deleted (EC2 API Reference, "Error codes": DependencyViolation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Before, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def listed(exchange: Exchange, operation: str, member: str, service: str = "ec2", **filters: str) -> list[Any]:
    """What a Describe… call finds with these filters (``vpc_id`` is ``vpc-id``, ``tag__x`` is ``tag:x``)."""
    wanted = [{"Name": name.replace("__", ".").replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    parameter = "Filter" if operation == "DescribeNatGateways" else "Filters"
    answer = await found(exchange, operation, service, **({parameter: wanted} if wanted else {}))
    return list((answer or {}).get(member) or [])


async def instances(exchange: Exchange, **filters: str) -> list[Any]:
    """Instances that are not terminated."""
    reservations = await listed(exchange, "DescribeInstances", "Reservations", **filters)
    every = [instance for reservation in reservations for instance in reservation.get("Instances") or []]
    return [instance for instance in every if instance["State"]["Name"] not in ("terminated", "shutting-down")]


async def _interfaces(exchange: Exchange, **filters: str) -> list[Any]:
    """Network interfaces that are somebody's: those of ended instances are gone with them."""
    entries = await listed(exchange, "DescribeNetworkInterfaces", "NetworkInterfaces", **filters)
    alive = {instance["InstanceId"] for instance in await instances(exchange)} if entries else set()
    return [
        entry
        for entry in entries
        if not (entry.get("Attachment") or {}).get("InstanceId") or entry["Attachment"]["InstanceId"] in alive
    ]


async def _gateways(exchange: Exchange, **filters: str) -> list[Any]:
    entries = await listed(exchange, "DescribeNatGateways", "NatGateways", **filters)
    return [entry for entry in entries if entry.get("State") not in ("deleting", "deleted", "failed")]


async def _endpoints(exchange: Exchange, **filters: str) -> list[Any]:
    entries = await listed(exchange, "DescribeVpcEndpoints", "VpcEndpoints", **filters)
    return [entry for entry in entries if str(entry.get("State", "")).lower() not in ("deleted", "deleting")]


async def _balancers(exchange: Exchange) -> list[Any]:
    answer = await found(exchange, "DescribeLoadBalancers", "elbv2")
    return list((answer or {}).get("LoadBalancers") or [])


async def _databases(exchange: Exchange) -> list[Any]:
    answer = await found(exchange, "DescribeDBInstances", "rds")
    return list((answer or {}).get("DBInstances") or [])


def _violation(text: str) -> AwsError:
    return AwsError("DependencyViolation", text, 400)


async def _delete_subnet(exchange: Exchange, params: Params) -> None:
    subnet = str(params.get("SubnetId", ""))
    used = (
        await instances(exchange, subnet_id=subnet)
        or await _interfaces(exchange, subnet_id=subnet)
        or await _gateways(exchange, subnet_id=subnet)
        or [e for e in await _endpoints(exchange) if subnet in (e.get("SubnetIds") or [])]
        or [
            balancer
            for balancer in await _balancers(exchange)
            if subnet in [zone.get("SubnetId") for zone in balancer.get("AvailabilityZones") or []]
        ]
    )
    if used:
        raise _violation(f"The subnet '{subnet}' has dependencies and cannot be deleted.")


async def _delete_vpc(exchange: Exchange, params: Params) -> None:
    vpc = str(params.get("VpcId", ""))
    tables = await listed(exchange, "DescribeRouteTables", "RouteTables", vpc_id=vpc)
    groups = await listed(exchange, "DescribeSecurityGroups", "SecurityGroups", vpc_id=vpc)
    used = (
        await listed(exchange, "DescribeSubnets", "Subnets", vpc_id=vpc)
        or await listed(exchange, "DescribeInternetGateways", "InternetGateways", attachment__vpc_id=vpc)
        or [table for table in tables if not any(link.get("Main") for link in table.get("Associations") or [])]
        or [group for group in groups if group.get("GroupName") != "default"]
        or await _endpoints(exchange, vpc_id=vpc)
        or await _gateways(exchange, vpc_id=vpc)
        or [
            acl
            for acl in await listed(exchange, "DescribeNetworkAcls", "NetworkAcls", vpc_id=vpc)
            if not acl.get("IsDefault")
        ]
    )
    if used:
        raise _violation(f"The vpc '{vpc}' has dependencies and cannot be deleted.")


async def _delete_group(exchange: Exchange, params: Params) -> None:
    group = await _group(exchange, params)
    if group is None:
        return
    identifier = str(group["GroupId"])
    if group.get("GroupName") == "default":
        message = f'the specified group: "{identifier}" name: "default" cannot be deleted by a user'
        raise AwsError("CannotDelete", message, 400)
    others = await listed(exchange, "DescribeSecurityGroups", "SecurityGroups", vpc_id=str(group.get("VpcId", "")))
    used = (
        [other for other in others if other["GroupId"] != identifier and identifier in _referenced(other)]
        or await instances(exchange, instance__group_id=identifier)
        or await _interfaces(exchange, group_id=identifier)
        or [lb for lb in await _balancers(exchange) if identifier in (lb.get("SecurityGroups") or [])]
        or [e for e in await _endpoints(exchange) if identifier in [g.get("GroupId") for g in e.get("Groups") or []]]
        or [
            database
            for database in await _databases(exchange)
            if identifier in [g.get("VpcSecurityGroupId") for g in database.get("VpcSecurityGroups") or []]
        ]
    )
    if used:
        raise _violation(f"resource {identifier} has a dependent object")


async def _group(exchange: Exchange, params: Params) -> Any:
    if params.get("GroupId"):
        answer = await found(exchange, "DescribeSecurityGroups", GroupIds=[params["GroupId"]])
    else:
        answer = await found(exchange, "DescribeSecurityGroups", GroupNames=[params.get("GroupName", "")])
    return next(iter((answer or {}).get("SecurityGroups") or []), None)


def _referenced(group: dict[str, Any]) -> set[str]:
    rules = [*(group.get("IpPermissions") or []), *(group.get("IpPermissionsEgress") or [])]
    return {str(pair.get("GroupId")) for rule in rules for pair in rule.get("UserIdGroupPairs") or []}


async def _delete_route_table(exchange: Exchange, params: Params) -> None:
    table = str(params.get("RouteTableId", ""))
    answer = await found(exchange, "DescribeRouteTables", RouteTableIds=[table])
    for entry in (answer or {}).get("RouteTables") or []:
        if entry.get("Associations"):
            raise _violation(f"The routeTable '{table}' has dependencies and cannot be deleted.")


async def _delete_internet_gateway(exchange: Exchange, params: Params) -> None:
    gateway = str(params.get("InternetGatewayId", ""))
    answer = await found(exchange, "DescribeInternetGateways", InternetGatewayIds=[gateway])
    for entry in (answer or {}).get("InternetGateways") or []:
        if entry.get("Attachments"):
            raise _violation(f"The internetGateway '{gateway}' has dependencies and cannot be deleted.")


async def _detach_internet_gateway(exchange: Exchange, params: Params) -> None:
    """A gateway is needed while addresses in the VPC are mapped to the internet."""
    gateway, vpc = str(params.get("InternetGatewayId", "")), str(params.get("VpcId", ""))
    answer = await ask(exchange, "DescribeInternetGateways", InternetGatewayIds=[gateway])
    attached = [link.get("VpcId") for entry in answer["InternetGateways"] for link in entry.get("Attachments") or []]
    if vpc not in attached:
        raise AwsError("Gateway.NotAttached", f"resource {gateway} is not attached to network {vpc}", 400)
    public = [g for g in await _gateways(exchange, vpc_id=vpc) if g.get("ConnectivityType", "public") == "public"]
    if public:
        raise _violation(
            f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching"
            " the gateway."
        )


async def _delete_network_acl(exchange: Exchange, params: Params) -> None:
    acl = str(params.get("NetworkAclId", ""))
    answer = await found(exchange, "DescribeNetworkAcls", NetworkAclIds=[acl])
    for entry in (answer or {}).get("NetworkAcls") or []:
        if entry.get("IsDefault"):
            raise AwsError("InvalidParameterValue", f"cannot delete default network ACL {acl}", 400)
        if entry.get("Associations"):
            raise _violation(f"The networkAcl '{acl}' has dependencies and cannot be deleted.")


async def _delete_interface(exchange: Exchange, params: Params) -> None:
    interface = str(params.get("NetworkInterfaceId", ""))
    answer = await found(exchange, "DescribeNetworkInterfaces", NetworkInterfaceIds=[interface])
    for entry in (answer or {}).get("NetworkInterfaces") or []:
        if (entry.get("Attachment") or {}).get("InstanceId"):
            raise AwsError("InvalidParameterValue", f"Network interface '{interface}' is currently in use.", 400)


DEPENDENTS: dict[str, Before] = {
    "DeleteSubnet": _delete_subnet,
    "DeleteVpc": _delete_vpc,
    "DeleteSecurityGroup": _delete_group,
    "DeleteRouteTable": _delete_route_table,
    "DeleteInternetGateway": _delete_internet_gateway,
    "DetachInternetGateway": _detach_internet_gateway,
    "DeleteNetworkAcl": _delete_network_acl,
    "DeleteNetworkInterface": _delete_interface,
}

"""EC2's networks: gateways, addresses, security groups, endpoints, ACLs (EC2 API Reference; VPC User Guide)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import After, Before, Instead, Params, ask, found
from labs.aws.gateway.corrections.ec2_dependents import listed
from labs.aws.gateway.rewriting import FULL_ENDPOINT_POLICY

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


# -- internet and NAT gateways, addresses --------------------------------------------------------------------------


async def _attach_gateway(exchange: Exchange, params: Params) -> None:
    gateway, vpc = str(params.get("InternetGatewayId", "")), str(params.get("VpcId", ""))
    answer = await ask(exchange, "DescribeInternetGateways", InternetGatewayIds=[gateway])
    attached = [link.get("VpcId") for entry in answer["InternetGateways"] for link in entry.get("Attachments") or []]
    if attached:
        message = f"resource {gateway} is already attached to network {attached[0]}"
        raise AwsError("Resource.AlreadyAssociated", message, 400)
    await ask(exchange, "DescribeVpcs", VpcIds=[vpc])
    if await listed(exchange, "DescribeInternetGateways", "InternetGateways", attachment__vpc_id=vpc):
        raise AwsError("InvalidParameterValue", f"Network {vpc} already has an internet gateway attached", 400)


async def _create_nat(exchange: Exchange, params: Params) -> None:
    await ask(exchange, "DescribeSubnets", SubnetIds=[params.get("SubnetId", "")])
    private = params.get("ConnectivityType") == "private"
    allocation = params.get("AllocationId")
    if private and allocation:
        raise AwsError("InvalidParameterCombination", "AllocationId is not allowed for a private NAT gateway.", 400)
    if not private and not allocation:
        raise AwsError("MissingParameter", "The request must contain the parameter AllocationId", 400)
    if allocation:
        answer = await ask(exchange, "DescribeAddresses", AllocationIds=[allocation])
        address = answer["Addresses"][0]
        held = address.get("InstanceId") or address.get("NetworkInterfaceId")
        if held or await _nat_of(exchange, str(allocation)):
            raise AwsError(
                "Resource.AlreadyAssociated", f"Elastic IP address [{allocation}] is already associated", 400
            )


async def _nat_of(exchange: Exchange, allocation: str) -> Any:
    """The NAT gateway that holds an address, if one does."""
    for gateway in await listed(exchange, "DescribeNatGateways", "NatGateways"):
        held = [link.get("AllocationId") for link in gateway.get("NatGatewayAddresses") or []]
        if allocation in held and gateway.get("State") not in ("deleting", "deleted", "failed"):
            return gateway
    return None


async def _nat_gateways(exchange: Exchange, params: Params, result: Params) -> Params:
    entries = [result["NatGateway"]] if "NatGateway" in result else result.get("NatGateways") or []
    kinds = exchange.gateway.notes.setdefault(("ec2", "nat-connectivity"), {})
    for entry in entries:
        if "NatGateway" in result and params.get("ConnectivityType"):
            kinds[entry["NatGatewayId"]] = params["ConnectivityType"]
        entry.setdefault("ConnectivityType", kinds.get(entry["NatGatewayId"], "public"))
        for link in entry.get("NatGatewayAddresses") or []:
            if link.get("AllocationId"):
                link.setdefault("AssociationId", "eipassoc-" + str(entry["NatGatewayId"]).partition("-")[2])
                link.setdefault("IsPrimary", True)
                link.setdefault("Status", "succeeded")
    return result


async def _addresses(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """An address that a NAT gateway holds is associated, until the gateway is gone."""
    for entry in result.get("Addresses") or []:
        if entry.get("InstanceId") or entry.get("NetworkInterfaceId"):
            continue
        entry.pop("AssociationId", None)
        gateway = await _nat_of(exchange, str(entry.get("AllocationId")))
        if gateway:
            entry["AssociationId"] = "eipassoc-" + str(gateway["NatGatewayId"]).partition("-")[2]
    return result


async def _release(exchange: Exchange, params: Params) -> None:
    allocation = params.get("AllocationId")
    if not allocation:
        return
    answer = await ask(exchange, "DescribeAddresses", AllocationIds=[allocation])
    address = answer["Addresses"][0]
    held = address.get("InstanceId") or address.get("NetworkInterfaceId")
    if held or await _nat_of(exchange, str(allocation)):
        raise AwsError("InvalidIPAddress.InUse", f"Address {address.get('PublicIp')} is in use.", 400)


async def _disassociate_address(exchange: Exchange, params: Params) -> None:
    association = params.get("AssociationId")
    if association and not await listed(exchange, "DescribeAddresses", "Addresses", association_id=str(association)):
        raise AwsError("InvalidAssociationID.NotFound", f"The association ID '{association}' does not exist", 400)


async def _delete_nat(exchange: Exchange, params: Params) -> None:
    gateway = str(params.get("NatGatewayId", ""))
    there = [g["NatGatewayId"] for g in await listed(exchange, "DescribeNatGateways", "NatGateways")]
    if gateway not in there:
        raise AwsError("NatGatewayNotFound", f"The Nat Gateway {gateway} was not found", 400)


# -- security groups -----------------------------------------------------------------------------------------------


async def _create_group(exchange: Exchange, params: Params) -> None:
    name = str(params.get("GroupName", ""))
    if name.lower() == "default":
        raise AwsError("InvalidParameterValue", "Cannot use reserved security group name: default", 400)
    if name.startswith("sg-"):
        raise AwsError(
            "InvalidParameterValue",
            "Invalid value '" + name + "' for groupName. Group names may not begin with 'sg-'.",
            400,
        )


async def _groups(exchange: Exchange, params: Params, result: Params) -> Params:
    for entry in result.get("SecurityGroups") or []:
        entry.setdefault("SecurityGroupArn", _arn(exchange, "security-group", str(entry["GroupId"])))
    return result


def _arn(exchange: Exchange, kind: str, identifier: str) -> str:
    assert exchange.call is not None
    return f"arn:aws:ec2:{exchange.call.region}:{exchange.account}:{kind}/{identifier}"


async def _group_exists(exchange: Exchange, params: Params) -> None:
    if params.get("GroupId"):
        await ask(exchange, "DescribeSecurityGroups", GroupIds=[params["GroupId"]])
    for permission in params.get("IpPermissions") or []:
        for pair in permission.get("UserIdGroupPairs") or []:
            if pair.get("GroupId") and pair.get("UserId") in (None, exchange.account):
                await ask(exchange, "DescribeSecurityGroups", GroupIds=[pair["GroupId"]])
        for block in permission.get("IpRanges") or []:
            _block(str(block.get("CidrIp")))
    if params.get("CidrIp"):
        _block(str(params["CidrIp"]))


def _block(block: str) -> None:
    try:
        ipaddress.IPv4Network(block, strict=False)
    except ValueError as error:
        raise AwsError("InvalidParameterValue", f"CIDR block {block} is malformed", 400) from error


# -- endpoints -----------------------------------------------------------------------------------------------------

_NO_SUCH_SERVICE = "The Vpc Endpoint Service '{}' does not exist"


async def _create_endpoint(exchange: Exchange, params: Params) -> None:
    await ask(exchange, "DescribeVpcs", VpcIds=[params.get("VpcId", "")])
    service = str(params.get("ServiceName", ""))
    if not service.startswith("com.amazonaws.vpce.") and service not in _endpoint_services(exchange):
        raise AwsError("InvalidServiceName", _NO_SUCH_SERVICE.format(service), 400)
    for table in params.get("RouteTableIds") or []:
        await ask(exchange, "DescribeRouteTables", RouteTableIds=[table])
    for subnet in params.get("SubnetIds") or []:
        await ask(exchange, "DescribeSubnets", SubnetIds=[subnet])
    for group in params.get("SecurityGroupIds") or []:
        await ask(exchange, "DescribeSecurityGroups", GroupIds=[group])


# The part of a service's name after com.amazonaws.REGION ("AWS services that integrate with AWS PrivateLink"); those
# that this lab's services have.  The engine makes its list by loading every service it has (300 MB).
_SERVICES = (
    "s3", "dynamodb", "access-analyzer", "acm-pca", "application-autoscaling", "appmesh", "athena", "autoscaling",
    "backup", "cloudformation", "cloudtrail", "codebuild", "codecommit", "codepipeline", "config", "ebs", "ec2",
    "ec2messages", "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "eks", "eks-auth", "elasticache",
    "elasticfilesystem", "elasticloadbalancing", "events", "execute-api", "firehose", "fis", "git-codecommit", "glue",
    "guardduty", "kafka", "kinesis-streams", "kms", "lambda", "logs", "monitoring", "rds", "redshift", "secretsmanager",
    "securityhub", "servicecatalog", "sns", "sqs", "ssm", "ssmmessages", "states", "sts", "synthetics", "xray",
)  # fmt: skip


def _endpoint_services(exchange: Exchange) -> dict[str, str]:
    """Name → endpoint type of the services of the call's region."""
    assert exchange.call is not None
    place = f"com.amazonaws.{exchange.call.region}."
    return {place + name: "Gateway" if name in ("s3", "dynamodb") else "Interface" for name in _SERVICES}


async def _describe_services(exchange: Exchange, params: Params) -> Params:
    assert exchange.call is not None
    services = _endpoint_services(exchange)
    wanted = {f.get("Name"): set(f.get("Values") or []) for f in params.get("Filters") or []}
    names = [
        name
        for name, kind in sorted(services.items())
        if name in (params.get("ServiceNames") or [name])
        and name in wanted.get("service-name", {name})
        and kind in wanted.get("service-type", {kind})
    ]
    for name in params.get("ServiceNames") or []:
        if name not in services:
            raise AwsError("InvalidServiceName", _NO_SUCH_SERVICE.format(name), 400)
    zones = [zone["ZoneName"] for zone in (await ask(exchange, "DescribeAvailabilityZones"))["AvailabilityZones"]]
    details = [
        {
            "ServiceName": name,
            "ServiceType": [{"ServiceType": services[name]}],
            "AvailabilityZones": zones,
            "Owner": "amazon",
            "BaseEndpointDnsNames": [f"{name.split('.', 3)[3]}.{exchange.call.region}.amazonaws.com"],
            "VpcEndpointPolicySupported": True,
            "AcceptanceRequired": False,
        }
        for name in names
    ]
    return {"ServiceNames": names, "ServiceDetails": details}


async def _endpoints(exchange: Exchange, params: Params, result: Params) -> Params:
    """Members that depend on the endpoint's type, and nothing of deleted endpoints."""
    entries = [result["VpcEndpoint"]] if "VpcEndpoint" in result else result.get("VpcEndpoints") or []
    notes = exchange.gateway.notes.setdefault(("ec2", "endpoints"), {})
    for entry in entries:
        if "VpcEndpoint" in result:
            notes[entry["VpcEndpointId"]] = dict(params)
        made = notes.get(entry["VpcEndpointId"], {})
        kind = made.get("VpcEndpointType") or entry.get("VpcEndpointType") or "Gateway"
        entry["VpcEndpointType"] = kind
        entry.setdefault("State", "available")
        entry["PrivateDnsEnabled"] = bool(made.get("PrivateDnsEnabled", kind == "Interface"))
        entry.setdefault("OwnerId", exchange.account)
        kept = exchange.gateway.ownership.endpoint_policy(entry["VpcEndpointId"])
        entry["PolicyDocument"] = kept or FULL_ENDPOINT_POLICY
        if kind == "Interface":
            await _interface_members(exchange, entry, made)
    if "VpcEndpoints" in result:
        result["VpcEndpoints"] = [e for e in entries if str(e["State"]).lower() not in ("deleted", "deleting")]
    return result


async def _interface_members(exchange: Exchange, entry: dict[str, Any], made: Params) -> None:
    assert exchange.call is not None
    subnets = entry.get("SubnetIds") or []
    if not entry.get("NetworkInterfaceIds"):
        mark = str(entry["VpcEndpointId"]).partition("-")[2][:16]
        entry["NetworkInterfaceIds"] = [f"eni-{mark}{number:x}" for number in range(len(subnets))]
    if not entry.get("DnsEntries"):
        service = str(entry["ServiceName"]).rpartition(f".{exchange.call.region}.")[2]
        entry["DnsEntries"] = [
            {"DnsName": f"{entry['VpcEndpointId']}-a1b2c3d4.{service}.{exchange.call.region}.vpce.amazonaws.com"}
        ]
    names = made.get("SecurityGroupIds") or [g.get("GroupId") for g in entry.get("Groups") or []]
    if names:
        answer = await found(exchange, "DescribeSecurityGroups", GroupIds=names)
        entry["Groups"] = [
            {"GroupId": group["GroupId"], "GroupName": group["GroupName"]}
            for group in (answer or {}).get("SecurityGroups") or []
        ]


async def _modify_endpoint(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """What is changed of an endpoint's security groups and private DNS is remembered with the rest."""
    made = exchange.gateway.notes.setdefault(("ec2", "endpoints"), {}).setdefault(params.get("VpcEndpointId"), {})
    if params.get("PrivateDnsEnabled") is not None:
        made["PrivateDnsEnabled"] = params["PrivateDnsEnabled"]
    groups = [*(made.get("SecurityGroupIds") or []), *(params.get("AddSecurityGroupIds") or [])]
    made["SecurityGroupIds"] = [g for g in groups if g not in (params.get("RemoveSecurityGroupIds") or [])]
    for table in params.get("RemoveRouteTableIds") or []:
        answer = await found(exchange, "DescribeRouteTables", RouteTableIds=[table])
        for entry in (answer or {}).get("RouteTables") or []:
            for route in entry.get("Routes") or []:
                if route.get("GatewayId") == params.get("VpcEndpointId"):
                    prefix = {"DestinationPrefixListId": route["DestinationPrefixListId"]}
                    await ask(exchange, "DeleteRoute", RouteTableId=table, **prefix)
    return None


# -- VPCs, ACLs, flow logs -----------------------------------------------------------------------------------------


async def _create_vpc(exchange: Exchange, params: Params) -> None:
    block = params.get("CidrBlock")
    if block is None:
        return
    try:
        network = ipaddress.IPv4Network(str(block), strict=False)
    except ValueError as error:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({block}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
            400,
        ) from error
    if not 16 <= network.prefixlen <= 28:
        raise AwsError("InvalidVpc.Range", f"The CIDR '{block}' is invalid.", 400)


async def _delete_acl_entry(exchange: Exchange, params: Params) -> None:
    answer = await ask(exchange, "DescribeNetworkAcls", NetworkAclIds=[params.get("NetworkAclId", "")])
    egress = str(params.get("Egress", "false")).lower() == "true"
    for entry in answer["NetworkAcls"][0].get("Entries") or []:
        if entry.get("RuleNumber") == int(params.get("RuleNumber", -1)) and bool(entry.get("Egress")) == egress:
            return
    raise AwsError(
        "InvalidNetworkAclEntry.NotFound",
        f"The network acl entry identified by {str(egress).lower()}, {params.get('RuleNumber')} does not exist",
        400,
    )


async def _create_flow_logs(exchange: Exchange, params: Params, result: Params) -> Params:
    result.setdefault("Unsuccessful", [])
    return result


async def _flow_destination(exchange: Exchange, params: Params) -> None:
    if params.get("LogDestinationType") == "s3":
        bucket = str(params.get("LogDestination", "")).partition(":::")[2].partition("/")[0]
        if await found(exchange, "GetBucketLocation", "s3", Bucket=bucket) is None:
            raise AwsError("InvalidParameterValue", f"LogDestination: {bucket} does not exist.", 400)


async def _delete_peering(exchange: Exchange, params: Params) -> None:
    identifier = str(params.get("VpcPeeringConnectionId", ""))
    every = await listed(exchange, "DescribeVpcPeeringConnections", "VpcPeeringConnections")
    if identifier not in [entry["VpcPeeringConnectionId"] for entry in every]:
        raise AwsError(
            "InvalidVpcPeeringConnectionID.NotFound", f"The vpcPeeringConnection ID '{identifier}' does not exist", 400
        )


async def _unsuccessful(exchange: Exchange, params: Params, result: Params) -> Params:
    result.setdefault("Unsuccessful", [])
    return result


BEFORE: dict[str, Before] = {
    "AttachInternetGateway": _attach_gateway,
    "CreateNatGateway": _create_nat,
    "DeleteNatGateway": _delete_nat,
    "ReleaseAddress": _release,
    "DisassociateAddress": _disassociate_address,
    "CreateSecurityGroup": _create_group,
    "AuthorizeSecurityGroupIngress": _group_exists,
    "AuthorizeSecurityGroupEgress": _group_exists,
    "CreateVpcEndpoint": _create_endpoint,
    "CreateVpc": _create_vpc,
    "DeleteNetworkAclEntry": _delete_acl_entry,
    "CreateFlowLogs": _flow_destination,
    "DeleteVpcPeeringConnection": _delete_peering,
    "AcceptVpcPeeringConnection": _delete_peering,
}
INSTEAD: dict[str, Instead] = {"DescribeVpcEndpointServices": _describe_services}
AFTER: dict[str, After] = {
    "CreateNatGateway": _nat_gateways,
    "DescribeNatGateways": _nat_gateways,
    "DescribeAddresses": _addresses,
    "DescribeSecurityGroups": _groups,
    "CreateVpcEndpoint": _endpoints,
    "DescribeVpcEndpoints": _endpoints,
    "ModifyVpcEndpoint": _modify_endpoint,
    "CreateFlowLogs": _create_flow_logs,
    "DeleteFlowLogs": _unsuccessful,
    "DeleteVpcEndpoints": _unsuccessful,
}

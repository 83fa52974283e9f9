"""Amazon EC2: DryRun, pages, what may not be created, attached or deleted, and members that the engine leaves out.

Sources: Amazon EC2 API Reference (actions; "Error codes for the Amazon EC2 API") and Amazon VPC User Guide.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import (
    Before,
    Corrections,
    Params,
    ask,
    ec2_instances,
    ec2_settings,
    ec2_storage,
    found,
)
from labs.aws.gateway.corrections.ec2_dependents import DEPENDENTS
from labs.aws.gateway.corrections.ec2_network import AFTER, BEFORE, INSTEAD
from labs.aws.gateway.corrections.paging import pages

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_CHECKS: dict[str, Before] = {**BEFORE, **DEPENDENTS, **ec2_instances.BEFORE, **ec2_storage.BEFORE}

# Describe… by id: parameter, member, id in the member, error code and AWS's words.
_BY_ID = {
    "DescribeVpcPeeringConnections": (
        "VpcPeeringConnectionIds", "VpcPeeringConnections", "VpcPeeringConnectionId",
        "InvalidVpcPeeringConnectionID.NotFound", "The vpcPeeringConnection ID '{}' does not exist",
    ),
    "DescribeNatGateways": (
        "NatGatewayIds", "NatGateways", "NatGatewayId", "NatGatewayNotFound", "The Nat Gateway {} was not found",
    ),
    "DescribeVpcEndpoints": (
        "VpcEndpointIds", "VpcEndpoints", "VpcEndpointId",
        "InvalidVpcEndpointId.NotFound", "The Vpc Endpoint Id '{}' does not exist",
    ),
    "DescribeSpotInstanceRequests": (
        "SpotInstanceRequestIds", "SpotInstanceRequests", "SpotInstanceRequestId",
        "InvalidSpotInstanceRequestID.NotFound", "The spot instance request ID '{}' does not exist",
    ),
    "DescribeLaunchTemplates": (
        "LaunchTemplateIds", "LaunchTemplates", "LaunchTemplateId",
        "InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID {}, does not exist.",
    ),
    "DescribeNetworkInterfaces": (
        "NetworkInterfaceIds", "NetworkInterfaces", "NetworkInterfaceId",
        "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '{}' does not exist",
    ),
    "DescribeFlowLogs": (
        "FlowLogIds", "FlowLogs", "FlowLogId", "InvalidFlowLogId.NotFound", "The flow log ID '{}' does not exist",
    ),
    "DescribeImages": (
        "ImageIds", "Images", "ImageId", "InvalidAMIID.NotFound", "The image id '[{}]' does not exist",
    ),
}  # fmt: skip


async def _every_call(exchange: Exchange, params: Params) -> None:
    """ "Checks whether you have the required permissions for the action, without actually making the request" (DryRun):
    the caller is authorised by now."""
    if params.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    for identifier in params.get("InstanceIds") or []:
        if not _INSTANCE.fullmatch(str(identifier)):
            raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{identifier}"', 400)
    assert exchange.call is not None
    check = _CHECKS.get(exchange.call.operation)
    if check:
        await check(exchange, params)


def _missing(operation: str) -> Any:
    """Whether every id that was asked for is among the answers."""
    parameter, member, name, code, text = _BY_ID[operation]

    async def check(exchange: Exchange, params: Params, result: Params) -> Params | None:
        change = AFTER.get(operation) or ec2_instances.AFTER.get(operation)
        result = (await change(exchange, params, result) if change else None) or result
        there = {entry.get(name) for entry in result.get(member) or []}
        for identifier in params.get(parameter) or []:
            if identifier not in there:
                raise AwsError(code, text.format(identifier), 400)
        return result

    return check


async def _create_tags(exchange: Exchange, params: Params) -> None:
    for tag in params.get("Tags") or []:
        if str(tag.get("Key", "")).lower().startswith("aws:"):
            raise AwsError(
                "InvalidParameterValue",
                "Value ( {} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal"
                " use".format(tag["Key"]),
                400,
            )
        if len(str(tag.get("Key", ""))) > 128:
            raise AwsError("InvalidParameterValue", "Tag key exceeds the maximum length of 128 characters", 400)
    for identifier in params.get("Resources") or []:
        await exists(exchange, str(identifier))


_READERS = {
    "vpc": ("DescribeVpcs", "VpcIds"),
    "subnet": ("DescribeSubnets", "SubnetIds"),
    "i": ("DescribeInstances", "InstanceIds"),
    "vol": ("DescribeVolumes", "VolumeIds"),
    "snap": ("DescribeSnapshots", "SnapshotIds"),
    "sg": ("DescribeSecurityGroups", "GroupIds"),
    "rtb": ("DescribeRouteTables", "RouteTableIds"),
    "igw": ("DescribeInternetGateways", "InternetGatewayIds"),
    "eni": ("DescribeNetworkInterfaces", "NetworkInterfaceIds"),
}


async def exists(exchange: Exchange, identifier: str) -> None:
    """:raises AwsError: the engine does not find it, in its own words"""
    reader = _READERS.get(identifier.partition("-")[0])
    if reader:
        await ask(exchange, reader[0], **{reader[1]: [identifier]})


_AFTER = {**AFTER, **ec2_instances.AFTER, **ec2_settings.AFTER}
_AFTER |= {operation: _missing(operation) for operation in _BY_ID}
_CHECKS["CreateTags"] = _create_tags

CORRECTIONS = Corrections(
    before={"*": _every_call},
    instead={**INSTEAD, **ec2_instances.INSTEAD, **ec2_settings.INSTEAD, **ec2_storage.INSTEAD},
    after=_AFTER,
    codes={
        ("DescribeLaunchTemplates", "InvalidLaunchTemplateName.NotFound"): (
            "InvalidLaunchTemplateName.NotFoundException"
        ),
        ("DeleteNatGateway", "InvalidNatGatewayID.NotFound"): "NatGatewayNotFound",
        ("RunInstances", "InvalidInstanceType.NotFound"): "InvalidParameterValue",
        ("DescribeInstanceTypes", "InvalidInstanceType.NotFound"): "InvalidInstanceType",
    },
    pages=pages("ec2", 1000, "InvalidNextToken", never=("DescribeSpotPriceHistory",)),
)

__all__ = ["CORRECTIONS", "exists", "found"]

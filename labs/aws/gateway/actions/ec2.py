"""Amazon EC2: resources by id, several per call.

Pages: "Actions, resources, and condition keys for Amazon EC2"; EC2 User Guide,
"Example policies to control access to the Amazon EC2 API".
"""

from __future__ import annotations

from typing import Any

from labs.aws.gateway.actions import generic
from labs.aws.gateway.actions.asked import Asked, Check, Context, pass_role, request_tags, resource_tags, tag_keys

# Parameter (singular; a trailing "s" is understood) -> resource type in the ARN.
_IDS = {
    "InstanceId": "instance",
    "VpcId": "vpc",
    "SubnetId": "subnet",
    "GroupId": "security-group",
    "SecurityGroupId": "security-group",
    "VolumeId": "volume",
    "SnapshotId": "snapshot",
    "ImageId": "image",
    "NetworkInterfaceId": "network-interface",
    "RouteTableId": "route-table",
    "InternetGatewayId": "internet-gateway",
    "EgressOnlyInternetGatewayId": "egress-only-internet-gateway",
    "NatGatewayId": "natgateway",
    "AllocationId": "elastic-ip",
    "KeyName": "key-pair",
    "LaunchTemplateId": "launch-template",
    "VpcEndpointId": "vpc-endpoint",
    "NetworkAclId": "network-acl",
    "DhcpOptionsId": "dhcp-options",
    "VpcPeeringConnectionId": "vpc-peering-connection",
    "TransitGatewayId": "transit-gateway",
    "FlowLogId": "vpc-flow-log",
    "PrefixListId": "prefix-list",
}
_PUBLIC = ("image", "snapshot")  # no account in the ARN: anybody's
# What a Create… call makes, where its name does not say it.
_MADE = {
    "CreateNatGateway": "natgateway",
    "CreateFlowLogs": "vpc-flow-log",
    "AllocateAddress": "elastic-ip",
    "CreateKeyPair": "key-pair",
    "ImportKeyPair": "key-pair",
    "CreateSnapshot": "snapshot",
    "CopySnapshot": "snapshot",
    "CreateImage": "image",
    "CopyImage": "image",
    "CreateTransitGatewayVpcAttachment": "transit-gateway-attachment",
}


async def checks(asked: Asked) -> list[Check]:
    """Every check of one EC2 call."""
    operation = asked.operation
    if operation.startswith(("Describe", "Get", "Search", "List")):
        return [Check(f"ec2:{operation}", "*", asked.account, {"ec2:Region": asked.region})]
    if operation == "RunInstances":
        return await _run_instances(asked)
    if operation in ("CreateTags", "DeleteTags"):
        return await _tags(asked)
    common: Context = {"ec2:Region": asked.region, **_created_tags(asked)}
    found = [await _check(asked, operation, arn, common) for arn in _created(asked) + _named(asked)]
    if not found:
        found = [Check(f"ec2:{operation}", "*", asked.account, common)]
    return found + _tagging(asked, operation)


def _arn(asked: Asked, kind: str, identifier: str) -> str:
    return asked.arn("ec2", f"{kind}/{identifier}", "" if kind in _PUBLIC else None)


def _named(asked: Asked) -> list[str]:
    """ARNs of the existing resources that the parameters name."""
    found: list[str] = []
    _, entry = generic.action_of("ec2", asked.operation)
    allowed = entry.types if entry else {}
    for name, value in asked.params.items():
        kind = _IDS.get(name) or _IDS.get(name.removesuffix("s"))
        if kind is None or (allowed and kind not in allowed):
            continue
        for identifier in value if isinstance(value, list) else [value]:
            if isinstance(identifier, str):
                found.append(_arn(asked, kind, identifier))
    return found


def _created(asked: Asked) -> list[str]:
    """``type/*`` of what a call makes."""
    operation = asked.operation
    kind = _MADE.get(operation, "")
    if not kind and operation.startswith("Create"):
        words = operation.removeprefix("Create")
        kind = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in words).lstrip("-")
    _, entry = generic.action_of("ec2", operation)
    if not kind or entry is None or kind not in entry.types:
        return []
    return [_arn(asked, kind, asked.text("KeyName") if kind == "key-pair" and asked.get("KeyName") else "*")]


async def _check(asked: Asked, operation: str, arn: str, common: Context) -> Check:
    context = {**common, **await _existing_tags(asked, arn)}
    if "SourceInstanceARN" not in context and asked.get("InstanceType") and ":instance/" in arn:
        context["ec2:InstanceType"] = asked.text("InstanceType")
    if ":volume/" in arn:
        for parameter, key in (
            ("VolumeType", "ec2:VolumeType"),
            ("Size", "ec2:VolumeSize"),
            ("Encrypted", "ec2:Encrypted"),
        ):
            if asked.params.get(parameter) is not None:
                context[key] = _text(asked.params[parameter])
    return Check(f"ec2:{operation}", arn, asked.account, context)


async def _existing_tags(asked: Asked, arn: str) -> Context:
    identifier = arn.rpartition("/")[2]
    if identifier == "*" or not asked.wants_tags("ec2"):
        return {}
    filters = [{"Name": "resource-id", "Values": [identifier]}]
    answer = await asked.ask("ec2", "DescribeTags", region=asked.region, Filters=filters)
    return resource_tags(answer.get("Tags"), "ec2")


def _created_tags(asked: Asked) -> Context:
    return request_tags([tag for spec in asked.get("TagSpecifications") or [] for tag in spec.get("Tags") or []])


def _tagging(asked: Asked, operation: str) -> list[Check]:
    """Tagging on creation needs ``ec2:CreateTags`` with ``ec2:CreateAction`` (EC2 User Guide, "Grant permission to tag
    Amazon EC2 resources during creation")."""
    found = []
    for specification in asked.get("TagSpecifications") or []:
        if specification.get("Tags"):
            context: Context = {
                **request_tags(specification["Tags"]),
                "ec2:CreateAction": operation,
                "ec2:Region": asked.region,
            }
            arn = _arn(asked, str(specification.get("ResourceType", "*")), "*")
            found.append(Check("ec2:CreateTags", arn, asked.account, context))
    return found


async def _tags(asked: Asked) -> list[Check]:
    tags = asked.get("Tags")
    context = request_tags(tags)
    if asked.operation == "DeleteTags":
        context = tag_keys([tag.get("Key") for tag in tags or []])
    found = []
    for identifier in asked.get("Resources") or []:
        arn = _arn(asked, _kind_of(str(identifier)), str(identifier))
        merged = {**context, "ec2:Region": asked.region, **await _existing_tags(asked, arn)}
        found.append(Check(f"ec2:{asked.operation}", arn, asked.account, merged))
    return found or [Check(f"ec2:{asked.operation}", "*", asked.account, context)]


_ID_PREFIX = {
    "i": "instance",
    "vol": "volume",
    "snap": "snapshot",
    "ami": "image",
    "sg": "security-group",
    "eni": "network-interface",
    "rtb": "route-table",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "eipalloc": "elastic-ip",
    "lt": "launch-template",
    "vpce": "vpc-endpoint",
    "acl": "network-acl",
    "dopt": "dhcp-options",
    "pcx": "vpc-peering-connection",
    "tgw": "transit-gateway",
    "key": "key-pair",
}


def _kind_of(identifier: str) -> str:
    prefix = identifier.partition("-")[0]
    return _ID_PREFIX.get(prefix, prefix)


async def _run_instances(asked: Asked) -> list[Check]:
    """One check for each resource that a launch uses or makes."""
    region: Context = {"ec2:Region": asked.region}
    launch = await _instance_context(asked, region)
    image = asked.text("ImageId")
    interfaces = [entry for entry in asked.get("NetworkInterfaces") or [] if isinstance(entry, dict)]
    subnets = (
        [asked.text("SubnetId")]
        if asked.get("SubnetId")
        else [str(e["SubnetId"]) for e in interfaces if e.get("SubnetId")]
    )
    groups = [str(g) for g in asked.get("SecurityGroupIds") or [g for e in interfaces for g in e.get("Groups") or []]]
    arns: list[tuple[str, Context]] = [(_arn(asked, "instance", "*"), launch)]
    if image:
        arns.append((_arn(asked, "image", image), region))
    arns += [(_arn(asked, "subnet", subnet), region) for subnet in subnets or ["*"]]
    arns += [(_arn(asked, "security-group", group), region) for group in groups or ["*"]]
    arns.append((_arn(asked, "network-interface", "*"), region))
    arns.append((_arn(asked, "volume", "*"), {**region, **_volume_context(asked)}))
    if asked.get("KeyName"):
        arns.append((_arn(asked, "key-pair", asked.text("KeyName")), region))
    template = asked.get("LaunchTemplate")
    if isinstance(template, dict) and template.get("LaunchTemplateId"):
        arns.append((_arn(asked, "launch-template", str(template["LaunchTemplateId"])), region))
    found = [
        Check("ec2:RunInstances", arn, asked.account, {**context, **await _existing_tags(asked, arn)})
        for arn, context in arns
    ]
    return found + _tagging(asked, "RunInstances") + await _profile(asked)


async def _instance_context(asked: Asked, region: Context) -> Context:
    context: Context = {**region, **_tags_for(asked, "instance")}
    context["ec2:InstanceType"] = asked.text("InstanceType") or "m1.small"
    context["ec2:Tenancy"] = str((asked.get("Placement") or {}).get("Tenancy") or "default")
    zone = (asked.get("Placement") or {}).get("AvailabilityZone")
    if zone:
        context["ec2:AvailabilityZone"] = str(zone)
    metadata = asked.get("MetadataOptions") or {}
    for name, key in (
        ("HttpTokens", "ec2:MetadataHttpTokens"),
        ("HttpEndpoint", "ec2:MetadataHttpEndpoint"),
        ("HttpPutResponseHopLimit", "ec2:MetadataHttpPutResponseHopLimit"),
    ):
        if metadata.get(name) is not None:
            context[key] = _text(metadata[name])
    context["ec2:IsLaunchTemplateResource"] = "false"
    profile = asked.get("IamInstanceProfile") or {}
    if profile.get("Arn") or profile.get("Name"):
        name = asked.arn("iam", f"instance-profile/{profile.get('Name')}", region="")
        context["ec2:InstanceProfile"] = str(profile.get("Arn") or name)
    if asked.get("EbsOptimized") is not None:
        context["ec2:EbsOptimized"] = _text(asked.get("EbsOptimized"))
    return context


def _tags_for(asked: Asked, kind: str) -> Context:
    specifications = asked.get("TagSpecifications") or []
    return request_tags([t for s in specifications if s.get("ResourceType") == kind for t in s.get("Tags") or []])


def _volume_context(asked: Asked) -> Context:
    context: Context = dict(_tags_for(asked, "volume"))
    for mapping in asked.get("BlockDeviceMappings") or []:
        disk = mapping.get("Ebs") or {}
        for name, key in (
            ("VolumeType", "ec2:VolumeType"),
            ("VolumeSize", "ec2:VolumeSize"),
            ("Encrypted", "ec2:Encrypted"),
        ):
            if disk.get(name) is not None:
                context[key] = _text(disk[name])
    return context


async def _profile(asked: Asked) -> list[Check]:
    """``iam:PassRole`` on the role inside the instance profile."""
    profile = asked.get("IamInstanceProfile") or {}
    name = str(profile.get("Name") or profile.get("Arn") or "").rpartition("/")[2]
    if not name:
        return []
    answer = await asked.ask("iam", "GetInstanceProfile", InstanceProfileName=name)
    roles = (answer.get("InstanceProfile") or {}).get("Roles") or []
    return [check for role in roles for check in pass_role(asked, role.get("Arn"), "ec2.amazonaws.com")]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""CloudFormation's types of EC2, Elastic Load Balancing, Auto Scaling, RDS, Backup, EKS and ACM, in API calls.

A type's ``create`` gives the physical id (what ``Ref`` returns) and the attributes (``Fn::GetAtt``).  Each type's page:
"AWS resource and property types reference".  Properties that are not an operation's parameter of the same name are
named here; any other that an operation does not know is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from labs.aws.gateway.load_balancers import dns_name

Props = dict[str, Any]
Made = tuple[str, dict[str, Any]]


class Calls(Protocol):
    """How a type's functions reach the services."""

    def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One call."""

    def fit(self, service: str, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters among some properties."""


@dataclass(frozen=True)
class Kind:
    """How one type is made, changed in place (where only ``mutable`` properties change) and deleted."""

    create: Callable[[Calls, Props, str], Made]
    delete: Callable[[Calls, str, Props], object]
    tags: str = ""  # the property with a list of tags
    longest: int = 64  # characters of a name that CloudFormation makes up
    mutable: frozenset[str] = frozenset()
    update: Callable[[Calls, str, Props, Props], Made] | None = None


def _plain_tags(props: Props) -> list[dict[str, str]]:
    """The tags that services take from anybody: not those whose key begins with ``aws:``."""
    return [{"Key": str(t["Key"]), "Value": str(t.get("Value", ""))} for t in props.get("Tags") or []]


def _open(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    return [tag for tag in tags if not tag["Key"].startswith("aws:")]


def _tag(api: Calls, identifier: str, props: Props) -> None:
    tags = _plain_tags(props)
    if tags:
        api.ask("ec2", "CreateTags", Resources=[identifier], Tags=tags)


def _retag(api: Calls, identifier: str, old: Props, new: Props) -> None:
    before = {tag["Key"] for tag in _plain_tags(old)}
    gone = before - {tag["Key"] for tag in _plain_tags(new)}
    if gone:
        api.ask("ec2", "DeleteTags", Resources=[identifier], Tags=[{"Key": key} for key in sorted(gone)])
    _tag(api, identifier, new)


def _true(value: Any) -> bool:
    return str(value).lower() == "true"


# -- EC2: a table for what one call makes ------------------------------------------------------------------------------


def _simple(
    operation: str, wrapper: str, key: str, delete: str, tags: bool = True, renamed: Mapping[str, str] | None = None,
    attributes: Mapping[str, str] | None = None, many: bool = False,
) -> Kind:  # fmt: skip
    """A type of EC2 that one operation makes and one deletes.

    :param wrapper: member of the answer that holds the resource, "" for the answer itself
    :param key: member with the id, which is also the parameter of the delete operation
    :param attributes: attribute → member of the resource
    :param many: the delete operation takes a list of ids
    """

    def create(api: Calls, props: Props, default: str) -> Made:
        given = {(renamed or {}).get(name, name): value for name, value in props.items() if name != "Tags"}
        answer = api.ask("ec2", operation, **api.fit("ec2", operation, given))
        record = answer[wrapper] if wrapper else answer
        identifier = str(record[key])
        if tags:
            _tag(api, identifier, props)
        found = {name: record[member] for name, member in (attributes or {}).items() if record.get(member) is not None}
        return identifier, {key: identifier, **found}

    def remove(api: Calls, identifier: str, props: Props) -> None:
        api.ask("ec2", delete, **{key + "s" if many else key: [identifier] if many else identifier})

    def update(api: Calls, identifier: str, old: Props, new: Props) -> Made:
        _retag(api, identifier, old, new)
        return identifier, {}

    mutable = frozenset(["Tags"]) if tags else frozenset[str]()
    return Kind(create, remove, "Tags" if tags else "", mutable=mutable, update=update if tags else None)


_VPC = _simple("CreateVpc", "Vpc", "VpcId", "DeleteVpc", attributes={"CidrBlock": "CidrBlock"})
_PLACE = {name: name for name in ("AvailabilityZone", "CidrBlock", "VpcId")}
_SUBNET = _simple("CreateSubnet", "Subnet", "SubnetId", "DeleteSubnet", attributes=_PLACE)


def _set_vpc(api: Calls, identifier: str, props: Props) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        if name in props:
            api.ask("ec2", "ModifyVpcAttribute", VpcId=identifier, **{name: {"Value": _true(props[name])}})


def _create_vpc(api: Calls, props: Props, default: str) -> Made:
    identifier, attributes = _VPC.create(api, props, default)
    _set_vpc(api, identifier, props)
    inside = [{"Name": "vpc-id", "Values": [identifier]}]
    groups = api.ask("ec2", "DescribeSecurityGroups", Filters=[*inside, {"Name": "group-name", "Values": ["default"]}])
    lists = api.ask("ec2", "DescribeNetworkAcls", Filters=inside)
    attributes["DefaultSecurityGroup"] = groups["SecurityGroups"][0]["GroupId"]
    attributes["DefaultNetworkAcl"] = lists["NetworkAcls"][0]["NetworkAclId"]
    return identifier, attributes


def _update_vpc(api: Calls, identifier: str, old: Props, new: Props) -> Made:
    _retag(api, identifier, old, new)
    _set_vpc(api, identifier, new)
    return identifier, {}


def _set_subnet(api: Calls, identifier: str, props: Props) -> None:
    if "MapPublicIpOnLaunch" in props:
        wanted = {"Value": _true(props["MapPublicIpOnLaunch"])}
        api.ask("ec2", "ModifySubnetAttribute", SubnetId=identifier, MapPublicIpOnLaunch=wanted)


def _create_subnet(api: Calls, props: Props, default: str) -> Made:
    identifier, attributes = _SUBNET.create(api, props, default)
    _set_subnet(api, identifier, props)
    return identifier, attributes


def _update_subnet(api: Calls, identifier: str, old: Props, new: Props) -> Made:
    _retag(api, identifier, old, new)
    _set_subnet(api, identifier, new)
    return identifier, {}


def _attach_gateway(api: Calls, props: Props, default: str) -> Made:
    vpc = str(props["VpcId"])
    if props.get("InternetGatewayId"):
        api.ask("ec2", "AttachInternetGateway", InternetGatewayId=props["InternetGatewayId"], VpcId=vpc)
        return f"IGW|{vpc}", {}
    api.ask("ec2", "AttachVpnGateway", VpnGatewayId=props["VpnGatewayId"], VpcId=vpc)
    return f"VGW|{vpc}", {}


def _detach_gateway(api: Calls, identifier: str, props: Props) -> None:
    vpc = str(props["VpcId"])
    if props.get("InternetGatewayId"):
        api.ask("ec2", "DetachInternetGateway", InternetGatewayId=props["InternetGatewayId"], VpcId=vpc)
    else:
        api.ask("ec2", "DetachVpnGateway", VpnGatewayId=props["VpnGatewayId"], VpcId=vpc)


_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")


def _create_route(api: Calls, props: Props, default: str) -> Made:
    api.ask("ec2", "CreateRoute", **api.fit("ec2", "CreateRoute", props))
    destination = next(str(props[name]) for name in _DESTINATIONS if props.get(name))
    return f"{props['RouteTableId']}|{destination}", {"CidrBlock": destination}


def _delete_route(api: Calls, identifier: str, props: Props) -> None:
    api.ask("ec2", "DeleteRoute", **api.fit("ec2", "DeleteRoute", props))


def _associate_table(api: Calls, props: Props, default: str) -> Made:
    made = api.ask("ec2", "AssociateRouteTable", **api.fit("ec2", "AssociateRouteTable", props))
    return str(made["AssociationId"]), {"Id": made["AssociationId"]}


def _disassociate_table(api: Calls, identifier: str, props: Props) -> None:
    api.ask("ec2", "DisassociateRouteTable", AssociationId=identifier)


def _create_address(api: Calls, props: Props, default: str) -> Made:
    made = api.ask("ec2", "AllocateAddress", Domain="vpc")
    _tag(api, made["AllocationId"], props)
    if props.get("InstanceId"):
        api.ask("ec2", "AssociateAddress", AllocationId=made["AllocationId"], InstanceId=props["InstanceId"])
    return str(made["PublicIp"]), {name: made[name] for name in ("AllocationId", "PublicIp")}


def _release_address(api: Calls, identifier: str, props: Props) -> None:
    for address in api.ask("ec2", "DescribeAddresses", PublicIps=[identifier])["Addresses"]:
        if address.get("AssociationId"):
            api.ask("ec2", "DisassociateAddress", AssociationId=address["AssociationId"])
        api.ask("ec2", "ReleaseAddress", AllocationId=address["AllocationId"])


def _permission(rule: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """One rule of a template as EC2's IpPermission."""
    permission: dict[str, Any] = {"IpProtocol": str(rule.get("IpProtocol", "-1"))}
    for name in ("FromPort", "ToPort"):
        if rule.get(name) is not None:
            permission[name] = int(rule[name])
    text = {"Description": str(rule["Description"])} if rule.get("Description") else {}
    if rule.get("CidrIp"):
        permission["IpRanges"] = [{"CidrIp": str(rule["CidrIp"]), **text}]
    if rule.get("CidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": str(rule["CidrIpv6"]), **text}]
    group = rule.get(f"{direction}SecurityGroupId")
    if group:
        permission["UserIdGroupPairs"] = [{"GroupId": str(group), **text}]
    prefix = rule.get(f"{direction}PrefixListId")
    if prefix:
        permission["PrefixListIds"] = [{"PrefixListId": str(prefix), **text}]
    return permission


_DIRECTIONS = {"Ingress": "Source", "Egress": "Destination"}


def _rules(api: Calls, verb: str, way: str, group: str, rules: list[Any]) -> dict[str, Any]:
    if not rules:
        return {}
    permissions = [_permission(rule, _DIRECTIONS[way]) for rule in rules]
    return api.ask("ec2", f"{verb}SecurityGroup{way}", GroupId=group, IpPermissions=permissions)


def _create_group(api: Calls, props: Props, default: str) -> Made:
    wanted = {"GroupName": str(props.get("GroupName") or default), "Description": str(props["GroupDescription"])}
    if props.get("VpcId"):
        wanted["VpcId"] = str(props["VpcId"])
    group = str(api.ask("ec2", "CreateSecurityGroup", **wanted)["GroupId"])
    _tag(api, group, props)
    _rules(api, "Authorize", "Ingress", group, props.get("SecurityGroupIngress") or [])
    if props.get("SecurityGroupEgress"):
        _rules(api, "Revoke", "Egress", group, [{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}])
        _rules(api, "Authorize", "Egress", group, props["SecurityGroupEgress"])
    return group, {"GroupId": group, "Id": group, "VpcId": str(props.get("VpcId") or "")}


def _update_group(api: Calls, group: str, old: Props, new: Props) -> Made:
    _retag(api, group, old, new)
    for way in _DIRECTIONS:
        name = f"SecurityGroup{way}"
        before, after = old.get(name) or [], new.get(name) or []
        _rules(api, "Revoke", way, group, [rule for rule in before if rule not in after])
        _rules(api, "Authorize", way, group, [rule for rule in after if rule not in before])
    return group, {}


def _delete_group(api: Calls, group: str, props: Props) -> None:
    api.ask("ec2", "DeleteSecurityGroup", GroupId=group)


def _rule(way: str) -> Kind:
    def create(api: Calls, props: Props, default: str) -> Made:
        made = _rules(api, "Authorize", way, str(props["GroupId"]), [props])
        identifier = str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])
        return identifier, {"Id": identifier}

    def delete(api: Calls, identifier: str, props: Props) -> None:
        rules = [identifier]
        api.ask("ec2", f"RevokeSecurityGroup{way}", GroupId=str(props["GroupId"]), SecurityGroupRuleIds=rules)

    return Kind(create, delete)


def _create_instance(api: Calls, props: Props, default: str) -> Made:
    given = {name: value for name, value in props.items() if name != "Tags"}
    if isinstance(given.get("IamInstanceProfile"), str):
        given["IamInstanceProfile"] = {"Name": given["IamInstanceProfile"]}
    wanted = api.fit("ec2", "RunInstances", given)
    instance = api.ask("ec2", "RunInstances", **wanted, MinCount=1, MaxCount=1)["Instances"][0]
    identifier = str(instance["InstanceId"])
    _tag(api, identifier, props)
    return identifier, _about_instance(api, identifier)


def _about_instance(api: Calls, identifier: str) -> dict[str, Any]:
    answer = api.ask("ec2", "DescribeInstances", InstanceIds=[identifier])
    instance = answer["Reservations"][0]["Instances"][0]
    shown = {"PrivateIp": "PrivateIpAddress", "PublicIp": "PublicIpAddress", "PrivateDnsName": "PrivateDnsName",
             "PublicDnsName": "PublicDnsName", "VpcId": "VpcId", "InstanceId": "InstanceId"}  # fmt: skip
    zone = instance["Placement"]["AvailabilityZone"]
    return {"AvailabilityZone": zone, **{name: str(instance.get(member) or "") for name, member in shown.items()}}


def _update_instance(api: Calls, identifier: str, old: Props, new: Props) -> Made:
    _retag(api, identifier, old, new)
    if old.get("InstanceType") != new.get("InstanceType"):
        api.ask("ec2", "StopInstances", InstanceIds=[identifier])
        kind = {"Value": str(new["InstanceType"])}
        api.ask("ec2", "ModifyInstanceAttribute", InstanceId=identifier, InstanceType=kind)
        api.ask("ec2", "StartInstances", InstanceIds=[identifier])
    if old.get("SecurityGroupIds") != new.get("SecurityGroupIds"):
        api.ask("ec2", "ModifyInstanceAttribute", InstanceId=identifier, Groups=new.get("SecurityGroupIds") or [])
    return identifier, _about_instance(api, identifier)


def _terminate(api: Calls, identifier: str, props: Props) -> None:
    api.ask("ec2", "TerminateInstances", InstanceIds=[identifier])


def _create_template(api: Calls, props: Props, default: str) -> Made:
    wanted = api.fit("ec2", "CreateLaunchTemplate", {"LaunchTemplateName": default, **props})
    wanted.pop("TagSpecifications", None)
    made = api.ask("ec2", "CreateLaunchTemplate", **wanted)["LaunchTemplate"]
    return str(made["LaunchTemplateId"]), _versions(made)


def _versions(template: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: str(template[name]) for name in ("DefaultVersionNumber", "LatestVersionNumber")}
    return {"LaunchTemplateId": str(template["LaunchTemplateId"]), **numbers}


def _update_template(api: Calls, identifier: str, old: Props, new: Props) -> Made:
    wanted = api.fit("ec2", "CreateLaunchTemplateVersion", {"LaunchTemplateData": new["LaunchTemplateData"]})
    api.ask("ec2", "CreateLaunchTemplateVersion", LaunchTemplateId=identifier, **wanted)
    found = api.ask("ec2", "DescribeLaunchTemplates", LaunchTemplateIds=[identifier])["LaunchTemplates"][0]
    return identifier, _versions(found)


def _delete_template(api: Calls, identifier: str, props: Props) -> None:
    api.ask("ec2", "DeleteLaunchTemplate", LaunchTemplateId=identifier)


def _create_flow_log(api: Calls, props: Props, default: str) -> Made:
    given = {**{k: v for k, v in props.items() if k != "Tags"}, "ResourceIds": [props["ResourceId"]]}
    made = api.ask("ec2", "CreateFlowLogs", **api.fit("ec2", "CreateFlowLogs", given))
    identifier = str(made["FlowLogIds"][0])
    _tag(api, identifier, props)
    return identifier, {"Id": identifier}


def _delete_flow_log(api: Calls, identifier: str, props: Props) -> None:
    api.ask("ec2", "DeleteFlowLogs", FlowLogIds=[identifier])


# -- Elastic Load Balancing and Auto Scaling ---------------------------------------------------------------------------


def _pairs(given: Any) -> list[dict[str, str]]:
    return [{"Key": str(entry["Key"]), "Value": str(entry["Value"])} for entry in given or []]


def _create_balancer(api: Calls, props: Props, default: str) -> Made:
    given = {"Name": default, **props, "Tags": _open(_plain_tags(props))}
    wanted = {name: value for name, value in api.fit("elbv2", "CreateLoadBalancer", given).items() if value != []}
    made = api.ask("elbv2", "CreateLoadBalancer", **wanted)["LoadBalancers"][0]
    arn = str(made["LoadBalancerArn"])
    if props.get("LoadBalancerAttributes"):
        attributes = _pairs(props["LoadBalancerAttributes"])
        api.ask("elbv2", "ModifyLoadBalancerAttributes", LoadBalancerArn=arn, Attributes=attributes)
    return arn, {
        "LoadBalancerArn": arn,
        "DNSName": dns_name({"Scheme": given.get("Scheme"), **made}),
        "CanonicalHostedZoneID": made.get("CanonicalHostedZoneId", ""),
        "LoadBalancerName": made["LoadBalancerName"],
        "LoadBalancerFullName": arn.partition(":loadbalancer/")[2],
        "SecurityGroups": made.get("SecurityGroups") or [],
    }


def _delete_balancer(api: Calls, arn: str, props: Props) -> None:
    api.ask("elbv2", "DeleteLoadBalancer", LoadBalancerArn=arn)


def _create_targets(api: Calls, props: Props, default: str) -> Made:
    given = {"Name": default, **props, "Tags": _open(_plain_tags(props))}
    wanted = {name: value for name, value in api.fit("elbv2", "CreateTargetGroup", given).items() if value != []}
    made = api.ask("elbv2", "CreateTargetGroup", **wanted)["TargetGroups"][0]
    arn = str(made["TargetGroupArn"])
    if props.get("Targets"):
        targets = api.fit("elbv2", "RegisterTargets", {"Targets": props["Targets"]})
        api.ask("elbv2", "RegisterTargets", TargetGroupArn=arn, **targets)
    if props.get("TargetGroupAttributes"):
        attributes = _pairs(props["TargetGroupAttributes"])
        api.ask("elbv2", "ModifyTargetGroupAttributes", TargetGroupArn=arn, Attributes=attributes)
    full = "targetgroup/" + arn.partition(":targetgroup/")[2]
    return arn, {"TargetGroupArn": arn, "TargetGroupName": made["TargetGroupName"], "TargetGroupFullName": full}


def _delete_targets(api: Calls, arn: str, props: Props) -> None:
    api.ask("elbv2", "DeleteTargetGroup", TargetGroupArn=arn)


def _elb(operation: str, wrapper: str, key: str, modify: str, delete: str, mutable: set[str]) -> Kind:
    """A listener or a rule of one."""

    def create(api: Calls, props: Props, default: str) -> Made:
        wanted = api.fit("elbv2", operation, {name: value for name, value in props.items() if name != "Tags"})
        arn = str(api.ask("elbv2", operation, **wanted)[wrapper][0][key])
        return arn, {key: arn}

    def update(api: Calls, arn: str, old: Props, new: Props) -> Made:
        changed = {name: new[name] for name in mutable if name in new}
        api.ask("elbv2", modify, **{key: arn}, **api.fit("elbv2", modify, changed))
        return arn, {key: arn}

    def remove(api: Calls, arn: str, props: Props) -> None:
        api.ask("elbv2", delete, **{key: arn})

    return Kind(create, remove, mutable=frozenset(mutable), update=update)


def _group(api: Calls, props: Props, name: str, operation: str) -> None:
    given: Props = {**props, "AutoScalingGroupName": name, "Tags": None}
    for key in ("VPCZoneIdentifier",):
        if isinstance(given.get(key), list):
            given[key] = ",".join(map(str, given[key]))
    template = given.get("LaunchTemplate")
    if template:
        known = ("LaunchTemplateId", "LaunchTemplateName", "Version")
        given["LaunchTemplate"] = {key: template[key] for key in known if template.get(key)}
    wanted = api.fit("autoscaling", operation, {key: value for key, value in given.items() if value is not None})
    if operation == "CreateAutoScalingGroup":
        wanted["Tags"] = [
            {"Key": str(tag["Key"]), "Value": str(tag.get("Value", "")), "ResourceId": name,
             "ResourceType": "auto-scaling-group", "PropagateAtLaunch": _true(tag.get("PropagateAtLaunch"))}
            for tag in props.get("Tags") or []
        ]  # fmt: skip
    api.ask("autoscaling", operation, **wanted)


def _create_scaling_group(api: Calls, props: Props, default: str) -> Made:
    name = str(props.get("AutoScalingGroupName") or default)
    _group(api, props, name, "CreateAutoScalingGroup")
    found = api.ask("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    return name, {"AutoScalingGroupARN": found["AutoScalingGroupARN"]}


def _update_scaling_group(api: Calls, name: str, old: Props, new: Props) -> Made:
    _group(api, new, name, "UpdateAutoScalingGroup")
    return name, {}


def _delete_scaling_group(api: Calls, name: str, props: Props) -> None:
    api.ask("autoscaling", "DeleteAutoScalingGroup", AutoScalingGroupName=name, ForceDelete=True)


def _scaling(operation: str, delete: str, key: str, arn: str = "") -> Kind:
    """A policy, schedule or hook of an Auto Scaling group; its id is its ARN or its name."""

    def create(api: Calls, props: Props, default: str) -> Made:
        name = str(props.get(key) or default)
        answer = api.ask("autoscaling", operation, **api.fit("autoscaling", operation, {**props, key: name}))
        if arn and not answer.get(arn):
            where = {"AutoScalingGroupName": props["AutoScalingGroupName"], "PolicyNames": [name]}
            answer = api.ask("autoscaling", "DescribePolicies", **where)["ScalingPolicies"][0]
        identifier = str(answer[arn]) if arn else name
        return identifier, {"Arn": identifier, key: name, arn or "Name": identifier}

    def remove(api: Calls, identifier: str, props: Props) -> None:
        api.ask("autoscaling", delete, AutoScalingGroupName=props["AutoScalingGroupName"], **{key: identifier})

    return Kind(create, remove)


def _create_configuration(api: Calls, props: Props, default: str) -> Made:
    given = {"LaunchConfigurationName": default, **props}
    wanted = api.fit("autoscaling", "CreateLaunchConfiguration", given)
    api.ask("autoscaling", "CreateLaunchConfiguration", **wanted)
    return str(wanted["LaunchConfigurationName"]), {}


def _delete_configuration(api: Calls, name: str, props: Props) -> None:
    api.ask("autoscaling", "DeleteLaunchConfiguration", LaunchConfigurationName=name)


# -- RDS ---------------------------------------------------------------------------------------------------------------


def _rds(api: Calls, operation: str, given: Props) -> dict[str, Any]:
    named = {**given, "Tags": _open(_plain_tags(given))}
    if named.get("VPCSecurityGroups"):
        named["VpcSecurityGroupIds"] = named.pop("VPCSecurityGroups")
    wanted = {name: value for name, value in api.fit("rds", operation, named).items() if value != []}
    return api.ask("rds", operation, **wanted)


def _create_database(api: Calls, props: Props, default: str) -> Made:
    name = str(props.get("DBInstanceIdentifier") or default).lower()
    given = {**props, "DBInstanceIdentifier": name}
    if props.get("DBSnapshotIdentifier"):
        _rds(api, "RestoreDBInstanceFromDBSnapshot", given)
    else:
        _rds(api, "CreateDBInstance", given)
    return name, _about_database(api, name)


def _about_database(api: Calls, name: str) -> dict[str, Any]:
    found = api.ask("rds", "DescribeDBInstances", DBInstanceIdentifier=name)["DBInstances"][0]
    endpoint = found.get("Endpoint") or {}
    return {
        "Endpoint.Address": str(endpoint.get("Address", "")),
        "Endpoint.Port": str(endpoint.get("Port", "")),
        "DBInstanceArn": found["DBInstanceArn"],
        "DbiResourceId": found.get("DbiResourceId", ""),
        "MasterUserSecret.SecretArn": (found.get("MasterUserSecret") or {}).get("SecretArn", ""),
    }


_DATABASE = frozenset(["AllocatedStorage", "BackupRetentionPeriod", "DBInstanceClass", "DBParameterGroupName",
                       "DeletionProtection", "EngineVersion", "MasterUserPassword", "MultiAZ", "StorageType",
                       "PreferredBackupWindow", "PreferredMaintenanceWindow", "Tags", "VPCSecurityGroups"])  # fmt: skip


def _update_database(api: Calls, name: str, old: Props, new: Props) -> Made:
    changed = {key: new[key] for key in _DATABASE - {"Tags"} if key in new and new[key] != old.get(key)}
    if changed:
        _rds(api, "ModifyDBInstance", {**changed, "DBInstanceIdentifier": name, "ApplyImmediately": True})
    return name, _about_database(api, name)


def _delete_database(api: Calls, name: str, props: Props) -> None:
    final = {"FinalDBSnapshotIdentifier": f"{name}-snapshot"} if props.get("snapshot") else {"SkipFinalSnapshot": True}
    if props.get("DBClusterIdentifier"):
        final = {"SkipFinalSnapshot": True}
    api.ask("rds", "DeleteDBInstance", DBInstanceIdentifier=name, **final)


def _create_database_cluster(api: Calls, props: Props, default: str) -> Made:
    name = str(props.get("DBClusterIdentifier") or default).lower()
    made = _rds(api, "CreateDBCluster", {**props, "DBClusterIdentifier": name})["DBCluster"]
    return name, {
        "Endpoint.Address": str(made.get("Endpoint", "")),
        "Endpoint.Port": str(made.get("Port", "")),
        "ReadEndpoint.Address": str(made.get("ReaderEndpoint", "")),
        "DBClusterArn": made["DBClusterArn"],
        "DBClusterResourceId": made.get("DbClusterResourceId", ""),
    }


def _delete_database_cluster(api: Calls, name: str, props: Props) -> None:
    final = {"FinalDBSnapshotIdentifier": f"{name}-snapshot"} if props.get("snapshot") else {"SkipFinalSnapshot": True}
    api.ask("rds", "DeleteDBCluster", DBClusterIdentifier=name, **final)


def _rds_group(operation: str, key: str, delete: str, modify: str = "") -> Kind:
    """A subnet group, or a parameter group with its parameters."""

    def create(api: Calls, props: Props, default: str) -> Made:
        name = str(props.get(key) or default).lower()
        family = {"DBParameterGroupFamily": props["Family"]} if props.get("Family") else {}
        _rds(api, operation, {**props, **family, key: name})
        if modify and props.get("Parameters"):
            parameters = [
                {"ParameterName": k, "ParameterValue": str(v), "ApplyMethod": "pending-reboot"}
                for k, v in props["Parameters"].items()
            ]
            api.ask("rds", modify, **{key: name}, Parameters=parameters)
        return name, {key: name}

    def remove(api: Calls, name: str, props: Props) -> None:
        api.ask("rds", delete, **{key: name})

    return Kind(create, remove, "Tags", 60)


# -- Backup, EKS, ACM --------------------------------------------------------------------------------------------------


def _create_vault(api: Calls, props: Props, default: str) -> Made:
    name = str(props["BackupVaultName"])
    made = api.ask("backup", "CreateBackupVault", **api.fit("backup", "CreateBackupVault", props))
    if props.get("AccessPolicy"):
        policy = api.fit("backup", "PutBackupVaultAccessPolicy", {"Policy": props["AccessPolicy"]})
        api.ask("backup", "PutBackupVaultAccessPolicy", BackupVaultName=name, **policy)
    if props.get("LockConfiguration"):
        lock = api.fit("backup", "PutBackupVaultLockConfiguration", props["LockConfiguration"])
        api.ask("backup", "PutBackupVaultLockConfiguration", BackupVaultName=name, **lock)
    return name, {"BackupVaultName": name, "BackupVaultArn": made["BackupVaultArn"]}


def _delete_vault(api: Calls, name: str, props: Props) -> None:
    api.ask("backup", "DeleteBackupVault", BackupVaultName=name)


def _backup_plan(given: Mapping[str, Any]) -> Props:
    """A template says ``BackupPlanRule`` and ``TargetBackupVault`` for the API's ``Rules`` and their vault's name."""
    rules = [{**rule, "TargetBackupVaultName": rule["TargetBackupVault"]} for rule in given["BackupPlanRule"]]
    return {"BackupPlanName": given["BackupPlanName"], "Rules": rules}


def _create_plan(api: Calls, props: Props, default: str) -> Made:
    wanted = {"BackupPlan": _backup_plan(props["BackupPlan"]), "BackupPlanTags": props.get("BackupPlanTags") or {}}
    made = api.ask("backup", "CreateBackupPlan", **api.fit("backup", "CreateBackupPlan", wanted))
    return str(made["BackupPlanId"]), {name: made[name] for name in ("BackupPlanId", "BackupPlanArn", "VersionId")}


def _update_plan(api: Calls, identifier: str, old: Props, new: Props) -> Made:
    wanted = api.fit("backup", "UpdateBackupPlan", {"BackupPlan": _backup_plan(new["BackupPlan"])})
    made = api.ask("backup", "UpdateBackupPlan", BackupPlanId=identifier, **wanted)
    return identifier, {name: made[name] for name in ("BackupPlanId", "BackupPlanArn", "VersionId")}


def _delete_plan(api: Calls, identifier: str, props: Props) -> None:
    api.ask("backup", "DeleteBackupPlan", BackupPlanId=identifier)


def _create_selection(api: Calls, props: Props, default: str) -> Made:
    made = api.ask("backup", "CreateBackupSelection", **api.fit("backup", "CreateBackupSelection", props))
    identifier = f"{made['SelectionId']}_{made['BackupPlanId']}"
    return identifier, {"SelectionId": made["SelectionId"], "BackupPlanId": made["BackupPlanId"]}


def _delete_selection(api: Calls, identifier: str, props: Props) -> None:
    selection, _, plan = identifier.partition("_")
    api.ask("backup", "DeleteBackupSelection", BackupPlanId=plan, SelectionId=selection)


def _tag_map(given: Any) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items()}
    return {str(tag["Key"]): str(tag["Value"]) for tag in given or []}


def _create_cluster(api: Calls, props: Props, default: str) -> Made:
    given = {"name": default, **props, "Tags": _tag_map(props.get("Tags"))}
    name = str(api.ask("eks", "CreateCluster", **api.fit("eks", "CreateCluster", given))["cluster"]["name"])
    cluster = api.ask("eks", "DescribeCluster", name=name)["cluster"]
    return name, {
        "Arn": cluster["arn"],
        "Endpoint": cluster["endpoint"],
        "CertificateAuthorityData": cluster["certificateAuthority"]["data"],
        "ClusterSecurityGroupId": cluster["resourcesVpcConfig"].get("clusterSecurityGroupId", ""),
        "OpenIdConnectIssuerUrl": cluster["identity"]["oidc"]["issuer"],
    }


def _update_cluster(api: Calls, name: str, old: Props, new: Props) -> Made:
    api.ask("eks", "UpdateClusterVersion", name=name, version=str(new["Version"]))
    return name, {}


def _delete_cluster(api: Calls, name: str, props: Props) -> None:
    api.ask("eks", "DeleteCluster", name=name)


def _eks(kind: str, key: str, arn: str, wrapper: str) -> Kind:
    """What belongs to a cluster: its id is ``cluster|name``."""

    def create(api: Calls, props: Props, default: str) -> Made:
        given = {key: default, **props, "Tags": _tag_map(props.get("Tags"))}
        made = api.ask("eks", f"Create{kind}", **api.fit("eks", f"Create{kind}", given))[wrapper]
        cluster, name = made["clusterName"], made[key]
        return f"{cluster}|{name}", {"Arn": made[arn], "ClusterName": cluster, key[0].upper() + key[1:]: name}

    def remove(api: Calls, identifier: str, props: Props) -> None:
        cluster, _, name = identifier.partition("|")
        api.ask("eks", f"Delete{kind}", clusterName=cluster, **{key: name})

    return Kind(create, remove)


def _create_certificate(api: Calls, props: Props, default: str) -> Made:
    """Where the template names the hosted zone, CloudFormation writes the validation records itself."""
    zones = [str(o["HostedZoneId"]) for o in props.get("DomainValidationOptions") or [] if o.get("HostedZoneId")]
    given = {name: value for name, value in props.items() if name not in ("DomainValidationOptions", "Tags")}
    wanted = {**api.fit("acm", "RequestCertificate", given), "Tags": _open(_plain_tags(props))}
    arn = str(api.ask("acm", "RequestCertificate", **{k: v for k, v in wanted.items() if v != []})["CertificateArn"])
    if zones:
        certificate = api.ask("acm", "DescribeCertificate", CertificateArn=arn)["Certificate"]
        for option in certificate["DomainValidationOptions"]:
            record = option["ResourceRecord"]
            entry = {"Name": record["Name"], "Type": record["Type"], "TTL": 300,
                     "ResourceRecords": [{"Value": record["Value"]}]}  # fmt: skip
            batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": entry}]}
            api.ask("route53", "ChangeResourceRecordSets", HostedZoneId=zones[0], ChangeBatch=batch)
        api.ask("acm", "DescribeCertificate", CertificateArn=arn)
    return arn, {"CertificateArn": arn}


def _delete_certificate(api: Calls, arn: str, props: Props) -> None:
    api.ask("acm", "DeleteCertificate", CertificateArn=arn)


# -- S3 ----------------------------------------------------------------------------------------------------------------


def configure_bucket(api: Calls, name: str, props: Props) -> None:
    """Tags, encryption, lifecycle and versioning of a bucket."""
    if props.get("Tags"):
        api.ask("s3", "PutBucketTagging", Bucket=name, Tagging={"TagSet": _plain_tags(props)})
    if props.get("BucketEncryption"):
        rules = [
            {**rule, "ApplyServerSideEncryptionByDefault": rule.get("ServerSideEncryptionByDefault")}
            for rule in props["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        wanted = api.fit("s3", "PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": rules}})
        api.ask("s3", "PutBucketEncryption", Bucket=name, **wanted)
    if props.get("LifecycleConfiguration"):
        rules = [_lifecycle(rule) for rule in props["LifecycleConfiguration"]["Rules"]]
        wanted = api.fit("s3", "PutBucketLifecycleConfiguration", {"LifecycleConfiguration": {"Rules": rules}})
        api.ask("s3", "PutBucketLifecycleConfiguration", Bucket=name, **wanted)
    status = (props.get("VersioningConfiguration") or {}).get("Status")
    if status:
        api.ask("s3", "PutBucketVersioning", Bucket=name, VersioningConfiguration={"Status": str(status)})


def _lifecycle(rule: Mapping[str, Any]) -> Props:
    """A rule of a template, whose days have names of their own, as S3's."""
    transitions = [*(rule.get("Transitions") or []), *([rule["Transition"]] if rule.get("Transition") else [])]
    days = {"Days": "TransitionInDays", "Date": "TransitionDate", "StorageClass": "StorageClass"}
    moved = [{name: entry[given] for name, given in days.items() if entry.get(given)} for entry in transitions]
    found: Props = {"ID": rule.get("Id"), "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix") or ""}}
    found["Transitions"] = moved or None
    if rule.get("ExpirationInDays"):
        found["Expiration"] = {"Days": rule["ExpirationInDays"]}
    old = rule.get("NoncurrentVersionExpiration") or {}
    noncurrent = old.get("NoncurrentDays") or rule.get("NoncurrentVersionExpirationInDays")
    if noncurrent:
        found["NoncurrentVersionExpiration"] = {"NoncurrentDays": noncurrent}
    found["AbortIncompleteMultipartUpload"] = rule.get("AbortIncompleteMultipartUpload")
    return {name: value for name, value in found.items() if value is not None}


_LISTENER = {"Certificates", "DefaultActions", "Port", "Protocol", "SslPolicy"}
KINDS: dict[str, Kind] = {
    "AWS::EC2::VPC": Kind(_create_vpc, _VPC.delete, "Tags", update=_update_vpc,
                          mutable=frozenset(["EnableDnsHostnames", "EnableDnsSupport", "Tags"])),
    "AWS::EC2::Subnet": Kind(_create_subnet, _SUBNET.delete, "Tags", update=_update_subnet,
                             mutable=frozenset(["MapPublicIpOnLaunch", "Tags"])),
    "AWS::EC2::InternetGateway": _simple(
        "CreateInternetGateway", "InternetGateway", "InternetGatewayId", "DeleteInternetGateway"),
    "AWS::EC2::VPCGatewayAttachment": Kind(_attach_gateway, _detach_gateway),
    "AWS::EC2::RouteTable": _simple("CreateRouteTable", "RouteTable", "RouteTableId", "DeleteRouteTable"),
    "AWS::EC2::Route": Kind(_create_route, _delete_route),
    "AWS::EC2::SubnetRouteTableAssociation": Kind(_associate_table, _disassociate_table),
    "AWS::EC2::EIP": Kind(_create_address, _release_address, "Tags"),
    "AWS::EC2::NatGateway": _simple("CreateNatGateway", "NatGateway", "NatGatewayId", "DeleteNatGateway"),
    "AWS::EC2::SecurityGroup": Kind(
        _create_group, _delete_group, "Tags", update=_update_group,
        mutable=frozenset(["SecurityGroupEgress", "SecurityGroupIngress", "Tags"])),
    "AWS::EC2::SecurityGroupIngress": _rule("Ingress"),
    "AWS::EC2::SecurityGroupEgress": _rule("Egress"),
    "AWS::EC2::Instance": Kind(_create_instance, _terminate, "Tags", update=_update_instance,
                               mutable=frozenset(["InstanceType", "SecurityGroupIds", "Tags"])),
    "AWS::EC2::LaunchTemplate": Kind(_create_template, _delete_template, longest=128, update=_update_template,
                                     mutable=frozenset(["LaunchTemplateData"])),
    "AWS::EC2::Volume": _simple("CreateVolume", "", "VolumeId", "DeleteVolume"),
    "AWS::EC2::VPCEndpoint": _simple(
        "CreateVpcEndpoint", "VpcEndpoint", "VpcEndpointId", "DeleteVpcEndpoints", many=True),
    "AWS::EC2::NetworkAcl": _simple("CreateNetworkAcl", "NetworkAcl", "NetworkAclId", "DeleteNetworkAcl"),
    "AWS::EC2::FlowLog": Kind(_create_flow_log, _delete_flow_log, "Tags"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Kind(_create_balancer, _delete_balancer, "Tags", 32),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Kind(_create_targets, _delete_targets, "Tags", 32),
    "AWS::ElasticLoadBalancingV2::Listener": _elb(
        "CreateListener", "Listeners", "ListenerArn", "ModifyListener", "DeleteListener", _LISTENER),
    "AWS::ElasticLoadBalancingV2::ListenerRule": _elb(
        "CreateRule", "Rules", "RuleArn", "ModifyRule", "DeleteRule", {"Actions", "Conditions"}),
    "AWS::AutoScaling::AutoScalingGroup": Kind(
        _create_scaling_group, _delete_scaling_group, longest=128, update=_update_scaling_group,
        mutable=frozenset(["DesiredCapacity", "HealthCheckGracePeriod", "HealthCheckType", "LaunchTemplate", "MaxSize",
                           "MinSize", "VPCZoneIdentifier"])),
    "AWS::AutoScaling::LaunchConfiguration": Kind(_create_configuration, _delete_configuration, longest=128),
    "AWS::AutoScaling::ScalingPolicy": _scaling("PutScalingPolicy", "DeletePolicy", "PolicyName", "PolicyARN"),
    "AWS::AutoScaling::ScheduledAction": _scaling(
        "PutScheduledUpdateGroupAction", "DeleteScheduledAction", "ScheduledActionName"),
    "AWS::AutoScaling::LifecycleHook": _scaling("PutLifecycleHook", "DeleteLifecycleHook", "LifecycleHookName"),
    "AWS::RDS::DBInstance": Kind(_create_database, _delete_database, "Tags", 60, _DATABASE, _update_database),
    "AWS::RDS::DBCluster": Kind(_create_database_cluster, _delete_database_cluster, "Tags", 60),
    "AWS::RDS::DBSubnetGroup": _rds_group("CreateDBSubnetGroup", "DBSubnetGroupName", "DeleteDBSubnetGroup"),
    "AWS::RDS::DBParameterGroup": _rds_group(
        "CreateDBParameterGroup", "DBParameterGroupName", "DeleteDBParameterGroup", "ModifyDBParameterGroup"),
    "AWS::RDS::DBClusterParameterGroup": _rds_group(
        "CreateDBClusterParameterGroup", "DBClusterParameterGroupName", "DeleteDBClusterParameterGroup",
        "ModifyDBClusterParameterGroup"),
    "AWS::Backup::BackupVault": Kind(_create_vault, _delete_vault),
    "AWS::Backup::BackupPlan": Kind(_create_plan, _delete_plan, mutable=frozenset(["BackupPlan"]),
                                    update=_update_plan),
    "AWS::Backup::BackupSelection": Kind(_create_selection, _delete_selection),
    "AWS::EKS::Cluster": Kind(_create_cluster, _delete_cluster, mutable=frozenset(["Version"]),
                              update=_update_cluster),
    "AWS::EKS::Nodegroup": _eks("Nodegroup", "nodegroupName", "nodegroupArn", "nodegroup"),
    "AWS::EKS::Addon": _eks("Addon", "addonName", "addonArn", "addon"),
    "AWS::EKS::AccessEntry": _eks("AccessEntry", "principalArn", "accessEntryArn", "accessEntry"),
    "AWS::CertificateManager::Certificate": Kind(_create_certificate, _delete_certificate, "Tags"),
}  # fmt: skip

"""Networks.  Pages: Amazon VPC User Guide; EC2 API Reference, actions and "Error codes for the Amazon EC2 API"."""

from __future__ import annotations

from typing import Any

import pytest


def tags_of(record: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}


def named(kind: str, name: str, **more: str) -> list[dict[str, Any]]:
    pairs = [{"Key": "Name", "Value": name}, *({"Key": key, "Value": value} for key, value in more.items())]
    return [{"ResourceType": kind, "Tags": pairs}]


def test_vpc_from_creation_to_deletion(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=named("vpc", "shop", env="dev"))["Vpc"]
    vpc = made["VpcId"]
    assert vpc.startswith("vpc-")
    assert made["CidrBlock"] == "10.0.0.0/16"
    assert made["IsDefault"] is False
    assert made["OwnerId"] == cloud.number
    assert tags_of(made) == {"Name": "shop", "env": "dev"}
    ec2.get_waiter("vpc_available").wait(VpcIds=[vpc], WaiterConfig=quick)
    read = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]
    assert read["State"] == "available"
    assert tags_of(read) == {"Name": "shop", "env": "dev"}
    assert read["CidrBlockAssociationSet"][0]["CidrBlock"] == "10.0.0.0/16"
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    names = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"]["Value"] is True
    support = ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")
    assert support["EnableDnsSupport"]["Value"] is True
    ec2.delete_vpc(VpcId=vpc)
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[vpc])
    refused("InvalidVpcID.NotFound", ec2.delete_vpc, VpcId=vpc)


def test_an_account_starts_with_a_default_vpc(cloud: Any) -> None:
    ec2 = cloud.ec2
    (default,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    assert default["CidrBlock"] == "172.31.0.0/16"
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [default["VpcId"]]}])["Subnets"]
    assert subnets
    assert all(subnet["DefaultForAz"] for subnet in subnets)
    zones = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
    assert {subnet["AvailabilityZone"] for subnet in subnets} <= zones


@pytest.mark.parametrize("block", ["10.0.0.0/8", "10.0.0.0/29"])
def test_a_vpc_is_between_16_and_28_bits(cloud: Any, refused: Any, block: str) -> None:
    refused("InvalidVpc.Range", cloud.ec2.create_vpc, CidrBlock=block)


def test_a_malformed_block_is_invalid(cloud: Any, refused: Any) -> None:
    refused("InvalidParameterValue", cloud.ec2.create_vpc, CidrBlock="ten")


def test_a_second_block_can_be_associated_and_removed(cloud: Any) -> None:
    ec2 = cloud.ec2
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    added = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.1.0.0/16")["CidrBlockAssociation"]
    blocks = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlockAssociationSet"]
    assert {block["CidrBlock"] for block in blocks} == {"10.0.0.0/16", "10.1.0.0/16"}
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.3.0/24")
    assert added["AssociationId"].startswith("vpc-cidr-assoc-")


def test_subnets_lie_in_the_vpc_and_do_not_overlap(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-east-1a", TagSpecifications=named("subnet", "a")
    )["Subnet"]
    ec2.get_waiter("subnet_available").wait(SubnetIds=[made["SubnetId"]], WaiterConfig=quick)
    assert made["AvailableIpAddressCount"] == 251  # AWS keeps five addresses of each subnet
    assert made["SubnetArn"] == cloud.arn("ec2", f"subnet/{made['SubnetId']}")
    refused("InvalidSubnet.Conflict", ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.1.128/25")
    refused("InvalidSubnet.Range", ec2.create_subnet, VpcId=vpc, CidrBlock="192.168.0.0/24")
    refused("InvalidVpcID.NotFound", ec2.create_subnet, VpcId="vpc-0123456789abcdef0", CidrBlock="10.0.2.0/24")
    refused(
        "InvalidParameterValue",
        ec2.create_subnet,
        VpcId=vpc,
        CidrBlock="10.0.2.0/24",
        AvailabilityZone="us-east-1x",
    )
    ec2.modify_subnet_attribute(SubnetId=made["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    (read,) = ec2.describe_subnets(SubnetIds=[made["SubnetId"]])["Subnets"]
    assert read["MapPublicIpOnLaunch"] is True
    assert tags_of(read) == {"Name": "a"}
    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc)
    ec2.delete_subnet(SubnetId=made["SubnetId"])
    refused("InvalidSubnetID.NotFound", ec2.delete_subnet, SubnetId=made["SubnetId"])
    refused("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=[made["SubnetId"]])
    ec2.delete_vpc(VpcId=vpc)


def test_subnets_by_filter(cloud: Any) -> None:
    ec2 = cloud.ec2
    vpc, (one, two) = cloud.network()
    ec2.create_tags(Resources=[one], Tags=[{"Key": "tier", "Value": "web"}])
    ec2.create_tags(Resources=[two], Tags=[{"Key": "tier", "Value": "data"}])

    def found(name: str, *values: str) -> set[str]:
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": name, "Values": list(values)}]
        return {subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=filters)["Subnets"]}

    assert found("tag:tier", "web") == {one}
    assert found("tag:tier", "w*", "data") == {one, two}
    assert found("tag-key", "tier") == {one, two}
    assert found("availability-zone", "us-east-1b") == {two}
    assert found("cidr-block", "10.20.0.0/24") == {one}
    assert found("state", "pending") == set()


def test_internet_gateway_attaches_to_one_vpc(cloud: Any, refused: Any, quick: Any) -> None:
    ec2 = cloud.ec2
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    gateway = ec2.create_internet_gateway(TagSpecifications=named("internet-gateway", "out"))["InternetGateway"]
    identifier = gateway["InternetGatewayId"]
    assert gateway.get("Attachments", []) == []
    ec2.attach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc)
    refused("Resource.AlreadyAssociated", ec2.attach_internet_gateway, InternetGatewayId=identifier, VpcId=vpc)
    (read,) = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])[
        "InternetGateways"
    ]
    assert read["InternetGatewayId"] == identifier
    assert read["Attachments"] == [{"State": "available", "VpcId": vpc}]
    refused("DependencyViolation", ec2.delete_internet_gateway, InternetGatewayId=identifier)
    refused("DependencyViolation", ec2.delete_vpc, VpcId=vpc)
    ec2.detach_internet_gateway(InternetGatewayId=identifier, VpcId=vpc)
    refused("Gateway.NotAttached", ec2.detach_internet_gateway, InternetGatewayId=identifier, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=identifier)
    refused("InvalidInternetGatewayID.NotFound", ec2.delete_internet_gateway, InternetGatewayId=identifier)
    ec2.delete_vpc(VpcId=vpc)


def test_routes_of_a_public_subnet(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=named("route-table", "public"))["RouteTable"]
    identifier = table["RouteTableId"]
    (local,) = table["Routes"]
    assert (local["DestinationCidrBlock"], local["GatewayId"], local["State"]) == ("10.20.0.0/16", "local", "active")
    made = ec2.create_route(RouteTableId=identifier, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert made["Return"] is True
    refused(
        "RouteAlreadyExists",
        ec2.create_route,
        RouteTableId=identifier,
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=gateway,
    )
    refused(
        "InvalidInternetGatewayID.NotFound",
        ec2.create_route,
        RouteTableId=identifier,
        DestinationCidrBlock="1.0.0.0/8",
        GatewayId="igw-0123456789abcdef0",
    )
    association = ec2.associate_route_table(RouteTableId=identifier, SubnetId=subnet)["AssociationId"]
    assert association.startswith("rtbassoc-")
    (read,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    assert read["RouteTableId"] == identifier
    (link,) = read["Associations"]
    assert (link["SubnetId"], link["Main"]) == (subnet, False)
    assert {route["DestinationCidrBlock"] for route in read["Routes"]} == {"10.20.0.0/16", "0.0.0.0/0"}
    refused("DependencyViolation", ec2.delete_route_table, RouteTableId=identifier)
    ec2.delete_route(RouteTableId=identifier, DestinationCidrBlock="0.0.0.0/0")
    refused("InvalidRoute.NotFound", ec2.delete_route, RouteTableId=identifier, DestinationCidrBlock="0.0.0.0/0")
    ec2.disassociate_route_table(AssociationId=association)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_route_table, AssociationId=association)
    ec2.delete_route_table(RouteTableId=identifier)
    refused("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=[identifier])


def test_the_main_route_table_stays(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "association.main", "Values": ["true"]}]
    (main,) = ec2.describe_route_tables(Filters=filters)["RouteTables"]
    assert main["Associations"][0]["Main"] is True
    refused("DependencyViolation", ec2.delete_route_table, RouteTableId=main["RouteTableId"])


def test_replacing_a_route_and_an_association(cloud: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    gateways = [ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]]
    ec2.attach_internet_gateway(InternetGatewayId=gateways[0], VpcId=vpc)
    nat = nat_gateway(cloud, subnet)
    one, two = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    ec2.create_route(RouteTableId=one, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateways[0])
    ec2.replace_route(RouteTableId=one, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    (table,) = ec2.describe_route_tables(RouteTableIds=[one])["RouteTables"]
    default = next(route for route in table["Routes"] if route["DestinationCidrBlock"] == "0.0.0.0/0")
    assert default["NatGatewayId"] == nat
    first = ec2.associate_route_table(RouteTableId=one, SubnetId=subnet)["AssociationId"]
    second = ec2.replace_route_table_association(AssociationId=first, RouteTableId=two)["NewAssociationId"]
    (table,) = ec2.describe_route_tables(RouteTableIds=[two])["RouteTables"]
    assert [link["RouteTableAssociationId"] for link in table["Associations"]] == [second]


def nat_gateway(cloud: Any, subnet: str) -> str:
    address = cloud.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = cloud.ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]
    waiter = cloud.ec2.get_waiter("nat_gateway_available")
    waiter.wait(NatGatewayIds=[made["NatGatewayId"]], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return str(made["NatGatewayId"])


def test_nat_gateway_needs_what_exists(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    refused(
        ("InvalidSubnetID.NotFound", "InvalidSubnet"),
        ec2.create_nat_gateway,
        SubnetId="subnet-0123456789abcdef0",
        AllocationId=address,
    )
    refused(
        "InvalidAllocationID.NotFound",
        ec2.create_nat_gateway,
        SubnetId=subnet,
        AllocationId="eipalloc-0123456789abcdef0",
    )
    refused("NatGatewayNotFound", ec2.describe_nat_gateways, NatGatewayIds=["nat-0123456789abcdef0"])
    refused("NatGatewayNotFound", ec2.delete_nat_gateway, NatGatewayId="nat-0123456789abcdef0")


def test_security_group_rules_have_ids(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    group = ec2.create_security_group(
        GroupName="web", Description="web servers", VpcId=vpc, TagSpecifications=named("security-group", "web")
    )["GroupId"]
    refused("InvalidGroup.Duplicate", ec2.create_security_group, GroupName="web", Description="d", VpcId=vpc)
    answer = ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "https"}],
            }
        ],
    )
    assert answer["Return"] is True
    (rule,) = answer["SecurityGroupRules"]
    assert rule["SecurityGroupRuleId"].startswith("sgr-")
    assert (rule["IsEgress"], rule["FromPort"], rule["CidrIpv4"]) == (False, 443, "0.0.0.0/0")
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert {(r["IsEgress"], r["IpProtocol"]) for r in rules} == {(False, "tcp"), (True, "-1")}
    again = next(r for r in rules if not r["IsEgress"])
    assert again["SecurityGroupRuleId"] == rule["SecurityGroupRuleId"]
    assert again["Description"] == "https"
    refused(
        "InvalidPermission.Duplicate",
        ec2.authorize_security_group_ingress,
        GroupId=group,
        IpProtocol="tcp",
        FromPort=443,
        ToPort=443,
        CidrIp="0.0.0.0/0",
    )
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": "tcp",
                    "FromPort": 8443,
                    "ToPort": 8443,
                    "CidrIpv4": "10.0.0.0/8",
                },
            }
        ],
    )
    (permission,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert (permission["FromPort"], permission["IpRanges"][0]["CidrIp"]) == (8443, "10.0.0.0/8")
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"] == []
    refused(
        "InvalidPermission.NotFound",
        ec2.revoke_security_group_ingress,
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ],
    )
    ec2.delete_security_group(GroupId=group)
    refused("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[group])
    refused("InvalidGroup.NotFound", ec2.delete_security_group, GroupId=group)


def test_security_groups_that_refer_to_each_other(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    web = ec2.create_security_group(GroupName="web", Description="w", VpcId=vpc)["GroupId"]
    data = ec2.create_security_group(GroupName="data", Description="d", VpcId=vpc)["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": web}]}
    ec2.authorize_security_group_ingress(GroupId=data, IpPermissions=[permission])
    (read,) = ec2.describe_security_groups(GroupIds=[data])["SecurityGroups"][0]["IpPermissions"]
    assert read["UserIdGroupPairs"][0]["GroupId"] == web
    assert read["UserIdGroupPairs"][0]["UserId"] == cloud.number
    refused("DependencyViolation", ec2.delete_security_group, GroupId=web)
    ec2.revoke_security_group_ingress(GroupId=data, IpPermissions=[permission])
    ec2.delete_security_group(GroupId=web)


def test_the_default_security_group_stays(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    (group,) = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert group["SecurityGroupArn"] == cloud.arn("ec2", f"security-group/{group['GroupId']}")
    refused("CannotDelete", ec2.delete_security_group, GroupId=group["GroupId"])
    refused("InvalidParameterValue", ec2.create_security_group, GroupName="default", Description="d", VpcId=vpc)
    refused("InvalidParameterValue", ec2.create_security_group, GroupName="sg-mine", Description="d", VpcId=vpc)


def test_security_group_rule_errors(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    allow = ec2.authorize_security_group_ingress
    rule = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    refused("InvalidParameterValue", allow, GroupId=group, IpPermissions=[{**rule, "IpRanges": [{"CidrIp": "x"}]}])
    refused("InvalidGroup.NotFound", allow, GroupId="sg-0123456789abcdef0", CidrIp="10.0.0.0/8", **rule)
    refused(
        "InvalidGroup.NotFound",
        allow,
        GroupId=group,
        IpPermissions=[{**rule, "UserIdGroupPairs": [{"GroupId": "sg-0123456789abcdef0"}]}],
    )


def test_interface_endpoint_has_network_interfaces(cloud: Any) -> None:
    ec2 = cloud.ec2
    vpc, subnets = cloud.network()
    group = ec2.create_security_group(GroupName="endpoints", Description="d", VpcId=vpc)["GroupId"]
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        VpcEndpointType="Interface",
        ServiceName="com.amazonaws.us-east-1.secretsmanager",
        SubnetIds=subnets,
        SecurityGroupIds=[group],
        PrivateDnsEnabled=True,
    )["VpcEndpoint"]
    assert made["VpcEndpointType"] == "Interface"
    assert sorted(made["SubnetIds"]) == sorted(subnets)
    assert [entry["GroupId"] for entry in made["Groups"]] == [group]
    assert made["PrivateDnsEnabled"] is True
    (read,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])["VpcEndpoints"]
    assert len(read["NetworkInterfaceIds"]) == 2
    assert read["DnsEntries"][0]["DnsName"].startswith(made["VpcEndpointId"])


def test_network_acls(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    filters = [{"Name": "vpc-id", "Values": [vpc]}]
    (default,) = ec2.describe_network_acls(Filters=filters)["NetworkAcls"]
    assert default["IsDefault"] is True
    assert {entry["RuleNumber"] for entry in default["Entries"]} == {100, 32767}
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Egress": False}
    ec2.create_network_acl_entry(**entry, Protocol="6", RuleAction="allow", CidrBlock="0.0.0.0/0",
                                 PortRange={"From": 443, "To": 443})
    refused("NetworkAclEntryAlreadyExists", ec2.create_network_acl_entry, **entry, Protocol="-1", RuleAction="deny",
            CidrBlock="0.0.0.0/0")
    link = next(a for a in default["Associations"] if a["SubnetId"] == subnet)
    moved = ec2.replace_network_acl_association(AssociationId=link["NetworkAclAssociationId"], NetworkAclId=acl)
    assert moved["NewAssociationId"].startswith("aclassoc-")
    (read,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert [a["SubnetId"] for a in read["Associations"]] == [subnet]
    assert any(e["RuleNumber"] == 100 and e["RuleAction"] == "allow" for e in read["Entries"])
    ec2.delete_network_acl_entry(**entry)
    refused("InvalidNetworkAclEntry.NotFound", ec2.delete_network_acl_entry, **entry)


def test_peering_is_requested_and_accepted(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    one = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    two = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    peering = ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=two)["VpcPeeringConnection"]
    identifier = peering["VpcPeeringConnectionId"]
    accepted = ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=identifier)["VpcPeeringConnection"]
    assert accepted["Status"]["Code"] in ("active", "provisioning")
    table = ec2.create_route_table(VpcId=one)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.2.0.0/16", VpcPeeringConnectionId=identifier)
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert identifier in [route.get("VpcPeeringConnectionId") for route in routes]
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=identifier)
    refused(
        "InvalidVpcPeeringConnectionID.NotFound",
        ec2.describe_vpc_peering_connections,
        VpcPeeringConnectionIds=["pcx-0123456789abcdef0"],
    )


def test_flow_logs(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    cloud.s3.create_bucket(Bucket=f"flows-{cloud.number}")
    answer = ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogDestinationType="s3",
        LogDestination=f"arn:aws:s3:::flows-{cloud.number}",
        TagSpecifications=named("vpc-flow-log", "flows"),
    )
    assert answer["Unsuccessful"] == []
    (identifier,) = answer["FlowLogIds"]
    (read,) = ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"]
    assert (read["FlowLogId"], read["TrafficType"], read["FlowLogStatus"]) == (identifier, "REJECT", "ACTIVE")
    assert ec2.delete_flow_logs(FlowLogIds=[identifier])["Unsuccessful"] == []
    assert ec2.describe_flow_logs(Filters=[{"Name": "resource-id", "Values": [vpc]}])["FlowLogs"] == []


def test_network_interfaces(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group], PrivateIpAddress="10.20.0.50")
    interface = made["NetworkInterface"]
    assert interface["PrivateIpAddress"] == "10.20.0.50"
    assert [g["GroupId"] for g in interface["Groups"]] == [group]
    (read,) = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [group]}])["NetworkInterfaces"]
    assert read["Status"] == "available"
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    refused(
        "InvalidNetworkInterfaceID.NotFound",
        ec2.describe_network_interfaces,
        NetworkInterfaceIds=[interface["NetworkInterfaceId"]],
    )


def test_tags_are_set_changed_listed_and_removed(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpc, (subnet, _) = cloud.network()
    ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "team", "Value": "shop"}, {"Key": "env", "Value": "dev"}])
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "env", "Value": "prod"}])
    listed = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [vpc]}])["Tags"]
    assert {(t["Key"], t["Value"], t["ResourceType"]) for t in listed} == {
        ("team", "shop", "vpc"),
        ("env", "prod", "vpc"),
    }
    by_key = ec2.describe_tags(
        Filters=[{"Name": "key", "Values": ["env"]}, {"Name": "resource-type", "Values": ["subnet"]}]
    )["Tags"]
    assert [(t["ResourceId"], t["Value"]) for t in by_key] == [(subnet, "dev")]
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "env", "Value": "dev"}])  # another value: nothing is removed
    assert tags_of(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0])["env"] == "prod"
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "env"}])
    assert tags_of(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]) == {"team": "shop"}
    refused("InvalidVpcID.NotFound", ec2.create_tags, Resources=["vpc-0123456789abcdef0"],
            Tags=[{"Key": "a", "Value": "b"}])
    refused("InvalidParameterValue", ec2.create_tags, Resources=[vpc], Tags=[{"Key": "aws:x", "Value": "b"}])


def test_pages_of_vpcs_and_groups(cloud: Any) -> None:
    ec2 = cloud.ec2
    for number in range(7):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16", TagSpecifications=named("vpc", f"v{number}", set="pages"))
    filters = [{"Name": "tag:set", "Values": ["pages"]}]
    first = ec2.describe_vpcs(Filters=filters, MaxResults=5)
    assert len(first["Vpcs"]) == 5
    assert first["NextToken"]
    second = ec2.describe_vpcs(Filters=filters, MaxResults=5, NextToken=first["NextToken"])
    assert len(second["Vpcs"]) == 2
    assert "NextToken" not in second
    pages = list(ec2.get_paginator("describe_vpcs").paginate(Filters=filters, PaginationConfig={"PageSize": 5}))
    assert sum(len(page["Vpcs"]) for page in pages) == 7
    groups = list(ec2.get_paginator("describe_security_groups").paginate(PaginationConfig={"PageSize": 5}))
    assert len(groups) == 2
    assert sum(len(page["SecurityGroups"]) for page in groups) == 8


def test_dry_run_tells_whether_the_caller_may(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    vpcs = len(ec2.describe_vpcs()["Vpcs"])
    message = refused("DryRunOperation", ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    assert message == "Request would have succeeded, but DryRun flag is set."
    assert len(ec2.describe_vpcs()["Vpcs"]) == vpcs
    nobody = cloud.user({"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"})
    refused("UnauthorizedOperation", nobody.ec2.create_vpc, CidrBlock="10.0.0.0/16", DryRun=True)
    refused("DryRunOperation", nobody.ec2.describe_vpcs, DryRun=True)


def test_elastic_addresses(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    _, (subnet, _) = cloud.network()
    made = ec2.allocate_address(Domain="vpc")
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    link = ec2.associate_address(AllocationId=made["AllocationId"], NetworkInterfaceId=interface)["AssociationId"]
    (read,) = ec2.describe_addresses(PublicIps=[made["PublicIp"]])["Addresses"]
    assert (read["AssociationId"], read["NetworkInterfaceId"]) == (link, interface)
    ec2.disassociate_address(AssociationId=link)
    refused("InvalidAssociationID.NotFound", ec2.disassociate_address, AssociationId=link)
    ec2.release_address(AllocationId=made["AllocationId"])
    refused("InvalidAllocationID.NotFound", ec2.release_address, AllocationId=made["AllocationId"])


def test_managed_prefix_lists_and_dhcp_options(cloud: Any) -> None:
    ec2 = cloud.ec2
    vpc, _ = cloud.network()
    options = ec2.create_dhcp_options(
        DhcpConfigurations=[{"Key": "domain-name", "Values": ["shop.internal"]}]
    )["DhcpOptions"]
    ec2.associate_dhcp_options(DhcpOptionsId=options["DhcpOptionsId"], VpcId=vpc)
    assert ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"] == options["DhcpOptionsId"]
    made = ec2.create_managed_prefix_list(
        PrefixListName="offices",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "203.0.113.0/24", "Description": "office"}],
    )["PrefixList"]
    entries = ec2.get_managed_prefix_list_entries(PrefixListId=made["PrefixListId"])["Entries"]
    assert [entry["Cidr"] for entry in entries] == ["203.0.113.0/24"]


def test_regions_and_zones(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    regions = {region["RegionName"] for region in ec2.describe_regions()["Regions"]}
    assert {"us-east-1", "eu-west-1"} <= regions
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert all(zone["State"] == "available" and zone["RegionName"] == "us-east-1" for zone in zones)
    assert len(zones) >= 3
    other = cloud.client("ec2", "eu-west-1")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    refused("InvalidVpcID.NotFound", other.describe_vpcs, VpcIds=[vpc])

"""CloudFormation stacks of resources that several engines serve.

Pages: AWS CloudFormation API Reference; "AWS resource and property types reference", "DeletionPolicy attribute" (AWS
CloudFormation Template Reference).
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from botocore.exceptions import WaiterError

Template = dict[str, Any]
NETWORK: Template = {
    "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16", "EnableDnsHostnames": True,
                                                    "Tags": [{"Key": "Name", "Value": "shop"}]}},
    "A": {"Type": "AWS::EC2::Subnet", "Properties": {
        "VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.1.0/24", "MapPublicIpOnLaunch": "true",
        "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]}}},
    "B": {"Type": "AWS::EC2::Subnet", "Properties": {
        "VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.9.2.0/24",
        "AvailabilityZone": {"Fn::Select": [1, {"Fn::GetAZs": ""}]}}},
    "Gateway": {"Type": "AWS::EC2::InternetGateway"},
    "Attachment": {"Type": "AWS::EC2::VPCGatewayAttachment",
                   "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}}},
    "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    "Route": {"Type": "AWS::EC2::Route", "DependsOn": "Attachment", "Properties": {
        "RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": {"Ref": "Gateway"}}},
    "Public": {"Type": "AWS::EC2::SubnetRouteTableAssociation",
               "Properties": {"SubnetId": {"Ref": "A"}, "RouteTableId": {"Ref": "Table"}}},
    "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
    "Nat": {"Type": "AWS::EC2::NatGateway", "Properties": {
        "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]}, "SubnetId": {"Ref": "A"}}},
    "Web": {"Type": "AWS::EC2::SecurityGroup", "Properties": {
        "GroupDescription": "web", "VpcId": {"Ref": "Vpc"},
        "SecurityGroupIngress": [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": "80", "CidrIp": "0.0.0.0/0"}]}},
    "Inside": {"Type": "AWS::EC2::SecurityGroupIngress", "Properties": {
        "GroupId": {"Ref": "Web"}, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
        "SourceSecurityGroupId": {"Fn::GetAtt": ["Web", "GroupId"]}}},
}  # fmt: skip


def deploy(cloud: Any, resources: Template, outputs: Template | None = None, **more: Any) -> dict[str, str]:
    """Make the stack ``shop`` and give its outputs."""
    template = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in (outputs or {}).items()}}
    cloud.cloudformation.create_stack(StackName="shop", TemplateBody=json.dumps(template), **more)
    return finished(cloud, "create")


def finished(cloud: Any, what: str) -> dict[str, str]:
    waiter = cloud.cloudformation.get_waiter(f"stack_{what}_complete")
    waiter.wait(StackName="shop", WaiterConfig={"Delay": 1, "MaxAttempts": 40})
    if what == "delete":
        return {}
    (stack,) = cloud.cloudformation.describe_stacks(StackName="shop")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs") or []}


def delete(cloud: Any) -> None:
    cloud.cloudformation.delete_stack(StackName="shop")
    finished(cloud, "delete")


def test_a_network_stands_in_ec2_and_goes_with_the_stack(cloud: Any, refused: Any) -> None:
    ec2 = cloud.ec2
    outputs = {"Vpc": {"Ref": "Vpc"}, "A": {"Ref": "A"}, "Web": {"Ref": "Web"}}
    made = deploy(cloud, NETWORK, outputs, Tags=[{"Key": "team", "Value": "shop"}])
    tags = {tag["Key"]: tag["Value"] for tag in ec2.describe_vpcs(VpcIds=[made["Vpc"]])["Vpcs"][0]["Tags"]}
    assert (tags["Name"], tags["team"], tags["aws:cloudformation:logical-id"]) == ("shop", "shop", "Vpc")
    assert ec2.describe_subnets(SubnetIds=[made["A"]])["Subnets"][0]["MapPublicIpOnLaunch"] is True
    changed = copy.deepcopy(NETWORK)
    changed["Web"]["Properties"]["SecurityGroupIngress"][0]["CidrIp"] = "10.0.0.0/8"
    changed["Vpc"]["Properties"]["Tags"][0]["Value"] = "renamed"
    cloud.cloudformation.update_stack(StackName="shop", TemplateBody=json.dumps({"Resources": changed}))
    finished(cloud, "update")
    (group,) = ec2.describe_security_groups(GroupIds=[made["Web"]])["SecurityGroups"]
    assert [entry["CidrIp"] for rule in group["IpPermissions"] for entry in rule["IpRanges"]] == ["10.0.0.0/8"]
    assert {"Key": "Name", "Value": "renamed"} in ec2.describe_vpcs(VpcIds=[made["Vpc"]])["Vpcs"][0]["Tags"]
    delete(cloud)
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[made["Vpc"]])


def test_instances_balancers_and_groups_of_a_stack(cloud: Any) -> None:
    cloud.role("instance", "ec2.amazonaws.com")
    image, zones = cloud.image(), [{"Ref": "A"}, {"Ref": "B"}]
    resources = {
        **NETWORK,
        "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": ["instance"]}},
        "Server": {"Type": "AWS::EC2::Instance", "Properties": {
            "ImageId": image, "InstanceType": "t3.micro", "SubnetId": {"Ref": "A"},
            "SecurityGroupIds": [{"Ref": "Web"}], "IamInstanceProfile": {"Ref": "Profile"},
            "UserData": {"Fn::Base64": "#!/bin/sh"}}},
        "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
                     "Properties": {"Subnets": zones, "SecurityGroups": [{"Ref": "Web"}]}},
        "Targets": {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": {
            "Port": 80, "Protocol": "HTTP", "VpcId": {"Ref": "Vpc"}, "Targets": [{"Id": {"Ref": "Server"}}]}},
        "Listener": {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": {
            "LoadBalancerArn": {"Ref": "Balancer"}, "Port": 80, "Protocol": "HTTP",
            "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}]}},
        "Template": {"Type": "AWS::EC2::LaunchTemplate",
                     "Properties": {"LaunchTemplateData": {"ImageId": image, "InstanceType": "t3.micro"}}},
        "Group": {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": {
            "MinSize": "1", "MaxSize": "2", "VPCZoneIdentifier": zones, "TargetGroupARNs": [{"Ref": "Targets"}],
            "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"},
                               "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}}}},
        "Policy": {"Type": "AWS::AutoScaling::ScalingPolicy", "Properties": {
            "AutoScalingGroupName": {"Ref": "Group"}, "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": {
                "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
                "TargetValue": 50}}},
    }  # fmt: skip
    outputs = {"Name": {"Fn::GetAtt": ["Balancer", "DNSName"]}, "Targets": {"Ref": "Targets"},
               "Address": {"Fn::GetAtt": ["Server", "PrivateIp"]}, "Group": {"Ref": "Group"}}  # fmt: skip
    made = deploy(cloud, resources, outputs, Capabilities=["CAPABILITY_IAM"])
    assert made["Address"].startswith("10.9.1.")
    assert [b["DNSName"] for b in cloud.elbv2.describe_load_balancers()["LoadBalancers"]] == [made["Name"]]
    found = cloud.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[made["Group"]])
    (group,) = found["AutoScalingGroups"]
    assert (group["MaxSize"], group["TargetGroupARNs"]) == (2, [made["Targets"]])
    delete(cloud)
    assert cloud.elbv2.describe_load_balancers()["LoadBalancers"] == []


def test_a_database_leaves_a_snapshot(cloud: Any) -> None:
    resources = {
        **{name: NETWORK[name] for name in ("Vpc", "A", "B")},
        "Subnets": {"Type": "AWS::RDS::DBSubnetGroup", "Properties": {
            "DBSubnetGroupDescription": "d", "SubnetIds": [{"Ref": "A"}, {"Ref": "B"}]}},
        "Database": {"Type": "AWS::RDS::DBInstance", "DeletionPolicy": "Snapshot", "Properties": {
            "Engine": "postgres", "DBInstanceClass": "db.t3.micro", "AllocatedStorage": "20",
            "MasterUsername": "shop", "MasterUserPassword": "correct-horse", "DBSubnetGroupName": {"Ref": "Subnets"}}},
    }  # fmt: skip
    outputs = {"Name": {"Ref": "Database"}, "Host": {"Fn::GetAtt": ["Database", "Endpoint.Address"]}}
    made = deploy(cloud, resources, outputs)
    (read,) = cloud.rds.describe_db_instances(DBInstanceIdentifier=made["Name"])["DBInstances"]
    assert read["Endpoint"]["Address"] == made["Host"]
    delete(cloud)
    (snapshot,) = cloud.rds.describe_db_snapshots()["DBSnapshots"]
    assert snapshot["DBInstanceIdentifier"] == made["Name"]


def test_clusters_vaults_and_certificates_of_a_stack(cloud: Any) -> None:
    cluster, backup = cloud.role("cluster", "eks.amazonaws.com"), cloud.role("backup", "backup.amazonaws.com")
    zone = cloud.route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]
    rule = {"RuleName": "daily", "TargetBackupVault": {"Ref": "Vault"}, "Lifecycle": {"DeleteAfterDays": 30}}
    resources = {
        **{name: NETWORK[name] for name in ("Vpc", "A", "B")},
        "Cluster": {"Type": "AWS::EKS::Cluster", "Properties": {
            "RoleArn": cluster, "ResourcesVpcConfig": {"SubnetIds": [{"Ref": "A"}, {"Ref": "B"}]}, "Version": "1.34"}},
        "Vault": {"Type": "AWS::Backup::BackupVault", "Properties": {"BackupVaultName": "vault"}},
        "Plan": {"Type": "AWS::Backup::BackupPlan",
                 "Properties": {"BackupPlan": {"BackupPlanName": "plan", "BackupPlanRule": [rule]}}},
        "Selection": {"Type": "AWS::Backup::BackupSelection", "Properties": {
            "BackupPlanId": {"Ref": "Plan"},
            "BackupSelection": {"SelectionName": "all", "IamRoleArn": backup, "Resources": ["*"]}}},
        "Certificate": {"Type": "AWS::CertificateManager::Certificate", "Properties": {
            "DomainName": "www.example.com", "ValidationMethod": "DNS",
            "DomainValidationOptions": [{"DomainName": "www.example.com", "HostedZoneId": zone.rpartition("/")[2]}]}},
    }  # fmt: skip
    made = deploy(cloud, resources, {name: {"Ref": name} for name in ("Cluster", "Plan", "Certificate")})
    assert cloud.eks.describe_cluster(name=made["Cluster"])["cluster"]["version"] == "1.34"
    (read,) = cloud.backup.get_backup_plan(BackupPlanId=made["Plan"])["BackupPlan"]["Rules"]
    assert (read["TargetBackupVaultName"], read["Lifecycle"]["DeleteAfterDays"]) == ("vault", 30)
    certificate = cloud.acm.describe_certificate(CertificateArn=made["Certificate"])["Certificate"]
    assert certificate["Status"] == "ISSUED"
    delete(cloud)
    assert cloud.eks.list_clusters()["clusters"] == []


def test_a_refused_resource_rolls_the_others_back(cloud: Any) -> None:
    outside = {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "192.168.0.0/24"}
    resources = {"Vpc": NETWORK["Vpc"], "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": outside}}
    with pytest.raises(WaiterError):
        deploy(cloud, resources)
    (stack,) = cloud.cloudformation.describe_stacks(StackName="shop")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = cloud.cloudformation.describe_stack_events(StackName="shop")["StackEvents"]
    (reason,) = [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "Error Code: InvalidSubnet.Range" in reason
    assert "10.9.0.0/16" not in [vpc["CidrBlock"] for vpc in cloud.ec2.describe_vpcs()["Vpcs"]]


def test_a_bucket_has_its_properties(cloud: Any) -> None:
    expiry = {"Id": "logs", "Status": "Enabled", "Prefix": "logs/", "ExpirationInDays": 90,
              "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 30}]}  # fmt: skip
    encryption = [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}]
    properties = {
        "Tags": [{"Key": "team", "Value": "shop"}],
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": [expiry]},
        "BucketEncryption": {"ServerSideEncryptionConfiguration": encryption},
    }
    bucket = deploy(cloud, {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}},
                    {"Bucket": {"Ref": "Bucket"}})["Bucket"]  # fmt: skip
    s3 = cloud.s3
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    assert (tags["team"], tags["aws:cloudformation:stack-name"]) == ("shop", "shop")
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rule["Expiration"], rule["Filter"]) == ({"Days": 90}, {"Prefix": "logs/"})
    assert rule["Transitions"] == [{"Days": 30, "StorageClass": "STANDARD_IA"}]
    (kept,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert kept["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"


def test_iam_resources_are_acknowledged(cloud: Any, refused: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}  # fmt: skip
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    create = cloud.cloudformation.create_stack
    body = json.dumps({"Resources": {"Role": role}})
    missing = "InsufficientCapabilitiesException"
    assert "CAPABILITY_IAM" in refused(missing, create, StackName="shop", TemplateBody=body)
    named = {**role, "Properties": {**role["Properties"], "RoleName": "web"}}
    refused(missing, create, StackName="shop", TemplateBody=json.dumps({"Resources": {"Role": named}}),
            Capabilities=["CAPABILITY_IAM"])  # fmt: skip
    refused("ValidationError", create, StackName="shop", TemplateBody='{"Resources": {}}')
    made = deploy(cloud, {"Role": role}, {"Role": {"Ref": "Role"}}, Capabilities=["CAPABILITY_IAM"])
    assert cloud.iam.get_role(RoleName=made["Role"])["Role"]["RoleName"] == made["Role"]


def test_a_stack_does_what_its_caller_may(cloud: Any) -> None:
    """ "CloudFormation uses a temporary session that it generates from your user credentials"."""
    queue = {"Queue": {"Type": "AWS::SQS::Queue"}, "Bucket": {"Type": "AWS::S3::Bucket", "DependsOn": "Queue"}}
    user = cloud.user({"Effect": "Allow", "Action": ["cloudformation:*", "sqs:*", "iam:PassRole"], "Resource": "*"})
    with pytest.raises(WaiterError):
        deploy(user, queue)
    (stack,) = user.cloudformation.describe_stacks(StackName="shop")["Stacks"]
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = user.cloudformation.describe_stack_events(StackName="shop")["StackEvents"]
    (reason,) = [e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED"]
    assert "is not authorized to perform: s3:CreateBucket" in reason
    delete(user)
    role = cloud.role("deploy", "cloudformation.amazonaws.com")
    cloud.iam.attach_role_policy(RoleName="deploy", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    deploy(user, queue, RoleARN=role)
    assert len(cloud.s3.list_buckets()["Buckets"]) == 1

"""Which IAM action the creation of a stack's resource asks for, and on which resource.

A selection of types; one that is not here is made without asking.  Page: "Actions, resources, and condition keys for"
each service (Service Authorization Reference).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# type -> (action, the ARN's service and rest; NAME is the property's value or what CloudFormation makes up, property)
_TYPES: dict[str, tuple[str, str, str]] = {
    "AWS::S3::Bucket": ("s3:CreateBucket", "arn:aws:s3:::NAME", "BucketName"),
    "AWS::IAM::Role": ("iam:CreateRole", "arn:aws:iam::ACCOUNT:role/NAME", "RoleName"),
    "AWS::IAM::User": ("iam:CreateUser", "arn:aws:iam::ACCOUNT:user/NAME", "UserName"),
    "AWS::IAM::Group": ("iam:CreateGroup", "arn:aws:iam::ACCOUNT:group/NAME", "GroupName"),
    "AWS::IAM::ManagedPolicy": ("iam:CreatePolicy", "arn:aws:iam::ACCOUNT:policy/NAME", "ManagedPolicyName"),
    "AWS::IAM::InstanceProfile": (
        "iam:CreateInstanceProfile", "arn:aws:iam::ACCOUNT:instance-profile/NAME", "InstanceProfileName"),
    "AWS::DynamoDB::Table": ("dynamodb:CreateTable", "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME", "TableName"),
    "AWS::SQS::Queue": ("sqs:CreateQueue", "arn:aws:sqs:REGION:ACCOUNT:NAME", "QueueName"),
    "AWS::SNS::Topic": ("sns:CreateTopic", "arn:aws:sns:REGION:ACCOUNT:NAME", "TopicName"),
    "AWS::Lambda::Function": ("lambda:CreateFunction", "arn:aws:lambda:REGION:ACCOUNT:function:NAME", "FunctionName"),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", "arn:aws:logs:REGION:ACCOUNT:log-group:NAME", "LogGroupName"),
    "AWS::KMS::Key": ("kms:CreateKey", "*", ""),
    "AWS::SSM::Parameter": ("ssm:PutParameter", "arn:aws:ssm:REGION:ACCOUNT:parameter/NAME", "Name"),
    "AWS::SecretsManager::Secret": (
        "secretsmanager:CreateSecret", "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME", "Name"),
    "AWS::ECR::Repository": ("ecr:CreateRepository", "arn:aws:ecr:REGION:ACCOUNT:repository/NAME", "RepositoryName"),
    "AWS::EC2::VPC": ("ec2:CreateVpc", "arn:aws:ec2:REGION:ACCOUNT:vpc/*", ""),
    "AWS::EC2::Subnet": ("ec2:CreateSubnet", "arn:aws:ec2:REGION:ACCOUNT:subnet/*", ""),
    "AWS::EC2::SecurityGroup": ("ec2:CreateSecurityGroup", "arn:aws:ec2:REGION:ACCOUNT:security-group/*", ""),
    "AWS::EC2::InternetGateway": ("ec2:CreateInternetGateway", "arn:aws:ec2:REGION:ACCOUNT:internet-gateway/*", ""),
    "AWS::EC2::NatGateway": ("ec2:CreateNatGateway", "arn:aws:ec2:REGION:ACCOUNT:natgateway/*", ""),
    "AWS::EC2::Instance": ("ec2:RunInstances", "arn:aws:ec2:REGION:ACCOUNT:instance/*", ""),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "elasticloadbalancing:CreateLoadBalancer",
        "arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/*", "Name"),
    "AWS::RDS::DBInstance": ("rds:CreateDBInstance", "arn:aws:rds:REGION:ACCOUNT:db:NAME", "DBInstanceIdentifier"),
    "AWS::EKS::Cluster": ("eks:CreateCluster", "arn:aws:eks:REGION:ACCOUNT:cluster/NAME", "Name"),
    "AWS::Backup::BackupVault": (
        "backup:CreateBackupVault", "arn:aws:backup:REGION:ACCOUNT:backup-vault:NAME", "BackupVaultName"),
}  # fmt: skip
TYPES = frozenset(_TYPES)


def needed(kind: str, props: Mapping[str, Any], default: str, account: str, region: str) -> tuple[str, str]:
    """Action and ARN for a type of ``TYPES``.

    :param default: the name that CloudFormation makes up
    """
    action, arn, name = _TYPES[kind]
    named = str(props.get(name) or (default.lower() if kind == "AWS::S3::Bucket" else default))
    for word, value in (("ACCOUNT", account), ("REGION", region), ("NAME", named.lstrip("/"))):
        arn = arn.replace(word, value)
    return action, arn

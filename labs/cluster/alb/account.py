"""What an AWS account is given for the controller, as an administrator would on installing it ("Installation guide",
AWS Load Balancer Controller documentation).

A role that only its service account may take, with a policy; two subnets that say to be for load balancers; the nodes'
security group.  Only what is missing is made: what somebody changes stays so.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from labs.cluster.alb.deploy import ROLE_TAGS
from labs.cluster.alb.naming import CLUSTER_TAG

ROLE = "AmazonEKSLoadBalancerControllerRole"
POLICY = "AWSLoadBalancerControllerIAMPolicy"
SERVICE_ACCOUNT = "system:serviceaccount:kube-system:aws-load-balancer-controller"
AUDIENCE = "sts.amazonaws.com"
ZONES = 2


@dataclass(frozen=True)
class Prepared:
    """What the controller is started with."""

    vpc: str
    role: str


def prepare(client: Any, account: str, cluster: str, issuer: str = "") -> Prepared:
    """Bring about what is missing.

    :param client: makes boto3 clients of an administrator by name of the service
    :param issuer: the cluster's OIDC issuer, whose service account may take the role; "" for no role
    :raises botocore.exceptions.ClientError: AWS says no
    """
    vpc = network(client("ec2"), cluster)
    iam = client("iam")
    policy = f"arn:aws:iam::{account}:policy/{POLICY}"
    with _there_already(iam):
        iam.create_policy(PolicyName=POLICY, PolicyDocument=json.dumps(permissions()))
    if not issuer:
        return Prepared(vpc, "")
    name = issuer.removeprefix("https://")
    with _there_already(iam):
        iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{name}"},
        "Condition": {"StringEquals": {f"{name}:aud": AUDIENCE, f"{name}:sub": SERVICE_ACCOUNT}}}]}
    with _there_already(iam):
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
        iam.attach_role_policy(RoleName=ROLE, PolicyArn=policy)
    return Prepared(vpc, f"arn:aws:iam::{account}:role/{ROLE}")


def as_user(iam: Any, account: str, name: str = "aws-load-balancer-controller") -> dict[str, str]:
    """A user with the controller's policy, for a cluster whose tokens the account does not know: environment variables
    with a new access key."""
    with _there_already(iam):
        iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=f"arn:aws:iam::{account}:policy/{POLICY}")
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@contextlib.contextmanager
def _there_already(iam: Any) -> Any:
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        yield


def network(ec2: Any, cluster: str) -> str:
    """The default VPC, with subnets of two zones tagged for load balancers, and the nodes' security group in it."""
    vpc = str(ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"])
    here = {"Name": "vpc-id", "Values": [vpc]}
    subnets = ec2.describe_subnets(Filters=[here])["Subnets"]
    tagged = {tag["Key"] for each in subnets for tag in each.get("Tags") or ()}
    if not tagged & set(ROLE_TAGS.values()):
        by_zone = {each["AvailabilityZone"]: each["SubnetId"] for each in subnets}
        chosen = [by_zone[zone] for zone in sorted(by_zone)[:ZONES]]
        ec2.create_tags(Resources=chosen, Tags=[{"Key": key, "Value": "1"} for key in ROLE_TAGS.values()])
    owned = f"kubernetes.io/cluster/{cluster}"
    tag = {"Name": f"tag:{owned}", "Values": ["owned"]}
    if not ec2.describe_security_groups(Filters=[here, tag])["SecurityGroups"]:
        ec2.create_security_group(
            GroupName=f"eks-cluster-sg-{cluster}", Description="EKS created security group applied to ENI of nodes",
            VpcId=vpc, TagSpecifications=[{"ResourceType": "security-group",
                                           "Tags": [{"Key": owned, "Value": "owned"}]}])
    return vpc


def permissions() -> dict[str, Any]:
    """The controller's policy: it reads everything, makes only what carries its tag, and changes only that.

    As the real one's (``iam_policy.json`` of its documentation) as far as this controller calls.
    """
    tagged = {"Null": {f"aws:ResourceTag/{CLUSTER_TAG}": "false"}}
    tagging = {"Null": {f"aws:RequestTag/{CLUSTER_TAG}": "false"}}

    def allow(service: str, actions: str, condition: dict[str, Any] | None = None) -> dict[str, Any]:
        made = {"Effect": "Allow", "Action": [f"{service}:{each}" for each in actions.split()], "Resource": "*"}
        return {**made, "Condition": condition} if condition else made

    elb = "elasticloadbalancing"
    return {"Version": "2012-10-17", "Statement": [
        allow("ec2", "DescribeVpcs DescribeSubnets DescribeSecurityGroups DescribeInstances DescribeTags"),
        allow(elb, "DescribeLoadBalancers DescribeLoadBalancerAttributes DescribeListeners DescribeListenerCertificates"
                   " DescribeRules DescribeTargetGroups DescribeTargetGroupAttributes DescribeTargetHealth"
                   " DescribeTags"),
        allow("acm", "ListCertificates DescribeCertificate"),
        allow("ec2", "CreateSecurityGroup AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress"),
        allow("ec2", "CreateTags", {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}, **tagging}),
        allow("ec2", "DeleteSecurityGroup", tagged),
        allow(elb, "CreateLoadBalancer CreateTargetGroup", tagging),
        allow(elb, "CreateListener DeleteListener CreateRule DeleteRule"),
        allow(elb, "AddTags", {"StringEquals": {f"{elb}:CreateAction": [
            "CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule"]}}),
        allow(elb, "AddTags RemoveTags", tagged),
        allow(elb, "ModifyLoadBalancerAttributes SetIpAddressType SetSecurityGroups SetSubnets DeleteLoadBalancer"
                   " ModifyTargetGroup ModifyTargetGroupAttributes RegisterTargets DeregisterTargets DeleteTargetGroup",
              tagged),
        allow(elb, "ModifyListener AddListenerCertificates RemoveListenerCertificates ModifyRule"),
    ]}

"""Security groups: one of a load balancer's own for its clients, one that all of a cluster share, and the rule by
which the nodes' group lets that one in ("Security group", AWS Load Balancer Controller documentation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.cluster.alb.naming import BACKEND_TAG, CLUSTER_TAG, backend_name, tags

SHARED = "elbv2.k8s.aws/targetGroupBinding=shared"


def frontend(ec2: Any, vpc: str, stack: Any, cluster: str) -> str:
    """The load balancer's own: clients may come from ``inbound-cidrs`` to the listeners' ports."""
    group = _ensured(ec2, vpc, stack.name, tags(cluster, stack.group, "ManagedLBSecurityGroup"),
                     f"[k8s] Managed SecurityGroup for LoadBalancer {stack.name}")
    wanted = {(listener.port, network) for listener in stack.listeners for network in stack.inbound}
    there = {(rule["FromPort"], one["CidrIp"]) for rule in group["IpPermissions"] for one in rule["IpRanges"]}
    for change, missing in ((ec2.authorize_security_group_ingress, wanted - there),
                            (ec2.revoke_security_group_ingress, there - wanted)):
        if missing:
            change(GroupId=group["GroupId"], IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": network}]}
                for port, network in sorted(missing)])
    return str(group["GroupId"])


def backend(ec2: Any, vpc: str, cluster: str) -> str:
    """The shared one, let in by the nodes' group."""
    shared = {CLUSTER_TAG: cluster, BACKEND_TAG: "backend-sg"}
    group = _ensured(ec2, vpc, backend_name(cluster), shared, "[k8s] Shared Backend SecurityGroup for LoadBalancer")
    owned = [{"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]}]
    for nodes in ec2.describe_security_groups(Filters=owned)["SecurityGroups"]:
        let = {pair["GroupId"] for rule in nodes["IpPermissions"] for pair in rule["UserIdGroupPairs"]}
        if group["GroupId"] not in let:
            ec2.authorize_security_group_ingress(GroupId=nodes["GroupId"], IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535,
                 "UserIdGroupPairs": [{"GroupId": group["GroupId"], "Description": SHARED}]}])
    return str(group["GroupId"])


def _ensured(ec2: Any, vpc: str, name: str, tagged: Mapping[str, str], described: str) -> dict[str, Any]:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, *({"Name": f"tag:{k}", "Values": [v]} for k, v in tagged.items())]
    there = ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    if there:
        found: dict[str, Any] = there[0]
        return found
    made = ec2.create_security_group(GroupName=name, Description=described, VpcId=vpc, TagSpecifications=[
        {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tagged.items()]}])
    return {"GroupId": made["GroupId"], "IpPermissions": []}

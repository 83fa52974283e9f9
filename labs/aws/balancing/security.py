"""What security groups let through ("Security groups for your Application Load Balancer", Elastic Load Balancing User
Guide): only inbound rules of TCP by address or by group.

A pod with an address of its own as a target has the security group of its cluster's nodes: the one that carries the
tag ``kubernetes.io/cluster/NAME`` with the value ``owned``.  Without one nothing is kept out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from labs.aws.balancing.conditions import inside
from labs.aws.balancing.configuration import Balancer, Configuration, Target, TargetGroup

CLUSTER_TAG = "elbv2.k8s.aws/cluster"


def admits(configuration: Configuration, balancer: Balancer, address: str, port: int) -> bool:
    """May this address connect to a listener's port?"""
    groups = [configuration.security[each] for each in balancer.security_groups if each in configuration.security]
    return not balancer.security_groups or _let(groups, port, address, ())


def reaches(configuration: Configuration, balancer: Balancer, group: TargetGroup, target: Target, port: int) -> bool:
    """Do the target's security groups let the load balancer in?"""
    groups = _groups_of(configuration, group, target)
    return groups is None or _let(groups, port, "", balancer.security_groups)


def _groups_of(configuration: Configuration, group: TargetGroup, target: Target) -> list[Mapping[str, Any]] | None:
    instance = configuration.instances.get(target.id)
    if instance is not None:
        return [configuration.security[each] for each in instance.groups if each in configuration.security]
    tag = f"kubernetes.io/cluster/{group.tags.get(CLUSTER_TAG, '')}"
    nodes = [each for each in configuration.security.values()
             if {"Key": tag, "Value": "owned"} in (each.get("Tags") or ())]
    return nodes or None


def _let(groups: Iterable[Mapping[str, Any]], port: int, address: str, from_groups: Iterable[str]) -> bool:
    sources = set(from_groups)
    for rule in (each for one in groups for each in one.get("IpPermissions") or ()):
        if not _covers(rule, port):
            continue
        if address and any(inside(address, each["CidrIp"]) for each in rule.get("IpRanges") or ()):
            return True
        if sources & {each.get("GroupId") for each in rule.get("UserIdGroupPairs") or ()}:
            return True
        if not address and any(_of_a_vpc(each["CidrIp"]) for each in rule.get("IpRanges") or ()):
            return True
    return False


def _of_a_vpc(network: str) -> bool:
    """A load balancer's own address is one of its VPC, whichever: any private network is taken for that."""
    return network == "0.0.0.0/0" or ipaddress.ip_network(network, strict=False).is_private


def _covers(rule: Mapping[str, Any], port: int) -> bool:
    protocol = str(rule.get("IpProtocol"))
    if protocol == "-1":
        return True
    return protocol in ("tcp", "6") and int(rule.get("FromPort", 0)) <= port <= int(rule.get("ToPort", 65535))

"""Makes an AWS account as a stack says: what is missing is made, what differs changed, what is too much deleted.

What was made is known by its tags only, so that a controller that starts anew finds it.  Every step may run again after
a failure anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.cluster.alb import security
from labs.cluster.alb.annotations import ModelError
from labs.cluster.alb.model import Stack, WantedListener, WantedTargetGroup
from labs.cluster.alb.naming import CLUSTER_TAG, RESOURCE_TAG, STACK_TAG, GroupId
from labs.cluster.alb.rules import Backend

Described = dict[str, Any]
ROLE_TAGS = {"internet-facing": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}


class Account:
    """One account and VPC.

    :param client: makes boto3 clients by name of the service
    """

    def __init__(self, client: Any, vpc: str, cluster: str) -> None:
        self._elb, self._ec2 = client("elbv2"), client("ec2")
        self._vpc, self._cluster = vpc, cluster

    def deploy(self, stack: Stack) -> str:
        """Bring it about; the load balancer's DNS name.

        :raises ModelError: no subnets
        :raises botocore.exceptions.ClientError: AWS says no
        """
        balancers, groups = self._found(stack.group)
        balancer = self._balancer(stack, balancers)
        arns = {backend: self._target_group(wanted, groups) for backend, wanted in stack.target_groups.items()}
        self._listeners(balancer["LoadBalancerArn"], stack, arns)
        names = {wanted.name for wanted in stack.target_groups.values()}
        self._drop_groups([each for each in groups if each["TargetGroupName"] not in names])
        return str(balancer["DNSName"])

    def remove(self, group: GroupId) -> None:
        """Delete all that was made for a group."""
        balancers, groups = self._found(group)
        for each in balancers:
            self._elb.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
        self._drop_groups(groups)
        for each in self._ec2.describe_security_groups(Filters=[
                {"Name": f"tag:{CLUSTER_TAG}", "Values": [self._cluster]},
                {"Name": f"tag:{STACK_TAG}", "Values": [str(group)]}])["SecurityGroups"]:
            self._ec2.delete_security_group(GroupId=each["GroupId"])

    # -- what is there -------------------------------------------------------------------------------------------------

    def _found(self, group: GroupId) -> tuple[list[Described], list[Described]]:
        """Load balancers and target groups with the tags of a group."""
        balancers = self._elb.get_paginator("describe_load_balancers").paginate().build_full_result()["LoadBalancers"]
        groups = self._elb.get_paginator("describe_target_groups").paginate().build_full_result()["TargetGroups"]
        wanted = {CLUSTER_TAG: self._cluster, STACK_TAG: str(group)}
        return (self._tagged(balancers, "LoadBalancerArn", wanted), self._tagged(groups, "TargetGroupArn", wanted))

    def _tagged(self, found: Sequence[Described], arn: str, wanted: Mapping[str, str]) -> list[Described]:
        tagged: dict[str, dict[str, str]] = {}
        for first in range(0, len(found), 20):      # DescribeTags takes twenty
            part = [each[arn] for each in found[first:first + 20]]
            for each in self._elb.describe_tags(ResourceArns=part)["TagDescriptions"]:
                tagged[each["ResourceArn"]] = {one["Key"]: one["Value"] for one in each["Tags"]}
        return [{**each, "Tags": tagged[each[arn]]} for each in found if wanted.items() <= tagged[each[arn]].items()]

    # -- the load balancer ---------------------------------------------------------------------------------------------

    def _balancer(self, stack: Stack, there: Sequence[Described]) -> Described:
        for each in there:
            if each["LoadBalancerName"] != stack.name or each["Scheme"] != stack.scheme:
                self._elb.delete_load_balancer(LoadBalancerArn=each["LoadBalancerArn"])
        found = next((each for each in there if each["LoadBalancerName"] == stack.name
                      and each["Scheme"] == stack.scheme), None)
        groups = list(stack.security_groups) or [security.frontend(self._ec2, self._vpc, stack, self._cluster),
                                                 security.backend(self._ec2, self._vpc, self._cluster)]
        if found is None:
            found = self._elb.create_load_balancer(
                Name=stack.name, Scheme=stack.scheme, Type="application", IpAddressType="ipv4",
                Subnets=self._subnets(stack), SecurityGroups=groups, Tags=_tags(stack.tags))["LoadBalancers"][0]
        arn = found["LoadBalancerArn"]
        if set(found.get("SecurityGroups") or ()) != set(groups):
            self._elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=groups)
        if "Tags" in found:
            self._retag(arn, found["Tags"], stack.tags)
        if stack.attributes:
            described = self._elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
            if changed := _changed(described, stack.attributes):
                self._elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=changed)
        return dict(found)

    def _subnets(self, stack: Stack) -> list[str]:
        """Those that an annotation names, or one of each zone that carries the tag of the scheme."""
        if stack.subnets:
            return list(stack.subnets)
        tag = ROLE_TAGS[stack.scheme]
        found = self._ec2.describe_subnets(Filters=[
            {"Name": "vpc-id", "Values": [self._vpc]}, {"Name": f"tag:{tag}", "Values": ["1", ""]}])["Subnets"]
        zones = {each["AvailabilityZone"]: each["SubnetId"] for each in found}
        if not zones:
            raise ModelError("couldn't auto-discover subnets: unable to resolve at least one subnet "
                             f"(0 match VPC and tags: [{tag}])")
        return list(zones.values())

    def _retag(self, arn: str, there: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        added = {key: value for key, value in wanted.items() if there.get(key) != value}
        if added:
            self._elb.add_tags(ResourceArns=[arn], Tags=_tags(added))
        if gone := sorted(set(there) - set(wanted)):
            self._elb.remove_tags(ResourceArns=[arn], TagKeys=gone)

    # -- target groups -------------------------------------------------------------------------------------------------

    def _target_group(self, wanted: WantedTargetGroup, there: Sequence[Described]) -> str:
        found = next((each for each in there if each["TargetGroupName"] == wanted.name), None)
        if found is None:
            found = self._elb.create_target_group(
                Name=wanted.name, VpcId=self._vpc, Tags=_tags(wanted.tags), **wanted.settings)["TargetGroups"][0]
        else:
            self._retag(found["TargetGroupArn"], found["Tags"], wanted.tags)
            fixed = ("TargetType", "Port", "Protocol")
            checks = {key: value for key, value in wanted.settings.items() if key not in fixed}
            if any(found.get(key) != value for key, value in checks.items()):
                self._elb.modify_target_group(TargetGroupArn=found["TargetGroupArn"], **checks)
        arn = str(found["TargetGroupArn"])
        if wanted.attributes:
            described = self._elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
            if changed := _changed(described, wanted.attributes):
                self._elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=changed)
        self._targets(arn, wanted.targets)
        return arn

    def _targets(self, arn: str, wanted: frozenset[tuple[str, int]]) -> None:
        told = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        there = {(each["Target"]["Id"], int(each["Target"]["Port"])) for each in told
                 if each["TargetHealth"]["State"] != "draining"}
        if gone := there - wanted:
            self._elb.deregister_targets(TargetGroupArn=arn, Targets=_targets(gone))
        if new := wanted - there:
            self._elb.register_targets(TargetGroupArn=arn, Targets=_targets(new))

    def _drop_groups(self, groups: Sequence[Described]) -> None:
        for each in groups:
            self._elb.delete_target_group(TargetGroupArn=each["TargetGroupArn"])

    # -- listeners -----------------------------------------------------------------------------------------------------

    def _listeners(self, balancer: str, stack: Stack, arns: Mapping[Backend, str]) -> None:
        there = {each["Port"]: each for each in
                 self._elb.describe_listeners(LoadBalancerArn=balancer).get("Listeners") or ()}
        for port in set(there) - {each.port for each in stack.listeners}:
            self._elb.delete_listener(ListenerArn=there[port]["ListenerArn"])
        for wanted in stack.listeners:
            arn = self._listener(balancer, wanted, there.get(wanted.port), arns, stack)
            self._rules(arn, wanted, arns, stack)

    def _listener(self, balancer: str, wanted: WantedListener, found: Described | None, arns: Mapping[Backend, str],
                  stack: Stack) -> str:
        settings: Described = {"Port": wanted.port, "Protocol": wanted.protocol,
                               "DefaultActions": [resolved(wanted.default, arns)]}
        if wanted.certificates:
            settings["Certificates"] = [{"CertificateArn": wanted.certificates[0]}]
        if found is None:
            tagged = {**stack.tags, RESOURCE_TAG: str(wanted.port)}
            made = self._elb.create_listener(LoadBalancerArn=balancer, Tags=_tags(tagged), **settings)
            arn = str(made["Listeners"][0]["ListenerArn"])
        else:
            arn = found["ListenerArn"]
            if _differs(found, settings):
                self._elb.modify_listener(ListenerArn=arn, **settings)
        if wanted.protocol == "HTTPS":
            self._certificates(arn, set(wanted.certificates[1:]))
        return arn

    def _certificates(self, listener: str, wanted: set[str]) -> None:
        """Those besides the default one."""
        told = self._elb.describe_listener_certificates(ListenerArn=listener)["Certificates"]
        there = {each["CertificateArn"] for each in told if not each.get("IsDefault")}
        for change, arns in ((self._elb.add_listener_certificates, wanted - there),
                             (self._elb.remove_listener_certificates, there - wanted)):
            if arns:
                change(ListenerArn=listener, Certificates=[{"CertificateArn": each} for each in sorted(arns)])

    def _rules(self, listener: str, wanted: WantedListener, arns: Mapping[Backend, str], stack: Stack) -> None:
        there = {each["Priority"]: each for each in self._elb.describe_rules(ListenerArn=listener)["Rules"]
                 if each["Priority"] != "default"}
        for priority in set(there) - {str(number) for number, _ in enumerate(wanted.rules, 1)}:
            self._elb.delete_rule(RuleArn=there[priority]["RuleArn"])
        for number, rule in enumerate(wanted.rules, 1):
            settings: Described = {"Conditions": list(rule.conditions), "Actions": [resolved(rule.action, arns)]}
            found = there.get(str(number))
            if found is None:
                tagged = {**stack.tags, RESOURCE_TAG: f"{wanted.port}:{number}"}
                self._elb.create_rule(ListenerArn=listener, Priority=number, Tags=_tags(tagged), **settings)
            elif _differs(found, settings):
                self._elb.modify_rule(RuleArn=found["RuleArn"], **settings)


def resolved(action: Mapping[str, Any], arns: Mapping[Backend, str]) -> Described:
    """An action with the target groups' ARNs."""
    config = action.get("ForwardConfig")
    if not config:
        return dict(action)
    groups = [{**each, "TargetGroupArn": arns.get(each["TargetGroupArn"], each["TargetGroupArn"])}
              for each in config["TargetGroups"]]
    if len(groups) == 1:
        return {"Type": "forward", "TargetGroupArn": groups[0]["TargetGroupArn"]}
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def _differs(found: Any, wanted: Any) -> bool:
    """Is something of ``wanted`` otherwise in what AWS describes?  AWS adds what was not said."""
    if isinstance(wanted, Mapping):
        return not isinstance(found, Mapping) or any(_differs(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        there = list(found or ())
        return len(there) != len(wanted) or any(map(_differs, there, wanted))
    return str(found) != str(wanted)


def _changed(described: Sequence[Described], wanted: Mapping[str, str]) -> list[Described]:
    there = {each["Key"]: str(each["Value"]) for each in described}
    return [{"Key": key, "Value": value} for key, value in wanted.items() if there.get(key) != value]


def _tags(tagged: Mapping[str, str]) -> list[Described]:
    return [{"Key": key, "Value": value} for key, value in tagged.items()]


def _targets(found: Any) -> list[Described]:
    return [{"Id": each, "Port": port} for each, port in sorted(found)]

"""Load balancers and Auto Scaling.  Pages: Elastic Load Balancing API Reference (2015-12-01); Amazon EC2 Auto Scaling
API Reference; Application Auto Scaling API Reference."""

from __future__ import annotations

from typing import Any

import pytest


def balancer(cloud: Any, name: str = "shop") -> tuple[str, str, list[str]]:
    vpc, subnets = cloud.network()
    group = cloud.ec2.create_security_group(GroupName=f"{name}-lb", Description="d", VpcId=vpc)["GroupId"]
    made = cloud.elbv2.create_load_balancer(
        Name=name, Subnets=subnets, SecurityGroups=[group], Tags=[{"Key": "env", "Value": "dev"}]
    )["LoadBalancers"][0]
    return str(made["LoadBalancerArn"]), vpc, subnets


def target_group(cloud: Any, vpc: str, name: str, **more: Any) -> str:
    made = cloud.elbv2.create_target_group(Name=name, Protocol="HTTP", Port=80, VpcId=vpc, **more)
    return str(made["TargetGroups"][0]["TargetGroupArn"])


def test_load_balancer_life(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    arn, vpc, subnets = balancer(cloud)
    assert arn.startswith(cloud.arn("elasticloadbalancing", "loadbalancer/app/shop/"))
    elb.get_waiter("load_balancer_available").wait(Names=["shop"], WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    (read,) = elb.describe_load_balancers(Names=["shop"])["LoadBalancers"]
    assert (read["Type"], read["Scheme"], read["VpcId"]) == ("application", "internet-facing", vpc)
    assert read["State"]["Code"] == "active"
    assert {zone["SubnetId"] for zone in read["AvailabilityZones"]} == set(subnets)
    assert read["DNSName"].startswith("shop-")
    assert read["CanonicalHostedZoneId"]
    # Creating it once more with the same settings is the same load balancer; with others it is refused.
    refused("DuplicateLoadBalancerName", elb.create_load_balancer, Name="shop", Subnets=subnets, Scheme="internal")
    described = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert described == [{"Key": "env", "Value": "dev"}]
    elb.add_tags(ResourceArns=[arn], Tags=[{"Key": "env", "Value": "prod"}, {"Key": "a", "Value": "b"}])
    elb.remove_tags(ResourceArns=[arn], TagKeys=["a"])
    described = elb.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
    assert described == [{"Key": "env", "Value": "prod"}]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}]
    )
    listed = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    attributes = {a["Key"]: a["Value"] for a in listed}
    assert attributes["deletion_protection.enabled"] == "true"
    assert attributes["idle_timeout.timeout_seconds"] == "60"
    refused("OperationNotPermitted", elb.delete_load_balancer, LoadBalancerArn=arn)
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}]
    )
    elb.delete_load_balancer(LoadBalancerArn=arn)
    refused("LoadBalancerNotFound", elb.describe_load_balancers, Names=["shop"])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[arn])
    elb.delete_load_balancer(LoadBalancerArn=arn)  # "If the load balancer does not exist … the call succeeds"


def test_load_balancer_errors(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    _, subnets = cloud.network()
    refused("ValidationError", elb.create_load_balancer, Name="bad_name", Subnets=subnets)
    refused("ValidationError", elb.create_load_balancer, Name="x" * 33, Subnets=subnets)
    refused("SubnetNotFound", elb.create_load_balancer, Name="a", Subnets=["subnet-0123456789abcdef0", subnets[0]])
    refused(("ValidationError", "InvalidSubnet"), elb.create_load_balancer, Name="a", Subnets=subnets[:1])
    refused(
        ("InvalidSecurityGroup", "SecurityGroupNotFound"),
        elb.create_load_balancer,
        Name="a",
        Subnets=subnets,
        SecurityGroups=["sg-0123456789abcdef0"],
    )
    missing = cloud.arn("elasticloadbalancing", "loadbalancer/app/none/0123456789abcdef")
    refused(
        "LoadBalancerNotFound",
        elb.create_listener,
        LoadBalancerArn=missing,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}],
    )
    refused("LoadBalancerNotFound", elb.describe_listeners, LoadBalancerArn=missing)


def test_target_group_life(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    arn, vpc, _ = balancer(cloud)
    made = elb.create_target_group(
        Name="web",
        Protocol="HTTP",
        Port=8080,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=10,
        Matcher={"HttpCode": "200-299"},
    )["TargetGroups"][0]
    group = made["TargetGroupArn"]
    assert (made["HealthCheckPath"], made["Matcher"]["HttpCode"]) == ("/healthz", "200-299")
    assert (made["HealthyThresholdCount"], made["UnhealthyThresholdCount"]) == (5, 2)
    refused(
        "DuplicateTargetGroupName", elb.create_target_group, Name="web", Protocol="HTTP", Port=9, VpcId=vpc
    )
    elb.modify_target_group(TargetGroupArn=group, HealthCheckPath="/ready", HealthyThresholdCount=2)
    (read,) = elb.describe_target_groups(Names=["web"])["TargetGroups"]
    assert (read["HealthCheckPath"], read["HealthyThresholdCount"]) == ("/ready", 2)
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": "10.20.0.10", "Port": 8080}, {"Id": "10.20.1.10"}])
    health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert {entry["Target"]["Id"] for entry in health} == {"10.20.0.10", "10.20.1.10"}
    assert {entry["Target"]["Port"] for entry in health} == {8080}
    assert all(entry["TargetHealth"]["State"] in ("unused", "initial", "healthy", "unhealthy") for entry in health)
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": "10.20.1.10"}])
    health = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    left = [e["Target"]["Id"] for e in health if e["TargetHealth"]["State"] != "draining"]
    assert left == ["10.20.0.10"]
    elb.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    )
    listed = elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    attributes = {a["Key"]: a["Value"] for a in listed}
    assert attributes["deregistration_delay.timeout_seconds"] == "30"
    elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]
    )
    (read,) = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
    assert read["TargetGroupArn"] == group
    refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=group)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_target_group(TargetGroupArn=group)
    refused("TargetGroupNotFound", elb.describe_target_groups, Names=["web"])
    refused("TargetGroupNotFound", elb.describe_target_health, TargetGroupArn=group)
    refused("ValidationError", elb.create_target_group, Name="x" * 33, Protocol="HTTP", Port=80, VpcId=vpc)


def test_listener_and_rules(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    arn, vpc, _ = balancer(cloud)
    blue, green = target_group(cloud, vpc, "blue"), target_group(cloud, vpc, "green")
    made = elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": blue}]
    )["Listeners"][0]
    listener = made["ListenerArn"]
    refused(
        "DuplicateListener",
        elb.create_listener,
        LoadBalancerArn=arn,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": blue}],
    )
    refused(
        "TargetGroupNotFound",
        elb.create_listener,
        LoadBalancerArn=arn,
        Protocol="HTTP",
        Port=81,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": blue.replace("/blue/", "/none/")}],
    )
    condition = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}
    weighted = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": blue, "Weight": 90},
                {"TargetGroupArn": green, "Weight": 10},
            ]
        },
    }
    rule = elb.create_rule(ListenerArn=listener, Priority=10, Conditions=[condition], Actions=[weighted])["Rules"][0]
    assert rule["Priority"] == "10"
    refused("PriorityInUse", elb.create_rule, ListenerArn=listener, Priority=10, Conditions=[condition],
            Actions=[weighted])
    host = {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com"]}}
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain",
                                                               "MessageBody": "closed"}}
    second = elb.create_rule(ListenerArn=listener, Priority=20, Conditions=[host], Actions=[fixed])["Rules"][0]
    rules = elb.describe_rules(ListenerArn=listener)["Rules"]
    assert [r["Priority"] for r in rules] == ["10", "20", "default"]
    groups = rules[0]["Actions"][0]["ForwardConfig"]["TargetGroups"]
    assert {(g["TargetGroupArn"], g["Weight"]) for g in groups} == {(blue, 90), (green, 10)}
    elb.modify_rule(RuleArn=rule["RuleArn"], Actions=[{"Type": "forward", "TargetGroupArn": green}])
    (read,) = elb.describe_rules(RuleArns=[rule["RuleArn"]])["Rules"]
    assert read["Actions"][0]["TargetGroupArn"] == green
    elb.set_rule_priorities(RulePriorities=[{"RuleArn": second["RuleArn"], "Priority": 5}])
    assert [r["Priority"] for r in elb.describe_rules(ListenerArn=listener)["Rules"]] == ["5", "10", "default"]
    elb.delete_rule(RuleArn=rule["RuleArn"])
    refused("RuleNotFound", elb.describe_rules, RuleArns=[rule["RuleArn"]])
    default = elb.describe_rules(ListenerArn=listener)["Rules"][-1]["RuleArn"]
    refused("OperationNotPermitted", elb.delete_rule, RuleArn=default)
    elb.modify_listener(ListenerArn=listener, DefaultActions=[{"Type": "forward", "TargetGroupArn": green}])
    (read,) = elb.describe_listeners(ListenerArns=[listener])["Listeners"]
    assert read["DefaultActions"][0]["TargetGroupArn"] == green
    elb.delete_listener(ListenerArn=listener)
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[listener])


def test_https_listener_needs_a_certificate(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    arn, vpc, _ = balancer(cloud)
    group = target_group(cloud, vpc, "web")
    action = [{"Type": "forward", "TargetGroupArn": group}]
    refused(
        ("ValidationError", "CertificateNotFound"),
        elb.create_listener,
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        DefaultActions=action,
    )
    refused(
        "CertificateNotFound",
        elb.create_listener,
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        DefaultActions=action,
        Certificates=[{"CertificateArn": cloud.arn("acm", "certificate/00000000-0000-0000-0000-000000000000")}],
    )
    certificate = cloud.acm.request_certificate(DomainName="shop.example.com", ValidationMethod="DNS")["CertificateArn"]
    made = elb.create_listener(
        LoadBalancerArn=arn,
        Protocol="HTTPS",
        Port=443,
        SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
        DefaultActions=action,
        Certificates=[{"CertificateArn": certificate}],
    )["Listeners"][0]
    assert made["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert [c["CertificateArn"] for c in made["Certificates"]] == [certificate]
    redirect = {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    plain = elb.create_listener(LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[redirect])
    assert plain["Listeners"][0]["DefaultActions"][0]["RedirectConfig"]["StatusCode"] == "HTTP_301"
    assert len(elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]) == 2


def test_instances_as_targets(cloud: Any, refused: Any) -> None:
    elb = cloud.elbv2
    arn, vpc, subnets = balancer(cloud)
    group = target_group(cloud, vpc, "web")
    instance = cloud.ec2.run_instances(
        ImageId=cloud.image(), InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnets[0]
    )["Instances"][0]["InstanceId"]
    elb.create_listener(
        LoadBalancerArn=arn, Protocol="HTTP", Port=80, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]
    )
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": instance}])
    waiter = elb.get_waiter("target_in_service")
    waiter.wait(TargetGroupArn=group, Targets=[{"Id": instance}], WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    refused("InvalidTarget", elb.register_targets, TargetGroupArn=group, Targets=[{"Id": "i-0123456789abcdef0"}])
    elb.deregister_targets(TargetGroupArn=group, Targets=[{"Id": instance}])
    elb.get_waiter("target_deregistered").wait(
        TargetGroupArn=group, Targets=[{"Id": instance}], WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )


def test_network_load_balancer(cloud: Any) -> None:
    elb = cloud.elbv2
    vpc, subnets = cloud.network()
    made = elb.create_load_balancer(Name="net", Type="network", Scheme="internal", Subnets=subnets)["LoadBalancers"][0]
    assert ":loadbalancer/net/net/" in made["LoadBalancerArn"]
    group = elb.create_target_group(Name="tcp", Protocol="TCP", Port=5432, VpcId=vpc)["TargetGroups"][0]
    assert group["HealthCheckProtocol"] == "TCP"
    listener = elb.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"],
        Protocol="TCP",
        Port=5432,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}],
    )["Listeners"][0]
    assert listener["Protocol"] == "TCP"


def test_pages_of_load_balancers(cloud: Any) -> None:
    elb = cloud.elbv2
    _, subnets = cloud.network()
    for number in range(5):
        elb.create_load_balancer(Name=f"lb-{number}", Subnets=subnets)
    first = elb.describe_load_balancers(PageSize=3)
    assert len(first["LoadBalancers"]) == 3
    rest = elb.describe_load_balancers(PageSize=3, Marker=first["NextMarker"])
    assert len(rest["LoadBalancers"]) == 2
    assert "NextMarker" not in rest


def test_load_balancer_permissions(cloud: Any, refused: Any) -> None:
    arn, _, subnets = balancer(cloud)
    tagged = {
        "Effect": "Allow",
        "Action": ["elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:ModifyLoadBalancerAttributes"],
        "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/env": "dev"}},
    }
    reading = {"Effect": "Allow", "Action": "elasticloadbalancing:Describe*", "Resource": "*"}
    other = cloud.elbv2.create_load_balancer(Name="other", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    user = cloud.user(tagged, reading)
    user.elbv2.describe_load_balancers()
    refused("AccessDenied", user.elbv2.create_load_balancer, Name="third", Subnets=subnets)
    refused("AccessDenied", user.elbv2.delete_load_balancer, LoadBalancerArn=other)
    user.elbv2.delete_load_balancer(LoadBalancerArn=arn)


# -- Auto Scaling ------------------------------------------------------------------------------------------------------


def template(cloud: Any, name: str = "web") -> str:
    data = {"ImageId": cloud.image(), "InstanceType": "t3.micro"}
    made = cloud.ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def scaling_group(cloud: Any, name: str = "web", **more: Any) -> list[str]:
    _, subnets = cloud.network()
    params = {"MinSize": 1, "MaxSize": 4, "DesiredCapacity": 2, **more}
    cloud.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateId": template(cloud, name), "Version": "$Latest"},
        VPCZoneIdentifier=",".join(subnets),
        Tags=[{"Key": "env", "Value": "dev", "PropagateAtLaunch": True}],
        **params,
    )
    return list(subnets)


def group(cloud: Any, name: str = "web") -> dict[str, Any]:
    return dict(cloud.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0])


def test_scaling_group_keeps_its_size(cloud: Any, refused: Any) -> None:
    scaling, ec2 = cloud.autoscaling, cloud.ec2
    scaling_group(cloud)
    read = group(cloud)
    assert (read["MinSize"], read["MaxSize"], read["DesiredCapacity"]) == (1, 4, 2)
    assert len(read["Instances"]) == 2
    assert {i["LifecycleState"] for i in read["Instances"]} == {"InService"}
    assert len(read["AvailabilityZones"]) == 2
    assert read["AutoScalingGroupARN"].startswith(cloud.arn("autoscaling", "autoScalingGroup:"))
    started = [i["InstanceId"] for i in read["Instances"]]
    instances = [i for r in ec2.describe_instances(InstanceIds=started)["Reservations"] for i in r["Instances"]]
    for instance in instances:
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        assert (tags["env"], tags["aws:autoscaling:groupName"]) == ("dev", "web")
    scaling.set_desired_capacity(AutoScalingGroupName="web", DesiredCapacity=3)
    assert len(group(cloud)["Instances"]) == 3
    refused("ValidationError", scaling.set_desired_capacity, AutoScalingGroupName="web", DesiredCapacity=9)
    scaling.update_auto_scaling_group(AutoScalingGroupName="web", MinSize=0, MaxSize=6, DesiredCapacity=1)
    assert len(group(cloud)["Instances"]) == 1
    (left,) = group(cloud)["Instances"]
    scaling.terminate_instance_in_auto_scaling_group(
        InstanceId=left["InstanceId"], ShouldDecrementDesiredCapacity=False
    )
    (new,) = [i for i in group(cloud)["Instances"] if i["LifecycleState"] == "InService"]
    assert new["InstanceId"] != left["InstanceId"]
    refused("ResourceInUse", scaling.delete_auto_scaling_group, AutoScalingGroupName="web")
    scaling.delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["web"])["AutoScalingGroups"] == []
    refused(
        "ValidationError", scaling.update_auto_scaling_group, AutoScalingGroupName="web", MinSize=1
    )


def test_scaling_group_errors(cloud: Any, refused: Any) -> None:
    subnets = scaling_group(cloud)
    zones = {"VPCZoneIdentifier": ",".join(subnets)}
    create = cloud.autoscaling.create_auto_scaling_group
    launch = {"LaunchTemplate": {"LaunchTemplateName": "web"}}
    refused("AlreadyExists", create, AutoScalingGroupName="web", MinSize=0, MaxSize=1, **launch, **zones)
    refused("ValidationError", create, AutoScalingGroupName="a", MinSize=3, MaxSize=1, **launch, **zones)
    refused("ValidationError", create, AutoScalingGroupName="a", MinSize=0, MaxSize=1, **zones)
    refused("ValidationError", create, AutoScalingGroupName="a", MinSize=0, MaxSize=1, **launch)
    refused(
        "ValidationError", create, AutoScalingGroupName="a", MinSize=0, MaxSize=1, **zones,
        LaunchTemplate={"LaunchTemplateId": "lt-0123456789abcdef0"},
    )


def test_scaling_policies(cloud: Any, refused: Any) -> None:
    scaling = cloud.autoscaling
    scaling_group(cloud)
    tracking = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
        "TargetValue": 50.0,
    }
    made = scaling.put_scaling_policy(
        AutoScalingGroupName="web",
        PolicyName="cpu",
        PolicyType="TargetTrackingScaling",
        TargetTrackingConfiguration=tracking,
    )
    assert ":policyName/cpu" in made["PolicyARN"]
    (read,) = scaling.describe_policies(AutoScalingGroupName="web")["ScalingPolicies"]
    assert read["TargetTrackingConfiguration"]["TargetValue"] == 50.0
    scaling.put_scaling_policy(
        AutoScalingGroupName="web", PolicyName="out", AdjustmentType="ChangeInCapacity", ScalingAdjustment=1
    )
    scaling.execute_policy(AutoScalingGroupName="web", PolicyName="out")
    assert group(cloud)["DesiredCapacity"] == 3
    scaling.delete_policy(AutoScalingGroupName="web", PolicyName="cpu")
    left = scaling.describe_policies(AutoScalingGroupName="web")["ScalingPolicies"]
    assert [p["PolicyName"] for p in left] == ["out"]
    refused(
        "ValidationError",
        scaling.put_scaling_policy,
        AutoScalingGroupName="none",
        PolicyName="cpu",
        AdjustmentType="ChangeInCapacity",
        ScalingAdjustment=1,
    )


def test_scheduled_actions_hooks_and_protection(cloud: Any) -> None:
    scaling = cloud.autoscaling
    scaling_group(cloud)
    scaling.put_scheduled_update_group_action(
        AutoScalingGroupName="web", ScheduledActionName="night", Recurrence="0 20 * * *", MinSize=0, MaxSize=1,
        DesiredCapacity=0,
    )
    (action,) = scaling.describe_scheduled_actions(AutoScalingGroupName="web")["ScheduledUpdateGroupActions"]
    assert (action["Recurrence"], action["DesiredCapacity"]) == ("0 20 * * *", 0)
    scaling.put_lifecycle_hook(
        AutoScalingGroupName="web", LifecycleHookName="drain",
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", HeartbeatTimeout=60, DefaultResult="CONTINUE",
    )
    (hook,) = scaling.describe_lifecycle_hooks(AutoScalingGroupName="web")["LifecycleHooks"]
    assert hook["HeartbeatTimeout"] == 60
    instance = group(cloud)["Instances"][0]["InstanceId"]
    scaling.set_instance_protection(AutoScalingGroupName="web", InstanceIds=[instance], ProtectedFromScaleIn=True)
    protected = [i["InstanceId"] for i in group(cloud)["Instances"] if i["ProtectedFromScaleIn"]]
    assert protected == [instance]
    scaling.suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    assert [p["ProcessName"] for p in group(cloud)["SuspendedProcesses"]] == ["Launch"]
    scaling.resume_processes(AutoScalingGroupName="web")
    assert group(cloud)["SuspendedProcesses"] == []


def test_scaling_group_behind_a_load_balancer(cloud: Any) -> None:
    vpc, subnets = cloud.network()
    targets = target_group(cloud, vpc, "web")
    cloud.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="web", MinSize=2, MaxSize=2, VPCZoneIdentifier=",".join(subnets),
        LaunchTemplate={"LaunchTemplateId": template(cloud)}, TargetGroupARNs=[targets], HealthCheckType="ELB",
        HealthCheckGracePeriod=30,
    )
    health = cloud.elbv2.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]
    members = {i["InstanceId"] for i in group(cloud)["Instances"]}
    assert {entry["Target"]["Id"] for entry in health} == members
    assert len(members) == 2


def test_mixed_instances_with_spot(cloud: Any) -> None:
    _, subnets = cloud.network()
    cloud.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="mixed",
        MinSize=1,
        MaxSize=3,
        VPCZoneIdentifier=",".join(subnets),
        MixedInstancesPolicy={
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template(cloud), "Version": "$Latest"},
                "Overrides": [{"InstanceType": "t3.micro"}, {"InstanceType": "t3.small"}],
            },
            "InstancesDistribution": {
                "OnDemandBaseCapacity": 1,
                "OnDemandPercentageAboveBaseCapacity": 0,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
        },
    )
    read = group(cloud, "mixed")["MixedInstancesPolicy"]
    assert [o["InstanceType"] for o in read["LaunchTemplate"]["Overrides"]] == ["t3.micro", "t3.small"]
    assert read["InstancesDistribution"]["SpotAllocationStrategy"] == "price-capacity-optimized"


@pytest.mark.parametrize(("name", "may"), [("web", True), ("other", False)])
def test_scaling_permissions_by_tag(cloud: Any, refused: Any, name: str, may: bool) -> None:
    subnets = scaling_group(cloud)
    cloud.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="other", MinSize=0, MaxSize=2, VPCZoneIdentifier=",".join(subnets),
        LaunchTemplate={"LaunchTemplateName": "web"},
    )
    user = cloud.user(
        {"Effect": "Allow", "Action": "autoscaling:SetDesiredCapacity", "Resource": "*",
         "Condition": {"StringEquals": {"autoscaling:ResourceTag/env": "dev"}}}
    )
    if may:
        user.autoscaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=1)
    else:
        refused("AccessDenied", user.autoscaling.set_desired_capacity, AutoScalingGroupName=name, DesiredCapacity=1)


def test_application_auto_scaling(cloud: Any, refused: Any) -> None:
    scaling = cloud.application_autoscaling
    cloud.dynamodb.create_table(
        TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
    )
    target = {"ServiceNamespace": "dynamodb", "ResourceId": "table/orders",
              "ScalableDimension": "dynamodb:table:ReadCapacityUnits"}
    scaling.register_scalable_target(**target, MinCapacity=5, MaxCapacity=50)
    (read,) = scaling.describe_scalable_targets(ServiceNamespace="dynamodb")["ScalableTargets"]
    assert (read["MinCapacity"], read["MaxCapacity"]) == (5, 50)
    policy = {"TargetValue": 70.0,
              "PredefinedMetricSpecification": {"PredefinedMetricType": "DynamoDBReadCapacityUtilization"}}
    made = scaling.put_scaling_policy(
        PolicyName="read", PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=policy, **target
    )
    assert "policyName/read" in made["PolicyARN"]
    assert len(scaling.describe_scaling_policies(ServiceNamespace="dynamodb")["ScalingPolicies"]) == 1
    scaling.delete_scaling_policy(PolicyName="read", **target)
    refused("ObjectNotFoundException", scaling.delete_scaling_policy, PolicyName="read", **target)
    scaling.deregister_scalable_target(**target)
    refused("ObjectNotFoundException", scaling.deregister_scalable_target, **target)

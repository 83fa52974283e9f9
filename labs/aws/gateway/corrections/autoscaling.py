"""Amazon EC2 Auto Scaling: bounds, what a group needs, deletion (Amazon EC2 Auto Scaling API Reference)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


def _invalid(text: str) -> AwsError:
    return AwsError("ValidationError", text, 400)


async def _group(exchange: Exchange, name: Any) -> dict[str, Any] | None:
    answer = await ask(exchange, "DescribeAutoScalingGroups", AutoScalingGroupNames=[str(name)])
    return next(iter(answer.get("AutoScalingGroups") or []), None)


async def _there(exchange: Exchange, params: Params) -> dict[str, Any]:
    group = await _group(exchange, params.get("AutoScalingGroupName"))
    if group is None:
        raise _invalid(f"AutoScalingGroup name not found - AutoScalingGroup '{params.get('AutoScalingGroupName')}'"
                       " not found")  # fmt: skip
    return group


def _bounds(low: int, high: int, desired: int | None) -> None:
    if low > high:
        raise _invalid(f"Max bound, {high}, must be greater than or equal to min bound, {low}")
    if desired is not None and not low <= desired <= high:
        raise _invalid(f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


async def _create(exchange: Exchange, params: Params) -> None:
    if await _group(exchange, params.get("AutoScalingGroupName")):
        raise AwsError("AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name"
                       f" {params['AutoScalingGroupName']} already exists", 400)  # fmt: skip
    desired = params.get("DesiredCapacity")
    _bounds(int(params.get("MinSize", 0)), int(params.get("MaxSize", 0)), None if desired is None else int(desired))
    sources = ("LaunchTemplate", "LaunchConfigurationName", "InstanceId", "MixedInstancesPolicy")
    if sum(bool(params.get(name)) for name in sources) != 1:
        raise _invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or"
                       " MixedInstancesPolicy parameter.")  # fmt: skip
    if not params.get("VPCZoneIdentifier") and not params.get("AvailabilityZones"):
        raise _invalid("At least one Availability Zone or VPC Subnet is required.")
    await _template(exchange, params)
    subnets = [name.strip() for name in str(params.get("VPCZoneIdentifier") or "").split(",") if name.strip()]
    if subnets and await found(exchange, "DescribeSubnets", "ec2", SubnetIds=subnets) is None:
        raise _invalid(f"The subnet ID '{','.join(subnets)}' does not exist")
    for arn in params.get("TargetGroupARNs") or []:
        if await found(exchange, "DescribeTargetGroups", "elbv2", TargetGroupArns=[arn]) is None:
            raise _invalid("Provided Target Groups may not be valid. Please ensure they exist and try again.")


async def _template(exchange: Exchange, params: Params) -> None:
    template = params.get("LaunchTemplate")
    if not template:
        return
    if template.get("LaunchTemplateId"):
        wanted = {"LaunchTemplateIds": [template["LaunchTemplateId"]]}
    else:
        wanted = {"LaunchTemplateNames": [template.get("LaunchTemplateName", "")]}
    if not ((await found(exchange, "DescribeLaunchTemplates", "ec2", **wanted)) or {}).get("LaunchTemplates"):
        raise _invalid("You must use a valid fully-formed launch template. The specified launch template does not"
                       " exist.")  # fmt: skip


async def _update(exchange: Exchange, params: Params) -> None:
    group = await _there(exchange, params)
    low, high = int(params.get("MinSize", group["MinSize"])), int(params.get("MaxSize", group["MaxSize"]))
    desired = params.get("DesiredCapacity")
    _bounds(low, high, None if desired is None else int(desired))
    await _template(exchange, params)


async def _set_desired(exchange: Exchange, params: Params) -> None:
    group = await _there(exchange, params)
    desired = int(params.get("DesiredCapacity", 0))
    if desired > int(group["MaxSize"]):
        raise _invalid(f"New SetDesiredCapacity value {desired} is above max value {group['MaxSize']} for the"
                       " AutoScalingGroup.")  # fmt: skip
    if desired < int(group["MinSize"]):
        raise _invalid(f"New SetDesiredCapacity value {desired} is below min value {group['MinSize']} for the"
                       " AutoScalingGroup.")  # fmt: skip


async def _delete(exchange: Exchange, params: Params) -> None:
    group = await _there(exchange, params)
    if group.get("Instances") and str(params.get("ForceDelete", "false")).lower() != "true":
        raise AwsError(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still"
            " in the group.",
            400,
        )


async def _exists(exchange: Exchange, params: Params) -> None:
    await _there(exchange, params)


async def _policy(exchange: Exchange, params: Params) -> Params:
    """The engine calls the ARN's member otherwise; a tracking policy has its alarms."""
    await _there(exchange, params)
    await ask(exchange, "PutScalingPolicy", **params)
    answer = await ask(exchange, "DescribePolicies", AutoScalingGroupName=params["AutoScalingGroupName"])
    arns = [p["PolicyARN"] for p in answer.get("ScalingPolicies") or [] if p["PolicyName"] == params["PolicyName"]]
    return {"PolicyARN": arns[0] if arns else None, "Alarms": []}


# -- instance refreshes ------------------------------------------------------------------------------------------------


def _refreshes(exchange: Exchange, params: Params) -> list[Params]:
    place = ("autoscaling", "refreshes", exchange.account, exchange.region, params.get("AutoScalingGroupName"))
    found: list[Params] = exchange.gateway.notes.setdefault(place, [])
    return found


async def _refresh(exchange: Exchange, params: Params) -> Params:
    """Replace the group's instances, all at once: each is terminated, and the group starts another."""
    await _there(exchange, params)
    name = params["AutoScalingGroupName"]
    (group,) = (await ask(exchange, "DescribeAutoScalingGroups", AutoScalingGroupNames=[name]))["AutoScalingGroups"]
    for instance in group.get("Instances") or []:
        await ask(exchange, "TerminateInstanceInAutoScalingGroup", InstanceId=instance["InstanceId"],
                  ShouldDecrementDesiredCapacity=False)  # fmt: skip
    record = {
        "InstanceRefreshId": str(uuid.uuid4()),
        "AutoScalingGroupName": name,
        "Status": "Successful",
        "StartTime": exchange.now,
        "EndTime": exchange.now,
        "PercentageComplete": 100,
        "InstancesToUpdate": 0,
        "Preferences": params.get("Preferences") or {"MinHealthyPercentage": 90},
        "DesiredConfiguration": params.get("DesiredConfiguration"),
    }
    kept = {key: value for key, value in record.items() if value is not None}
    _refreshes(exchange, params).insert(0, kept)
    return {"InstanceRefreshId": record["InstanceRefreshId"]}


async def _described_refreshes(exchange: Exchange, params: Params) -> Params:
    await _there(exchange, params)
    wanted = params.get("InstanceRefreshIds")
    every = _refreshes(exchange, params)
    return {"InstanceRefreshes": [r for r in every if not wanted or r["InstanceRefreshId"] in wanted]}


async def _cancel_refresh(exchange: Exchange, params: Params) -> Params:
    """A refresh is over when its start is answered."""
    await _there(exchange, params)
    text = f"No in progress or pending Instance Refresh found for Auto Scaling group {params['AutoScalingGroupName']}"
    raise AwsError("ActiveInstanceRefreshNotFound", text, 400)


# -- notifications, which are kept and never sent ----------------------------------------------------------------------

_EVENTS = ("autoscaling:EC2_INSTANCE_LAUNCH", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR",
           "autoscaling:EC2_INSTANCE_TERMINATE", "autoscaling:EC2_INSTANCE_TERMINATE_ERROR",
           "autoscaling:TEST_NOTIFICATION")  # fmt: skip


def _notified(exchange: Exchange) -> dict[tuple[str, str], list[str]]:
    """(group, topic) → kinds of events."""
    place = ("autoscaling", "notifications", exchange.account, exchange.region)
    kept: dict[tuple[str, str], list[str]] = exchange.gateway.notes.setdefault(place, {})
    return kept


async def _put_notification(exchange: Exchange, params: Params) -> Params:
    await _there(exchange, params)
    kinds = list(params.get("NotificationTypes") or [])
    unknown = sorted(set(kinds) - set(_EVENTS))
    if unknown:
        raise _invalid(f"Notification type {unknown[0]} is not valid.")
    topic = str(params.get("TopicARN"))
    if await found(exchange, "GetTopicAttributes", "sns", TopicArn=topic) is None:
        raise _invalid(f"Invalid SNS topic ARN: {topic}")
    _notified(exchange)[params["AutoScalingGroupName"], topic] = kinds
    return {}


async def _notifications(exchange: Exchange, params: Params) -> Params:
    wanted = params.get("AutoScalingGroupNames")
    entries = [
        {"AutoScalingGroupName": group, "TopicARN": topic, "NotificationType": kind}
        for (group, topic), kinds in _notified(exchange).items()
        for kind in kinds
        if not wanted or group in wanted
    ]
    return {"NotificationConfigurations": entries}


async def _delete_notification(exchange: Exchange, params: Params) -> Params:
    await _there(exchange, params)
    _notified(exchange).pop((params["AutoScalingGroupName"], str(params.get("TopicARN"))), None)
    return {}


async def _notification_types(exchange: Exchange, params: Params) -> Params:
    return {"AutoScalingNotificationTypes": list(_EVENTS)}


async def _limits(exchange: Exchange, params: Params) -> Params:
    groups = (await ask(exchange, "DescribeAutoScalingGroups")).get("AutoScalingGroups") or []
    return {"MaxNumberOfAutoScalingGroups": 500, "MaxNumberOfLaunchConfigurations": 200,
            "NumberOfAutoScalingGroups": len(groups), "NumberOfLaunchConfigurations": 0}  # fmt: skip


CORRECTIONS = Corrections(
    before={
        "CreateAutoScalingGroup": _create,
        "UpdateAutoScalingGroup": _update,
        "SetDesiredCapacity": _set_desired,
        "DeleteAutoScalingGroup": _delete,
        **dict.fromkeys(
            ("PutLifecycleHook", "PutScheduledUpdateGroupAction", "SuspendProcesses", "ResumeProcesses",
             "AttachInstances", "AttachLoadBalancerTargetGroups"),
            _exists,
        ),
    },
    instead={
        "PutScalingPolicy": _policy,
        "StartInstanceRefresh": _refresh,
        "DescribeInstanceRefreshes": _described_refreshes,
        "CancelInstanceRefresh": _cancel_refresh,
        "PutNotificationConfiguration": _put_notification,
        "DescribeNotificationConfigurations": _notifications,
        "DeleteNotificationConfiguration": _delete_notification,
        "DescribeAutoScalingNotificationTypes": _notification_types,
        "DescribeAccountLimits": _limits,
    },
)  # fmt: skip

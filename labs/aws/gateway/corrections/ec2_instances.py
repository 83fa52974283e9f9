"""EC2's instances: what a launch refuses, protection, metadata options, templates' versions, Spot requests.

Sources: EC2 User Guide ("Spot Instance request status", "Configure the Instance Metadata Service options", "Ensure
idempotency"); EC2 API Reference (RunInstances and "Error codes").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import After, Before, Instead, Params, ask, found

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange

_IMAGE = re.compile(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_STATES = {
    "StartInstances": (("stopped", "running", "pending"), "started"),
    "StopInstances": (("running", "pending", "stopped", "stopping"), "stopped"),
    "RebootInstances": (("running", "pending"), "rebooted"),
}


async def instances(exchange: Exchange, identifiers: list[str]) -> list[dict[str, Any]]:
    """The instances with these ids.

    :raises AwsError: one of them is malformed or not there
    """
    answer = await ask(exchange, "DescribeInstances", InstanceIds=identifiers)
    return [instance for reservation in answer.get("Reservations") or [] for instance in reservation["Instances"]]


# -- launching -----------------------------------------------------------------------------------------------------


async def _launch(exchange: Exchange, params: Params) -> None:
    image = params.get("ImageId")
    if image:
        await _image(exchange, str(image))
    elif not params.get("LaunchTemplate"):
        raise AwsError("MissingParameter", "The request must contain the parameter ImageId", 400)
    if int(params.get("MinCount", 1)) > int(params.get("MaxCount", 1)):
        raise AwsError("InvalidParameterValue", "Value of 'minCount' must be less than or equal to 'maxCount'.", 400)
    if params.get("SubnetId"):
        await ask(exchange, "DescribeSubnets", SubnetIds=[params["SubnetId"]])
    groups = params.get("SecurityGroupIds") or []
    if groups:
        await ask(exchange, "DescribeSecurityGroups", GroupIds=groups)
    profile = params.get("IamInstanceProfile") or {}
    await _profile(exchange, str(profile.get("Name") or profile.get("Arn") or ""))
    _metadata_options(params.get("MetadataOptions") or {})


async def _image(exchange: Exchange, image: str) -> None:
    """The lab lists few of the images that AWS has.  A well-formed id that is not among them is taken as one of the
    others, unless it is one digit over and over or was deregistered here."""
    if not _IMAGE.fullmatch(image):
        raise AwsError("InvalidAMIID.Malformed", f'Invalid id: "{image}" (expecting "ami-...")', 400)
    gone = exchange.gateway.notes.get(("ec2", "deregistered"), ())
    if len(set(image.removeprefix("ami-"))) == 1 or image in gone:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image}]' does not exist", 400)


async def _profile(exchange: Exchange, profile: str) -> None:
    name = profile.rpartition("/")[2]
    if name and await found(exchange, "GetInstanceProfile", "iam", InstanceProfileName=name) is None:
        kind = "arn" if profile.startswith("arn:") else "name"
        parameter = f"iamInstanceProfile.{kind}"
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({profile}) for parameter {parameter} is invalid. Invalid IAM Instance Profile {kind}",
            400,
        )


async def _associate_profile(exchange: Exchange, params: Params) -> None:
    profile = params.get("IamInstanceProfile") or {}
    await _profile(exchange, str(profile.get("Name") or profile.get("Arn") or ""))


async def _once(exchange: Exchange, params: Params) -> Params | None:
    """The same ClientToken answers with the same reservation."""
    token = params.get("ClientToken")
    if not token:
        return None
    kept = exchange.gateway.notes.get(("ec2", "client-token", exchange.account, exchange.region, str(token)))
    if kept is None:
        return None
    if kept[1] != {name: value for name, value in params.items() if name != "ClientToken"}:
        raise AwsError(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
            400,
        )
    reservations = (await ask(exchange, "DescribeInstances")).get("Reservations") or []
    return next((entry for entry in reservations if entry["ReservationId"] == kept[0]), None)


async def _launched(exchange: Exchange, params: Params, result: Params) -> Params:
    token = params.get("ClientToken")
    if token:
        given = {name: value for name, value in params.items() if name != "ClientToken"}
        key = ("ec2", "client-token", exchange.account, exchange.region, str(token))
        exchange.gateway.notes[key] = (result.get("ReservationId"), given)
    if (params.get("InstanceMarketOptions") or {}).get("MarketType") == "spot":
        for instance in result.get("Instances") or []:
            _requested(exchange, params, instance)
    if params.get("DisableApiTermination"):
        for instance in result.get("Instances") or []:
            protect = {"InstanceId": instance["InstanceId"], "DisableApiTermination": {"Value": True}}
            await ask(exchange, "ModifyInstanceAttribute", **protect)
    if params.get("LaunchTemplate"):
        await _from_template(exchange, params, result.get("Instances") or [])
    await _complete(exchange, result.get("Instances") or [])
    return result


async def _from_template(exchange: Exchange, params: Params, launched: list[dict[str, Any]]) -> None:
    """Metadata options of the launch template, which the engine does not apply."""
    named = {name: value for name, value in params["LaunchTemplate"].items() if name != "Version" and value}
    version = str(params["LaunchTemplate"].get("Version") or "$Default")
    answer = await found(exchange, "DescribeLaunchTemplateVersions", **named, Versions=[version])
    for entry in ((answer or {}).get("LaunchTemplateVersions") or [])[:1]:
        options = (entry.get("LaunchTemplateData") or {}).get("MetadataOptions")
        for instance in launched if options and not params.get("MetadataOptions") else ():
            given = {"InstanceId": instance["InstanceId"], **options}
            await ask(exchange, "ModifyInstanceMetadataOptions", **given)
            instance["MetadataOptions"] = dict(options)


async def _described(exchange: Exchange, params: Params, result: Params) -> Params:
    reservations = result.get("Reservations") or []
    listed = [instance for entry in reservations for instance in entry.get("Instances") or []]
    for instance in listed:  # kept by labs.aws.providers.instances
        instance["MetadataOptions"] = exchange.gateway.metadata_options.of(instance["InstanceId"])
    await _complete(exchange, listed)
    return result


async def _complete(exchange: Exchange, listed: list[dict[str, Any]]) -> None:
    """Members that every instance has, and the Spot request of those that have one."""
    spot = [instance for instance in listed if instance.get("InstanceLifecycle") == "spot"]
    requests = {}
    if spot:
        answer = await found(exchange, "DescribeSpotInstanceRequests") or {}
        every = [*(answer.get("SpotInstanceRequests") or []), *_kept(exchange).values()]
        requests = {entry.get("InstanceId"): entry["SpotInstanceRequestId"] for entry in every}
    for instance in listed:
        options = instance.setdefault("MetadataOptions", {})
        for name, value in (("State", "applied"), ("HttpTokens", "optional"), ("HttpPutResponseHopLimit", 1),
                            ("HttpEndpoint", "enabled"), ("HttpProtocolIpv6", "disabled"),
                            ("InstanceMetadataTags", "disabled")):  # fmt: skip
            if options.get(name) in (None, ""):
                options[name] = value
        if instance["InstanceId"] in requests:
            instance["SpotInstanceRequestId"] = requests[instance["InstanceId"]]


# -- metadata options, protection, states --------------------------------------------------------------------------


def _metadata_options(options: Params) -> None:
    limit = options.get("HttpPutResponseHopLimit")
    if limit is not None and not 1 <= int(limit) <= 64:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. Must be between 1 and 64.",
            400,
        )
    for name, allowed in (("HttpTokens", ("optional", "required")), ("HttpEndpoint", ("enabled", "disabled"))):
        if options.get(name) not in (None, *allowed):
            raise AwsError("InvalidParameterValue", f"Value ({options[name]}) for parameter {name} is invalid.", 400)


async def _terminate(exchange: Exchange, params: Params) -> None:
    for identifier in params.get("InstanceIds") or []:
        await instances(exchange, [identifier])
        answer = await found(
            exchange, "DescribeInstanceAttribute", InstanceId=identifier, Attribute="disableApiTermination"
        )
        if str(((answer or {}).get("DisableApiTermination") or {}).get("Value")).lower() == "true":
            raise AwsError(
                "OperationNotPermitted",
                f"The instance '{identifier}' may not be terminated. Modify its 'disableApiTermination' instance"
                " attribute and try again.",
                400,
            )


async def _state(exchange: Exchange, params: Params) -> None:
    assert exchange.call is not None
    allowed, done = _STATES[exchange.call.operation]
    for instance in await instances(exchange, [str(i) for i in params.get("InstanceIds") or []]):
        if instance["State"]["Name"] not in allowed:
            raise AwsError(
                "IncorrectInstanceState",
                f"The instance '{instance['InstanceId']}' is not in a state from which it can be {done}.",
                400,
            )


async def _modify_instance(exchange: Exchange, params: Params) -> None:
    """ "To modify some attributes, the instance must be stopped" (ModifyInstanceAttribute)."""
    changes = params.get("InstanceType") or params.get("UserData")
    if not changes and params.get("Attribute") not in ("instanceType", "userData"):
        return
    (instance,) = await instances(exchange, [str(params.get("InstanceId", ""))])
    if instance["State"]["Name"] != "stopped":
        raise AwsError(
            "IncorrectInstanceState", f"The instance '{instance['InstanceId']}' is not in the 'stopped' state.", 400
        )


# -- launch templates ----------------------------------------------------------------------------------------------


async def _template_version(exchange: Exchange, params: Params) -> Params | None:
    """ "The new version inherits the same launch parameters as the source version" (CreateLaunchTemplateVersion)."""
    source = params.get("SourceVersion")
    if not source:
        return None
    named = {name: params[name] for name in ("LaunchTemplateId", "LaunchTemplateName") if params.get(name)}
    answer = await ask(exchange, "DescribeLaunchTemplateVersions", **named, Versions=[str(source)])
    versions = answer.get("LaunchTemplateVersions") or []
    if not versions:
        raise AwsError(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {source} for the launch template.",
            400,
        )
    data = {**(versions[0].get("LaunchTemplateData") or {}), **(params.get("LaunchTemplateData") or {})}
    rest = {name: value for name, value in params.items() if name not in ("SourceVersion", "LaunchTemplateData")}
    result = await ask(exchange, "CreateLaunchTemplateVersion", **rest, LaunchTemplateData=data)
    result.pop("ResponseMetadata", None)
    return result


# -- Spot ----------------------------------------------------------------------------------------------------------


def _kept(exchange: Exchange) -> dict[str, dict[str, Any]]:
    kept: dict[str, dict[str, Any]] = exchange.gateway.notes.setdefault(
        ("ec2", "spot", exchange.account, exchange.region), {}
    )
    return kept


def _requested(exchange: Exchange, params: Params, instance: dict[str, Any]) -> None:
    """A launch with ``MarketType=spot`` makes a request that is fulfilled by its instance."""
    identifier = "sir-" + str(instance["InstanceId"]).removeprefix("i-")[:8]
    options = (params.get("InstanceMarketOptions") or {}).get("SpotOptions") or {}
    entry = {
        "SpotInstanceRequestId": identifier,
        "InstanceId": instance["InstanceId"],
        "State": "active",
        "Status": {"Code": "fulfilled", "Message": "Your spot request is fulfilled.", "UpdateTime": exchange.now},
        "Type": options.get("SpotInstanceType", "one-time"),
        "InstanceInterruptionBehavior": options.get("InstanceInterruptionBehavior", "terminate"),
        "CreateTime": exchange.now,
        "ProductDescription": "Linux/UNIX",
        "LaunchedAvailabilityZone": (instance.get("Placement") or {}).get("AvailabilityZone"),
        "LaunchSpecification": {
            "ImageId": instance.get("ImageId"),
            "InstanceType": instance.get("InstanceType"),
            "SubnetId": instance.get("SubnetId"),
        },
    }
    if options.get("MaxPrice"):
        entry["SpotPrice"] = options["MaxPrice"]
    _kept(exchange)[identifier] = entry


async def _spot_requests(exchange: Exchange, params: Params, result: Params) -> Params:
    wanted = params.get("SpotInstanceRequestIds") or []
    filters = {f.get("Name"): set(f.get("Values") or []) for f in params.get("Filters") or []}
    there = {entry["SpotInstanceRequestId"] for entry in result.get("SpotInstanceRequests") or []}
    for identifier, entry in _kept(exchange).items():
        values = {"state": entry["State"], "instance-id": entry.get("InstanceId")}
        values["spot-instance-request-id"] = identifier
        matches = all(values.get(name) in allowed for name, allowed in filters.items())
        if identifier not in there and matches and (not wanted or identifier in wanted):
            result.setdefault("SpotInstanceRequests", []).append(entry)
    for entry in result.get("SpotInstanceRequests") or []:
        status = entry.setdefault("Status", {})
        status.setdefault("Code", "fulfilled")
    return result


async def _cancel_spot(exchange: Exchange, params: Params) -> Params:
    """Cancelling a request does not end its instance; the request is seen as cancelled for a while."""
    identifiers = [str(identifier) for identifier in params.get("SpotInstanceRequestIds") or []]
    kept = _kept(exchange)
    rest = [identifier for identifier in identifiers if identifier not in kept]
    if rest:
        answer = await ask(exchange, "DescribeSpotInstanceRequests", SpotInstanceRequestIds=rest)
        there = {e["SpotInstanceRequestId"]: e for e in answer.get("SpotInstanceRequests") or []}
        for identifier in rest:
            if identifier not in there:
                raise AwsError(
                    "InvalidSpotInstanceRequestID.NotFound",
                    f"The spot instance request ID '{identifier}' does not exist",
                    400,
                )
        await ask(exchange, "CancelSpotInstanceRequests", SpotInstanceRequestIds=rest)
        kept.update(there)
    for identifier in identifiers:
        running = bool(kept[identifier].get("InstanceId"))
        code = "request-canceled-and-instance-running" if running else "canceled-before-fulfillment"
        kept[identifier] = {**kept[identifier], "State": "cancelled", "Status": {"Code": code}}
    entries = [{"SpotInstanceRequestId": identifier, "State": "cancelled"} for identifier in identifiers]
    return {"CancelledSpotInstanceRequests": entries}


BEFORE: dict[str, Before] = {
    "RunInstances": _launch,
    "AssociateIamInstanceProfile": _associate_profile,
    "ReplaceIamInstanceProfileAssociation": _associate_profile,
    "TerminateInstances": _terminate,
    "ModifyInstanceAttribute": _modify_instance,
    **dict.fromkeys(_STATES, _state),
}
INSTEAD: dict[str, Instead] = {
    "RunInstances": _once,
    "CreateLaunchTemplateVersion": _template_version,
    "CancelSpotInstanceRequests": _cancel_spot,
}
AFTER: dict[str, After] = {
    "RunInstances": _launched,
    "DescribeInstances": _described,
    "DescribeSpotInstanceRequests": _spot_requests,
}

"""EC2's instance metadata options, and what an instance may know about itself.

The options are kept here because no engine keeps them: RunInstances (also through a launch template) sets them,
ModifyInstanceMetadataOptions changes them, and the corrections of EC2 show them on DescribeInstances.  Left out:
account-wide defaults (ModifyInstanceMetadataDefaults), ``imds-support`` of an image; options are forgotten when the
gateway restarts, as are the default engine's instances.

Pages: "ModifyInstanceMetadataOptions", "InstanceMetadataOptionsRequest" (EC2 API Reference), "Configure the Instance
Metadata Service options", "Use IMDS credentials … condition keys" (EC2 User Guide), "Actions, resources, and condition
keys for Amazon EC2" (Service Authorization Reference).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from labs.aws.gateway import service_roles
from labs.aws.gateway.calls import AwsError

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange, Gateway

CREDENTIAL_SECONDS = 6 * 3600
DEFAULTS: Mapping[str, Any] = {
    "State": "applied",
    "HttpTokens": "optional",
    "HttpPutResponseHopLimit": 1,
    "HttpEndpoint": "enabled",
    "HttpProtocolIpv6": "disabled",
    "InstanceMetadataTags": "disabled",
}
_CHOICES = {
    "HttpTokens": ("optional", "required"),
    "HttpEndpoint": ("disabled", "enabled"),
    "HttpProtocolIpv6": ("disabled", "enabled"),
    "InstanceMetadataTags": ("disabled", "enabled"),
}


class MetadataOptions:
    """Options by instance id, and ``user_data`` (base64, as it was sent), which the default engine never tells."""

    def __init__(self) -> None:
        self._options: dict[str, dict[str, Any]] = {}
        self.user_data: dict[str, str] = {}

    def clear(self) -> None:
        """The instances are gone."""
        self._options.clear()
        self.user_data.clear()

    def of(self, instance_id: str) -> dict[str, Any]:
        """``InstanceMetadataOptionsResponse`` of an instance."""
        return {**DEFAULTS, **self._options.get(instance_id, {})}

    def set(self, instance_id: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Change what ``options`` names, and answer all of them."""
        self._options[instance_id] = {**self._options.get(instance_id, {}), **options}
        return self.of(instance_id)


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request.

    :raises AwsError: InvalidParameterValue
    """
    options: dict[str, Any] = {}
    for name, choices in _CHOICES.items():
        if given.get(name) is not None:
            if given[name] not in choices:
                raise _invalid(given[name], name, f"Valid values are {' | '.join(choices)}")
            options[name] = given[name]
    limit = given.get("HttpPutResponseHopLimit")
    if limit is not None:
        if not 1 <= int(limit) <= 64:
            raise _invalid(limit, "HttpPutResponseHopLimit", "The value must be between 1 and 64")
        options["HttpPutResponseHopLimit"] = int(limit)
    return options


async def run_instances(exchange: Exchange) -> dict[str, Any]:
    """RunInstances: checked options first, instances from the engine."""
    params = _params(exchange)
    given = params.pop("MetadataOptions", None) or {}
    template = await _template(exchange, params)
    user_data = params.get("UserData") or template.get("UserData") or ""
    try:
        base64.b64decode(user_data, validate=True)
    except ValueError as error:
        raise AwsError("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.", 400) from error
    options = {**checked(template.get("MetadataOptions") or {}), **checked(given)}
    kept = exchange.gateway.metadata_options
    result = await exchange.engine("ec2", "RunInstances", **params)
    for instance in result.get("Instances", ()):
        instance["MetadataOptions"] = kept.set(instance["InstanceId"], options)
        kept.user_data[instance["InstanceId"]] = user_data
    return _bare(result)


async def modify(exchange: Exchange) -> dict[str, Any]:
    """ModifyInstanceMetadataOptions.

    :raises AwsError: InvalidInstanceID.Malformed, InvalidInstanceID.NotFound, InvalidParameterValue, DryRunOperation
    """
    params = _params(exchange)
    instance_id = str(params.get("InstanceId", ""))
    if not re.fullmatch(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})", instance_id):
        raise AwsError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"', 400)
    options = checked(params)
    await exchange.engine("ec2", "DescribeInstances", InstanceIds=[instance_id])
    if params.get("DryRun"):
        raise AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    changed = exchange.gateway.metadata_options.set(instance_id, options)
    return {"InstanceId": instance_id, "InstanceMetadataOptions": {**changed, "State": "pending"}}


async def _template(exchange: Exchange, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """``LaunchTemplateData`` of the launch template in the request, empty when there is none."""
    template = params.get("LaunchTemplate")
    if not template:
        return {}
    who = {name: template[name] for name in ("LaunchTemplateId", "LaunchTemplateName") if template.get(name)}
    version = str(template.get("Version") or "$Default")
    found = await exchange.engine("ec2", "DescribeLaunchTemplateVersions", Versions=[version], **who)
    versions: list[dict[str, Any]] = found.get("LaunchTemplateVersions") or [{}]
    return versions[0].get("LaunchTemplateData") or {}


def _params(exchange: Exchange) -> dict[str, Any]:
    assert exchange.call is not None
    return {name: value for name, value in exchange.call.params.items() if value is not None}


def _bare(result: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "ResponseMetadata"}


def _invalid(value: Any, name: str, rule: str) -> AwsError:
    return AwsError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid. {rule}.", 400)


# --- what the metadata service asks -------------------------------------------------------------------------------


async def lab_request(gateway: Gateway, method: str, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """``/_lab/instances/ACCOUNT/REGION/INSTANCE`` and ``…/credentials?delivery=2.0``, for a metadata service.

    :raises AwsError: there is no such instance, or EC2 may not assume its role
    """
    parts = path.removeprefix("/_lab/instances/").split("/")
    if len(parts) < 3:
        return 404, {"error": "expected /_lab/instances/ACCOUNT/REGION/INSTANCE"}
    account, region, instance_id = parts[:3]
    about = await _about(gateway, account, region, instance_id)
    if method == "GET" and len(parts) == 3:
        return 200, about
    if method == "POST" and parts[3:] == ["credentials"] and about["role"]:
        return 200, await _credentials(gateway, account, region, about, query.get("delivery", "2.0"))
    return 404, {"error": "the instance has no role"}


async def _about(gateway: Gateway, account: str, region: str, instance_id: str) -> dict[str, Any]:
    ctx = service_roles.ServiceContext(gateway, region)
    found = await ctx.call("ec2", "DescribeInstances", account=account, InstanceIds=[instance_id])
    instance = next((each for group in found.get("Reservations", ()) for each in group["Instances"]), None)
    if instance is None:
        raise AwsError("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist", 400)
    profile_arn = (instance.get("IamInstanceProfile") or {}).get("Arn", "")
    profile: dict[str, Any] = {}
    if profile_arn:
        name = profile_arn.rpartition("/")[2]
        try:
            answer = await ctx.call("iam", "GetInstanceProfile", account=account, InstanceProfileName=name)
            profile = answer["InstanceProfile"]
        except AwsError as error:
            if error.status >= 500:
                raise
    role: dict[str, Any] = next(iter(profile.get("Roles", ())), {})
    return {
        "account": account,
        "region": region,
        "instance": instance,
        "user_data": base64.b64decode(gateway.metadata_options.user_data.get(instance_id, "")).decode(
            "utf-8", "replace"
        ),
        "options": gateway.metadata_options.of(instance_id),
        "profile": {"arn": profile_arn, "id": profile.get("InstanceProfileId", "")},
        "role": {"name": role["RoleName"], "arn": role["Arn"]} if role else None,
    }


async def _credentials(
    gateway: Gateway, account: str, region: str, about: Mapping[str, Any], delivery: str
) -> dict[str, Any]:
    instance = about["instance"]
    source = f"arn:aws:ec2:{region}:{account}:instance/{instance['InstanceId']}"
    errand = service_roles.Errand(
        service="ec2.amazonaws.com",
        role_arn=about["role"]["arn"],
        session_name=instance["InstanceId"],
        account=account,
        region=region,
        source_arn=source,
        duration=CREDENTIAL_SECONDS,
        session={
            "ec2:RoleDelivery": delivery,
            "ec2:SourceInstanceARN": source,
            **({"aws:Ec2InstanceSourceVpc": instance["VpcId"]} if instance.get("VpcId") else {}),
            **(
                {"aws:Ec2InstanceSourcePrivateIPv4": instance["PrivateIpAddress"]}
                if instance.get("PrivateIpAddress")
                else {}
            ),
        },
    )
    minted = await service_roles.assume(gateway, errand)
    assert minted.expires is not None
    assert minted.issued is not None
    return {
        "AccessKeyId": minted.access_key_id,
        "SecretAccessKey": minted.secret,
        "Token": minted.session_token,
        "LastUpdated": minted.issued.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Expiration": minted.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }

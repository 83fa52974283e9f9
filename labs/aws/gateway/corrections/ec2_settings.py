"""An account's settings in EC2: metadata defaults, sharing of snapshots and images, the key of EBS; template versions.

They are kept and shown; metadata defaults do not reach new instances.  Page of each: its operation in the Amazon EC2
API Reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import After, Instead, Params, ask

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


def _settings(exchange: Exchange) -> dict[str, Any]:
    place = ("ec2", "settings", exchange.account, exchange.region)
    found: dict[str, Any] = exchange.gateway.notes.setdefault(place, {})
    return found


async def _set_metadata(exchange: Exchange, params: Params) -> Params:
    chosen = _settings(exchange).setdefault("metadata", {})
    for name in ("HttpTokens", "HttpPutResponseHopLimit", "HttpEndpoint", "InstanceMetadataTags"):
        if params.get(name) in ("no-preference", -1):
            chosen.pop(name, None)
        elif params.get(name) is not None:
            chosen[name] = params[name]
    return {"Return": True}


async def _metadata(exchange: Exchange, params: Params) -> Params:
    return {"AccountLevel": {**_settings(exchange).get("metadata", {}), "ManagedBy": "account"}}


def _switch(name: str, off: str, states: tuple[str, ...], asked: str, shown: str) -> tuple[Instead, Instead, Instead]:
    """What turns a block on, off, and tells its state."""

    async def enable(exchange: Exchange, params: Params) -> Params:
        state = params.get(asked)
        if state not in states:
            raise AwsError("InvalidParameterValue", f"Invalid value '{state}' for {asked}.", 400)
        _settings(exchange)[name] = state
        return {shown: state}

    async def disable(exchange: Exchange, params: Params) -> Params:
        _settings(exchange)[name] = off
        return {shown: off}

    async def read(exchange: Exchange, params: Params) -> Params:
        default = off if name == "snapshots" else states[0]  # AMIs of a new account are blocked
        return {shown: _settings(exchange).get(name, default), "ManagedBy": "account"}

    return enable, disable, read


async def _default_key(exchange: Exchange, params: Params) -> Params:
    return {"KmsKeyId": _settings(exchange).get("key", "alias/aws/ebs")}


async def _set_key(exchange: Exchange, params: Params) -> Params:
    key = str(params.get("KmsKeyId"))
    if not key.startswith("arn:"):
        kind = "" if key.startswith("alias/") else "key/"
        key = f"arn:aws:kms:{exchange.region}:{exchange.account}:{kind}{key}"
    _settings(exchange)["key"] = key
    return {"KmsKeyId": key}


async def _reset_key(exchange: Exchange, params: Params) -> Params:
    _settings(exchange).pop("key", None)
    return await _default_key(exchange, params)


_SNAPSHOTS = _switch("snapshots", "unblocked", ("block-all-sharing", "block-new-sharing"), "State", "State")
_IMAGES = _switch("images", "unblocked", ("block-new-sharing",), "ImageBlockPublicAccessState",
                  "ImageBlockPublicAccessState")  # fmt: skip


# -- versions of a launch template -------------------------------------------------------------------------------------


async def _template(exchange: Exchange, params: Params) -> Params:
    name, identifier = params.get("LaunchTemplateName"), params.get("LaunchTemplateId")
    named: Params = {"LaunchTemplateNames": [name]} if name else {"LaunchTemplateIds": [identifier]}
    return dict((await ask(exchange, "DescribeLaunchTemplates", **named))["LaunchTemplates"][0])


def _deleted(exchange: Exchange, template: str) -> set[str]:
    found: set[str] = _settings(exchange).setdefault("versions", {}).setdefault(template, set())
    return found


async def _delete_versions(exchange: Exchange, params: Params) -> Params:
    """ "You can't delete the default version" (DeleteLaunchTemplateVersions)."""
    template = await _template(exchange, params)
    identifier, name = template["LaunchTemplateId"], template["LaunchTemplateName"]
    gone, done, failed = _deleted(exchange, identifier), [], []
    for version in map(str, params.get("Versions") or []):
        about = {"LaunchTemplateId": identifier, "LaunchTemplateName": name, "VersionNumber": int(version)}
        exists = 1 <= int(version) <= int(template["LatestVersionNumber"]) and version not in gone
        if exists and int(version) != int(template["DefaultVersionNumber"]):
            gone.add(version)
            done.append(about)
            continue
        code = "unexpectedError" if exists else "launchTemplateVersionDoesNotExist"
        text = "The default version cannot be deleted." if exists else f"Version {version} does not exist."
        failed.append({**about, "ResponseError": {"Code": code, "Message": text}})
    return {"SuccessfullyDeletedLaunchTemplateVersions": done, "UnsuccessfullyDeletedLaunchTemplateVersions": failed}


async def _without_deleted(exchange: Exchange, params: Params, result: Params) -> Params | None:
    versions = _settings(exchange).get("versions", {})
    if not versions:
        return None
    kept = [
        entry
        for entry in result.get("LaunchTemplateVersions") or []
        if str(entry["VersionNumber"]) not in versions.get(entry["LaunchTemplateId"], ())
    ]
    return {**result, "LaunchTemplateVersions": kept}


AFTER: dict[str, After] = {"DescribeLaunchTemplateVersions": _without_deleted}
INSTEAD: dict[str, Instead] = {
    "DeleteLaunchTemplateVersions": _delete_versions,
    "ModifyInstanceMetadataDefaults": _set_metadata,
    "GetInstanceMetadataDefaults": _metadata,
    "EnableSnapshotBlockPublicAccess": _SNAPSHOTS[0],
    "DisableSnapshotBlockPublicAccess": _SNAPSHOTS[1],
    "GetSnapshotBlockPublicAccessState": _SNAPSHOTS[2],
    "EnableImageBlockPublicAccess": _IMAGES[0],
    "DisableImageBlockPublicAccess": _IMAGES[1],
    "GetImageBlockPublicAccessState": _IMAGES[2],
    "GetEbsDefaultKmsKeyId": _default_key,
    "ModifyEbsDefaultKmsKeyId": _set_key,
    "ResetEbsDefaultKmsKeyId": _reset_key,
}

"""An account's settings in EC2: instance metadata defaults, sharing of snapshots and images, the default key of EBS.

They are kept and shown; metadata defaults do not reach new instances.  Page of each: its operation in the Amazon EC2
API Reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Instead, Params

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
INSTEAD: dict[str, Instead] = {
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

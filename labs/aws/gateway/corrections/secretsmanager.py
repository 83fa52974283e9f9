"""Secrets Manager: versions by token, secrets without a value, public policies (AWS Secrets Manager API Reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, found
from labs.aws.gateway.policies import document
from labs.aws.gateway.public_access import is_public

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


async def _put_value(exchange: Exchange, params: Params) -> None:
    """ "If a version with this value already exists and … the contents … are different", the request fails."""
    token = params.get("ClientRequestToken")
    if not token:
        return
    kept = await found(exchange, "GetSecretValue", SecretId=params.get("SecretId", ""), VersionId=token)
    if kept and any(kept.get(name) != params.get(name) for name in ("SecretString", "SecretBinary")):
        raise AwsError(
            "ResourceExistsException",
            f"A resource with the ID you requested already exists: version {token}.",
            400,
        )


async def _create(exchange: Exchange, params: Params) -> None:
    if "SecretString" in params and "SecretBinary" in params:
        raise AwsError("InvalidParameterException", "You can't specify both a binary secret value and a string.", 400)
    kept = await found(exchange, "DescribeSecret", SecretId=params.get("Name", ""))
    if kept and kept.get("DeletedDate"):
        raise AwsError(
            "InvalidRequestException",
            "You can't create this secret because a secret with this name is already scheduled for deletion.",
            400,
        )


async def _created(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """ "If you don't include a value … Secrets Manager doesn't create a version"."""
    if "SecretString" in params or "SecretBinary" in params:
        return None
    return {name: value for name, value in result.items() if name != "VersionId"}


async def _got(exchange: Exchange, params: Params, result: Params) -> None:
    if result.get("SecretString") in (None, "") and result.get("SecretBinary") is None:
        stage = params.get("VersionStage", "AWSCURRENT")
        raise AwsError(
            "ResourceNotFoundException",
            f"Secrets Manager can't find the specified secret value for staging label: {stage}",
            400,
        )


async def _put_policy(exchange: Exchange, params: Params) -> None:
    if params.get("BlockPublicPolicy") and is_public(document(params.get("ResourcePolicy", ""))):
        raise AwsError(
            "PublicPolicyException",
            "You can't attach a resource policy that allows broad access to the secret.",
            400,
        )


CORRECTIONS = Corrections(
    before={"PutSecretValue": _put_value, "CreateSecret": _create, "PutResourcePolicy": _put_policy},
    after={"CreateSecret": _created, "GetSecretValue": _got},
)

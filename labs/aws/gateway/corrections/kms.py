"""KMS: parameters that AWS refuses, rotation dates, lists in pages (AWS KMS API Reference)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from labs.aws.gateway.calls import AwsError
from labs.aws.gateway.corrections import Corrections, Params, ask, found
from labs.aws.gateway.corrections.paging import pages

if TYPE_CHECKING:
    from labs.aws.gateway.app import Exchange


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message, 400)


async def _generate_data_key(exchange: Exchange, params: Params) -> None:
    if bool(params.get("KeySpec")) == bool(params.get("NumberOfBytes")):
        raise _invalid("Please specify either number of bytes or key spec.")


async def _encrypt(exchange: Exchange, params: Params) -> None:
    if len(params.get("Plaintext") or b"") > 4096:
        raise _invalid(
            "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length"
            " less than or equal to 4096"
        )


async def _create_alias(exchange: Exchange, params: Params) -> None:
    if str(params.get("AliasName", "")).startswith("alias/aws/"):
        raise AwsError("NotAuthorizedException", "alias/aws/ is reserved for AWS managed keys.", 400)


async def _get_key_policy(exchange: Exchange, params: Params) -> None:
    name = params.get("PolicyName") or "default"
    if name != "default":
        raise AwsError("NotFoundException", f"No such policy exists: {name}", 400)


async def _enable_rotation(exchange: Exchange, params: Params) -> None:
    days = params.get("RotationPeriodInDays")
    if days is not None and not 90 <= int(days) <= 2560:
        bound = "greater than or equal to 90" if int(days) < 90 else "less than or equal to 2560"
        raise _invalid(
            f"1 validation error detected: Value '{days}' at 'rotationPeriodInDays' failed to satisfy constraint:"
            f" Member must have value {bound}"
        )
    key = (await found(exchange, "DescribeKey", KeyId=params.get("KeyId", "")) or {}).get("KeyMetadata", {})
    if key.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
        raise AwsError("UnsupportedOperationException", f"{key['Arn']} key spec is not supported for rotation.", 400)


async def _enabled_rotation(exchange: Exchange, params: Params, result: Params) -> None:
    exchange.gateway.notes[await _note(exchange, params)] = exchange.now


async def _note(exchange: Exchange, params: Params) -> tuple[str, str]:
    described = await ask(exchange, "DescribeKey", KeyId=params.get("KeyId", ""))
    return "kms-rotation", str(described["KeyMetadata"]["Arn"])


async def _rotation_status(exchange: Exchange, params: Params, result: Params) -> Params | None:
    """ "NextRotationDate": the period after rotation was enabled; "RotationPeriodInDays": 365 unless it was said."""
    if not result.get("KeyRotationEnabled"):
        return {name: value for name, value in result.items() if name in ("KeyRotationEnabled", "KeyId")}
    days = int(result.get("RotationPeriodInDays") or 365)
    since = exchange.gateway.notes.get(await _note(exchange, params), exchange.now)
    return {**result, "RotationPeriodInDays": days, "NextRotationDate": since + datetime.timedelta(days=days)}


async def _schedule_deletion(exchange: Exchange, params: Params) -> None:
    described = await found(exchange, "DescribeKey", KeyId=params.get("KeyId", ""))
    if described is None:
        return
    key = described["KeyMetadata"]
    if key.get("KeyManager") == "AWS":
        raise AwsError(
            "AccessDeniedException", f"User is not authorized to delete the AWS managed key {key['Arn']}", 400
        )
    if key.get("KeyState") == "PendingDeletion":
        raise AwsError("KMSInvalidStateException", f"{key['Arn']} is pending deletion.", 400)


async def _scheduled(exchange: Exchange, params: Params, result: Params) -> Params:
    _note_unusable(exchange)
    return {**result, "PendingWindowInDays": int(params.get("PendingWindowInDays") or 30)}


async def _disabled(exchange: Exchange, params: Params, result: Params) -> None:
    _note_unusable(exchange)


def _note_unusable(exchange: Exchange) -> None:
    """From now on S3 has to look at the state of its objects' keys in this account."""
    exchange.gateway.notes["kms-unusable", exchange.account] = True


async def _decrypt(exchange: Exchange, params: Params) -> None:
    """ "The specified KMS key cannot decrypt the data": the key that is named must be the one that encrypted."""
    if not params.get("KeyId"):
        return
    rest = {name: value for name, value in params.items() if name != "KeyId"}
    opened = await found(exchange, "Decrypt", **rest)
    described = await found(exchange, "DescribeKey", KeyId=params["KeyId"])
    if opened and described and described["KeyMetadata"]["KeyId"] != str(opened.get("KeyId")).rpartition("/")[2]:
        raise AwsError(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
            400,
        )


async def _re_encrypt(exchange: Exchange, params: Params) -> Params:
    """Decrypt and encrypt again, without the plaintext leaving KMS."""
    source = {
        "KeyId": params.get("SourceKeyId"),
        "EncryptionContext": params.get("SourceEncryptionContext"),
        "EncryptionAlgorithm": params.get("SourceEncryptionAlgorithm"),
    }
    source = {name: value for name, value in source.items() if value is not None}
    await _decrypt(exchange, {"CiphertextBlob": params["CiphertextBlob"], **source})
    opened = await ask(exchange, "Decrypt", CiphertextBlob=params["CiphertextBlob"], **source)
    target = {
        "KeyId": params.get("DestinationKeyId"),
        "EncryptionContext": params.get("DestinationEncryptionContext"),
        "EncryptionAlgorithm": params.get("DestinationEncryptionAlgorithm"),
    }
    target = {name: value for name, value in target.items() if value is not None}
    sealed = await ask(exchange, "Encrypt", Plaintext=opened["Plaintext"], **target)
    return {
        "CiphertextBlob": sealed["CiphertextBlob"],
        "SourceKeyId": opened["KeyId"],
        "KeyId": sealed["KeyId"],
        "SourceEncryptionAlgorithm": params.get("SourceEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
        "DestinationEncryptionAlgorithm": params.get("DestinationEncryptionAlgorithm", "SYMMETRIC_DEFAULT"),
    }


async def _rotatable(exchange: Exchange, params: Params) -> Params:
    """:raises AwsError: only enabled symmetric keys whose material KMS made are rotated"""
    key: Params = (await ask(exchange, "DescribeKey", KeyId=params.get("KeyId", "")))["KeyMetadata"]
    if key.get("KeySpec") != "SYMMETRIC_DEFAULT" or key.get("Origin") != "AWS_KMS":
        raise AwsError(
            "UnsupportedOperationException", "You cannot perform this operation on this type of KMS key.", 400
        )
    if key.get("KeyState") == "Disabled":
        raise AwsError("DisabledException", f"{key['Arn']} is disabled.", 400)
    if key.get("KeyState") != "Enabled":
        raise AwsError("KMSInvalidStateException", f"{key['Arn']} is pending deletion.", 400)
    return key


ON_DEMAND_ROTATIONS = 25  # of one key at most (AWS KMS Developer Guide, "Perform on-demand key rotation")


async def _rotate(exchange: Exchange, params: Params) -> Params:
    """An on-demand rotation is only a date here: the engine's keys decrypt whatever they encrypted, as on AWS."""
    key = await _rotatable(exchange, params)
    done = exchange.gateway.notes.setdefault(("kms-rotations", key["Arn"]), [])
    if len(done) >= ON_DEMAND_ROTATIONS:
        raise AwsError("LimitExceededException", "The key has been rotated on demand as often as it can be.", 400)
    done.append(exchange.now)
    return {"KeyId": key["KeyId"]}


async def _rotations(exchange: Exchange, params: Params) -> Params:
    key = (await ask(exchange, "DescribeKey", KeyId=params.get("KeyId", "")))["KeyMetadata"]
    done = exchange.gateway.notes.get(("kms-rotations", key["Arn"]), [])
    rotations = [{"KeyId": key["KeyId"], "RotationDate": when, "RotationType": "ON_DEMAND"} for when in done]
    return {"Rotations": rotations, "Truncated": False}


async def _granted(exchange: Exchange, params: Params, result: Params) -> None:
    """Remember which grant a token is for."""
    key = (await ask(exchange, "DescribeKey", KeyId=params.get("KeyId", "")))["KeyMetadata"]["Arn"]
    exchange.gateway.notes["kms-grant", result["GrantToken"]] = (key, result["GrantId"])


async def _retire(exchange: Exchange, params: Params) -> None:
    """ "RetireGrant": the retiring principal may, the account's root user, and a grantee whom the grant lets."""
    token = params.get("GrantToken")
    if params.get("KeyId") or not token:
        return
    key, identifier = exchange.gateway.notes.get(("kms-grant", token), ("", ""))
    listed = await found(exchange, "ListGrants", KeyId=key) if key else None
    grants = [grant for grant in (listed or {}).get("Grants") or [] if grant["GrantId"] == identifier]
    assert exchange.credential is not None
    principal = exchange.credential.principal
    mine = {principal.arn, principal.role_arn} - {""}
    for grant in grants:
        grantee = grant.get("GranteePrincipal") in mine and "RetireGrant" in grant.get("Operations", ())
        if not (grant.get("RetiringPrincipal") in mine or grantee or principal.arn.endswith(":root")):
            text = f"User: {principal.arn} is not authorized to perform: kms:RetireGrant on resource: {key}"
            raise AwsError("AccessDeniedException", text, 400)


async def _retirable(exchange: Exchange, params: Params) -> Params:
    """The grants of every key that one principal may retire."""
    grants, principal = [], params.get("RetiringPrincipal")
    for key in (await ask(exchange, "ListKeys")).get("Keys") or []:
        listed = await found(exchange, "ListGrants", KeyId=key["KeyId"])
        grants += [g for g in (listed or {}).get("Grants") or [] if g.get("RetiringPrincipal") == principal]
    return {"Grants": grants, "Truncated": False}


CORRECTIONS = Corrections(
    before={
        "GenerateDataKey": _generate_data_key,
        "GenerateDataKeyWithoutPlaintext": _generate_data_key,
        "CreateAlias": _create_alias,
        "Encrypt": _encrypt,
        "GetKeyPolicy": _get_key_policy,
        "PutKeyPolicy": _get_key_policy,
        "EnableKeyRotation": _enable_rotation,
        "ScheduleKeyDeletion": _schedule_deletion,
        "Decrypt": _decrypt,
        "RetireGrant": _retire,
    },
    instead={"ReEncrypt": _re_encrypt, "RotateKeyOnDemand": _rotate, "ListKeyRotations": _rotations,
             "ListRetirableGrants": _retirable},
    after={
        "CreateGrant": _granted,
        "EnableKeyRotation": _enabled_rotation,
        "GetKeyRotationStatus": _rotation_status,
        "ScheduleKeyDeletion": _scheduled,
        "DisableKey": _disabled,
    },
    codes={
        ("Encrypt", "UnsupportedOperationException"): "InvalidKeyUsageException",
        ("Decrypt", "UnsupportedOperationException"): "InvalidKeyUsageException",
        ("Sign", "UnsupportedOperationException"): "InvalidKeyUsageException",
        ("GenerateDataKey", "UnsupportedOperationException"): "InvalidKeyUsageException",
    },
    pages=pages("kms", 100, "InvalidMarkerException"),
)

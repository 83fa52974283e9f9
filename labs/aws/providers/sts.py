"""AWS Security Token Service: temporary credentials with AWS's limits and messages.

Answers GetCallerIdentity, AssumeRole, GetSessionToken, GetFederationToken, GetAccessKeyInfo and
DecodeAuthorizationMessage.  Whether the caller *may* is decided before, by the gateway; what remains here is what STS
itself refuses.  Simplifications: a six-digit code of an enabled MFA device is taken as it is unless ``ctx.mfa_seed``
knows the device's seed; codes may be used twice; ``ProvidedContexts`` is ignored; the space for packed policies
and tags is our number (AWS publishes none).

Pages: "AssumeRole", "GetSessionToken", "GetFederationToken" … (STS API Reference), "Compare AWS STS credentials",
"Passing session tags in AWS STS", "Secure API access with MFA", "IAM and AWS STS quotas" (IAM User Guide).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import struct
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.gateway.credentials import Credential, Credentials, account_of
from labs.aws.iam import MalformedPolicy, validate_policy
from labs.aws.iam.model import Policy, Principal, PrincipalType

HOUR = 3600  # seconds
PACKED_SPACE = 2048  # bytes of packed policies and tags that count as 100 %
MAX_ENCODED_MESSAGE = 10_240  # characters that DecodeAuthorizationMessage accepts


class Context(Protocol):
    """What a provider may use.

    Optional: ``async mfa_seed(serial) -> str | None`` gives a virtual device's base32 seed,
    ``async key_owner(access_key_id) -> KeyOwner | None`` the owner of a long-term key.
    """

    credentials: Credentials

    async def call(self, service: str, operation: str, *, account: str, **params: Any) -> dict[str, Any]:
        """Call the engine as the account's administrator; may raise AwsError."""

    def now(self) -> datetime:
        """Aware datetime."""


async def handle(call: ServiceCall, caller: Credential, ctx: Context) -> dict[str, Any]:
    """Answer one STS call in botocore's result shape.

    :raises AwsError: AWS's refusals; NotImplemented for an operation that is not here
    """
    operation = _OPERATIONS.get(call.operation)
    if operation is None:
        raise AwsError("NotImplemented", f"sts:{call.operation} is not offered by this endpoint.", 501)
    params = {name: value for name, value in call.params.items() if value is not None}
    validate(call.operation, params)
    return await operation(params, caller, ctx)


def sts_service_restriction(credential: Credential, service: str, operation: str) -> str | None:
    """Why credentials of this kind can never make this call, whatever the policies say, or ``None``.

    The last column of "Compare AWS STS credentials" (IAM User Guide).
    """
    sts = service == "sts"
    if credential.kind in {"role", "web-identity"} and sts and operation in {"GetFederationToken", "GetSessionToken"}:
        return f"Cannot call {operation} with session credentials"
    if credential.kind == "session":
        if service == "iam" and not credential.mfa:
            return "Credentials from GetSessionToken cannot call IAM operations unless MFA information was included"
        if sts and operation not in {"AssumeRole", "GetCallerIdentity"}:
            return f"Cannot call {operation} with session credentials"
    if credential.kind == "federated":
        if service == "iam":
            return "Credentials from GetFederationToken cannot call IAM operations"
        if sts and operation != "GetCallerIdentity":
            return f"Cannot call {operation} with federation token credentials"
    return None


async def mfa_context(call: ServiceCall, caller: Credential, ctx: Context) -> dict[str, str]:
    """Condition keys for the authorization of an AssumeRole call that brings an MFA code (else empty).

    :raises AwsError: AccessDenied when the code or the device is not right
    """
    if call.service != "sts" or call.operation != "AssumeRole":
        return {}
    if not {"SerialNumber", "TokenCode"} & {name for name, value in call.params.items() if value is not None}:
        return {}
    validate("AssumeRole", {name: value for name, value in call.params.items() if value is not None})
    await _check_mfa(call.params, caller, ctx)
    return {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}


# --- operations ---------------------------------------------------------------------------------------------------


async def _get_caller_identity(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    return {"UserId": caller.principal.user_id, "Account": caller.principal.account, "Arn": caller.principal.arn}


async def _assume_role(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    if caller.root:
        raise _denied("Roles may not be assumed by root accounts.")
    account, name = role_of(params["RoleArn"])
    duration = int(params.get("DurationSeconds", HOUR))
    if caller.kind in {"role", "web-identity"} and duration > HOUR:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    await _check_mfa(params, caller, ctx)
    role = await _find_role(account, name, params["RoleArn"], caller, ctx)
    check_duration(duration, role)
    source_identity = _source_identity(params, caller)
    session = await session_limits(params, account, ctx)
    inherited = _inherited(caller)
    tags, transitive = _chain_tags(session.tags, params.get("TransitiveTagKeys") or (), inherited)
    minted = issue_role_session(
        ctx, role, params["RoleSessionName"], duration, session, tags, transitive, source_identity=source_identity
    )
    return {**assumed(minted, session), **({"SourceIdentity": source_identity} if source_identity else {})}


def issue_role_session(
    ctx: Context,
    role: Mapping[str, Any],
    name: str,
    duration: int,
    limits: SessionLimits,
    tags: Mapping[str, str],
    transitive: tuple[str, ...],
    kind: str = "role",
    **claims: Any,
) -> Credential:
    """Credentials of a role's session, for whoever was found to be allowed to have one.

    :param role: ``GetRole``'s ``Role``
    :param name: the session's name, the last part of its ARN
    :param duration: seconds
    :param tags: the session's tags, inherited ones included
    :param claims: further fields of :class:`~labs.aws.gateway.credentials.Credential`
    """
    account, role_id = role["Arn"].split(":")[4], role["RoleId"]
    principal = Principal(
        arn=f"arn:aws:sts::{account}:assumed-role/{role['Arn'].rpartition('/')[2]}/{name}",
        account=account,
        type=PrincipalType.ROLE,
        user_id=f"{role_id}:{name}",
        role_arn=role["Arn"],
        tags=_overlay(_tags_of(role.get("Tags")), tags),
        is_service_linked_role=":role/aws-service-role/" in role["Arn"],
    )
    return _mint(
        ctx,
        principal,
        duration,
        kind,
        session_policies=limits.policies,
        session_policy_arns=limits.policy_arns,
        session_tags=tags,
        transitive_tags=transitive,
        role_session_name=name,
        role_id=role_id,
        **claims,
    )


def assumed(minted: Credential, limits: SessionLimits) -> dict[str, Any]:
    """What every AssumeRole call answers: credentials, the session's id and ARN, how full the packed space is."""
    return {
        "Credentials": _credentials(minted),
        "AssumedRoleUser": {"AssumedRoleId": minted.principal.user_id, "Arn": minted.principal.arn},
        **limits.packed_size(),
    }


def check_duration(duration: int, role: Mapping[str, Any]) -> None:
    """:raises AwsError: the session would be longer than the role's maximum"""
    if duration > int(role.get("MaxSessionDuration", HOUR)):
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


async def _get_session_token(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    if caller.temporary:
        raise _denied("Cannot call GetSessionToken with session credentials")
    mfa = await _check_mfa(params, caller, ctx)
    duration = _user_duration(params, caller)
    minted = _mint(
        ctx,
        caller.principal,
        duration,
        "session",
        mfa=mfa,
        mfa_time=ctx.now() if mfa else None,
        user_name=caller.user_name,
    )
    return {"Credentials": _credentials(minted)}


async def _get_federation_token(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    if caller.temporary:
        raise _denied("Cannot call GetFederationToken with session credentials")
    account, name = caller.principal.account, params["Name"]
    session = await session_limits(params, account, ctx)
    principal = Principal(
        arn=f"arn:aws:sts::{account}:federated-user/{name}",
        account=account,
        type=PrincipalType.FEDERATED,
        user_id=f"{account}:{name}",
        tags=_overlay(caller.principal.tags, session.tags),
        issuer_arn=caller.principal.arn,
    )
    minted = _mint(
        ctx,
        principal,
        _user_duration(params, caller),
        "federated",
        # Without a session policy the session may do nothing by itself ("GetFederationToken").
        session_policies=session.policies or (),
        session_policy_arns=session.policy_arns,
        session_tags=session.tags,
        issuer_arn=caller.principal.arn,
        user_name=caller.user_name,
    )
    return {
        "Credentials": _credentials(minted),
        "FederatedUser": {"FederatedUserId": principal.user_id, "Arn": principal.arn},
        **session.packed_size(),
    }


async def _get_access_key_info(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    access_key_id = params["AccessKeyId"]
    key_owner = getattr(ctx, "key_owner", None)
    owner = await key_owner(access_key_id) if key_owner is not None else None
    account = owner.account if owner is not None else account_of(access_key_id)
    if account is None:
        raise _invalid(f"The access key ID {access_key_id} is not valid.")
    return {"Account": account}


async def _decode_authorization_message(params: Mapping[str, Any], caller: Credential, ctx: Context) -> dict[str, Any]:
    decoded = ctx.credentials.open_text(params["EncodedMessage"])
    if decoded is None:
        raise AwsError("InvalidAuthorizationMessageException", "Message is not valid: it could not be decoded.", 400)
    return {"DecodedMessage": decoded}


_OPERATIONS: Mapping[str, Callable[[Mapping[str, Any], Credential, Context], Awaitable[dict[str, Any]]]] = {
    "GetCallerIdentity": _get_caller_identity,
    "AssumeRole": _assume_role,
    "GetSessionToken": _get_session_token,
    "GetFederationToken": _get_federation_token,
    "GetAccessKeyInfo": _get_access_key_info,
    "DecodeAuthorizationMessage": _decode_authorization_message,
}


# --- parameters ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Text:
    """Constraints of a string member (STS service model)."""

    least: int
    most: int | None = None
    pattern: str = ""
    required: bool = False


_NAME = r"[\w+=,.@-]*"
_PRINTABLE = "[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD]+"
_POLICY = r"[\u0009\u000A\u000D\u0020-\u00FF]+"
_MFA = {"SerialNumber": _Text(9, 256, r"[\w+=/:,.@-]*"), "TokenCode": _Text(6, 6, r"[\d]*")}
_TEXTS: Mapping[str, Mapping[str, _Text]] = {
    "AssumeRole": {
        "RoleArn": _Text(20, 2048, _PRINTABLE, required=True),
        "RoleSessionName": _Text(2, 64, _NAME, required=True),
        "Policy": _Text(1, 2048, _POLICY),
        "ExternalId": _Text(2, 1224, r"[\w+=,.@:\/-]*"),
        "SourceIdentity": _Text(2, 64, _NAME),
        **_MFA,
    },
    "AssumeRoleWithWebIdentity": {
        "RoleArn": _Text(20, 2048, _PRINTABLE, required=True),
        "RoleSessionName": _Text(2, 64, _NAME, required=True),
        "WebIdentityToken": _Text(4, 20_000, required=True),
        "ProviderId": _Text(4, 2048),
        "Policy": _Text(1, 2048, _POLICY),
    },
    "GetSessionToken": _MFA,
    "GetFederationToken": {"Name": _Text(2, 32, _NAME, required=True), "Policy": _Text(1, 2048, _POLICY)},
    "GetAccessKeyInfo": {"AccessKeyId": _Text(16, 128, r"[\w]*", required=True)},
    "DecodeAuthorizationMessage": {"EncodedMessage": _Text(1, MAX_ENCODED_MESSAGE, required=True)},
}
_MAX_DURATION = {  # seconds
    "AssumeRole": 43_200,
    "AssumeRoleWithWebIdentity": 43_200,
    "GetSessionToken": 129_600,
    "GetFederationToken": 129_600,
}
_MAX_ITEMS = {"Tags": 50, "TransitiveTagKeys": 50, "PolicyArns": 10}
_TAG_CHARACTER = r"[^\W]|[\s_.:/=+\-@]"  # \p{L}\p{Z}\p{N}_.:/=+\-@


def validate(operation: str, params: Mapping[str, Any]) -> None:
    """Collect every violated constraint of an STS call, as AWS does, into one ValidationError.

    :raises AwsError: ValidationError
    """
    problems = [
        problem for name, rule in _TEXTS.get(operation, {}).items() for problem in _text_problems(name, rule, params)
    ]
    if "DurationSeconds" in params and operation in _MAX_DURATION:
        problems += _duration_problems(params["DurationSeconds"], _MAX_DURATION[operation])
    if operation in {"AssumeRole", "AssumeRoleWithWebIdentity", "GetFederationToken"}:
        problems += _list_problems(params)
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        raise _invalid(count + "; ".join(problems))


def _text_problems(name: str, rule: _Text, params: Mapping[str, Any]) -> Iterable[str]:
    value = params.get(name)
    if value is None:
        if rule.required:
            yield _problem(None, name, "Member must not be null")
        return
    if len(value) < rule.least:
        yield _problem(value, name, f"Member must have length greater than or equal to {rule.least}")
    if rule.most is not None and len(value) > rule.most:
        yield _problem(value, name, f"Member must have length less than or equal to {rule.most}")
    if rule.pattern and not re.fullmatch(rule.pattern, value, re.ASCII):
        yield _problem(value, name, f"Member must satisfy regular expression pattern: {rule.pattern}")


def _duration_problems(value: Any, most: int) -> Iterable[str]:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        yield _problem(value, "DurationSeconds", "Member must be a number")
        return
    if seconds < 900:
        yield _problem(value, "DurationSeconds", "Member must have value greater than or equal to 900")
    if seconds > most:
        yield _problem(value, "DurationSeconds", f"Member must have value less than or equal to {most}")


def _list_problems(params: Mapping[str, Any]) -> Iterable[str]:
    for name, most in _MAX_ITEMS.items():
        if len(params.get(name) or ()) > most:
            constraint = f"Member must have length less than or equal to {most}"
            yield f"Value at '{_camel(name)}' failed to satisfy constraint: {constraint}"
    for index, tag in enumerate(params.get("Tags") or (), 1):
        for part, least, most in (("Key", 1, 128), ("Value", 0, 256)):
            value = tag.get(part)
            where = f"tags.{index}.member.{part.lower()}"
            if value is None:
                yield _problem(None, where, "Member must not be null")
            elif len(value) < least:
                yield _problem(value, where, f"Member must have length greater than or equal to {least}")
            elif len(value) > most:
                yield _problem(value, where, f"Member must have length less than or equal to {most}")
            elif not re.fullmatch(f"(?:{_TAG_CHARACTER})*", value):
                quantity = "+" if part == "Key" else "*"
                pattern = rf"[\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]{quantity}"
                yield _problem(value, where, f"Member must satisfy regular expression pattern: {pattern}")


def _problem(value: Any, name: str, constraint: str) -> str:
    shown = " null" if value is None else f" '{value}'"
    if name == "WebIdentityToken" and value is not None:
        shown = ""  # sensitive members are never shown
    return f"Value{shown} at '{_camel(name)}' failed to satisfy constraint: {constraint}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def role_of(arn: str) -> tuple[str, str]:
    """Account and name of the role with this ARN.

    :raises AwsError: ValidationError
    """
    match = re.fullmatch(r"arn:aws[a-z-]*:iam::([0-9]{12}):role/(?:[\x21-\x7e]+/)?([\w+=,.@-]{1,64})", arn, re.ASCII)
    if match is None:
        raise _invalid(f"{arn} is invalid")
    return match[1], match[2]


async def _find_role(account: str, name: str, arn: str, caller: Credential, ctx: Context) -> Mapping[str, Any]:
    """The role, or the refusal that AWS gives for a role that is not there (it does not tell the two apart)."""
    try:
        role = (await ctx.call("iam", "GetRole", account=account, RoleName=name))["Role"]
    except AwsError as error:
        if error.code not in {"NoSuchEntity", "NoSuchEntityException"}:
            raise
        role = None
    if role is None or role["Arn"] != arn:
        raise _denied(f"User: {caller.principal.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    return role


def _source_identity(params: Mapping[str, Any], caller: Credential) -> str:
    """It is set once in a chain and stays ("Monitor and control actions taken with assumed roles")."""
    given = params.get("SourceIdentity", "")
    if given.lower().startswith("aws:"):
        raise _invalid("SourceIdentity cannot begin with the text aws:")
    if caller.source_identity and given and given != caller.source_identity:
        raise _denied("The source identity of a session cannot be changed when another role is assumed.")
    return caller.source_identity or given


def _user_duration(params: Mapping[str, Any], caller: Credential) -> int:
    """Seconds; 12 hours unless given, and never more than one hour for root ("Compare AWS STS credentials")."""
    if caller.root:
        return min(int(params.get("DurationSeconds", HOUR)), HOUR)
    return int(params.get("DurationSeconds", 12 * HOUR))


# --- session policies and tags ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """The policies and tags that a call passes into its session.

    ``packed`` is a percentage, ``None`` when nothing was passed.
    """

    policies: tuple[Policy, ...] | None
    policy_arns: tuple[str, ...]
    tags: Mapping[str, str]
    packed: int | None

    def packed_size(self) -> dict[str, int]:
        return {} if self.packed is None else {"PackedPolicySize": self.packed}


async def session_limits(params: Mapping[str, Any], account: str, ctx: Context) -> SessionLimits:
    """Session policies and tags of a call, checked.

    :raises AwsError: MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError, InvalidParameterValue
    """
    text = params.get("Policy")
    arns = tuple(item.get("arn") or item.get("Arn") or "" for item in params.get("PolicyArns") or ())
    tags = _request_tags(params.get("Tags") or ())
    policies: tuple[Policy, ...] | None = None
    if text is not None:
        policies = (Policy(_parse_policy(text), name="inline session policy"),)
    elif arns:
        policies = ()
    for arn in arns:
        await _check_managed(arn, account, ctx)
    if text is None and not arns and not tags:
        return SessionLimits(policies, arns, tags, None)
    packed = len(zlib.compress(json.dumps([text, arns, tags]).encode(), 9))
    percent = max(1, packed * 100 // PACKED_SPACE)
    if percent > 100:
        raise AwsError(
            "PackedPolicyTooLarge",
            f"Packed policy consumes {percent}% of allotted space, please use smaller policy.",
            400,
        )
    return SessionLimits(policies, arns, tags, percent)


def _parse_policy(text: str) -> dict[str, Any]:
    try:
        return validate_policy(text, "session")
    except MalformedPolicy as error:
        raise AwsError(error.code, error.message, 400) from error


async def _check_managed(arn: str, account: str, ctx: Context) -> None:
    """A managed session policy must exist, and be AWS's or the same account's as the session."""
    match = re.fullmatch(r"arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+", arn)
    if match is None or match[1] not in {"aws", account}:
        raise _invalid(f"{arn} is invalid: a session policy is an AWS managed policy or one of account {account}.")
    try:
        await ctx.call("iam", "GetPolicy", account=account, PolicyArn=arn)
    except AwsError as error:
        if error.code not in {"NoSuchEntity", "NoSuchEntityException"}:
            raise
        raise _invalid(f"The specified managed policy {arn} does not exist.") from error


def _request_tags(items: Iterable[Mapping[str, str]]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for item in items:
        if item["Key"].lower() in {key.lower() for key in tags}:
            raise _parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
        if item["Key"].lower().startswith("aws:"):
            raise _parameter("Tag keys that begin with aws: are reserved for AWS.")
        tags[item["Key"]] = item["Value"]
    return tags


def _inherited(caller: Credential) -> dict[str, str]:
    """Transitive tags of the calling session, which the new session gets too."""
    names = {key.lower() for key in caller.transitive_tags}
    return {key: value for key, value in caller.session_tags.items() if key.lower() in names}


def _chain_tags(
    given: Mapping[str, str], transitive: Iterable[str], inherited: Mapping[str, str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Tags of the new session and which of them go on ("Chaining roles with session tags").

    :raises AwsError: InvalidParameterValue when an inherited tag would be overridden or a transitive key has no tag
    """
    taken = {key.lower() for key in inherited}
    if any(key.lower() in taken for key in given):
        raise _parameter(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from "
            "the calling session."
        )
    names = {key.lower() for key in given}
    keys = tuple(dict.fromkeys(transitive))
    if any(key.lower() not in names for key in keys):
        raise _parameter("The specified transitive tag key must be included in the requested tags.")
    return {**inherited, **given}, (*inherited, *keys)


def _overlay(base: Mapping[str, str], over: Mapping[str, str]) -> dict[str, str]:
    """Tags of ``over`` win; keys compare without case, and keep the case of the winner."""
    taken = {key.lower() for key in over}
    return {**{key: value for key, value in base.items() if key.lower() not in taken}, **over}


def _tags_of(items: Any) -> dict[str, str]:
    return {item["Key"]: item["Value"] for item in items or ()}


# --- MFA ----------------------------------------------------------------------------------------------------------


async def _check_mfa(params: Mapping[str, Any], caller: Credential, ctx: Context) -> bool:
    """Whether the call brings a good MFA code; ``False`` when it brings none.

    :raises AwsError: AccessDenied
    """
    serial, code = params.get("SerialNumber"), params.get("TokenCode")
    if serial is None and code is None:
        return False
    if serial is None or code is None:
        raise _denied("MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
    if serial not in await _mfa_devices(caller, ctx):
        raise _denied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is "
            "valid and associated with this user."
        )
    mfa_seed = getattr(ctx, "mfa_seed", None)
    seed = await mfa_seed(serial) if mfa_seed is not None else None
    if seed is not None and not _totp_matches(seed, code, ctx.now()):
        raise _denied("MultiFactorAuthentication failed with invalid MFA one time pass code.")
    return True


async def _mfa_devices(caller: Credential, ctx: Context) -> set[str]:
    """Serial numbers of the devices enabled for the calling user; a role session has none."""
    principal = caller.principal
    if principal.type is PrincipalType.ROOT:
        answer = await ctx.call("iam", "ListVirtualMFADevices", account=principal.account, AssignmentStatus="Assigned")
        return {
            device["SerialNumber"]
            for device in answer.get("VirtualMFADevices", ())
            if (device.get("User") or {}).get("Arn", principal.arn) == principal.arn
        }
    if principal.type is not PrincipalType.USER:
        return set()
    user_name = caller.user_name or principal.arn.rpartition("/")[2]
    answer = await ctx.call("iam", "ListMFADevices", account=principal.account, UserName=user_name)
    return {device["SerialNumber"] for device in answer.get("MFADevices", ())}


def totp(seed: str, now: datetime, step: int = 0) -> str:
    """The six digits of RFC 6238 (SHA-1, 30 s) for a base32 ``seed``, ``step`` periods away from ``now``.

    :raises ValueError: the seed is not base32
    """
    padded = seed.upper().replace(" ", "")
    try:
        key = base64.b32decode(padded + "=" * (-len(padded) % 8))
    except binascii.Error as error:
        raise ValueError("an MFA seed must be base32") from error
    digest = hmac.digest(key, struct.pack(">Q", int(now.timestamp()) // 30 + step), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def _totp_matches(seed: str, code: str, now: datetime) -> bool:
    return any(hmac.compare_digest(totp(seed, now, step), code) for step in (-1, 0, 1))


# --- encoded authorization messages -------------------------------------------------------------------------------


def encode_authorization_message(decision: Mapping[str, Any], credentials: Credentials, now: datetime) -> str:
    """The opaque text that EC2 puts behind "Encoded authorization failure message:".

    :param decision: as :func:`labs.aws.iam.decision_to_dict` gives it
    :returns: at most 10,240 characters; condition values are left out when it would be longer
    """
    message = _authorization_message(decision)
    sealed = credentials.seal_text(json.dumps(message, separators=(",", ":")), now)
    if len(sealed) > MAX_ENCODED_MESSAGE:
        message["context"]["conditions"] = {"items": []}
        message["matchedStatements"] = {"items": []}
        sealed = credentials.seal_text(json.dumps(message, separators=(",", ":")), now)
    return sealed


def _authorization_message(decision: Mapping[str, Any]) -> dict[str, Any]:
    """AWS's JSON for a decision ("DecodeAuthorizationMessage", STS API Reference)."""
    request = decision["request"]
    principal = request["principal"]
    explicit = bool(decision.get("explicit"))
    return {
        "allowed": bool(decision["allowed"]),
        "explicitDeny": explicit,
        "matchedStatements": {"items": _matched_statements(decision) if explicit else []},
        "failures": {"items": []},
        "context": {
            "principal": {
                "id": principal.get("user_id", ""),
                "name": principal["arn"].rpartition(":")[2].partition("/")[2],
                "arn": principal["arn"],
            },
            "action": request["action"],
            "resource": request["resource"],
            "conditions": {
                "items": [
                    {"key": key, "values": {"items": [{"value": item} for item in _values(value)]}}
                    for key, value in (request.get("context") or {}).items()
                ]
            },
        },
    }


def _matched_statements(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"statementId": statement.get("sid", ""), "effect": "DENY", "sourcePolicyId": statement.get("policy", "")}
        for gate in decision.get("gates", ())
        for statement in gate.get("statements", ())
        if statement.get("matched") and str(statement.get("effect", "")).lower() == "deny"
    ]


def _values(value: Any) -> Iterable[str]:
    return (value,) if isinstance(value, str) else tuple(value)


# --- small pieces -------------------------------------------------------------------------------------------------


def _mint(ctx: Context, principal: Principal, duration: int, kind: str, **claims: Any) -> Credential:
    now = ctx.now()
    return ctx.credentials.mint(principal, issued=now, expires=now + timedelta(seconds=duration), kind=kind, **claims)


def _credentials(minted: Credential) -> dict[str, Any]:
    return {
        "AccessKeyId": minted.access_key_id,
        "SecretAccessKey": minted.secret,
        "SessionToken": minted.session_token,
        "Expiration": minted.expires,
    }


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message, 400)


def _parameter(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message, 400)


def _denied(message: str) -> AwsError:
    return AwsError("AccessDenied", message, 403)

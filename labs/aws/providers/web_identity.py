"""sts:AssumeRoleWithWebIdentity: an issuer's signed word instead of an access key.

The token is verified here (issuer, key, signature, audience, time); whether the role trusts its bearer is the
evaluator's decision about the role's trust policy, with the token's claims as condition keys.  As on AWS a token may be
used again until it expires: STS keeps no list of used tokens, so whoever copies one is its bearer too.

Issuers are asked over loopback only.  An issuer keeps its public name (``https://token.actions.githubusercontent.com``)
and a lab says where it answers on this machine (:meth:`IssuerKeys.route`), as a name server would.  Left out: AWS's
built-in providers (Amazon, Facebook, Google, Cognito), OAuth access tokens with ``ProviderId``, thumbprints (there is
no TLS on loopback).  AWS publishes the error codes; the texts for a wrong signature, ``iat`` and ``nbf`` are ours.

Pages: "AssumeRoleWithWebIdentity" (STS API Reference), "IAM and AWS STS condition context keys" with its tables for
OIDC federation and GitHub, "Passing session tags in AWS STS", "Create an OpenID Connect (OIDC) identity provider in
IAM", "Monitor and control actions taken with assumed roles" (IAM User Guide).
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from labs.aws import jwt
from labs.aws.gateway.calls import AwsError, ServiceCall
from labs.aws.iam import Principal, PrincipalType
from labs.aws.providers import sts
from labs.aws.providers.oidc import OpenIDConnectProviders

log = logging.getLogger(__name__)

KEYS_TTL = 300.0  # seconds that an issuer's keys are kept; an unknown key id asks again at once
FETCH_SECONDS = 5.0
MAX_DOCUMENT = 1 << 20  # bytes of a discovery document or key set
CLOCK_SKEW = 300  # seconds that an issuer's clock may be ahead
_TAGS = "https://aws.amazon.com/tags"
_SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
# Claims that become condition keys beside aud and sub ("Available keys for AWS OIDC federation"; GitHub's since
# 2026-01).  Any other claim cannot be used in a policy.
_CLAIMS = ("amr", "email")
_CLAIMS_OF = {
    "token.actions.githubusercontent.com": (
        "actor", "actor_id", "job_workflow_ref", "repository", "repository_id", "repository_owner_id", "workflow",
        "ref", "environment", "enterprise_id",
    )
}  # fmt: skip
_IN_SESSION = ("aud", "sub", "amr")  # "Available in session"


@dataclass(frozen=True)
class WebIdentity:
    """Who a verified token says its bearer is, for one account."""

    provider_arn: str
    issuer: str
    audience: str
    subject: str
    context: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""

    @property
    def principal(self) -> Principal:
        """The caller while the trust policy is evaluated: no AWS identity yet, only a federated one."""
        return Principal(
            arn=self.provider_arn, account="", type=PrincipalType.ANONYMOUS, federated_provider=self.provider_arn
        )

    @property
    def element(self) -> dict[str, str]:
        """CloudTrail's ``userIdentity`` ("CloudTrail userIdentity element", example with web identity)."""
        return {
            "type": "WebIdentityUser",
            "principalId": f"{self.provider_arn}:{self.audience}:{self.subject}",
            "userName": self.subject,
            "identityProvider": self.provider_arn,
        }

    def asked(self, call: ServiceCall) -> ServiceCall:
        """The call as the authorizer should see it: what the token brings along counts as asked for."""
        brought = {
            "Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()],
            "TransitiveTagKeys": list(self.transitive),
            "SourceIdentity": self.source_identity,
        }
        return ServiceCall(call.service, call.operation, {**call.params, **brought}, call.protocol, call.region)


# CloudTrail's ``userIdentity`` of a caller whose token could not be verified.
UNKNOWN = {"type": "Unknown", "principalId": "", "accountId": ""}


@dataclass(frozen=True)
class Published:
    """An issuer that every account can reach, from a note in the state folder (a cluster writes it when it starts).

    :param authority: PEM of the authority that vouches for ``location``, "" for the usual ones
    :param keys: path of the keys at ``location``, "" where the issuer's own document says it
    :param cluster: does it sign the service-account tokens of this machine's Kubernetes?
    """

    issuer: str
    location: str
    authority: str = ""
    keys: str = ""
    cluster: bool = False


class IssuerKeys:
    """Where issuers answer, and the keys they sign with.

    :param published: folder with a JSON file for each issuer that every account reaches (:class:`Published`)
    """

    def __init__(self, published: Path) -> None:
        self._published = published
        self._routes: dict[tuple[str, str], str] = {}
        self._kept: dict[tuple[str, str], tuple[float, list[Mapping[str, Any]]]] = {}
        self._clusters: dict[tuple[str, str], str] = {}

    def route(self, account: str, issuer: str, location: str, cluster: str = "") -> None:
        """From now on ``issuer`` answers at ``location`` (``http://127.0.0.1:PORT``) for roles of ``account``.

        :param location: "" forgets the route
        :param cluster: name of the EKS cluster whose service-account issuer this is
        :raises AwsError: not a loopback address
        """
        self._kept.pop((account, issuer), None)
        if not location:
            self._routes.pop((account, issuer), None)
            if self._clusters.get((account, cluster)) == issuer:
                del self._clusters[account, cluster]
        elif not _is_loopback(location):
            raise AwsError("InvalidInput", f"An issuer answers on loopback, not at {location}.", 400)
        else:
            self._routes[account, issuer] = location.rstrip("/")
            if cluster:
                self._clusters[account, cluster] = issuer

    def of_cluster(self, account: str, cluster: str) -> str:
        """The issuer of a cluster's service-account tokens: the one announced for it, else that of this machine's
        Kubernetes, "" where there is neither.
        """
        found = self._clusters.get((account, cluster))
        return found or next((each.issuer for each in self._notes() if each.cluster), "")

    def _notes(self) -> list[Published]:
        found = []
        for path in sorted(self._published.glob("*.json")):
            try:
                note = Published(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError) as error:
                log.warning("%s is no note about an issuer: %s", path, error)
                continue
            if _is_loopback(note.location):
                found.append(note)
        return found

    def clear(self) -> None:
        """Forget routes and keys."""
        self._routes.clear()
        self._clusters.clear()
        self._kept.clear()

    async def find(self, account: str, issuer: str, key_id: str) -> list[Mapping[str, Any]]:
        """The issuer's keys with this id (all of them where the token names none).

        :raises AwsError: IDPCommunicationError, IDPRejectedClaim, InvalidIdentityToken
        """
        kept = self._kept.get((account, issuer))
        found = _named(kept[1], key_id) if kept and time.monotonic() - kept[0] < KEYS_TTL else []
        if not found:
            keys = await self._fetch(account, issuer)
            if len(self._kept) > 1_000:
                self._kept.clear()
            self._kept[account, issuer] = (time.monotonic(), keys)
            found = _named(keys, key_id)
        return found

    async def _fetch(self, account: str, issuer: str) -> list[Mapping[str, Any]]:
        route = self._routes.get((account, issuer))
        note = Published(issuer, route or issuer)
        if not route:
            note = next((each for each in self._notes() if each.issuer == issuer), note)
        location, authority = note.location.rstrip("/"), note.authority
        discovery = await _get(f"{location}/.well-known/openid-configuration", authority)
        keys_at = discovery.get("jwks_uri")
        if discovery.get("issuer") != issuer or not isinstance(keys_at, str):
            raise _no_key()
        if note.keys:
            keys_at = location + note.keys
        elif keys_at.startswith(issuer.rstrip("/")):
            keys_at = location + keys_at.removeprefix(issuer.rstrip("/"))
        keys = (await _get(keys_at, authority)).get("keys")
        return [key for key in keys if isinstance(key, Mapping)] if isinstance(keys, list) else []


async def authenticate(
    params: Mapping[str, Any], providers: OpenIDConnectProviders, keys: IssuerKeys, now: datetime
) -> WebIdentity:
    """Verify the token of an AssumeRoleWithWebIdentity call, in AWS's order as far as it can be observed.

    :raises AwsError: ValidationError, InvalidIdentityToken, ExpiredTokenException, IDPCommunicationError
    """
    sts.validate("AssumeRoleWithWebIdentity", {name: value for name, value in params.items() if value is not None})
    if params.get("ProviderId"):
        raise AwsError("ValidationError", "ProviderId must not be specified for an OpenID Connect ID token.", 400)
    try:
        token = jwt.parse(params["WebIdentityToken"])
    except jwt.NotAToken as error:
        message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
        raise _invalid(message) from error
    issuer = _text(token.claims, "iss")
    account = sts.role_of(params["RoleArn"])[0]
    provider = providers.of_issuer(account, issuer)
    if provider is None:
        raise _invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    arn, record = provider
    audience, authorized_party = _audience(token.claims, record["client_ids"])
    check_times(token.claims, now)
    await check_signature(token, account, issuer, keys)
    subject = _text(token.claims, "sub")
    tags, transitive = _session_tags(token.claims)
    source_identity = token.claims.get(_SOURCE_IDENTITY, "")
    return WebIdentity(
        provider_arn=arn,
        issuer=issuer,
        audience=audience,
        subject=subject,
        context=_context(token.claims, issuer, audience, authorized_party, subject),
        tags=tags,
        transitive=transitive,
        source_identity=source_identity if isinstance(source_identity, str) else "",
    )


async def assume(call: ServiceCall, identity: WebIdentity, ctx: sts.Context) -> dict[str, Any]:
    """The session, after the trust policy allowed it.

    :raises AwsError: ValidationError, MalformedPolicyDocument, PackedPolicyTooLarge, InvalidParameterValue
    """
    params = identity.asked(call).params
    account, name = sts.role_of(params["RoleArn"])
    role = (await ctx.call("iam", "GetRole", account=account, RoleName=name))["Role"]
    duration = int(params.get("DurationSeconds") or sts.HOUR)
    sts.check_duration(duration, role)
    limits = await sts.session_limits(params, account, ctx)
    host = identity.issuer.removeprefix("https://")
    minted = sts.issue_role_session(
        ctx,
        role,
        params["RoleSessionName"],
        duration,
        limits,
        dict(identity.tags),
        identity.transitive,
        kind="web-identity",
        source_identity=identity.source_identity,
        federated_provider=identity.provider_arn,
        context={
            key: value
            for key, value in identity.context.items()
            if isinstance(value, str) and key in {f"{host}:{claim}" for claim in _IN_SESSION}
        },
    )
    return {
        **sts.assumed(minted, limits),
        "SubjectFromWebIdentityToken": identity.subject,
        "Provider": identity.provider_arn,
        "Audience": identity.audience,
        **({"SourceIdentity": identity.source_identity} if identity.source_identity else {}),
    }


# --- the token ----------------------------------------------------------------------------------------------------


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid(f"Missing a required claim: {name}")
    return value


def _audience(claims: Mapping[str, Any], client_ids: list[str]) -> tuple[str, str]:
    """The audience and ``azp``; where ``azp`` is set, it is what the provider's client ids must hold."""
    value = claims.get("aud")
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not audiences or not all(isinstance(item, str) for item in audiences):
        raise _invalid("Missing a required claim: aud")
    authorized_party = claims.get("azp", "")
    if not isinstance(authorized_party, str):
        raise _invalid("Incorrect token audience")
    known = [item for item in ([authorized_party] if authorized_party else audiences) if item in client_ids]
    if not known:
        raise _invalid("Incorrect token audience")
    return (audiences[0] if authorized_party else known[0]), authorized_party


def check_times(claims: Mapping[str, Any], now: datetime) -> None:
    """:raises AwsError: ExpiredTokenException, or InvalidIdentityToken for a missing or future time"""
    seconds = int(now.timestamp())
    times = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    for name, value in times.items():
        absent = value is None and name == "nbf"
        if not absent and (isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value)):
            raise _invalid(f"Missing a required claim: {name}")
    expires, issued, begins = times["exp"], times["iat"], times["nbf"]
    if seconds >= expires:  # type: ignore[operator]  # numbers, as checked above
        raise AwsError(
            "ExpiredTokenException",
            f"Token expired: current date/time {seconds} must be before the expiration date/time {int(expires)}",  # type: ignore[arg-type]
            400,
        )
    if max(issued, begins or 0) > seconds + CLOCK_SKEW:  # type: ignore[type-var,operator]
        raise _invalid("The identity token is not valid yet: its iat or nbf lies in the future.")


def _finite(value: int | float) -> bool:
    """JSON as Python reads it knows NaN and Infinity, which no comparison with a clock would refuse."""
    return isinstance(value, int) or math.isfinite(value)


async def check_signature(token: jwt.Token, account: str, issuer: str, keys: IssuerKeys) -> None:
    """:raises AwsError: the issuer has no such key, cannot be asked, or did not sign this token"""
    found = await keys.find(account, issuer, token.key_id)
    if not found:
        raise _no_key()
    if not any(jwt.verify(token, key) for key in found):
        raise _invalid("The signature of the identity token does not match the identity provider's key.")


def _context(
    claims: Mapping[str, Any], issuer: str, audience: str, authorized_party: str, subject: str
) -> dict[str, str | tuple[str, ...]]:
    host = issuer.removeprefix("https://")
    context: dict[str, str | tuple[str, ...]] = {
        f"{host}:aud": authorized_party or audience,
        f"{host}:sub": subject,
    }
    if authorized_party:
        context[f"{host}:oaud"] = audience
    for name in (*_CLAIMS, *_CLAIMS_OF.get(host, ())):
        value = claims.get(name)
        if isinstance(value, list):
            context[f"{host}:{name}"] = tuple(str(item) for item in value)
        elif isinstance(value, str | int | float):
            context[f"{host}:{name}"] = str(value)
    return context


def _session_tags(claims: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The ``https://aws.amazon.com/tags`` claim, nested or flattened ("Passing session tags using
    AssumeRoleWithWebIdentity")."""
    nested = claims.get(_TAGS, {})
    if not isinstance(nested, Mapping) or not isinstance(nested.get("principal_tags", {}), Mapping):
        raise _invalid(f"The claim {_TAGS} is not valid.")
    given = dict(nested.get("principal_tags", {}))
    prefix = f"{_TAGS}/principal_tags/"
    given.update({name.removeprefix(prefix): value for name, value in claims.items() if name.startswith(prefix)})
    transitive = nested.get("transitive_tag_keys", claims.get(f"{_TAGS}/transitive_tag_keys", ()))
    tags: dict[str, str] = {}
    for key, value in given.items():
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or len(values) != 1 or not isinstance(values[0], str):
            raise _invalid(f"The claim {_TAGS} must give each tag one value.")
        tags[key] = values[0]
    keys = tuple(transitive) if isinstance(transitive, list | tuple) else (str(transitive),)
    if any(not isinstance(key, str) or key not in tags for key in keys):
        raise _invalid(f"The claim {_TAGS} makes a tag transitive that it does not give.")
    return tags, keys


# --- the issuer ---------------------------------------------------------------------------------------------------


def _named(keys: list[Mapping[str, Any]], key_id: str) -> list[Mapping[str, Any]]:
    return [key for key in keys if not key_id or key.get("kid") == key_id]


def _is_loopback(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and parts.hostname in ("127.0.0.1", "localhost", "::1")


async def _get(url: str, authority: str = "") -> dict[str, Any]:
    """A JSON object from an issuer.

    :param authority: PEM, instead of the authorities that this machine trusts
    :raises AwsError: IDPCommunicationError when nobody answers there, InvalidIdentityToken when the answer is no use
    """
    import httpx

    if not _is_loopback(url):
        raise _unreachable()  # this endpoint never leaves the machine
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(trust_env=False, verify=_trust(url, authority)) as client,
            client.stream("GET", url) as response,
        ):
            content = b""
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_DOCUMENT:
                    raise _no_key()
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, TimeoutError) as error:
        raise _unreachable() from error
    if response.status_code in (401, 403):
        raise AwsError("IDPRejectedClaim", "The identity provider (IdP) reported that authentication failed.", 403)
    if response.status_code != 200:
        raise _no_key()
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _no_key() from error
    if not isinstance(found, dict):
        raise _no_key()
    return found


def _trust(url: str, authority: str) -> ssl.SSLContext | bool:
    if not authority:
        return url.startswith("https:")
    return ssl.create_default_context(cadata=authority)


def _unreachable() -> AwsError:
    return AwsError(
        "IDPCommunicationError",
        "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the incoming "
        "identity token could not be reached.",
        400,
    )


def _no_key() -> AwsError:
    return _invalid(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
        "documentation for requirements"
    )


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidIdentityToken", message, 400)

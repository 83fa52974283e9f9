"""Whose access key is this, what is its secret, and what did the session bring along?

Temporary credentials are stateless: the session token is an encrypted record (Fernet) and every secret is derived from
the access key id and a master key, so nothing is stored and any gateway process with the same master key can open them.
Tags in a token are those at the time of issue; of policies it holds only an inline session policy.
Long-term keys belong to IAM users in the engine: the gateway passes in a function that finds a key's owner.

Pages: "Temporary security credentials in IAM", "Compare AWS STS credentials", "AWS global condition context keys" and
"Passing session tags in AWS STS" (IAM User Guide).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from labs.aws.gateway.signing import Signature, authentication_error
from labs.aws.iam.model import Policy, Principal, PrincipalType

ROOT_SECRET = "test"
MANAGEMENT_ACCOUNT = "000000000000"
LOCALSTACK_CLIENT = ("accesskey", "secretkey")  # localstack-client's own default: the administrator, like test/test
_TEMPORARY = "ASIA"
_LONG_TERM = "AKIA"
_LONG_TERM_TAKEN = (_LONG_TERM, "LKIA")  # LocalStack's begin with LKIA unless PARITY_AWS_ACCESS_KEY_ID is set there
_ACCOUNT_MASK = 0x7FFFFFFFFF80  # where an access key id carries its account, see account_of
_MAX_CLAIMS = 1 << 20  # bytes of an opened token


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """The IAM user (or root, whose ARN ends in ``:root``) that a long-term access key belongs to."""

    account: str
    user_name: str
    user_arn: str
    user_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "Active"  # or "Inactive", which authenticates nobody


KeyLookup = Callable[[str], Awaitable[KeyOwner | None]]


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key with everything that authorization needs to know about its session.

    ``kind``: ``"long-term"``, ``"session"`` (GetSessionToken), ``"role"``, ``"federated"`` (GetFederationToken) or
    ``"web-identity"``.  ``session_policies`` holds the inline session policy; ``session_policy_arns`` the managed ones,
    to be resolved when a request is authorised.  ``session_policies`` is ``None`` only if the session has no session
    policy at all; with ARNs alone it is ``()``, so that forgetting to resolve them denies.  ``issuer_arn`` is the user
    (or root) whose own policies also limit a federated user.  ``session_tags`` are those passed or inherited, already
    overlaid on ``principal.tags``; ``transitive_tags`` names those that the next role in a chain inherits.
    ``context`` holds extra condition keys fixed for the whole session.
    """

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    kind: str = "long-term"
    session_token: str | None = field(default=None, repr=False)
    session_policies: tuple[Policy, ...] | None = None
    session_policy_arns: tuple[str, ...] = ()
    issued: datetime | None = None
    expires: datetime | None = None
    mfa: bool = False
    mfa_time: datetime | None = None
    source_identity: str = ""
    session_tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tags: tuple[str, ...] = ()
    role_session_name: str = ""
    role_id: str = ""
    issuer_arn: str = ""
    federated_provider: str = ""
    user_name: str = ""
    context: Mapping[str, str] = field(default_factory=dict)

    @property
    def temporary(self) -> bool:
        return self.session_token is not None

    @property
    def root(self) -> bool:
        return self.principal.type is PrincipalType.ROOT

    def condition_keys(self, now: datetime) -> dict[str, str]:
        """Condition keys that come from the session itself ("AWS global condition context keys").

        ``aws:MultiFactorAuthPresent`` exists for temporary credentials only, ``aws:MultiFactorAuthAge`` (seconds) only
        with MFA; role sessions never carry MFA ("Secure API access with MFA").
        """
        keys = dict(self.context)
        if self.temporary:
            keys["aws:MultiFactorAuthPresent"] = "true" if self.mfa else "false"
        if self.mfa and self.mfa_time is not None:
            keys["aws:MultiFactorAuthAge"] = str(max(0, int((now - self.mfa_time).total_seconds())))
        if self.temporary and self.issued is not None:
            keys["aws:TokenIssueTime"] = self.issued.strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.source_identity:
            keys["aws:SourceIdentity"] = self.source_identity
        if self.federated_provider:
            keys["aws:FederatedProvider"] = self.federated_provider
        return keys


class Credentials:
    """Mints and opens credentials under one master key.

    :param master_key: 16 bytes or more; whoever holds it can make any credential
    """

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) < 16:
            raise ValueError("the master key must have at least 16 bytes")
        self._master = master_key
        self._fernet = Fernet(base64.urlsafe_b64encode(hmac.digest(master_key, b"fernet", "sha256")))
        self._claims = lru_cache(maxsize=2048)(self._decrypt)
        self.secret_for = lru_cache(maxsize=8192)(self._derive_secret)

    def _derive_secret(self, access_key_id: str) -> str:
        digest = hmac.digest(self._master, b"secret:" + access_key_id.encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:30]).decode()

    def long_term_id(self, account: str) -> str:
        """A fresh ``AKIA…`` access key id of ``account`` (12 digits)."""
        return _access_key_id(_LONG_TERM, account)

    def mint(
        self, principal: Principal, *, issued: datetime, expires: datetime, kind: str, **claims: Any
    ) -> Credential:
        """New temporary credentials.

        :param principal: the session's principal, tags included
        :param issued: aware datetime; whole seconds are kept
        :param claims: other fields of :class:`Credential` (not the key, secret or token)
        """
        access_key_id = _access_key_id(_TEMPORARY, principal.account)
        credential = Credential(
            access_key_id=access_key_id,
            secret=self.secret_for(access_key_id),
            principal=principal,
            kind=kind,
            issued=issued.replace(microsecond=0),
            expires=expires.replace(microsecond=0),
            **claims,
        )
        return replace(credential, session_token=self._seal(_to_claims(credential), issued))

    def open(
        self,
        access_key_id: str,
        session_token: str | None,
        now: datetime,
        shorthands: bool = False,
        service: str = "sts",
        protocol: str = "query",
    ) -> Credential | None:
        """The credential of a temporary key or a shorthand; ``None`` for a long-term key (ask for its owner).

        :param shorthands: whether ``test`` and 12-digit ids with the secret ``test`` are roots (host listener only)
        :param service: with ``protocol``, shapes the errors
        :raises AwsError: unknown id, a token that is missing, not ours or not this key's, or expired
        """
        if shorthands and access_key_id == LOCALSTACK_CLIENT[0] and session_token is None:
            management = root_principal(MANAGEMENT_ACCOUNT)
            return Credential(access_key_id=access_key_id, secret=LOCALSTACK_CLIENT[1], principal=management)
        if shorthands and (access_key_id == "test" or re.fullmatch(r"[0-9]{12}", access_key_id)):
            if session_token is not None:
                raise authentication_error("invalid-token", service, protocol)
            account = MANAGEMENT_ACCOUNT if access_key_id == "test" else access_key_id
            return Credential(access_key_id=access_key_id, secret=ROOT_SECRET, principal=root_principal(account))
        if session_token is None:
            if not access_key_id.startswith(_LONG_TERM_TAKEN):
                raise authentication_error("unknown-key", service, protocol)
            return None
        claims = self._claims(session_token)
        if claims is None or claims.get("id") != access_key_id:
            raise authentication_error("invalid-token", service, protocol)
        credential = _from_claims(claims, self.secret_for(access_key_id), session_token)
        if credential.expires is not None and now >= credential.expires:
            raise authentication_error("expired-token", service, protocol)
        return credential

    def long_term(self, access_key_id: str, owner: KeyOwner) -> Credential:
        """The credential of an IAM user's (or root's) own access key."""
        if owner.user_arn.endswith(":root"):
            principal = root_principal(owner.account)
        else:
            principal = Principal(
                arn=owner.user_arn, account=owner.account, type=PrincipalType.USER, user_id=owner.user_id,
                tags=dict(owner.tags),
            )
        return Credential(
            access_key_id=access_key_id, secret=self.secret_for(access_key_id), principal=principal,
            user_name=owner.user_name,
        )

    async def resolve(
        self,
        signature: Signature,
        now: datetime,
        key_owner: KeyLookup,
        shorthands: bool = False,
        protocol: str = "",
    ) -> Credential:
        """The credential that a signature claims; :func:`~labs.aws.gateway.signing.verify` still has to prove it.

        :param key_owner: finds the owner of a long-term key, ``None`` when no such key exists
        :raises AwsError: as :meth:`open`, and unknown or inactive long-term keys
        """
        protocol = protocol or signature.protocol
        credential = self.open(
            signature.access_key_id, signature.session_token, now, shorthands, signature.service, protocol
        )
        if credential is not None:
            return credential
        owner = await key_owner(signature.access_key_id)
        if owner is None or owner.status != "Active":
            raise authentication_error("unknown-key", signature.service, protocol)
        return self.long_term(signature.access_key_id, owner)

    def seal_text(self, text: str, now: datetime) -> str:
        """Encrypt a text for the holder of the master key, e.g. an encoded authorization message."""
        return self._seal({"text": text}, now)

    def open_text(self, sealed: str) -> str | None:
        """The text behind :meth:`seal_text`, or ``None`` when it was not sealed here."""
        claims = self._decrypt(sealed)
        text = None if claims is None else claims.get("text")
        return text if isinstance(text, str) else None

    def _seal(self, claims: Mapping[str, Any], now: datetime) -> str:
        packed = zlib.compress(json.dumps(claims, separators=(",", ":")).encode(), 9)
        return self._fernet.encrypt_at_time(packed, int(now.timestamp())).decode()

    def _decrypt(self, token: str) -> dict[str, Any] | None:
        try:
            packed = self._fernet.decrypt(token.encode("ascii"))
            claims = json.loads(zlib.decompressobj().decompress(packed, _MAX_CLAIMS))
        except (InvalidToken, UnicodeEncodeError, zlib.error, ValueError):
            return None
        return claims if isinstance(claims, dict) and ("id" in claims or "text" in claims) else None


def root_principal(account: str) -> Principal:
    """The root user of an account."""
    return Principal(arn=f"arn:aws:iam::{account}:root", account=account, type=PrincipalType.ROOT, user_id=account)


def account_of(access_key_id: str) -> str | None:
    """The account number that an access key id carries, or ``None``.

    AWS does not document the encoding; its current ids carry the number in 40 bits behind the prefix, and ours do too,
    so that tools which read it from an id work.
    """
    if not re.fullmatch(r"[A-Z]{4}[A-Z2-7]{16}", access_key_id):
        return None
    try:
        raw = base64.b32decode(access_key_id[4:])
    except binascii.Error:
        return None
    number = (int.from_bytes(raw[:6], "big") & _ACCOUNT_MASK) >> 7
    return f"{number:012d}" if raw[0] & 0x80 and number < 10**12 else None


def _access_key_id(prefix: str, account: str) -> str:
    random = os.urandom(5)
    head = 1 << 47 | int(account) << 7 | random[0] & 0x7F
    return prefix + base64.b32encode(head.to_bytes(6, "big") + random[1:]).decode()


# --- the record inside a token ------------------------------------------------------------------------------------

_PLAIN = (
    "kind", "mfa", "source_identity", "role_session_name", "role_id", "issuer_arn", "federated_provider", "user_name",
)


def _to_claims(credential: Credential) -> dict[str, Any]:
    principal = credential.principal
    policies = credential.session_policies
    return {
        "id": credential.access_key_id,
        "principal": {
            "arn": principal.arn, "account": principal.account, "type": principal.type.value,
            "user_id": principal.user_id, "role_arn": principal.role_arn, "tags": dict(principal.tags),
            "is_service_linked_role": principal.is_service_linked_role,
            "issuer_arn": principal.issuer_arn,
            "federated_provider": principal.federated_provider,
        },
        "policies": None if policies is None else [[p.name, p.arn, dict(p.document)] for p in policies],
        "policy_arns": list(credential.session_policy_arns),
        "issued": _seconds(credential.issued), "expires": _seconds(credential.expires),
        "mfa_time": _seconds(credential.mfa_time),
        "session_tags": dict(credential.session_tags), "transitive": list(credential.transitive_tags),
        "context": dict(credential.context),
        **{name: getattr(credential, name) for name in _PLAIN},
    }


def _from_claims(claims: Mapping[str, Any], secret: str, token: str) -> Credential:
    policies = claims["policies"]
    principal = dict(claims["principal"])
    principal["type"] = PrincipalType(principal["type"])
    return Credential(
        access_key_id=claims["id"], secret=secret, session_token=token, principal=Principal(**principal),
        session_policies=None if policies is None else tuple(Policy(doc, name, arn) for name, arn, doc in policies),
        session_policy_arns=tuple(claims["policy_arns"]),
        issued=_time(claims["issued"]), expires=_time(claims["expires"]), mfa_time=_time(claims["mfa_time"]),
        session_tags=claims["session_tags"], transitive_tags=tuple(claims["transitive"]), context=claims["context"],
        **{name: claims[name] for name in _PLAIN},
    )


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
